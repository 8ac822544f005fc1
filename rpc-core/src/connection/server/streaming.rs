//! Streams of one connection: items out under the client's windows, items in under this end's (PROTOCOL 10).
//!
//! A call whose method streams stands in a table of its own beside the one of pending calls, from before its handler is polled until it is
//! answered. An item for which there is no room stays where it is, in its outlet; the call is noted as blocked, by its own window or by the
//! connection's, and its driver is told when there may be room. Memory: one entry for each such call, and no item.

use rustc_hash::FxHashMap;

use super::{
    Connection,
    interface::{CallKey, Config, Event, Shape, item_too_large},
    writing::Place,
};
use crate::{
    Violation,
    connection::parts::is_large,
    hello::Hello,
    limits::ITEM_RUN,
    message,
    payload::{Body, Payload, Span},
    stream::{Content, Receiving, Sending},
    value::Encoder,
};

/// One streaming call.
#[derive(Debug)]
struct Stream {
    handle: u32,
    sending: Sending,
    blocked: Blocked,
    /// Whether the client knows of the items that were dropped in front of the one that found no room.
    is_gap_told: bool,
    receiving: Receiving,
    upload: Upload,
}

/// What an item waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blocked {
    /// Nothing.
    No,
    /// Room in the stream's own window.
    Stream,
    /// Room in the connection's.
    Connection,
}

/// The stream that the client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    /// There is none to take: an item would be for nothing, and its client is told so.
    Unasked,
    /// Its items are taken.
    Open,
    /// It has ended.
    Ended,
    /// Its items are not taken, and the client has been told.
    Stopped,
}

/// The streams of one connection.
#[derive(Debug)]
pub(super) struct Streams {
    table: FxHashMap<CallKey, Stream>,
    sending: Sending,
    receiving: Receiving,
    /// How large a new stream's window is at the client.
    peer_window: usize,
    peer_connection_window: usize,
    window: usize,
    /// Bytes of messages for calls that are over, or take no items, that may still come.
    late_bytes: u64,
    /// What one call adds to them, and what they are at most: what all calls add that may be in flight.
    late_bytes_of_call: u64,
    most_late_bytes: u64,
    /// Bytes of items of calls that are over, for which credit may still come, and what they are at most.
    late_credit: u64,
    most_late_credit: u64,
    max_calls: u32,
    /// Calls whose blocked items may have room now.
    ready: Vec<u32>,
}

impl Streams {
    pub(super) fn new(config: &Config) -> Self {
        // A window full of items, one item that is larger than that, and an end with an error.
        let late_bytes_of_call =
            (config.stream_window + config.max_message_size) as u64 + (8 << 10);
        Self {
            table: FxHashMap::default(),
            sending: Sending::new(0),
            receiving: Receiving::new(config.connection_window),
            peer_window: 0,
            peer_connection_window: 0,
            window: config.stream_window,
            late_bytes: 0,
            late_credit: 0,
            most_late_credit: 0,
            max_calls: config.max_calls,
            late_bytes_of_call,
            most_late_bytes: late_bytes_of_call.saturating_mul(u64::from(config.max_calls) + 1),
            ready: Vec::new(),
        }
    }

    /// The client has introduced itself.
    pub(super) fn open(&mut self, hello: &Hello) {
        self.sending = Sending::new(hello.connection_window);
        self.peer_window = hello.stream_window;
        self.peer_connection_window = hello.connection_window;
        // A window may be as large as a peer likes to say.
        let of_call = hello.stream_window.saturating_add(hello.max_message_size) as u64;
        self.most_late_credit = of_call.saturating_mul(u64::from(self.max_calls) + 1);
    }

    /// A request has come: its client may send items before it learns that nobody takes them.
    pub(super) fn expect(&mut self) {
        self.late_bytes = (self.late_bytes + self.late_bytes_of_call).min(self.most_late_bytes);
    }

    /// A message has come for a call that is over or takes no items.
    fn late(&mut self, size: usize) -> Result<(), Violation> {
        self.late_bytes = self.late_bytes.checked_sub(size as u64).ok_or(Violation::LateItems)?;
        Ok(())
    }

    /// What was sent for a call, and counted in the connection's window, will not arrive.
    pub(super) fn unsent(&mut self, cost: usize) {
        let was_outstanding = self.sending.credit(cost as u64);
        debug_assert!(was_outstanding, "what was sent is outstanding");
        if cost > 0 {
            self.has_room();
        }
    }

    /// There is room in the connection's window.
    fn has_room(&mut self) {
        for stream in self.table.values_mut() {
            if stream.blocked == Blocked::Connection {
                stream.blocked = Blocked::No;
                self.ready.push(stream.handle);
            }
        }
    }

    pub(super) fn shrink(&mut self) {
        self.table.shrink_to_fit();
        self.ready.shrink_to_fit();
    }
}

