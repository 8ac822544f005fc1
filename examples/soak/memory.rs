//! The memory of this process: what the program holds of the heap, to the byte, and what the system has given it.

use std::{alloc::System, fmt};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// Allocated and not freed, in bytes.
    pub(crate) heap: usize,
    /// Resident, in bytes; 0 where the system does not say.
    pub(crate) resident: usize,
}

impl Memory {
    pub(crate) fn now() -> Self {
        let stats = ALLOCATOR.stats();
        let heap = stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = resident.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
        Self { heap, resident: kibibytes.unwrap_or(0_usize) * 1024 }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        write!(f, "heap {:.2} MiB, RSS {:.1} MiB", mebibytes(self.heap), mebibytes(self.resident))
    }
}
