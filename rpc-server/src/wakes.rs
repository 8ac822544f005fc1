//! Which handlers of a connection want to be polled.
//!
//! Every slot has a waker of its own, made once. Waking it puts the slot's number into the connection's list and wakes the
//! connection's task; the task swaps the list out and polls just those. A number stands in the list at most once, so the
//! list is never longer than there are slots. A wake of a slot that was reused meanwhile is a spurious poll, which futures
//! allow.

use std::{
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// The list of one connection, and its task.
#[derive(Default)]
pub(crate) struct Wakes {
    woken: Mutex<Vec<u32>>,
    task: AtomicWaker,
}

impl Wakes {
    /// Notes the task that is to be woken.
    pub(crate) fn register(&self, waker: &Waker) {
        self.task.register(waker);
    }

    /// Wakes the task without naming a slot.
    pub(crate) fn wake_task(&self) {
        self.task.wake();
    }

    /// Frees the memory of the list.
    pub(crate) fn shrink(&self) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).shrink_to_fit();
    }

    /// Exchanges the list for an empty one.
    pub(crate) fn swap(&self, list: &mut Vec<u32>) {
        mem::swap(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner), list);
    }
}

/// One slot's entry to the list.
pub(crate) struct SlotWake {
    slot: u32,
    is_listed: AtomicBool,
    wakes: Arc<Wakes>,
}

impl SlotWake {
    pub(crate) fn new(slot: u32, wakes: &Arc<Wakes>) -> Arc<Self> {
        Arc::new(Self { slot, is_listed: AtomicBool::new(false), wakes: Arc::clone(wakes) })
    }

    /// The connection's task lists the slot itself; whether it was not listed.
    pub(crate) fn list(&self) -> bool {
        !self.is_listed.swap(true, Ordering::AcqRel)
    }

    /// The slot is about to be polled: the next wake lists it again.
    ///
    /// An exchange, not a store: a store could become visible after the poll's own loads, and a wake between the two would
    /// be lost.
    pub(crate) fn unlist(&self) {
        self.is_listed.swap(false, Ordering::AcqRel);
    }
}

impl Wake for SlotWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.list() {
            self.wakes.woken.lock().unwrap_or_else(PoisonError::into_inner).push(self.slot);
            self.wakes.task.wake();
        }
    }
}
