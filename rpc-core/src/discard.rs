//! Dropping what is the user's, and may panic in its destructor.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Drops a value of the user's, such as what a handler panicked with. A panic of its destructor ends here.
pub fn discard(value: Box<dyn Any + Send>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // What it panicked with may panic in turn. Enough: this one is leaked; the panic hook has printed what there is to say.
        mem::forget(payload);
    }
}
