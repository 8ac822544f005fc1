//! Which calls are sent again, and when.
//!
//! * At once, and for nothing: a call of which no byte was written, one that was refused by a server that goes away, and one that was
//!   sent in ignorance of the server's limit. None of them has started.
//! * After a pause, and out of the budget: a call that was refused for want of room, and an idempotent one that may have run.
//!
//! The pause is that of the backoff, or what the server asked for, if that is longer. A call whose deadline would pass meanwhile
//! ends at once instead. So does one of whose streams an item has passed, in either direction: items are not kept, and not taken back.

use std::time::Instant;

use super::{
    Channel,
    calls::{Entry, Stage},
    link::{State, at_least},
};
use crate::{Code, Error};

impl<W> Entry<W> {
    /// What is true of the call as a whole: an earlier attempt may have run, whatever became of the last one.
    pub(super) fn truth(&self, error: Error) -> Error {
        if self.may_have_run { error.not_started(false) } else { error }
    }
}

impl<W: Default> Channel<W> {
    /// Whether a refused call goes back into the queue at once.
    pub(super) fn is_sent_again(&mut self, slot: u32, error: &Error) -> bool {
        let entry = self.calls.entry(slot);
        let leaves = matches!(self.links.get(entry.link).state, State::Draining { .. });
        entry.stage == Stage::Sent
            && !entry.is_under_way()
            && error.is_not_started()
            && match error.kind() {
                Code::Unavailable => leaves,
                Code::ResourceExhausted => entry.early,
                _ => false,
            }
    }

    /// Pauses a call that failed with `error` and may be repeated.
    ///
    /// # Errors
    ///
    /// What the call ends with, if it is not repeated.
    pub(super) fn repeat(&mut self, slot: u32, error: Error, now: Instant) -> Result<(), Error> {
        let entry = self.calls.entry(slot);
        let idempotent = entry.outgoing.idempotent;
        let invited = error.retry_after().is_some();
        let may_be = match error.kind() {
            Code::Unavailable => error.is_not_started() || idempotent,
            Code::ResourceExhausted => invited && (error.is_not_started() || idempotent),
            _ => invited && idempotent,
        };
        if !may_be
            || entry.is_under_way()
            || error.is_application()
            || entry.repeats + 1 >= self.config.max_attempts
        {
            return Err(entry.truth(error));
        }
        let pause = self.config.retry_backoff.pause(entry.repeats + 1, &mut self.random);
        let until = now + at_least(pause, error.retry_after());
        if entry.deadline.is_some_and(|deadline| deadline <= until) {
            return Err(entry.truth(error));
        }
        if !self.budget.withdraw(now) {
            let message = format!(
                "{}; the call was not repeated, because the channel's `retry_budget` is used up",
                error.message()
            );
            return Err(entry.truth(error.with_message(message)));
        }
        entry.repeats += 1;
        entry.may_have_run |= !error.is_not_started();
        entry.stage = Stage::Paused;
        entry.until = Some(until);
        self.due(Some(until));
        Ok(())
    }
}
