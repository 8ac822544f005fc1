//! What a server and a client tell `tracing`: each call ends once, with its outcome, a handler that holds others up is named, and
//! connections are told from their opening to their end.
//!
//! One subscriber serves the whole process; a test that counts everything has one of its own, on its own thread.

#![expect(
    clippy::panic,
    reason = "a handler panics on purpose, and a test that waits in vain says for what"
)]

mod accepting;
mod calls;
mod connections;
mod holding;
mod lacking;
mod log;
mod once;
mod streams;
#[path = "../e2e/support/wire.rs"]
#[expect(dead_code, reason = "other tests say more of the protocol by hand")]
mod wire;
