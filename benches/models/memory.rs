//! The memory and the threads of server processes, as `/proc` tells them.
//!
//! The memory of several processes is added up, so what they share, such as the program itself, counts as often.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::support::{Failure, ServerProcess};

/// The most that was seen.
#[derive(Default)]
pub(crate) struct Peak {
    /// Bytes.
    pub(crate) resident: u64,
    pub(crate) threads: u64,
}

/// Looks at processes again and again until it is told to end.
pub(crate) struct Watch {
    is_over: Arc<AtomicBool>,
    watching: JoinHandle<Result<Peak, Failure>>,
}

impl Watch {
    pub(crate) fn begin(servers: &[ServerProcess]) -> Self {
        let ids: Vec<u32> = servers.iter().map(|server| server.0.id()).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let watching = std::thread::spawn(move || {
            let mut peak = Peak::default();
            while !told.load(Ordering::Acquire) {
                peak.resident = peak.resident.max(total(&ids, "VmRSS:")? * 1024);
                peak.threads = peak.threads.max(total(&ids, "Threads:")?);
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(peak)
        });
        Self { is_over, watching }
    }

    pub(crate) fn end(self) -> Result<Peak, Failure> {
        self.is_over.store(true, Ordering::Release);
        self.watching.join().map_err(|_| "looking at the servers panicked")?
    }
}

/// The memory of these processes now, in bytes.
pub(crate) fn resident(servers: &[ServerProcess]) -> Result<u64, Failure> {
    let ids: Vec<u32> = servers.iter().map(|server| server.0.id()).collect();
    Ok(total(&ids, "VmRSS:")? * 1024)
}

/// The sum of an entry of `/proc/…/status`.
fn total(ids: &[u32], entry: &str) -> Result<u64, Failure> {
    let mut sum = 0;
    for id in ids {
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let value = status.lines().find_map(|line| line.strip_prefix(entry));
        let number = value.and_then(|value| value.split_whitespace().next());
        sum += number.ok_or("the system does not say")?.parse::<u64>()?;
    }
    Ok(sum)
}
