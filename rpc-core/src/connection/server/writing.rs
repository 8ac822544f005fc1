//! What goes out on a connection: frames at once, large messages in parts, and the messages of one call in their order.

use super::Connection;
use crate::{connection::parts::is_large, value::Encoder};

/// Where a message that was admitted goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Wherever those of its call allow.
    Any,
    /// Behind all that waits.
    Last,
}

impl Connection {
    /// The bytes that are unsent, without those of the large message that is being sent: what is small finds its way between its parts.
    pub fn unsent(&self) -> usize {
        bytes::Buf::remaining(&self.output) + self.bulk.waiting()
    }

    /// Whether a part of a large message can be sent, or what waits behind it.
    pub fn has_parts(&self) -> bool {
        // An end that does not read cannot hear how much has been read.
        let is_reading = self.unsent() < self.config.write_high_water;
        let must_wait = is_reading && self.bulk.is_ahead(self.config.parts_ahead);
        !self.bulk.is_empty() && !must_wait
    }

    /// Moves the next part of a large message to the output, if there is one and it can be sent. To be called when the output has been sent.
    pub fn next_part(&mut self) -> bool {
        let is_sent = self.has_parts() && self.bulk.step(&mut self.output).is_some();
        drop(self.bulk.take_spent());
        is_sent
    }

    /// Moves all that is to be sent to the output: nothing more will be read.
    pub fn finish_parts(&mut self) {
        while self.bulk.step(&mut self.output).is_some() {}
    }

    /// Writes a frame that belongs to a call.
    pub(super) fn frame(
        &mut self,
        id: u32,
        head: impl FnOnce(&mut Vec<u8>),
        payload: &mut Encoder,
    ) {
        self.place(id, 0, Place::Any, head, payload);
    }

    /// Writes a frame that belongs to a call, and counts for so much: in parts if it is large, and behind what the call has waiting.
    pub(super) fn place(
        &mut self,
        id: u32,
        cost: usize,
        place: Place,
        head: impl FnOnce(&mut Vec<u8>),
        payload: &mut Encoder,
    ) {
        if is_large(payload.len()) || place == Place::Last || self.bulk.holds(id) {
            self.bulk.push(Some(id), None, cost, head, payload);
        } else {
            self.output.frame(head, payload);
        }
    }

    /// The same for a message without a payload.
    pub(super) fn message(&mut self, id: u32, message: impl FnOnce(&mut Vec<u8>)) {
        self.bulk.message(&mut self.output, id, message);
    }

    /// Gives up what a call has waiting; whether there was anything.
    pub(super) fn abandon(&mut self, id: u32) -> bool {
        let removed = self.bulk.remove(id, &mut self.output);
        drop(self.bulk.take_spent());
        self.streams.unsent(removed.cost);
        removed.messages > 0
    }
}
