//! Items that have arrived and were not taken, in the order in which they came.
//!
//! What is small is copied together into blocks, each item behind its length, so a window full of them costs about its bytes; a large one
//! stays the slice of the frame that it is. So do errors and gaps: as values of their own they would cost many times what they
//! count for. A consumer takes a block at once and reads it item by item, without a lock. How much may lie here is the window's
//! business (`window.rs`): the sender stops when it is full.

use std::collections::VecDeque;

use crate::{
    Error,
    buffer::{give_buffer, take_buffer},
    error::Origin,
    limits::{ITEM_BLOCK, SMALL_ITEM},
    message,
    payload::{Body, Payload},
};

/// What a consumer takes at once.
#[derive(Debug)]
pub enum Chunk {
    /// Small items, errors and gaps among them, each with its length in front of it.
    Block(Vec<u8>),
    /// One item.
    Item(Payload),
    /// An item that is an error.
    Failure(Error),
}

/// The items of one stream.
#[derive(Debug, Default)]
pub struct Inbox {
    /// Each with the bytes that its items count for in the window.
    chunks: VecDeque<(Chunk, u64)>,
    /// A block that was read, to be used again.
    spare: Vec<u8>,
}

const LENGTH: usize = 4;

/// What stands in a length beside the length: it is that of an error, or of the number of items that were dropped.
const FAILURE: u32 = 1 << 31;
const GAP: u32 = 1 << 30;

impl Inbox {
    /// Appends an item whose message had so many bytes. The frame's buffer comes back if it can be used again.
    pub fn push(&mut self, item: Payload, cost: u64) -> Option<Body> {
        let bytes = item.as_slice();
        if bytes.len() > SMALL_ITEM {
            self.chunks.push_back((Chunk::Item(item), cost));
            return None;
        }
        self.append(0, bytes, cost);
        Some(item.into_body())
    }

    /// Appends an item that is an error.
    pub fn push_failure(&mut self, error: Error, cost: u64) {
        // One of this process may have a cause, which is not to be lost; it has a limit's place in the stream, and is rare.
        let is_small = error.details().is_none_or(|details| details.len() <= SMALL_ITEM);
        if !is_small || error.origin() == Origin::Local {
            self.chunks.push_back((Chunk::Failure(error), cost));
            return;
        }
        let mut bytes = Vec::new();
        message::write_error(&mut bytes, &error);
        self.append(FAILURE, &bytes, cost);
    }

    /// Notes that so many items were dropped here; the message that said so had so many bytes.
    pub fn push_lost(&mut self, count: u64, cost: u64) {
        self.append(GAP, &count.to_be_bytes(), cost);
    }

    fn append(&mut self, kind: u32, bytes: &[u8], cost: u64) {
        let size = LENGTH + bytes.len();
        // Nothing that is appended here is above `SMALL_ITEM` by more than an error's text.
        let length = (kind | u32::try_from(bytes.len()).unwrap_or(0)).to_be_bytes();
        match self.chunks.back_mut() {
            Some((Chunk::Block(block), total)) if block.len() + size <= ITEM_BLOCK => {
                make_room(block, size);
                block.extend_from_slice(&length);
                block.extend_from_slice(bytes);
                *total += cost;
            }
            _ => {
                let mut block = match std::mem::take(&mut self.spare) {
                    spare if spare.capacity() > 0 => spare,
                    _ => take_buffer(),
                };
                make_room(&mut block, size);
                block.extend_from_slice(&length);
                block.extend_from_slice(bytes);
                self.chunks.push_back((Chunk::Block(block), cost));
            }
        }
    }

    /// Takes what came first, and the bytes that it counts for.
    pub fn take(&mut self) -> Option<(Chunk, u64)> {
        let taken = self.chunks.pop_front();
        if self.chunks.is_empty() && self.chunks.capacity() > 8 {
            self.chunks = VecDeque::new();
        }
        taken
    }

    /// Takes back the memory of a block that was read: for the next one, or, where nothing waits, for whoever needs a buffer next.
    pub fn recycle(&mut self, mut block: Vec<u8>) {
        if block.capacity() > ITEM_BLOCK || self.chunks.is_empty() || self.spare.capacity() > 0 {
            return give_buffer(block);
        }
        block.clear();
        self.spare = block;
    }

    /// Frees the memory that waits to be used again.
    pub fn shrink(&mut self) {
        give_buffer(std::mem::take(&mut self.spare));
    }

    /// Whether nothing is left to take.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }
}

/// Makes room for an item in a block. One that grows doubles, and ends where a block is full of items like this one, so that a window
/// full of them costs about its bytes.
fn make_room(block: &mut Vec<u8>, size: usize) {
    if block.capacity() - block.len() < size {
        let most = ITEM_BLOCK.saturating_sub(block.len()) / size * size;
        block.reserve_exact(block.len().min(most).max(size));
    }
}

/// What stands in a block.
#[derive(Debug)]
pub(crate) enum Entry<'a> {
    /// An item.
    Item(&'a [u8]),
    /// An error in the place of an item.
    Failure(Error),
    /// So many items were dropped here.
    Gap(u64),
}

