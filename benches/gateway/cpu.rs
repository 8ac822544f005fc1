//! Processor time of a process, as the kernel counts it.

use std::fs;

use crate::support::Failure;

/// The seconds of processor time, user and system, that the threads of a process have had so far; `self` is this one. Threads that ended do not count.
pub(crate) fn cpu_seconds(process: &str) -> Result<f64, Failure> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let line = fs::read_to_string(thread?.path().join("schedstat"))?;
        let ran = line.split_whitespace().next().ok_or("the kernel does not count")?;
        nanoseconds += ran.parse::<u64>()?;
    }
    Ok(nanoseconds as f64 / 1e9)
}
