//! Faults of real networks and processes: links that delay, throttle, cut, reset and fall silent, processes that are stopped and
//! killed, crowds, and storms of cancels.
//!
//! Everything goes over loopback, between ports that the system chose. A test waits for events; where a timeout is the behaviour, it is
//! short, and its end is awaited.

#[path = "../e2e/support/mod.rs"]
#[expect(dead_code, unused_imports, unused_macros, reason = "these tests need less of it")]
mod support;

mod chains;
mod crowds;
mod links;
mod process;
mod processes;
mod proxy;
mod storms;
mod streams;

/// Bytes in use are counted, so that what a storm leaves behind is seen.
#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;
