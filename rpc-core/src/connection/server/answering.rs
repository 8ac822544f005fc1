//! How calls end: refused, cancelled, answered at once, or answered after they were pending.

use std::time::Instant;

use super::{
    Connection, Pending,
    interface::{CallKey, Event, answer_too_large, without_details},
};
use crate::{Error, Metadata, limits::MAX_ERROR_MESSAGE, message, payload::Span, value::Encoder};

/// What a message with an error has beside the error's details at most: its text, and the heads of it all.
const AROUND_DETAILS: usize = MAX_ERROR_MESSAGE + 64;

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
        let error = || Error::cancelled("the caller cancelled the call");
        let key = CallKey::of_request(id);
        match self.calls.remove(&key) {
            Some(Pending { handle, .. }) => {
                self.call_ended();
                self.end_streams(key);
                self.abandon(id);
                self.write_failure(id, &error());
                Event::Cancel { handle }
            }
            None => {
                // Its handler has ended, but a large answer takes its time.
                if self.abandon(id) {
                    self.write_failure(id, &error());
                    return Event::Room;
                }
                Event::None
            }
        }
    }

    /// Notes that a call's handler did not end at its first poll. `handle` is what events will call it.
    pub fn pending(&mut self, key: CallKey, handle: u32, deadline: Option<Instant>) {
        self.due(deadline);
        self.permits.take();
        self.calls.insert(key, Pending { handle, deadline });
    }

    /// Answers a call whose handler ended at its first poll, or that has none.
    ///
    /// What comes back is the error that it was answered with instead, because it is too large for the client.
    pub fn answer(&mut self, key: CallKey, outcome: Result<&mut Encoder, &Error>) -> Option<Error> {
        let id = key.id()?;
        match outcome {
            Ok(result) => self.write_result(id, result),
            Err(error) => {
                self.write_failure(id, error);
                None
            }
        }
    }

    /// Answers a call that was pending; what comes back is as for [`answer`](Self::answer).
    pub fn finish(&mut self, key: CallKey, outcome: Result<&mut Encoder, &Error>) -> Option<Error> {
        self.over(key);
        self.answer(key, outcome)
    }

    fn over(&mut self, key: CallKey) {
        let pending = self.calls.remove(&key);
        debug_assert!(pending.is_some(), "a call is finished once");
        self.call_ended();
        self.end_streams(key);
    }

    /// The same as [`answer`](Self::answer), with metadata (PROTOCOL 7.4). Where there is more than may be sent, that is what comes back.
    #[inline(never)]
    pub fn answer_with(
        &mut self,
        key: CallKey,
        outcome: Result<&mut Encoder, &Error>,
        metadata: &Metadata,
    ) -> Option<Error> {
        let id = key.id()?;
        if let Err(refused) = metadata.check_response(self.config.max_metadata_size) {
            let error = in_place_of(refused, outcome.err());
            self.write_failure(id, &error);
            return Some(error);
        }
        let (view, limit) = (metadata.view(), self.peer.max_message_size);
        let (error, instead) = match outcome {
            Ok(result) => {
                // The heads of the response and of its metadata take at most 13 bytes.
                let size = result.len() + view.len() + 13;
                if size <= limit {
                    self.frame(id, |out| message::write_result_with(out, id, view), result);
                    return None;
                }
                let error = answer_too_large(size, limit);
                (error.clone(), Some(error))
            }
            Err(error) => (self.fitting_beside(error, view.len()), None),
        };
        self.message(id, |out| message::write_failure_with(out, id, &error, view));
        instead
    }

    /// The same as [`finish`](Self::finish), with metadata.
    pub fn finish_with(
        &mut self,
        key: CallKey,
        outcome: Result<&mut Encoder, &Error>,
        metadata: &Metadata,
    ) -> Option<Error> {
        self.over(key);
        self.answer_with(key, outcome, metadata)
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
        self.call_ended();
    }

    fn write_result(&mut self, id: u32, result: &mut Encoder) -> Option<Error> {
        // The head of a response takes at most 8 bytes.
        let size = result.len() + 8;
        if size > self.peer.max_message_size {
            let error = answer_too_large(size, self.peer.max_message_size);
            self.write_failure(id, &error);
            return Some(error);
        }
        self.frame(id, |out| message::write_result(out, id), result);
        None
    }

    fn write_failure(&mut self, id: u32, error: &Error) {
        let error = self.fitting(error);
        self.message(id, |out| message::write_failure(out, id, &error));
    }

    /// An error as the client can take it: without details that are too large for it.
    pub(super) fn fitting(&self, error: &Error) -> Error {
        self.fitting_beside(error, 0)
    }

    /// The same where so many bytes of metadata go along, which by themselves always fit.
    fn fitting_beside(&self, error: &Error, metadata: usize) -> Error {
        let limit = self.peer.max_message_size;
        match error.details() {
            Some(details) if details.len() + metadata + AROUND_DETAILS > limit => {
                without_details(error, details.len(), limit)
            }
            _ => error.clone(),
        }
    }
}

/// What a call ends with whose metadata cannot be sent: how its handler ended is not lost with it.
fn in_place_of(refused: Error, error: Option<&Error>) -> Error {
    match error {
        None => refused,
        Some(error) => {
            let message =
                format!("{} (the handler ended with {})", refused.message(), error.message());
            refused.with_message(message)
        }
    }
}
