//! Streams of a channel's calls: items in under this end's windows, items out under the server's (PROTOCOL 10).
//!
//! What a call needs for them it gets when it is sent, and loses when it ends. A call of which items have passed is not repeated: they are
//! not kept. An item for which there is no room stays with its caller, who is woken when there may be; so is a caller whose call was sent, or
//! whose server takes no more.

use super::{
    CallRef, Channel, Event,
    calls::{Entry, Stage, UNSENT},
    interface::{Room, item_too_large, streams_unasked},
    link::{Link, LinkId},
};
use crate::{
    Error, Violation, message,
    payload::{Body, Payload, Span},
    stream::{Receiving, Sending},
    value::Encoder,
};

/// The streams of one call that was sent.
#[derive(Debug)]
pub(super) struct Streams {
    /// The items that the server sends; `None` where the caller expects one answer.
    receiving: Option<Receiving>,
    has_begun: bool,
    sending: Sending,
    upload: Upload,
    /// Whether an item has passed, in either direction.
    is_under_way: bool,
}

/// The stream that the caller sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    /// It may send.
    Open,
    /// Its next item waits for room.
    Blocked,
    /// It has ended, or there is none, or the server takes no more.
    Closed,
}

impl Streams {
    pub(super) fn new(streams: bool, takes: bool, window: usize, link: &Link) -> Option<Box<Self>> {
        (streams || takes).then(|| {
            Box::new(Self {
                receiving: streams.then(|| Receiving::new(window)),
                has_begun: false,
                sending: Sending::new(link.peer.stream_window),
                upload: if takes { Upload::Open } else { Upload::Closed },
                is_under_way: false,
            })
        })
    }
}

impl<W> Entry<W> {
    /// Whether items have passed, so that the call cannot be made again.
    pub(super) fn is_under_way(&self) -> bool {
        self.streams.as_ref().is_some_and(|streams| streams.is_under_way)
    }
}

impl<W: Default> Channel<W> {
    /// The caller takes the items of its stream; of so many bytes.
    pub fn took(&mut self, call: CallRef, bytes: u64) {
        let id = self.calls.id(call.slot);
        let entry = self.calls.held(call);
        if entry.stage != Stage::Sent || bytes == 0 {
            // What was left when the call ended has been counted then.
            return;
        }
        let carrier = entry.link;
        let receiving = entry.streams.as_mut().and_then(|streams| streams.receiving.as_mut());
        let Some(receiving) = receiving else { return };
        let credit = receiving.took(bytes);
        let link = self.links.get_mut(carrier);
        if let Some(credit) = credit {
            link.message(id, |out| message::write_credit(out, Some(id), credit));
        }
        link.give_back(bytes);
    }

    /// Sends an item of the stream that the caller sends.
    ///
    /// # Errors
    ///
    /// Why it cannot be sent: it is too large.
    pub fn send_item(&mut self, call: CallRef, item: &mut Encoder) -> Result<Room, Error> {
        let id = self.calls.id(call.slot);
        let entry = self.calls.held(call);
        let (Stage::Sent, Some(streams)) = (entry.stage, &mut entry.streams) else {
            return Ok(entry.room_elsewhere());
        };
        if streams.upload == Upload::Closed {
            return Ok(Room::Closed);
        }
        let link = self.links.get_mut(entry.link);
        let limit = link.peer.max_message_size;
        let size = message::item_size(id, item.len());
        if size > limit {
            return Err(item_too_large(size, limit));
        }
        let is_full = link.unsent() >= self.config.write_high_water;
        if !streams.sending.admits(size) {
            // Credit for this stream will say when there is room.
            streams.upload = Upload::Blocked;
            return Ok(Room::Blocked);
        }
        if is_full || !link.sending.admits(size) {
            streams.upload = Upload::Blocked;
            link.has_blocked = true;
            return Ok(Room::Blocked);
        }
        streams.upload = Upload::Open;
        streams.is_under_way = true;
        streams.sending.sent(size);
        // A credit for it may cross the end of the stream.
        link.expect_stragglers(1);
        link.item(id, size, |out| message::write_item(out, id), item);
        Ok(Room::Sent)
    }