impl Connection {
    /// Notes that a call that is [`pending`](Self::pending) streams. To be called before its handler is polled.
    pub fn streams(&mut self, key: CallKey, handle: u32, shape: Shape) {
        let streams = &mut self.streams;
        let stream = Stream {
            handle,
            sending: Sending::new(streams.peer_window),
            blocked: Blocked::No,
            is_gap_told: false,
            receiving: Receiving::new(streams.window),
            upload: if shape.takes { Upload::Open } else { Upload::Unasked },
        };
        streams.table.insert(key, stream);
    }

    /// Sends what a stream has next, in front of which so many items were dropped; whether there was room for it. Where there was none, its
    /// handle comes from [`next_ready`](Self::next_ready) when there may be.
    pub fn send(&mut self, key: CallKey, content: Content<'_>, lost: u64) -> bool {
        // A stream of a one-way call has nobody to go to.
        let (Some(id), true) = (key.id(), self.streams.table.contains_key(&key)) else {
            return true;
        };
        let mut item = match content {
            Content::Begin => {
                self.message(id, |out| message::write_begin(out, id));
                return true;
            }
            Content::Item(encoder) => Ok((encoder, 1)),
            Content::Items(encoder, count) => Ok((encoder, count)),
            Content::Failure(error) => Err(self.fitting(error)),
        };
        let limit = self.peer.max_message_size;
        if let Ok((encoder, count)) = &item {
            let size = message::items_size(id, *count, encoder.len());
            if size > limit {
                item = Err(item_too_large(size, limit));
            }
        }
        // Each of the two messages finds its own room, as the client counts them: together they may be more than a window admits.
        let is_gap_told = self.streams.table.get(&key).is_some_and(|stream| stream.is_gap_told);
        if lost > 0 && !is_gap_told {
            let mut notice = Vec::new();
            message::write_lost(&mut notice, id, lost);
            let Some(place) = self.admit(key, notice.len()) else { return false };
            self.counted(id, place, &notice);
        }
        let is_sent = match item {
            Ok((encoder, count)) => {
                let size = message::items_size(id, count, encoder.len());
                let place = self.admit(key, size);
                if let Some(place) = place {
                    let head = |out: &mut Vec<u8>| message::write_items(out, id, count);
                    self.place(id, size, place, head, encoder);
                }
                place.is_some()
            }
            Err(error) => {
                let mut failure = Vec::new();
                message::write_failed_item(&mut failure, id, &error);
                let place = self.admit(key, failure.len());
                if let Some(place) = place {
                    self.counted(id, place, &failure);
                }
                place.is_some()
            }
        };
        if let Some(stream) = self.streams.table.get_mut(&key) {
            stream.is_gap_told = lost > 0 && !is_sent;
        }
        is_sent
    }

    /// Counts a message of so many bytes in both windows, if they have room for it, and says where it goes. If not, its stream is noted as blocked.
    ///
    /// One that does not fit, and passes because little is outstanding, does not overtake those that were admitted before it: they would
    /// find no room.
    fn admit(&mut self, key: CallKey, size: usize) -> Option<Place> {
        let Streams { table, sending, .. } = &mut self.streams;
        let stream = table.get_mut(&key)?;
        stream.blocked = if !stream.sending.admits(size) {
            Blocked::Stream
        } else if !sending.admits(size) {
            Blocked::Connection
        } else {
            Blocked::No
        };
        if stream.blocked != Blocked::No {
            return None;
        }
        let is_last = !sending.fits(size) && self.bulk.holds_items();
        stream.sending.sent(size);
        sending.sent(size);
        Some(if is_last { Place::Last } else { Place::Any })
    }

    /// The same for a message that has no payload, or is one.
    fn counted(&mut self, id: u32, place: Place, message: &[u8]) {
        let place = if is_large(message.len()) { Place::Last } else { place };
        let head = |out: &mut Vec<u8>| out.extend_from_slice(message);
        self.place(id, message.len(), place, head, &mut Encoder::default());
    }

    /// Bytes of a stream's items that are there at once and may go out in one message.
    pub fn item_run(&self) -> usize {
        ITEM_RUN.min(self.streams.peer_window / 4).min(self.streams.peer_connection_window / 4)
    }

    /// A call whose item found no room, and may find some now. To be asked when an event says [`Room`](Event::Room) or
    /// [`Cancel`](Event::Cancel), and when calls have expired: what one of them gives up is room for the others.
    pub fn next_ready(&mut self) -> Option<u32> {
        self.streams.ready.pop()
    }

    /// The handler of a call has taken items of so many bytes.
    pub fn took(&mut self, key: CallKey, bytes: u64) {
        let (Some(id), Some(stream)) = (key.id(), self.streams.table.get_mut(&key)) else {
            return;
        };
        // What was left when the items were given up has been counted then.
        if stream.upload == Upload::Stopped {
            return;
        }
        let credit = stream.receiving.took(bytes).filter(|_| stream.upload == Upload::Open);
        if let Some(credit) = credit {
            self.message(id, |out| message::write_credit(out, Some(id), credit));
        }
        self.give_back(bytes);
    }

