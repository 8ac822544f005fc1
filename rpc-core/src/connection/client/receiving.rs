//! Answers in: what one frame means for its call.

use std::time::Instant;

use super::{
    Channel, Event,
    calls::{Outgoing, Stage, UNSENT},
    interface::answer_too_large,
    link::{LinkId, State},
};
use crate::{
    Error, Violation,
    connection::parts::Assembled,
    frame::Frame,
    message::{self, Control, Message, kind},
    metadata,
    payload::{Body, Payload, Span, slice},
};

impl<W: Default> Channel<W> {
    /// Bytes have arrived on this connection. To be called before the frames that they make are received.
    pub fn heard(&mut self, link: LinkId, now: Instant) {
        self.links.get_mut(link).heard(now);
    }

    /// Takes one frame. What the event does not take out of `frame` can be used again.
    ///
    /// # Errors
    ///
    /// A [`Violation`]: the connection is over.
    pub fn receive(
        &mut self,
        from: LinkId,
        frame: &mut Frame,
        now: Instant,
    ) -> Result<Event<'_, W>, Violation> {
        let link = self.links.get_mut(from);
        let awaits_hello = matches!(link.state, State::Hello { .. });
        let body = match frame {
            Frame::Whole(body) => body,
            Frame::Oversized { size, head } => {
                let (size, head) = (*size, head.clone());
                return self.oversized(from, size, &head, now);
            }
        };
        let message = Message::parse(body.as_slice())?;
        if awaits_hello {
            let Message::Control(Control::Hello(hello)) = message else {
                return Err(Violation::HelloExpected { kind: message::kind_of(body.as_slice()) });
            };
            link.open(hello, &self.config, now);
            let next = link.next_deadline();
            self.due(next);
            return Ok(Event::None);
        }
        match message {
            Message::Response { id, error: None, payload } => {
                self.answered_call(from, id, payload, body)
            }
            Message::Response { id, error: Some(span), .. } => {
                let error = message::error_in(body, &span)?;
                self.failed_call(from, id, error, now)
            }
            Message::Call { .. } => {
                Err(Violation::WrongSide { kind: message::kind_of(body.as_slice()) })
            }
            Message::Control(control) => self.control(from, control, frame, now),
        }
    }

    /// Takes a response with metadata.
    ///
    /// What its caller does not ask for is read past, whatever its size. What is more than this end accepts ends the call (PROTOCOL 7.4).
    fn response_with_metadata(
        &mut self,
        from: LinkId,
        id: u32,
        (error, metadata, payload): (Option<Span>, Span, u32),
        body: &mut Body,
        now: Instant,
    ) -> Result<Event<'_, W>, Violation> {
        let map = slice(body, &metadata);
        let view = metadata::read_response(map)
            .map_err(|malformed| Violation::Malformed { part: "the metadata", malformed })?;
        let mut error = error.map(|span| message::error_in(body, &span)).transpose()?;
        let mut wanted = None;
        if self.wants_metadata(from, id) {
            let limit = self.config.max_metadata_size;
            if map.len() > limit {
                let too_large =
                    metadata::response_too_large(map.len(), limit, "on the channel's builder");
                error = Some(match error {
                    Some(error) => too_large.with_source(error),
                    None => too_large,
                });
            } else {
                wanted = Some(view.to_metadata());
            }
        }
        let event = match error {
            None => self.answered_call(from, id, payload, body)?,
            Some(error) => self.failed_call(from, id, error, now)?,
        };
        Ok(match (event, wanted) {
            (Event::Answered(waiter, outcome), Some(metadata)) => {
                Event::AnsweredWith(waiter, outcome, metadata)
            }
            (event, _) => event,
        })
    }

    fn wants_metadata(&mut self, from: LinkId, id: u32) -> bool {
        self.calls.outstanding(from, id).is_some_and(|slot| {
            let Outgoing { wants_metadata, streams, .. } = self.calls.entry(slot).outgoing;
            wants_metadata || streams
        })
    }

    /// Takes a message that is no usual response; apart, so that responses are taken without a detour.
    #[inline(never)]
    fn control(
        &mut self,
        from: LinkId,
        control: Control,
        frame: &mut Frame,
        now: Instant,
    ) -> Result<Event<'_, W>, Violation> {
        let Frame::Whole(body) = frame else {
            return Ok(Event::None);
        };
        let link = self.links.get_mut(from);
        match control {
            Control::Response { id, error, metadata, payload } => {
                self.response_with_metadata(from, id, (error, metadata, payload), body, now)
            }
            Control::Ping { token } => {
                link.allow(now)?;
                link.pong(token, self.config.write_high_water);
                Ok(Event::None)
            }
            Control::Pong => {
                link.answered(now)?;
                Ok(Event::None)
            }
            Control::Ignored => {
                link.allow(now)?;
                Ok(Event::None)
            }
            Control::GoAway { accepted, error } => {
                if link.has_left {
                    link.allow(now)?;
                }
                self.goes_away(from, accepted, error, body, now)
            }
            Control::Item { id, error, payload } => self.item(from, id, error, payload, body),
            Control::Begin { id } => self.begun(from, id),
            Control::Lost { id, count } => self.lost_items(from, id, count, body.as_slice().len()),
            Control::Cancel { id } => self.stopped(from, id),
            Control::Credit { id, bytes } => self.credit(from, id, bytes),
            Control::Part { state, bytes } => {
                let limit = self.config.max_message_size;
                let part = slice(body, &bytes);
                match link.assembly.receive(state, part, limit, &mut link.output)? {
                    Assembled::Nothing => Ok(Event::None),
                    Assembled::Oversized { size, head } => self.oversized(from, size, &head, now),
                    Assembled::Whole(whole) => {
                        *frame = Frame::Whole(whole);
                        self.receive(from, frame, now)
                    }
                }
            }
            Control::Received { bytes } => {
                link.bulk.received(bytes)?;
                Ok(Event::None)
            }
            Control::Hello(_) => Err(Violation::SecondHello),
            Control::End { .. } => {
                Err(Violation::WrongSide { kind: message::kind_of(body.as_slice()) })
            }
        }
    }

    /// A message above the limit.
    fn oversized(
        &mut self,
        from: LinkId,
        size: usize,
        head: &[u8],
        now: Instant,
    ) -> Result<Event<'_, W>, Violation> {
        let (kind, id) = message::oversized(head)?;
        if !self.links.get(from).is_open() && kind != u64::from(kind::HELLO) {
            return Err(Violation::HelloExpected { kind });
        }
        match (u8::try_from(kind).unwrap_or(u8::MAX), id) {
            (kind::RESPONSE | kind::RESPONSE_WITH_METADATA, Some(id)) => {
                let error = answer_too_large(size, self.config.max_message_size);
                self.failed_call(from, id, error, now)
            }
            _ => Err(Violation::MessageTooLarge { kind, size }),
        }
    }

    fn goes_away(
        &mut self,
        from: LinkId,
        accepted: u64,
        error: Option<Span>,
        body: &Body,
        now: Instant,
    ) -> Result<Event<'_, W>, Violation> {
        let reason = error.map(|span| message::error_in(body, &span)).transpose()?;
        self.leaves(from, accepted, reason.as_ref(), now);
        Ok(Event::GoAway(reason))
    }

    /// An outstanding call was answered with the payload in `body`.
    fn answered_call(
        &mut self,
        from: LinkId,
        id: u32,
        payload: u32,
        body: &mut Body,
    ) -> Result<Event<'_, W>, Violation> {
        let slot = self.outstanding(from, id)?;
        self.serves(from);
        let stage = self.calls.entry(slot).stage;
        if stage != Stage::Sent {
            return Ok(self.unwanted(slot, stage));
        }
        self.end_streams(slot);
        let entry = self.calls.entry(slot);
        entry.stage = Stage::Settled;
        let spare = match body {
            // The arguments are not needed any more: their buffer takes the next frame.
            Body::Small(_) => Body::Small(entry.outgoing.arguments.take_buffer()),
            // This frame took no buffer, so none goes in its place.
            Body::Large(_) => Body::default(),
        };
        let payload =
            Payload::new(std::mem::replace(body, spare), payload).nesting(self.config.max_nesting);
        Ok(Event::Answered(&mut entry.waiter, Ok(payload)))
    }

    /// An outstanding call was answered with an error.
    fn failed_call(
        &mut self,
        from: LinkId,
        id: u32,
        error: Error,
        now: Instant,
    ) -> Result<Event<'_, W>, Violation> {
        let slot = self.outstanding(from, id)?;
        if !error.is_not_started() {
            self.serves(from);
        }
        let stage = self.calls.entry(slot).stage;
        if stage != Stage::Sent {
            return Ok(self.unwanted(slot, stage));
        }
        let is_again = self.is_sent_again(slot, &error);
        let repeated = if is_again { Ok(()) } else { self.repeat(slot, error, now) };
        self.end_streams(slot);
        if is_again {
            self.requeue(slot, now);
            return Ok(Event::None);
        }
        if let Err(error) = repeated {
            let entry = self.calls.entry(slot);
            entry.stage = Stage::Settled;
            return Ok(Event::Answered(&mut entry.waiter, Err(error)));
        }
        Ok(Event::None)
    }

    /// The slot of a call that was outstanding on this connection, and is not any more.
    fn outstanding(&mut self, from: LinkId, id: u32) -> Result<u32, Violation> {
        let slot = self.calls.outstanding(from, id).ok_or(Violation::NotOutstanding { id })?;
        let link = self.links.get_mut(from);
        link.in_flight -= 1;
        // What of the call was not sent is for nothing now: items, or the rest of a request that was refused for its size.
        if !link.bulk.is_empty() {
            link.abandon(id);
        }
        if self.calls.entry(slot).position == UNSENT {
            link.carried += 1;
        }
        Ok(slot)
    }

    /// The server on this connection does what it is there for.
    pub(super) fn serves(&mut self, from: LinkId) {
        let link = self.links.get_mut(from);
        if !link.has_answered {
            link.has_answered = true;
            self.dial.succeeded();
        }
    }

    /// An answer came for a call that expired or was cancelled.
    fn unwanted(&mut self, slot: u32, stage: Stage) -> Event<'_, W> {
        let link = self.calls.entry(slot).link;
        self.links.get_mut(link).unwanted -= 1;
        if stage == Stage::Cancelled {
            let (outgoing, waiter) = self.calls.free(slot);
            return Event::Gone(outgoing, waiter);
        }
        self.calls.entry(slot).stage = Stage::Settled;
        Event::None
    }
}
