//! The calls in flight over all connections of a server.
//!
//! Counted are the calls whose handlers are pending: one that is ready at its first poll holds nothing and costs nothing here. So a
//! connection looks for room before it starts a call, and takes it when the call stays: connections on several threads may take as
//! many permits too many as there are threads.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// How many calls may be in flight over all connections, and how many are.
#[derive(Debug)]
pub struct Permits {
    limit: u32,
    taken: AtomicU32,
}

impl Permits {
    /// Room for so many calls; for at least one.
    pub fn new(limit: u32) -> Arc<Self> {
        Arc::new(Self { limit: limit.max(1), taken: AtomicU32::new(0) })
    }

    /// How many calls may be in flight.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// How many are.
    pub fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Counts a handler that runs on although its connection is gone, until what comes back is dropped.
    pub fn outlive(self: &Arc<Self>) -> Outliving {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Outliving(Arc::clone(self))
    }
}

/// The permit of a handler that outlives its connection.
#[derive(Debug)]
pub struct Outliving(Arc<Permits>);

impl Drop for Outliving {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The permits of one connection, which go back with it.
#[derive(Debug)]
pub(super) struct Held {
    permits: Arc<Permits>,
    count: u32,
}

impl Held {
    pub(super) fn new(permits: Arc<Permits>) -> Self {
        Self { permits, count: 0 }
    }

    pub(super) fn limit(&self) -> u32 {
        self.permits.limit
    }

    pub(super) fn has_room(&self) -> bool {
        self.permits.taken() < self.permits.limit
    }

    pub(super) fn take(&mut self) {
        self.count += 1;
        self.permits.taken.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn give(&mut self) {
        debug_assert!(self.count > 0, "a permit is given back once");
        self.count -= 1;
        self.permits.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.permits.taken.fetch_sub(self.count, Ordering::Relaxed);
    }
}
