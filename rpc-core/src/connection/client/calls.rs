//! The calls of one channel: a slab of slots, and the queue of those that wait for their turn.
//!
//! A slot has two sides, the caller and the wire, and is free when neither needs it:
//!
//! ```text
//!    ╭──────────── resumed ──────────── Paused
//!    ▼    transmitted         to be repeated ▲
//!  Queued ────────────▶ Sent ────────────────╯
//!    │ ▲ ╰── not started ╯ │ ╲ expired
//!    │                     │  ▼        answered, lost
//!    │ expired,   answered,│ Expired ───────────────╮
//!    │ failed         lost │  │ taken               │
//!    ╰─────────▶ Settled ◀─╯  │ ◀───────────────────╯
//!                   │ taken   ▼        answered, lost
//!                   ▼      Cancelled ────────────────▶ free
//!                  free       ▲ dropped while Sent
//! ```
//!
//! A paused call expires or is dropped as a queued one does. An id on the wire is a slot's number and its generation, which
//! changes whenever the slot becomes free, so a late answer never reaches a call that it was not meant for (PROTOCOL 4.1).
//! The queue is a list through the slots, in the order in which the calls were made: leaving it costs the same from any place.
//! Bound: [`MAX_CALLS_PER_CHANNEL`].

use std::{cmp::Reverse, sync::Arc, time::Instant};

use super::{link::LinkId, name::MethodName, streaming::Streams};
use crate::{Metadata, limits::MAX_CALLS_PER_CHANNEL, value::Encoder};

const SLOT_BITS: u32 = 20;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;
const NOWHERE: u32 = u32::MAX;
/// The position of a request that has not gone out whole.
pub(super) const UNSENT: u64 = u64::MAX;
/// A slab of up to this many slots is kept when no call is left.
const KEPT_SLOTS: usize = 1024;

/// A call on its way out.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// The method's full name.
    pub method: MethodName,
    /// The encoded arguments, kept until the call has ended.
    pub arguments: Encoder,
    /// What the user sends along.
    pub metadata: Option<Arc<Metadata>>,
    /// Whether there will be no answer.
    pub oneway: bool,
    /// Whether the call may be repeated when it is not known whether it ran.
    pub idempotent: bool,
    /// Whether the answer is a stream.
    pub streams: bool,
    /// Whether the caller sends a stream.
    pub takes: bool,
    /// Whether its deadline holds only until the stream that is the answer has begun.
    pub opens_only: bool,
    /// Whether its caller asks for the metadata of the response. The caller of a stream always does.
    pub wants_metadata: bool,
    /// How many attempts came before those of this channel: a gateway passes on what may have run already.
    pub attempts_before: u8,
}

/// Where a call is; see the diagram of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Free,
    Queued,
    Sent,
    Paused,
    Expired,
    Cancelled,
    Settled,
}

impl Stage {
    /// Whether the server owes an answer.
    pub(super) fn is_outstanding(self) -> bool {
        matches!(self, Self::Sent | Self::Expired | Self::Cancelled)
    }
}

/// One call of a channel, as its caller holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRef {
    pub(super) slot: u32,
    generation: u32,
}

/// One slot. `W` is what the driver keeps for the caller.
#[derive(Debug)]
pub(super) struct Entry<W> {
    pub(super) stage: Stage,
    generation: u32,
    previous: u32,
    next: u32,
    /// The place of the call among all that were made.
    sequence: u64,
    pub(super) deadline: Option<Instant>,
    /// Queued: until when it waits for a connection where there is none. Paused: when it goes on.
    pub(super) until: Option<Instant>,
    /// The connection that carried it last.
    pub(super) link: LinkId,
    /// The place of the call among all that its connection carried, from 1; [`UNSENT`] until it is complete there.
    pub(super) ordinal: u64,
    /// Where its frame begins among all the bytes of its connection, or its last one, if it went out in parts; [`UNSENT`] until then.
    pub(super) position: u64,
    /// What it needs for its streams, while it is outstanding.
    pub(super) streams: Option<Box<Streams>>,
    /// Whether it was sent before the server's hello had come.
    pub(super) early: bool,
    /// How often it was sent.
    pub(super) attempt: u32,
    /// How often it was repeated at the expense of the budget.
    pub(super) repeats: u32,
    /// Whether an earlier attempt may have run.
    pub(super) may_have_run: bool,
    pub(super) outgoing: Outgoing,
    pub(super) waiter: W,
}