    /// The stream that the caller sends has ended.
    pub fn end_items(&mut self, call: CallRef, error: Option<&Error>) -> Room {
        let id = self.calls.id(call.slot);
        let entry = self.calls.held(call);
        let (Stage::Sent, Some(streams)) = (entry.stage, &mut entry.streams) else {
            return entry.room_elsewhere();
        };
        if streams.upload == Upload::Closed {
            return Room::Closed;
        }
        streams.upload = Upload::Closed;
        streams.is_under_way = true;
        let link = self.links.get_mut(entry.link);
        link.message(id, |out| message::write_end(out, id, error));
        Room::Sent
    }

    /// Gives the callers on this connection whose next item found no room, and may find some now, to `unblocked`. To be asked when an event
    /// says [`Room`](Event::Room), and in each turn in which the output is looked at: what one call gives up is room for the others.
    pub fn unblock(&mut self, on: LinkId, mut unblocked: impl FnMut(&mut W)) {
        let link = self.links.get_mut(on);
        link.has_given_up = false;
        if !link.has_blocked
            || link.unsent() >= self.config.write_high_water
            || !link.sending.admits(1)
        {
            return;
        }
        link.has_blocked = false;
        // Bounded by the calls of the channel; done only where something waits for the connection.
        for entry in self.calls.iter_mut() {
            let Some(streams) = &mut entry.streams else { continue };
            let is_its = entry.link == on && streams.upload == Upload::Blocked;
            if is_its && streams.sending.admits(1) {
                streams.upload = Upload::Open;
                unblocked(&mut entry.waiter);
            }
        }
    }

