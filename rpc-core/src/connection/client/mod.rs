//! The client's end: the calls of one channel, and the connection that carries them.
//!
//! Driven by `rpc-client`: callers [`submit`](Connection::submit), [`cancel`](Connection::cancel) and take their
//! outcome, all under the channel's lock; the channel's task receives, expires and sends. The calls outlive the connection:
//! one that was never sent goes out on the next. `W` is what the driver keeps for each caller, such as its waker; the machine
//! never drops one, it hands it back.
//!
//! ```text
//!            connected          hello           go-away
//!  Closed ─────────────▶ Hello ───────▶ Open ───────────▶ Draining
//!    ▲                     │              │                  │
//!    ╰─────────────────────┴── lost ──────┴──────────────────╯
//! ```
//!
//! A go-away that carries a reason refuses this client: nothing is sent again of its own accord.
//!
//! Bounds: calls in flight by the server's hello (128 before it came), output by the high-water mark, above which
//! calls stay in their queue. A call's deadline counts from its submission, whatever it waits for. A [`Violation`] ends
//! the connection. PROTOCOL 1, 4, 9.

mod calls;
mod interface;

use std::{cmp::Reverse, time::Instant};

use bytes::Buf;

use self::calls::{Calls, Stage};
use self::interface::{answer_too_large, too_large};
pub use self::{
    calls::{CallRef, Outgoing},
    interface::{Config, Event, Remains, Transmitted},
};
use crate::{
    Code, Error, MetadataRef,
    buffer::WriteBuffer,
    frame::{Frame, VERSION, preface},
    hello::Hello,
    limits::{ASSUMED_CALLS, MAX_TIMEOUT, WRITE_HIGH_WATER},
    message::{self, Message, kind},
    metadata::Extras,
    payload::{Body, Payload, Span, slice},
    violation::Violation,
};

/// The state of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Hello,
    Open,
    Draining {
        accepted: u64,
    },
    /// The server goes away because of what this end did, or will not serve it.
    Refused {
        accepted: u64,
    },
}

/// The client's end.
#[derive(Debug)]
pub struct Connection<W> {
    config: Config,
    state: State,
    peer: Hello,
    calls: Calls<W>,
    /// Calls that were sent and not answered.
    in_flight: u32,
    /// Calls, one-way ones included, that this connection carried.
    ordinal: u64,
    /// At or before the earliest deadline: a call that ends does not move it.
    timer: Option<Instant>,
    output: WriteBuffer,
}

