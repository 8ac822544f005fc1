//! What goes out on a connection: frames at once, large requests in parts, and the messages of one call in their order.

use super::{
    Channel,
    link::{Link, LinkId},
};
use crate::{
    Violation,
    connection::parts::{Step, is_large},
    message,
    value::Encoder,
};

impl<W: Default> Channel<W> {
    /// What is to be dropped outside of any lock: byte strings of the user's that were sent, or given up. To be asked for whenever the lock was
    /// held.
    #[must_use = "to be dropped outside of any lock"]
    pub fn take_spent(&mut self) -> Vec<bytes::Bytes> {
        let mut spent = Vec::new();
        for (_, link) in self.links.iter_mut() {
            spent.append(&mut link.bulk.take_spent());
        }
        spent
    }

    /// Moves the next part of a large request to the output of a connection, if there is one and it can be sent. To be called when the output was
    /// sent.
    pub fn next_part(&mut self, on: LinkId) -> bool {
        self.links.get(on).has_parts(self.config.parts_ahead) && self.step(on)
    }

    /// Moves all that is to be sent on a connection to its output: nothing more will be read.
    pub fn finish_parts(&mut self, on: LinkId) {
        while self.step(on) {}
    }

    fn step(&mut self, on: LinkId) -> bool {
        let link = self.links.get_mut(on);
        let step = link.bulk.step(&mut link.output);
        if let Some(Step::Last { tag: Some(tag), position }) = step {
            link.carried += 1;
            let ordinal = link.carried;
            if tag != Link::NOBODY {
                let entry = self.calls.entry(tag);
                entry.position = position;
                entry.ordinal = ordinal;
            }
        }
        step.is_some()
    }
}

impl Link {
    /// The tag of a large one-way call, whose slot is free before it is sent.
    pub(super) const NOBODY: u32 = u32::MAX;

    /// Items of so many bytes have left the connection's window.
    pub(super) fn give_back(&mut self, bytes: u64) {
        if bytes > 0
            && let Some(credit) = self.receiving.took(bytes)
        {
            self.output.message(|out| message::write_credit(out, None, credit));
        }
    }

    /// Whether a part of a large message can be sent, or what waits behind it.
    pub(super) fn has_parts(&self, parts_ahead: usize) -> bool {
        !self.bulk.is_empty() && !self.bulk.is_ahead(parts_ahead)
    }

    /// The bytes that are unsent, without those of the large message that is being sent.
    pub(super) fn unsent(&self) -> usize {
        bytes::Buf::remaining(&self.output) + self.bulk.waiting()
    }

    /// Counts an item in the connection's window and writes it: in parts if it is large, and behind what its call has waiting. One that does not
    /// fit, and passes because little is outstanding, does not overtake those that were admitted before it: they would find no room.
    pub(super) fn item(
        &mut self,
        id: u32,
        size: usize,
        head: impl FnOnce(&mut Vec<u8>),
        payload: &mut Encoder,
    ) {
        let is_last = !self.sending.fits(size) && self.bulk.holds_items();
        self.sending.sent(size);
        if is_large(payload.len()) || is_last || self.bulk.holds(id) {
            self.bulk.push(Some(id), None, size, head, payload);
        } else {
            self.output.frame(head, payload);
        }
    }

    /// Writes a message that belongs to a call, behind what the call has waiting.
    pub(super) fn message(&mut self, id: u32, message: impl FnOnce(&mut Vec<u8>)) {
        self.bulk.message(&mut self.output, id, message);
    }

    /// An item has come for a call that nobody waits for.
    pub(super) fn late(&mut self, size: usize) -> Result<(), Violation> {
        self.late_bytes = self.late_bytes.checked_sub(size as u64).ok_or(Violation::LateItems)?;
        Ok(())
    }

    /// Gives up what a call has waiting.
    pub(super) fn abandon(&mut self, id: u32) {
        let removed = self.bulk.remove(id, &mut self.output);
        self.has_given_up |= removed.messages > 0 && self.has_blocked;
        let was_outstanding = self.sending.credit(removed.cost as u64);
        debug_assert!(was_outstanding, "what was sent is outstanding");
    }
}