#[derive(Debug)]
pub(super) struct Calls<W> {
    entries: Vec<Entry<W>>,
    free: u32,
    live: usize,
    head: u32,
    tail: u32,
    /// The slot that was put into the queue again last.
    requeued: u32,
    /// Where the generations begin after the slab was emptied.
    generation: u32,
    /// How many calls were made.
    made: u64,
}

impl<W: Default> Calls<W> {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: NOWHERE,
            live: 0,
            head: NOWHERE,
            tail: NOWHERE,
            requeued: NOWHERE,
            generation: 0,
            made: 0,
        }
    }

    /// Takes a call out of `outgoing` to the end of the queue; leaves it there, and gives the waiter back, where there is no
    /// room.
    pub(super) fn insert(
        &mut self,
        outgoing: &mut Outgoing,
        deadline: Option<Instant>,
        waiter: W,
    ) -> Result<CallRef, W> {
        let slot = if self.free == NOWHERE {
            if self.entries.len() >= MAX_CALLS_PER_CHANNEL {
                return Err(waiter);
            }
            self.entries.push(Entry {
                stage: Stage::Free,
                generation: self.generation,
                previous: NOWHERE,
                next: NOWHERE,
                sequence: 0,
                deadline: None,
                until: None,
                link: LinkId::default(),
                ordinal: 0,
                position: 0,
                streams: None,
                early: false,
                attempt: 0,
                repeats: 0,
                may_have_run: false,
                outgoing: Outgoing::default(),
                waiter: W::default(),
            });
            u32::try_from(self.entries.len() - 1).unwrap_or(NOWHERE)
        } else {
            let slot = self.free;
            self.free = self.entries[slot as usize].next;
            slot
        };
        let entry = &mut self.entries[slot as usize];
        entry.stage = Stage::Queued;
        entry.sequence = self.made;
        entry.deadline = deadline;
        entry.until = None;
        entry.attempt = 0;
        entry.repeats = 0;
        entry.may_have_run = false;
        self.made += 1;
        std::mem::swap(&mut entry.outgoing, outgoing);
        entry.waiter = waiter;
        let call = CallRef { slot, generation: entry.generation };
        self.live += 1;
        self.push_back(slot);
        Ok(call)
    }

    /// The wire id of a slot's call.
    pub(super) fn id(&self, slot: u32) -> u32 {
        self.entries[slot as usize].generation << SLOT_BITS | slot
    }

    /// The slot of a call that is outstanding on this connection.
    pub(super) fn outstanding(&self, link: LinkId, id: u32) -> Option<u32> {
        let slot = id & SLOT_MASK;
        let entry = self.entries.get(slot as usize)?;
        let is_its = entry.generation == id >> SLOT_BITS && entry.link == link;
        (is_its && entry.stage.is_outstanding()).then_some(slot)
    }

    /// The slot of a call that its caller still holds.
    pub(super) fn held(&mut self, call: CallRef) -> &mut Entry<W> {
        let entry = &mut self.entries[call.slot as usize];
        debug_assert_eq!(entry.generation, call.generation, "a caller's slot is not free");
        entry
    }

    pub(super) fn entry(&mut self, slot: u32) -> &mut Entry<W> {
        &mut self.entries[slot as usize]
    }

    /// All slots that are in use.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Entry<W>)> {
        (0..).zip(&self.entries).filter(|(_, entry)| entry.stage != Stage::Free)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry<W>> {
        self.entries.iter_mut().filter(|entry| entry.stage != Stage::Free)
    }

    /// The first call of the queue.
    pub(super) fn first(&self) -> Option<u32> {
        (self.head != NOWHERE).then_some(self.head)
    }

    /// Takes a call out of the queue.
    pub(super) fn unlink(&mut self, slot: u32) {
        let Entry { previous, next, .. } = self.entries[slot as usize];
        match previous {
            NOWHERE => self.head = next,
            previous => self.entries[previous as usize].next = next,
        }
        match next {
            NOWHERE => self.tail = previous,
            next => self.entries[next as usize].previous = previous,
        }
    }

    fn push_back(&mut self, slot: u32) {
        let tail = std::mem::replace(&mut self.tail, slot);
        let entry = &mut self.entries[slot as usize];
        entry.previous = tail;
        entry.next = NOWHERE;
        match tail {
            NOWHERE => self.head = slot,
            tail => self.entries[tail as usize].next = slot,
        }
    }

    /// Puts a call into the queue again, at its place in the order in which the calls were made.
    pub(super) fn requeue(&mut self, slot: u32) {
        let sequence = self.entries[slot as usize].sequence;
        // Calls come back in the order in which they were made, or against it: the place of one is beside that of the last.
        let last = self.entries.get(self.requeued as usize);
        let is_there = last.is_some_and(|entry| entry.stage == Stage::Queued);
        let mut next = if is_there { self.requeued } else { self.head };
        while let Some(entry) = self.entries.get(next as usize)
            && entry.sequence < sequence
        {
            next = entry.next;
        }
        let before = |next: u32| match self.entries.get(next as usize) {
            Some(entry) => entry.previous,
            None => self.tail,
        };
        let mut previous = before(next);
        while let Some(entry) = self.entries.get(previous as usize)
            && entry.sequence > sequence
        {
            (previous, next) = (entry.previous, previous);
        }
        self.requeued = slot;
        let entry = &mut self.entries[slot as usize];
        entry.stage = Stage::Queued;
        entry.previous = previous;
        entry.next = next;
        match previous {
            NOWHERE => self.head = slot,
            previous => self.entries[previous as usize].next = slot,
        }
        match next {
            NOWHERE => self.tail = slot,
            next => self.entries[next as usize].previous = slot,
        }
    }

    /// The slots that one of these stages holds, from the call that was made last to the first: each can then be requeued at the
    /// front.
    pub(super) fn newest_first(&self, chosen: impl Fn(&Entry<W>) -> bool) -> Vec<u32> {
        let mut slots: Vec<(u64, u32)> = self
            .iter()
            .filter(|(_, entry)| chosen(entry))
            .map(|(slot, entry)| (entry.sequence, slot))
            .collect();
        slots.sort_unstable_by_key(|(sequence, _)| Reverse(*sequence));
        slots.into_iter().map(|(_, slot)| slot).collect()
    }

    /// Notes that nobody waits for an outstanding call any more, and returns what it held: it will not be sent again.
    pub(super) fn cancelled(&mut self, slot: u32) -> (Outgoing, W) {
        let entry = &mut self.entries[slot as usize];
        entry.stage = Stage::Cancelled;
        (std::mem::take(&mut entry.outgoing), std::mem::take(&mut entry.waiter))
    }

    /// Makes a slot free, and returns what it held, to be dropped where the caller likes.
    pub(super) fn free(&mut self, slot: u32) -> (Outgoing, W) {
        let entry = &mut self.entries[slot as usize];
        let held = (std::mem::take(&mut entry.outgoing), std::mem::take(&mut entry.waiter));
        self.free_emptied(slot);
        held
    }

    /// Makes a slot free whose waiter has been emptied, and returns what is left of its call, if anything is.
    pub(super) fn free_settled(&mut self, slot: u32) -> Option<Outgoing> {
        let outgoing = &mut self.entries[slot as usize].outgoing;
        let is_empty = outgoing.metadata.is_none() && !outgoing.arguments.has_segments();
        let left = (!is_empty).then(|| std::mem::take(outgoing));
        self.free_emptied(slot);
        left
    }

    fn free_emptied(&mut self, slot: u32) {
        let free = std::mem::replace(&mut self.free, slot);
        let entry = &mut self.entries[slot as usize];
        entry.stage = Stage::Free;
        entry.generation = (entry.generation + 1) & (u32::MAX >> SLOT_BITS);
        entry.next = free;
        self.live -= 1;
        if self.live == 0 && self.entries.len() > KEPT_SLOTS {
            // Nothing is outstanding, so the ids may begin again. Empty slots own spare buffers at most.
            let generation = (self.generation + 1) & (u32::MAX >> SLOT_BITS);
            *self = Self { generation, made: self.made, ..Self::new() };
        }
    }

    /// The calls that hold a slot.
    pub(super) fn len(&self) -> usize {
        self.live
    }
}

#[cfg(test)]
mod tests;
