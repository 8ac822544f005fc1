//! Why a bar is missed, for each row where that was found out.
//!
//! The names of the rows are those in `bar.rs`, the runtimes `current-thread` and `multi-thread`, and nothing for the row `wire`. A
//! reason is printed only while its row is missed; one that names no row is an error.

/// A row's name, the runtime, and a sentence that goes on from "is missed:".
pub(super) type Reason = (&'static str, &'static str, &'static str);

pub(super) const REASONS: &[Reason] = &[];
