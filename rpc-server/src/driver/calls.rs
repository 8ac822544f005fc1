//! What frames and handlers mean for each other: calls start, items move, answers go out.

use std::task::Poll;

use rpc_core::{
    Answer, Error, Outcome, Violation,
    connection::server::{CallKey, Event, Shape},
    current::Inherited,
    dispatch::Incoming,
    frame::Frame,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::Driver;
use crate::{
    handlers::{Ended, recycled},
    trace,
};

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<'_, T> {
    pub(super) fn receive(&mut self, frame: &mut Frame, now: Instant) -> Result<(), Violation> {
        match self.machine.receive(frame, now.into_std())? {
            Event::None | Event::GoAway(_) => {}
            Event::Call(key, incoming) => self.start(key, incoming),
            Event::Item { handle, item, cost } => {
                if let Some(body) = self.handlers.push(handle, item, cost) {
                    self.codec.recycle(body);
                }
            }
            Event::EndOfItems { handle, end } => self.handlers.end_of_items(handle, end),
            Event::Room => self.move_ready(),
            Event::Refused { method, error } => {
                let name = match (frame, method) {
                    (Frame::Whole(body), Some(span)) => {
                        body.as_slice().get(span.start as usize..span.end as usize)
                    }
                    _ => None,
                };
                trace::refused(name, self.surroundings.peer(), &error);
            }
            Event::Cancel { handle } => {
                if !self.handlers.cancel(handle, Outcome::Cancelled) {
                    self.machine.left_over();
                }
            }
        }
        if self.handshake.is_some() && self.machine.is_open() {
            self.handshake = None;
            if let Some(error) = &self.refusal {
                self.machine.refuse_client(error);
            }
            self.codec.accept_up_to(self.shared.config.max_message_size);
        }
        Ok(())
    }

    fn start(&mut self, key: CallKey, incoming: Incoming) {
        let Some(number) = self.shared.router.find(incoming.method(), self.last_method) else {
            let error = self.shared.router.unknown(incoming.method()).not_started(true);
            trace::refused(Some(incoming.method()), self.surroundings.peer(), &error);
            self.machine.answer(key, Err(&error));
            self.codec.recycle(incoming.into_body());
            return;
        };
        self.last_method = number;
        let deadline = incoming.deadline();
        let route = self.shared.router.route(number);
        let is_streaming = route.is_streaming();
        if is_streaming && key.is_notification() {
            // Items need the id of a request.
            let error = Error::invalid_argument("a method that streams cannot be called one-way");
            trace::refused(Some(incoming.method()), self.surroundings.peer(), &error);
            self.codec.recycle(incoming.into_body());
            return;
        }
        // Whether items are taken is not told to a client before a hook has admitted its call: it could tell by that what exists.
        let hides_shapes = self.shared.router.hooks.may_wait();
        let slot = self.handlers.free_slot(number);
        if is_streaming {
            self.machine.pending(key, slot, deadline);
            self.machine.streams(key, slot, Shape { takes: route.takes || hides_shapes });
        }
        match self.handlers.start(slot, number, incoming, self.machine.item_run()) {
            Poll::Ready(ended) => self.ended(slot, key, ended, is_streaming),
            Poll::Pending => {
                self.handlers.keep(slot, key, Inherited::new(deadline));
                if is_streaming {
                    self.move_items(slot, key);
                } else {
                    self.machine.pending(key, slot, deadline);
                    if hides_shapes {
                        self.machine.streams(key, slot, Shape { takes: true });
                    }
                }
            }
        }
    }

    /// Answers a call whose handler ended, and makes its slot free.
    pub(super) fn ended(&mut self, slot: u32, key: CallKey, ended: Ended, was_pending: bool) {
        let mut blank = None;
        match ended {
            Ended::Answer(mut answer) => {
                let outcome = match answer.outcome() {
                    Ok(_) => Outcome::Ok,
                    Err(error) => {
                        self.handlers.note_lack(slot, error);
                        Outcome::from(error)
                    }
                };
                let instead = if answer.has_metadata() {
                    self.answer_with_metadata(key, &mut answer, was_pending)
                } else {
                    self.answer(key, answer.outcome(), was_pending)
                };
                self.handlers.note(slot, instead.as_ref().map_or(outcome, Outcome::from));
                if let Some((record, body)) = recycled(answer) {
                    self.codec.recycle(body);
                    blank = Some(record);
                }
            }
            Ended::Panic(error) => {
                // The items that came before are not lost with it.
                let machine = &mut self.machine;
                self.handlers.offer(slot, |content, lost| machine.send(key, content, lost));
                self.handlers.note(slot, Outcome::from(&error));
                self.answer(key, Err(&error), was_pending);
            }
        }
        self.handlers.recycle(slot, blank);
    }

    /// Answers a call; with what instead, where the answer was too large.
    fn answer(
        &mut self,
        key: CallKey,
        outcome: Result<&mut rpc_core::value::Encoder, &Error>,
        was_pending: bool,
    ) -> Option<Error> {
        if was_pending {
            self.machine.finish(key, outcome)
        } else {
            self.machine.answer(key, outcome)
        }
    }

    /// The same, with metadata; apart, so that the usual answer is without a detour.
    #[cold]
    fn answer_with_metadata(
        &mut self,
        key: CallKey,
        answer: &mut Answer,
        was_pending: bool,
    ) -> Option<Error> {
        let metadata = answer.take_metadata().unwrap_or_default();
        if was_pending {
            self.machine.finish_with(key, answer.outcome(), &metadata)
        } else {
            self.machine.answer_with(key, answer.outcome(), &metadata)
        }
    }

    /// Sends what the stream in `slot` has next, if there is room, and notes what its handler has taken.
    pub(super) fn move_items(&mut self, slot: u32, key: CallKey) {
        let machine = &mut self.machine;
        self.handlers.offer(slot, |content, lost| machine.send(key, content, lost));
        let arrivals = self.handlers.arrivals(slot);
        if arrivals.taken > 0 {
            self.machine.took(key, arrivals.taken);
        }
        if arrivals.is_dropped {
            self.machine.stop_items(key);
        }
    }

    /// There is room again: the streams whose items found none are asked again.
    pub(super) fn move_ready(&mut self) {
        while let Some(slot) = self.machine.next_ready() {
            if let Some(key) = self.handlers.call(slot) {
                self.move_items(slot, key);
            }
        }
    }
}