    /// The handler of a call takes no more items: the client is told, and what has arrived is given up.
    pub fn stop_items(&mut self, key: CallKey) {
        let (Some(id), Some(stream)) = (key.id(), self.streams.table.get_mut(&key)) else {
            return;
        };
        let has_ended = match stream.upload {
            Upload::Unasked | Upload::Open => false,
            Upload::Ended => true,
            Upload::Stopped => return,
        };
        stream.upload = Upload::Stopped;
        let left = stream.receiving.untaken();
        if !has_ended {
            self.message(id, |out| message::write_cancel(out, id));
        }
        self.give_back(left);
    }

    /// Items of so many bytes have left the connection's window.
    fn give_back(&mut self, bytes: u64) {
        if bytes > 0
            && let Some(credit) = self.streams.receiving.took(bytes)
        {
            self.output.message(|out| message::write_credit(out, None, credit));
        }
    }

    /// A call is over, and with it its streams.
    pub(super) fn end_streams(&mut self, key: CallKey) {
        if self.streams.table.is_empty() {
            return;
        }
        let Some(stream) = self.streams.table.remove(&key) else { return };
        let late_credit = self.streams.late_credit.saturating_add(stream.sending.outstanding());
        self.streams.late_credit = late_credit.min(self.streams.most_late_credit);
        if stream.upload != Upload::Stopped {
            self.give_back(stream.receiving.untaken());
        }
    }

    pub(super) fn item(
        &mut self,
        id: u32,
        error: Option<Span>,
        payload: u32,
        body: &mut Body,
    ) -> Result<Event, Violation> {
        let size = body.as_slice().len();
        if !self.streams.receiving.arrived(size) {
            return Err(Violation::Overrun { size });
        }
        let key = CallKey::of_request(id);
        let stream = self.streams.table.get_mut(&key);
        let Some(stream) = stream.filter(|stream| stream.upload == Upload::Open) else {
            return self.late_item(key, size);
        };
        if !stream.receiving.arrived(size) {
            return Err(Violation::Overrun { size });
        }
        let handle = stream.handle;
        let item = match error {
            Some(span) => Err(message::error_in(body, &span)?),
            None => {
                Ok(Payload::new(std::mem::take(body), payload).nesting(self.config.max_nesting))
            }
        };
        Ok(Event::Item { handle, item, cost: size as u64 })
    }

    /// An item that nobody takes: it crossed the answer to its call, or its method takes none.
    fn late_item(&mut self, key: CallKey, size: usize) -> Result<Event, Violation> {
        self.streams.late(size)?;
        self.give_back(size as u64);
        if let Some(pending) = self.calls.get(&key) {
            let handle = pending.handle;
            if !self.streams.table.contains_key(&key) {
                self.streams(key, handle, Shape { takes: false });
            }
            if self.streams.table.get(&key).is_some_and(|stream| stream.upload == Upload::Unasked) {
                self.stop_items(key);
            }
        }
        Ok(Event::None)
    }

    pub(super) fn end_of_items(
        &mut self,
        id: u32,
        error: Option<Span>,
        body: &Body,
    ) -> Result<Event, Violation> {
        let stream = self.streams.table.get_mut(&CallKey::of_request(id));
        let Some(stream) = stream.filter(|stream| stream.upload == Upload::Open) else {
            self.streams.late(body.as_slice().len())?;
            return Ok(Event::None);
        };
        stream.upload = Upload::Ended;
        let handle = stream.handle;
        let end = match error {
            Some(span) => Err(message::error_in(body, &span)?),
            None => Ok(()),
        };
        Ok(Event::EndOfItems { handle, end })
    }

    pub(super) fn credit(
        &mut self,
        id: Option<u32>,
        bytes: u64,
        size: usize,
    ) -> Result<Event, Violation> {
        if bytes == 0 {
            return Err(Violation::Credit { bytes });
        }
        let streams = &mut self.streams;
        let is_right = match id {
            None => {
                let is_right = streams.sending.credit(bytes);
                streams.has_room();
                is_right
            }
            Some(id) => match streams.table.get_mut(&CallKey::of_request(id)) {
                Some(stream) => {
                    let is_right = stream.sending.credit(bytes);
                    if stream.blocked == Blocked::Stream {
                        stream.blocked = Blocked::No;
                        streams.ready.push(stream.handle);
                    }
                    is_right
                }
                // It crossed the answer; or it is for nothing.
                None => match streams.late_credit.checked_sub(bytes) {
                    Some(left) => {
                        streams.late_credit = left;
                        return Ok(Event::None);
                    }
                    None => return streams.late(size).map(|()| Event::None),
                },
            },
        };
        if is_right { Ok(Event::Room) } else { Err(Violation::Credit { bytes }) }
    }
}

#[cfg(test)]
mod tests;
