//! Items that have arrived and were not taken, in the order in which they came.
//!
//! Small items are copied together into blocks, those of a message behind their length, so a window full of them costs about its bytes; so are errors, and
//! notices of what was dropped. A large item stays the slice of the frame that it is. A consumer takes a block at once and reads it item by item, without a lock. How much
//! may lie here is the window's business (`window.rs`): the sender stops when it is full.

use std::{collections::VecDeque, ops::Range};

use crate::{
    Error,
    buffer::{give_buffer, take_buffer},
    limits::{ITEM_BLOCK, SMALL_ITEM},
    message,
    payload::{Body, Payload},
};

/// What a consumer takes at once.
#[derive(Debug)]
pub enum Chunk {
    /// Small items, those of one message with their length in front of them, and how deep they may nest.
    Block(Vec<u8>, u8),
    /// Items that came in one message, which is large: mostly one.
    Items(Payload),
}

/// The items of one stream.
#[derive(Debug, Default)]
pub struct Inbox {
    /// Each with the bytes that its items count for in the window.
    chunks: VecDeque<(Chunk, u64)>,
    /// A block that was read, to be used again.
    spare: Vec<u8>,
    /// How deep items may nest.
    max_nesting: u8,
}

const LENGTH: usize = 4;
/// What stands in front of an entry of a block is its length; these bits of it say that the entry is an error, or how many items were dropped.
const FAILURE: u32 = 1 << 31;
const LOST: u32 = 1 << 30;

impl Inbox {
    /// Appends the items of a message that had so many bytes. The frame's buffer comes back if it can be used again.
    pub fn push(&mut self, item: Payload, cost: u64) -> Option<Body> {
        self.max_nesting = item.max_nesting();
        if item.as_slice().len() > SMALL_ITEM {
            self.chunks.push_back((Chunk::Items(item), cost));
            return None;
        }
        self.append(item.as_slice(), 0, cost);
        Some(item.into_body())
    }

    /// Appends an item that is an error.
    pub fn push_failure(&mut self, error: &Error, cost: u64) {
        let mut bytes = take_buffer();
        message::write_error(&mut bytes, error);
        self.append(&bytes, FAILURE, cost);
        give_buffer(bytes);
    }

    /// Notes that so many items were dropped here; the message that said so had so many bytes.
    pub fn push_lost(&mut self, count: u64, cost: u64) {
        self.append(&count.to_be_bytes(), LOST, cost);
    }

    fn append(&mut self, bytes: &[u8], mark: u32, cost: u64) {
        let size = LENGTH + bytes.len();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX >> 2);
        let length = (length | mark).to_be_bytes();
        match self.chunks.back_mut() {
            Some((Chunk::Block(block, _), total)) if block.len() + size <= ITEM_BLOCK => {
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
                self.chunks.push_back((Chunk::Block(block, self.max_nesting), cost));
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
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Items that came in one message, here.
    Items(Range<usize>),
    /// An item that is an error, here.
    Failure(Range<usize>),
    /// So many items were dropped here.
    Lost(u64),
}

/// What stands in a block behind `at`, and where the next entry begins.
pub(crate) fn read_block(block: &[u8], at: usize) -> Option<(Found, usize)> {
    let (length, rest) = block.get(at..)?.split_first_chunk::<LENGTH>()?;
    let marked = u32::from_be_bytes(*length);
    let length = (marked & !(FAILURE | LOST)) as usize;
    let bytes = rest.get(..length)?;
    let (start, end) = (at + LENGTH, at + LENGTH + length);
    let found = match marked & (FAILURE | LOST) {
        0 => Found::Items(start..end),
        LOST => Found::Lost(bytes.first_chunk().map_or(0, |count| u64::from_be_bytes(*count))),
        _ => Found::Failure(start..end),
    };
    Some((found, end))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Chunk, Found, Inbox, read_block};
    use crate::{
        Error,
        limits::{MAX_NESTING, SMALL_ITEM},
        message,
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
        inbox.push_failure(&Error::not_found("gone"), 9);
        let (mut out, mut lost, mut cost, mut failed) = (Vec::new(), 0, 0, false);
        while let Some((chunk, bytes)) = inbox.take() {
            cost += bytes;
            match chunk {
                Chunk::Block(block, nesting) => {
                    assert_eq!(nesting, MAX_NESTING);
                    let mut at = 0;
                    while let Some((found, next)) = read_block(&block, at) {
                        assert!(!failed, "the error came last");
                        match found {
                            Found::Items(items) => out.push(block[items].to_vec()),
                            Found::Lost(count) => lost += count,
                            Found::Failure(bytes) => {
                                let error =
                                    message::read_error(&block[bytes]).expect("it was written");
                                failed = error.message() == "gone";
                            }
                        }
                        at = next;
                    }
                    assert_eq!(at, block.len());
                    inbox.recycle(block);
                }
                Chunk::Items(payload) => out.push(payload.as_slice().to_vec()),
            }
        }
        assert_eq!(out, came);
        assert_eq!((lost, failed), (5, true));
        assert_eq!(cost, came.iter().map(|item| item.len() as u64 + 5).sum::<u64>() + 9);
        assert!(inbox.is_empty());
    }

    #[test]
    fn a_window_of_small_items_costs_about_its_bytes() {
        for size in [1, 18, 100, 1000, 1027, 3000, 5000, 8000, 16_000] {
            let mut inbox = Inbox::default();
            let mut cost = 0;
            while cost < 256 << 10 {
                // Array, type, id and nil, in front of the value.
                inbox.push(item(size, 0), size as u64 + 5);
                cost += size + 5;
            }
            let held: usize = inbox
                .chunks
                .iter()
                .map(|(chunk, _)| match chunk {
                    Chunk::Block(block, _) => block.capacity(),
                    Chunk::Items(_) => 0,
                })
                .sum();
            let table = inbox.chunks.capacity() * size_of::<(Chunk, u64)>();
            assert!(held + table <= cost + (16 << 10), "{size}: {held} and {table}");
        }
    }

    #[test]
    fn a_large_item_is_not_copied() {
        let bytes = Bytes::from(vec![7; 100_000]);
        let mut inbox = Inbox::default();
        assert!(inbox.push(Payload::new(Body::Large(bytes.clone()), 0), 100_005).is_none());
        match inbox.take() {
            Some((Chunk::Items(payload), 100_005)) => {
                assert_eq!(payload.as_slice().as_ptr(), bytes.as_ptr());
            }
            other => unreachable!("{other:?}"),
        }
    }
}
