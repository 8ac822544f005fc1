//! How calls end: refused, cancelled, answered at once, or answered after they were pending.

use std::time::Instant;

use super::{
    Connection, Pending,
    interface::{CallKey, Event, answer_too_large},
};
use crate::{Error, message, payload::Span, value::Encoder};

impl Connection {
    /// Answers a call that did not start. A notification has nobody to tell.
    pub(super) fn refuse(&mut self, id: Option<u32>, method: Option<Span>, error: Error) -> Event {
        let error = error.not_started(true);
        if let Some(id) = id {
            self.write_failure(id, &error);
        }
        Event::Refused { method, error }
    }

    pub(super) fn cancel(&mut self, id: u32) -> Event {
        match self.calls.remove(&CallKey::of_request(id)) {
            Some(Pending { handle, .. }) => {
                self.permits.give();
                self.write_failure(id, &Error::cancelled("the caller cancelled the call"));
                Event::Cancel { handle }
            }
            None => Event::None,
        }
    }

    /// Notes that a call's handler did not end at its first poll. `handle` is what events will call it.
    pub fn pending(&mut self, key: CallKey, handle: u32, deadline: Option<Instant>) {
        self.due(deadline);
        self.permits.take();
        self.calls.insert(key, Pending { handle, deadline });
    }

    /// Answers a call whose handler ended at its first poll, or that has none.
    pub fn answer(&mut self, key: CallKey, outcome: Result<&mut Encoder, &Error>) {
        let Some(id) = key.id() else {
            return;
        };
        match outcome {
            Ok(result) => self.write_result(id, result),
            Err(error) => self.write_failure(id, error),
        }
    }

    /// Answers a call that was pending.
    pub fn finish(&mut self, key: CallKey, outcome: Result<&mut Encoder, &Error>) {
        let pending = self.calls.remove(&key);
        debug_assert!(pending.is_some(), "a call is finished once");
        self.permits.give();
        self.answer(key, outcome);
    }

    /// Notes that the handler of a call that was cancelled or expired could not be dropped.
    pub fn left_over(&mut self) {
        self.leftovers += 1;
        self.permits.take();
    }

    /// Notes that such a handler has ended.
    pub fn leftover_ended(&mut self) {
        debug_assert!(self.leftovers > 0, "a leftover ends once");
        self.leftovers -= 1;
        self.permits.give();
    }

    fn write_result(&mut self, id: u32, result: &mut Encoder) {
        // The head of a response takes at most 8 bytes.
        let size = result.len() + 8;
        if size > self.peer.max_message_size {
            let error = answer_too_large(size, self.peer.max_message_size);
            return self.write_failure(id, &error);
        }
        self.output.frame(|out| message::write_result(out, id), result);
    }

    fn write_failure(&mut self, id: u32, error: &Error) {
        if error.details().is_some_and(|details| details.len() > self.peer.max_message_size / 2) {
            let error = Error::new(error.kind(), error.message().to_owned());
            return self.output.message(|out| message::write_failure(out, id, &error));
        }
        self.output.message(|out| message::write_failure(out, id, error));
    }
}