    /// An item has come.
    pub(super) fn item(
        &mut self,
        from: LinkId,
        id: u32,
        error: Option<Span>,
        payload: u32,
        body: &mut Body,
    ) -> Result<Event<'_, W>, Violation> {
        let size = body.as_slice().len();
        let Some(slot) = self.arrived(from, id, size)? else {
            return Ok(Event::None);
        };
        if self.calls.entry(slot).receives().is_none() {
            return Ok(self.unasked(slot));
        }
        let nesting = self.config.max_nesting;
        let item = match error {
            Some(span) => Err(message::error_in(body, &span)?),
            None => Ok(Payload::new(std::mem::take(body), payload).nesting(nesting)),
        };
        let waiter = &mut self.calls.entry(slot).waiter;
        Ok(Event::Item { waiter, item, cost: size as u64 })
    }

    /// So many items were dropped by the server.
    pub(super) fn lost_items(
        &mut self,
        from: LinkId,
        id: u32,
        count: u64,
        size: usize,
    ) -> Result<Event<'_, W>, Violation> {
        let Some(slot) = self.arrived(from, id, size)? else {
            return Ok(Event::None);
        };
        if self.calls.entry(slot).receives().is_none() {
            return Ok(self.unasked(slot));
        }
        let waiter = &mut self.calls.entry(slot).waiter;
        Ok(Event::LostItems { waiter, count, cost: size as u64 })
    }

    /// The slot of a call about whose streams the server says something: its request has gone out whole, and was not answered.
    fn streaming(&mut self, from: LinkId, id: u32) -> Result<u32, Violation> {
        self.calls
            .outstanding(from, id)
            .filter(|slot| self.calls.entry(*slot).position != UNSENT)
            .ok_or(Violation::NotOutstanding { id })
    }

    /// Counts what has come of a stream; the slot of its call, if somebody waits for it.
    fn arrived(&mut self, from: LinkId, id: u32, size: usize) -> Result<Option<u32>, Violation> {
        let slot = self.streaming(from, id)?;
        self.serves(from);
        let link = self.links.get_mut(from);
        if !link.receiving.arrived(size) {
            return Err(Violation::Overrun { size });
        }
        let entry = self.calls.entry(slot);
        if entry.stage != Stage::Sent {
            link.late(size)?;
            link.give_back(size as u64);
            return Ok(None);
        }
        let has_room = match entry.receives() {
            Some(receiving) => receiving.arrived(size),
            None => {
                link.give_back(size as u64);
                true
            }
        };
        if !has_room {
            return Err(Violation::Overrun { size });
        }
        if let Some(streams) = &mut entry.streams {
            streams.is_under_way = true;
            streams.has_begun = true;
            entry.opened();
        }
        Ok(Some(slot))
    }

    /// The server streams what the caller takes for one answer: the traits of the two differ.
    fn unasked(&mut self, slot: u32) -> Event<'_, W> {
        self.write_cancel(slot);
        let entry = self.calls.entry(slot);
        entry.stage = Stage::Expired;
        let error = streams_unasked(&entry.outgoing.method);
        self.end_streams(slot);
        Event::Answered(&mut self.calls.entry(slot).waiter, Err(error))
    }

    /// The method has returned its stream.
    pub(super) fn begun(&mut self, from: LinkId, id: u32) -> Result<Event<'_, W>, Violation> {
        let slot = self.streaming(from, id)?;
        self.serves(from);
        let entry = self.calls.entry(slot);
        if entry.stage != Stage::Sent {
            return self.links.get_mut(from).straggler().map(|()| Event::None);
        }
        if entry.receives().is_none() {
            return Ok(self.unasked(slot));
        }
        match &mut entry.streams {
            Some(streams) if !streams.has_begun => {
                streams.has_begun = true;
                streams.is_under_way = true;
            }
            _ => return Err(Violation::BegunTwice { id }),
        }
        entry.opened();
        Ok(Event::Begun(&mut self.calls.entry(slot).waiter))
    }

    /// The server takes no more items.
    pub(super) fn stopped(&mut self, from: LinkId, id: u32) -> Result<Event<'_, W>, Violation> {
        let slot = self.streaming(from, id)?;
        let entry = self.calls.entry(slot);
        match &mut entry.streams {
            Some(streams) if entry.stage == Stage::Sent && streams.upload != Upload::Closed => {
                streams.upload = Upload::Closed;
                // Its caller has given the stream up, and has none for another attempt.
                streams.is_under_way = true;
                let link = self.links.get_mut(from);
                link.message(id, |out| message::write_end(out, id, None));
                Ok(Event::Stopped(&mut self.calls.entry(slot).waiter))
            }
            // It crossed the end of the stream, or the cancel of the call.
            _ => self.links.get_mut(from).straggler().map(|()| Event::None),
        }
    }

    pub(super) fn credit(
        &mut self,
        from: LinkId,
        id: Option<u32>,
        bytes: u64,
    ) -> Result<Event<'_, W>, Violation> {
        let link = self.links.get_mut(from);
        let Some(id) = id else {
            let is_right = bytes > 0 && link.sending.credit(bytes);
            return if is_right { Ok(Event::Room) } else { Err(Violation::Credit { bytes }) };
        };
        let slot = self.streaming(from, id)?;
        let entry = self.calls.entry(slot);
        let Some(streams) = &mut entry.streams else {
            // It crossed the cancel of the call.
            self.links.get_mut(from).straggler()?;
            return Ok(Event::None);
        };
        if bytes == 0 || !streams.sending.credit(bytes) {
            return Err(Violation::Credit { bytes });
        }
        if streams.upload == Upload::Blocked {
            streams.upload = Upload::Open;
            return Ok(Event::Writable(&mut entry.waiter));
        }
        Ok(Event::None)
    }

    /// A call needs its streams no more: what has arrived and was not taken leaves the connection's window.
    #[inline]
    pub(super) fn end_streams(&mut self, slot: u32) {
        if self.calls.entry(slot).streams.is_some() {
            self.end_streams_of(slot);
        }
    }

    #[inline(never)]
    fn end_streams_of(&mut self, slot: u32) {
        let entry = self.calls.entry(slot);
        let Some(streams) = entry.streams.take() else {
            return;
        };
        let carrier = entry.link;
        if let Some(receiving) = streams.receiving {
            self.links.get_mut(carrier).give_back(receiving.untaken());
        }
    }
}

impl<W> Entry<W> {
    /// Its stream has begun: from here on there is no bound but the one that was asked for.
    fn opened(&mut self) {
        if self.outgoing.opens_only {
            self.deadline = None;
        }
    }

    fn receives(&mut self) -> Option<&mut Receiving> {
        self.streams.as_mut()?.receiving.as_mut()
    }

    /// Whether a call that cannot send now can do so later.
    fn room_elsewhere(&self) -> Room {
        match self.stage {
            Stage::Queued | Stage::Paused => Room::Blocked,
            Stage::Sent | Stage::Free | Stage::Expired | Stage::Cancelled | Stage::Settled => {
                Room::Closed
            }
        }
    }
}

#[cfg(test)]
mod tests;