/// What stands first in a block behind `at`, and where the next one begins.
pub(crate) fn read_block(block: &[u8], at: usize) -> Option<(Entry<'_>, usize)> {
    let (length, rest) = block.get(at..)?.split_first_chunk::<LENGTH>()?;
    let head = u32::from_be_bytes(*length);
    let length = (head & !(FAILURE | GAP)) as usize;
    let bytes = rest.get(..length)?;
    let entry = if head & FAILURE != 0 {
        let error = message::read_error(bytes);
        Entry::Failure(error.unwrap_or_else(|malformed| Error::internal(malformed.to_string())))
    } else if head & GAP != 0 {
        Entry::Gap(bytes.try_into().map_or(0, u64::from_be_bytes))
    } else {
        Entry::Item(bytes)
    };
    Some((entry, at + LENGTH + length))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Chunk, Entry, Inbox, read_block};
    use crate::{
        Code, Error,
        limits::SMALL_ITEM,
        payload::{Body, Payload},
    };

    fn item(size: usize, fill: u8) -> Payload {
        Payload::new(Body::Small(vec![fill; size]), 0)
    }

    #[test]
    fn items_come_out_in_the_order_in_which_they_came() {
        let mut inbox = Inbox::default();
        let mut came = Vec::new();
        for (index, size) in [0, 1, 5000, 4000, 20_000, 3, 9000, 9000, 10].into_iter().enumerate() {
            let fill = u8::try_from(index).expect("few");
            let body = inbox.push(item(size, fill), size as u64 + 5);
            assert_eq!(body.is_some(), size <= SMALL_ITEM);
            came.push(vec![fill; size]);
        }
        inbox.push_lost(2, 0);
        inbox.push_lost(3, 0);
        inbox.push_failure(Error::not_found("gone").from_remote(), 9);
        inbox.push_failure(Error::not_found("here"), 9);
        let (mut out, mut lost, mut cost, mut failed) = (Vec::new(), 0, 0, Vec::new());
        while let Some((chunk, bytes)) = inbox.take() {
            cost += bytes;
            match chunk {
                Chunk::Block(block) => {
                    let mut at = 0;
                    while let Some((entry, next)) = read_block(&block, at) {
                        at = next;
                        match entry {
                            Entry::Item(item) => out.push(item.to_vec()),
                            Entry::Failure(error) => failed.push(error),
                            Entry::Gap(count) => {
                                assert!(failed.is_empty());
                                lost += count;
                            }
                        }
                    }
                    assert_eq!(at, block.len());
                    inbox.recycle(block);
                }
                Chunk::Item(payload) => out.push(payload.as_slice().to_vec()),
                Chunk::Failure(error) => failed.push(error),
            }
        }
        assert_eq!(out, came);
        assert_eq!(lost, 5);
        let failed: Vec<_> = failed.iter().map(|error| (error.kind(), error.message())).collect();
        assert_eq!(failed, [(Code::NotFound, "gone"), (Code::NotFound, "here")]);
        assert_eq!(cost, came.iter().map(|item| item.len() as u64 + 5).sum::<u64>() + 18);
        assert!(inbox.is_empty());
    }

    #[test]
    fn a_window_of_small_items_costs_about_its_bytes() {
        // Array, type, id and nil, in front of the value.
        for size in [1, 18, 100, 1000, 1027, 3000, 5000, 8000, 16_000] {
            costs_at_most(1, size + 5, |inbox| drop(inbox.push(item(size, 0), size as u64 + 5)));
        }
    }

    #[test]
    fn a_window_of_errors_and_gaps_costs_about_its_bytes() {
        let error = Error::new(Code::Unknown, "").from_remote();
        costs_at_most(1, 9, |inbox| inbox.push_failure(error.clone(), 9));
        costs_at_most(2, 11, |inbox| {
            inbox.push_lost(1, 5);
            inbox.push(item(1, 0), 6);
        });
    }

    /// What `push` appends, and counts for so much, costs at most so many times a window in all.
    fn costs_at_most(times: usize, counts: usize, push: impl Fn(&mut Inbox)) {
        let mut inbox = Inbox::default();
        let mut cost = 0;
        while cost < 256 << 10 {
            push(&mut inbox);
            cost += counts;
        }
        let held: usize = inbox
            .chunks
            .iter()
            .map(|(chunk, _)| match chunk {
                Chunk::Block(block) => block.capacity(),
                _ => 0,
            })
            .sum();
        let table = inbox.chunks.capacity() * size_of::<(Chunk, u64)>();
        let bound = times * cost + (16 << 10);
        assert!(held + table <= bound, "{held} and {table}, {counts} at once");
    }

    #[test]
    fn a_large_item_is_not_copied() {
        let bytes = Bytes::from(vec![7; 100_000]);
        let mut inbox = Inbox::default();
        assert!(inbox.push(Payload::new(Body::Large(bytes.clone()), 0), 100_005).is_none());
        match inbox.take() {
            Some((Chunk::Item(payload), 100_005)) => {
                assert_eq!(payload.as_slice().as_ptr(), bytes.as_ptr());
            }
            other => unreachable!("{other:?}"),
        }
    }
}