impl<W: Default> Connection<W> {
    /// A channel's end without a connection.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Closed,
            peer: Hello::default(),
            calls: Calls::new(),
            in_flight: 0,
            ordinal: 0,
            timer: None,
            output: WriteBuffer::new(),
        }
    }

    /// Begins a connection: preface and hello are written, and calls may follow (PROTOCOL 1.6).
    pub fn connected(&mut self) {
        debug_assert_eq!(self.state, State::Closed, "one connection at a time");
        self.state = State::Hello;
        self.peer = Hello { max_calls: ASSUMED_CALLS, ..Hello::default() };
        self.ordinal = 0;
        self.output.raw(&preface(VERSION.0, VERSION.1));
        let hello = Hello {
            max_calls: 0,
            max_message_size: self.config.max_message_size,
            structs: self.config.structs,
            default_timeout: self.config.default_timeout,
        };
        self.output.message(|out| message::write_hello(out, &hello));
    }

    /// Takes on a call; [`transmit`](Self::transmit) sends it.
    ///
    /// # Errors
    ///
    /// `resource_exhausted` where the channel holds too many calls; the waiter comes back, and `outgoing` is as it was.
    pub fn submit(
        &mut self,
        outgoing: &mut Outgoing,
        deadline: Option<Instant>,
        waiter: W,
    ) -> Result<CallRef, (Error, W)> {
        let call = self.calls.insert(outgoing, deadline, waiter).map_err(|waiter| {
            let error = Error::resource_exhausted(format!(
                "the channel holds {} calls, as many as it can; await some of them, or open another channel",
                self.calls.len()
            ));
            (error.not_started(true), waiter)
        })?;
        if let Some(deadline) = deadline {
            self.timer = Some(self.timer.map_or(deadline, |timer| timer.min(deadline)));
        }
        Ok(call)
    }

    /// Sends the first call of the queue, if it is its turn. To be called until it returns `None`, after each call that
    /// may have changed that.
    pub fn transmit(&mut self, now: Instant) -> Option<Transmitted<'_, W>> {
        let slot = self.calls.first()?;
        if !matches!(self.state, State::Hello | State::Open)
            || self.in_flight >= self.peer.max_calls
            || self.output.remaining() >= WRITE_HIGH_WATER
        {
            return None;
        }
        let early = self.state == State::Hello;
        let id = self.calls.id(slot);
        let limit = self.peer.max_message_size;
        let default_timeout = self.config.default_timeout;
        let entry = self.calls.entry(slot);
        let outgoing = &mut entry.outgoing;
        let metadata = outgoing.metadata.as_ref().map_or_else(MetadataRef::default, |m| m.view());
        // The head takes the method's name, the metadata and at most 40 bytes around them.
        let size = outgoing.arguments.len() + outgoing.method.len() + metadata.len() + 40;
        if size > limit {
            if early {
                return None;
            }
            entry.stage = Stage::Settled;
            self.calls.unlink(slot);
            return Some(Transmitted::Refused(
                &mut self.calls.entry(slot).waiter,
                too_large(size, limit),
            ));
        }
        let left = entry.deadline.map(|deadline| deadline.saturating_duration_since(now));
        let timeout = match (left, default_timeout) {
            // The server would take the default for it; the longest timeout is as good as none.
            (None, Some(_)) => Some(MAX_TIMEOUT),
            _ => left.filter(|_| left != default_timeout),
        };
        let extras = Extras { timeout, attempt: None };
        let id = (!outgoing.oneway).then_some(id);
        self.output.frame(
            |out| message::write_call(out, id, outgoing.method, extras, metadata),
            &mut outgoing.arguments,
        );
        self.ordinal += 1;
        entry.ordinal = self.ordinal;
        entry.early = early;
        entry.stage = if id.is_some() { Stage::Sent } else { Stage::Settled };
        self.calls.unlink(slot);
        if id.is_some() {
            self.in_flight += 1;
            Some(Transmitted::Request)
        } else {
            Some(Transmitted::Notification(&mut self.calls.entry(slot).waiter))
        }
    }

    /// Takes one frame. What the event does not take out of `frame` can be used again.
    ///
    /// # Errors
    ///
    /// A [`Violation`]: the connection is over.
    pub fn receive(&mut self, frame: &mut Frame) -> Result<Event<'_, W>, Violation> {
        let body = match frame {
            Frame::Whole(body) => body,
            Frame::Oversized { size, head } => {
                let (kind, id) = message::oversized(head)?;
                if self.state == State::Hello && kind != u64::from(kind::HELLO) {
                    return Err(Violation::HelloExpected { kind });
                }
                let kind_byte = u8::try_from(kind).unwrap_or(u8::MAX);
                return match id {
                    Some(id)
                        if matches!(kind_byte, kind::RESPONSE | kind::RESPONSE_WITH_METADATA) =>
                    {
                        let error = answer_too_large(*size, self.config.max_message_size);
                        self.ended(id, Err(error), None)
                    }
                    _ => Err(Violation::MessageTooLarge { kind, size: *size }),
                };
            }
        };
        let message = Message::parse(body.as_slice())?;
        if self.state == State::Hello {
            let Message::Hello(hello) = message else {
                return Err(Violation::HelloExpected { kind: message::kind_of(body.as_slice()) });
            };
            self.peer = hello;
            self.state = State::Open;
            return Ok(Event::None);
        }
        match message {
            Message::Response { id, error, payload } => self.response(id, error, payload, body),
            Message::Ping { token } => {
                // A client always reads, so a server that never does could fill its memory with pongs.
                if self.output.remaining() < WRITE_HIGH_WATER {
                    self.output.message(|out| message::write_pong(out, token));
                }
                Ok(Event::None)
            }
            Message::Pong | Message::Ignored => Ok(Event::None),
            Message::GoAway { accepted, error } => {
                let error = error.and_then(|span| message::read_error(slice(body, &span)).ok());
                self.state = match &error {
                    None => State::Draining { accepted },
                    Some(_) => State::Refused { accepted },
                };
                Ok(Event::GoAway(error))
            }
            Message::Hello(_) => Err(Violation::SecondHello),
            Message::Call { .. } | Message::Cancel { .. } => {
                Err(Violation::WrongSide { kind: message::kind_of(body.as_slice()) })
            }
        }
    }

    fn response(
        &mut self,
        id: u32,
        error: Option<Span>,
        payload: u32,
        body: &mut Body,
    ) -> Result<Event<'_, W>, Violation> {
        let outcome = match error {
            None => Ok(payload),
            Some(span) => Err(message::read_error(slice(body, &span))
                .map_err(|malformed| Violation::Malformed { part: "the error", malformed })?),
        };
        if let Err(error) = &outcome
            && let Some(slot) = self.calls.outstanding(id)
            && self.is_worth_another_try(slot, error)
        {
            self.in_flight -= 1;
            self.calls.requeue(slot);
            return Ok(Event::None);
        }
        match outcome {
            Ok(payload) => self.ended(id, Ok(payload), Some(body)),
            Err(error) => self.ended(id, Err(error), None),
        }
    }

    /// Whether a refused call goes back into the queue: it was sent in ignorance of the server's limit, or to a server
    /// that was about to go away. Both certainly did not start.
    fn is_worth_another_try(&mut self, slot: u32, error: &Error) -> bool {
        let draining = matches!(self.state, State::Draining { .. });
        let entry = self.calls.entry(slot);
        entry.stage == Stage::Sent
            && error.is_not_started()
            && match error.kind() {
                Code::Unavailable => draining,
                Code::ResourceExhausted => entry.early,
                _ => false,
            }
    }

    /// An outstanding call ended: with its payload in `body`, or with an error.
    fn ended(
        &mut self,
        id: u32,
        outcome: Result<u32, Error>,
        body: Option<&mut Body>,
    ) -> Result<Event<'_, W>, Violation> {
        let slot = self.calls.outstanding(id).ok_or(Violation::NotOutstanding { id })?;
        self.in_flight -= 1;
        match self.calls.entry(slot).stage {
            Stage::Cancelled => {
                let (outgoing, waiter) = self.calls.free(slot);
                Ok(Event::Gone(outgoing, waiter))
            }
            Stage::Expired => {
                self.calls.entry(slot).stage = Stage::Settled;
                Ok(Event::None)
            }
            Stage::Sent => {
                let entry = self.calls.entry(slot);
                entry.stage = Stage::Settled;
                let outcome = outcome.map(|start| match body {
                    Some(body) => {
                        let spare = match body {
                            // The arguments are not needed any more: their buffer takes the next frame.
                            Body::Small(_) => Body::Small(entry.outgoing.arguments.take_buffer()),
                            // This frame took no buffer, so none goes in its place.
                            Body::Large(_) => Body::default(),
                        };
                        Payload::new(std::mem::replace(body, spare), start)
                    }
                    None => Payload::default(),
                });
                Ok(Event::Answered(&mut entry.waiter, outcome))
            }
            Stage::Free | Stage::Queued | Stage::Settled => Err(Violation::NotOutstanding { id }),
        }
    }

    /// What the driver keeps for a call.
    pub fn waiter(&mut self, call: CallRef) -> &mut W {
        &mut self.calls.held(call).waiter
    }

    /// The caller has taken its outcome, and the driver has emptied the waiter. What is left of the call is to be dropped outside
    /// of any lock.
    ///
    /// A call that expired is answered later, and its slot free only then.
    pub fn release(&mut self, call: CallRef) -> Option<Outgoing> {
        let entry = self.calls.held(call);
        match entry.stage {
            Stage::Expired => {
                entry.stage = Stage::Cancelled;
                None
            }
            Stage::Settled => self.calls.free_settled(call.slot),
            Stage::Free | Stage::Queued | Stage::Sent | Stage::Cancelled => None,
        }
    }

    /// The caller lost interest. What is left of the call is to be dropped outside of any lock.
    pub fn cancel(&mut self, call: CallRef) -> Option<(Outgoing, W)> {
        let entry = self.calls.held(call);
        match entry.stage {
            Stage::Queued => {
                self.calls.unlink(call.slot);
                Some(self.calls.free(call.slot))
            }
            Stage::Sent => {
                entry.stage = Stage::Cancelled;
                let id = self.calls.id(call.slot);
                self.output.message(|out| message::write_cancel(out, id));
                None
            }
            Stage::Expired => {
                entry.stage = Stage::Cancelled;
                None
            }
            Stage::Settled => Some(self.calls.free(call.slot)),
            Stage::Free | Stage::Cancelled => None,
        }
    }

    /// Tells the server which rule it broke (PROTOCOL 9.4).
    pub fn violated(&mut self, violation: &Violation) {
        let error = Error::internal(violation.to_string());
        self.output.message(|out| message::write_go_away(out, 0, Some(&error)));
    }

    /// Whether the server has introduced itself.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::Draining { .. } | State::Refused { .. })
    }

    /// When [`expire`](Self::expire) is to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timer
    }

    /// Ends the calls whose deadline has passed, cancels those that were sent, and hands each to `expired`.
    pub fn expire(&mut self, now: Instant, mut expired: impl FnMut(&mut W, Error)) {
        if self.timer.is_none_or(|timer| timer > now) {
            return;
        }
        self.timer = None;
        let mut ended = Vec::new();
        for (slot, entry) in self.calls.iter() {
            match entry.deadline {
                Some(deadline) if matches!(entry.stage, Stage::Queued | Stage::Sent) => {
                    if deadline <= now {
                        ended.push(slot);
                    } else {
                        self.timer = Some(self.timer.map_or(deadline, |timer| timer.min(deadline)));
                    }
                }
                _ => {}
            }
        }
        for slot in ended {
            let sent = self.calls.entry(slot).stage == Stage::Sent;
            let error = if sent {
                let id = self.calls.id(slot);
                self.output.message(|out| message::write_cancel(out, id));
                Error::deadline_exceeded("the deadline passed while the call waited for its answer")
            } else {
                self.calls.unlink(slot);
                let what = if self.state == State::Closed { "a connection" } else { "its turn" };
                Error::deadline_exceeded(format!(
                    "the deadline passed while the call waited for {what}"
                ))
                .not_started(true)
            };
            let entry = self.calls.entry(slot);
            entry.stage = if sent { Stage::Expired } else { Stage::Settled };
            expired(&mut entry.waiter, error);
        }
    }

    /// The connection is gone, for the reason in `error`: every call that it carried ends, and so does every queued one,
    /// unless the server had said that it would go away. `settled` gets each caller; the returned remains are to be
    /// dropped outside of any lock.
    pub fn lost(&mut self, error: &Error, mut settled: impl FnMut(&mut W, Error)) -> Remains<W> {
        let mut remains = Remains { output: self.output.take_unsent(), calls: Vec::new() };
        let state = std::mem::replace(&mut self.state, State::Closed);
        self.in_flight = 0;
        let mut slots: Vec<(u32, Stage, u64)> =
            self.calls.iter().map(|(slot, entry)| (slot, entry.stage, entry.ordinal)).collect();
        // From the last that was sent to the first, so that each goes back to the front of the queue.
        slots.sort_unstable_by_key(|(.., ordinal)| Reverse(*ordinal));
        for (slot, stage, ordinal) in slots {
            let entry = self.calls.entry(slot);
            match (stage, state) {
                (Stage::Cancelled, _) => remains.calls.push(self.calls.free(slot)),
                (Stage::Expired, _) => entry.stage = Stage::Settled,
                (Stage::Queued, State::Draining { .. }) | (Stage::Settled | Stage::Free, _) => {}
                (Stage::Sent, State::Draining { accepted }) if ordinal > accepted => {
                    self.calls.requeue(slot);
                }
                (Stage::Sent, State::Refused { accepted }) if ordinal > accepted => {
                    entry.stage = Stage::Settled;
                    settled(&mut entry.waiter, error.clone().not_started(true));
                }
                (Stage::Sent, _) => {
                    entry.stage = Stage::Settled;
                    let text = format!("{}; the server may have run the call", error.message());
                    settled(
                        &mut entry.waiter,
                        Error::new(error.kind(), text).with_source(error.clone()),
                    );
                }
                (Stage::Queued, _) => {
                    entry.stage = Stage::Settled;
                    self.calls.unlink(slot);
                    settled(&mut self.calls.entry(slot).waiter, error.clone().not_started(true));
                }
            }
        }
        self.calls.forget_ordinals();
        remains
    }

    /// Whether the server goes away and owes nothing more: the connection can be closed.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Draining { .. } | State::Refused { .. }) && self.in_flight == 0
    }

    /// Whether a call waits for a connection or for its turn.
    pub fn has_queued(&self) -> bool {
        self.calls.first().is_some()
    }

    /// The calls that were sent and not answered.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// The calls that hold a slot, in whatever stage.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether no call holds a slot.
    pub fn is_empty(&self) -> bool {
        self.calls.len() == 0
    }

    /// What is to be sent.
    pub fn output(&mut self) -> &mut WriteBuffer {
        &mut self.output
    }
}

#[cfg(test)]
mod tests;
