//! What the handler that runs on this thread passes on to the calls that it makes.
//!
//! A driver enters a scope around each poll of a handler; a client reads it when a call is *made*. A
//! thread-local costs a load and a store there, where a task-local would wrap every handler's future. The guard
//! restores what was before, also when the handler panics.

use std::{cell::Cell, time::Instant};

thread_local! {
    static INHERITED: Cell<Inherited> = const { Cell::new(Inherited { deadline: None }) };
}

/// What a nested call inherits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inherited {
    /// The deadline of the call that is being handled; a nested call ends no later.
    pub deadline: Option<Instant>,
}

impl Inherited {
    /// What a call with this deadline passes on.
    pub fn new(deadline: Option<Instant>) -> Self {
        Self { deadline }
    }
}

/// What a call that is made now, on this thread, inherits.
pub fn inherited() -> Inherited {
    INHERITED.get()
}

/// Enters the scope of a handler, until the guard is dropped.
pub fn enter(inherited: Inherited) -> Entered {
    Entered { before: INHERITED.replace(inherited) }
}

/// Restores, when dropped, what was inherited before.
#[derive(Debug)]
#[must_use = "the scope ends when the guard is dropped"]
pub struct Entered {
    before: Inherited,
}

impl Drop for Entered {
    fn drop(&mut self) {
        INHERITED.set(self.before);
    }
}

#[cfg(test)]
mod tests;
