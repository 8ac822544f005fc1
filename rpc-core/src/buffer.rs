//! What an end has written and not yet sent: small messages side by side in one buffer, large byte strings where
//! they are.
//!
//! A [`WriteBuffer`] implements [`Buf`], so that a driver hands all of it to one vectored write. Its owner bounds
//! it: nothing more is appended above [`WRITE_HIGH_WATER`](crate::limits::WRITE_HIGH_WATER).

use std::{cell::RefCell, collections::VecDeque, io::IoSlice, thread::LocalKey};

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    limits::{
        IO_BUFFER, LARGE_SEGMENT, MAX_POOLED_IO_BUFFER, MAX_POOLED_READ_BUFFER, POOLED_BUFFERS,
        POOLED_IO_BUFFERS, POOLED_LARGE_READ_BUFFERS, SMALL_PAYLOAD,
    },
    value::{Encoder, Piece},
};

/// An empty queue of segments with room for more is freed.
const KEPT_SEGMENTS: usize = 64;

/// What precedes a segment is copied up to so many bytes, so that its buffer can be used again: mostly it is the head of one message.
const SMALL_RUN: usize = 256;

/// Bytes on their way out.
#[derive(Debug, Default)]
pub struct WriteBuffer {
    /// What precedes the tail, and how many bytes that is.
    queue: VecDeque<Bytes>,
    queued: usize,
    /// What is appended to, and how much of it is gone.
    tail: Vec<u8>,
    sent: usize,
    /// Where the first byte stands among all that went this way.
    position: u64,
}

impl WriteBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one frame: `head` writes the message in front of its payload, `payload` follows.
    pub fn frame(&mut self, head: impl FnOnce(&mut Vec<u8>), payload: &mut Encoder) {
        payload.seal();
        let start = self.begin();
        head(&mut self.tail);
        let size = self.tail.len() - start - 4 + payload.len();
        self.set_length(start, size);
        if let Some(run) = payload.as_run() {
            return self.tail.extend_from_slice(run);
        }
        for piece in payload.pieces() {
            match piece {
                Piece::Run(run) => self.tail.extend_from_slice(run),
                Piece::Segment(bytes) => self.push(bytes.clone()),
            }
        }
    }

    /// Appends one frame: `head` writes what stands in front of `pieces`, which have so many bytes in all. Large pieces stay where they are; small
    /// ones are copied, and go to `spent`, for dropping one may run foreign code.
    pub(crate) fn segments(
        &mut self,
        head: impl FnOnce(&mut Vec<u8>),
        size: usize,
        pieces: impl IntoIterator<Item = Bytes>,
        spent: &mut Vec<Bytes>,
    ) {
        let start = self.begin();
        head(&mut self.tail);
        let size = self.tail.len() - start - 4 + size;
        self.set_length(start, size);
        for piece in pieces {
            if piece.len() < LARGE_SEGMENT {
                self.begin_tail();
                self.tail.extend_from_slice(&piece);
                spent.push(piece);
            } else {
                self.push(piece);
            }
        }
    }

    /// Appends frames as they are: pieces, which stay where they are, and `tail` behind them.
    pub(crate) fn frames(&mut self, pieces: impl IntoIterator<Item = Bytes>, tail: &[u8]) {
        for piece in pieces {
            self.push(piece);
        }
        self.raw(tail);
    }

    /// Appends one frame that `message` writes whole.
    pub fn message(&mut self, message: impl FnOnce(&mut Vec<u8>)) {
        let start = self.begin();
        message(&mut self.tail);
        let size = self.tail.len() - start - 4;
        self.set_length(start, size);
    }

    /// Whether some of it lies in segments, which are shared with whoever made them.
    pub fn has_segments(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.begin_tail();
        self.tail.extend_from_slice(bytes);
    }

    /// Where the first byte that was not sent stands, among all that were written.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Where the next byte to be written will stand.
    pub fn end(&self) -> u64 {
        self.position + self.remaining() as u64
    }

    /// Moves everything into `other`, which is empty, and goes on behind it.
    pub fn move_to(&mut self, other: &mut Self) {
        debug_assert!(!other.has_remaining(), "what is replaced was sent");
        std::mem::swap(self, other);
        self.position = other.end();
    }

    /// Forgets what has not been sent, and returns it, to be dropped where the caller likes.
    #[must_use = "dropping segments may run foreign code"]
    pub fn take_unsent(&mut self) -> Self {
        std::mem::take(self)
    }

    fn begin(&mut self) -> usize {
        self.begin_tail();
        let start = self.tail.len();
        self.tail.extend_from_slice(&[0; 4]);
        start
    }

    fn begin_tail(&mut self) {
        if self.tail.capacity() == 0 {
            self.tail = take_io_buffer();
        }
    }

    fn set_length(&mut self, start: usize, size: usize) {
        // Whoever appends has checked the peer's limit, which is below `u32::MAX`.
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.tail[start..start + 4].copy_from_slice(&size.to_be_bytes());
    }

    fn push(&mut self, segment: Bytes) {
        let tail = std::mem::take(&mut self.tail);
        let sent = std::mem::take(&mut self.sent);
        let left = tail.len() - sent;
        if left > SMALL_RUN {
            let mut tail = Bytes::from(tail);
            tail.advance(sent);
            self.queue.push_back(tail);
        } else {
            if left > 0 {
                self.queue.push_back(Bytes::copy_from_slice(&tail[sent..]));
            }
            give_io_buffer(tail);
        }
        self.queued += left;
        self.queued += segment.len();
        self.queue.push_back(segment);
    }
}

impl Buf for WriteBuffer {
    fn remaining(&self) -> usize {
        self.queued + self.tail.len() - self.sent
    }

    fn chunk(&self) -> &[u8] {
        match self.queue.front() {
            Some(segment) => segment,
            None => &self.tail[self.sent..],
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let chunks = self.queue.iter().map(|segment| &segment[..]);
        let chunks = chunks.chain((self.tail.len() > self.sent).then(|| &self.tail[self.sent..]));
        let mut filled = 0;
        for (slice, chunk) in slices.iter_mut().zip(chunks) {
            *slice = IoSlice::new(chunk);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        self.position += count as u64;
        while let Some(segment) = self.queue.front_mut() {
            let part = count.min(segment.len());
            segment.advance(part);
            self.queued -= part;
            count -= part;
            if !segment.is_empty() {
                return;
            }
            self.queue.pop_front();
        }
        self.sent += count;
        assert!(self.sent <= self.tail.len(), "no more is sent than was written");
        if self.sent == self.tail.len() {
            self.sent = 0;
            self.tail.clear();
            if self.tail.capacity() > IO_BUFFER * 2 || self.queue.capacity() > KEPT_SEGMENTS {
                self.tail = Vec::new();
                self.queue = VecDeque::new();
            }
        }
    }
}

impl WriteBuffer {
    /// Gives the memory of an empty buffer back to its thread's pool.
    pub fn release(&mut self) {
        if !self.has_remaining() && self.tail.capacity() > 0 {
            give_io_buffer(std::mem::take(&mut self.tail));
        }
    }
}

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static WRITE_BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static READ_BUFFERS: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
    static LARGE_READ_BUFFERS: RefCell<VecDeque<BytesMut>> = const { RefCell::new(VecDeque::new()) };
}

/// A thread's buffers of one kind.
type Pool<B> = LocalKey<RefCell<Vec<B>>>;

/// A buffer out of a pool. A thread that ends has none: a call may be dropped by one of its other destructors.
fn pooled<B>(from: &'static Pool<B>) -> Option<B> {
    from.try_with(|pool| pool.borrow_mut().pop()).ok().flatten()
}

fn pool<B>(to: &'static Pool<B>, buffer: B, most: usize) {
    // Where the thread ends, the buffer is dropped.
    let _ = to.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < most {
            pool.push(buffer);
        }
    });
}

/// A buffer for the arguments of one call, out of this thread's pool.
pub fn take_buffer() -> Vec<u8> {
    pooled(&BUFFERS).unwrap_or_default()
}

/// Gives a call's buffer back, cleared; the pool keeps up to 64 of up to 4 KiB.
pub fn give_buffer(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > SMALL_PAYLOAD {
        return;
    }
    buffer.clear();
    pool(&BUFFERS, buffer, POOLED_BUFFERS);
}

fn take_io_buffer() -> Vec<u8> {
    pooled(&WRITE_BUFFERS).unwrap_or_else(|| Vec::with_capacity(IO_BUFFER))
}

fn give_io_buffer(mut buffer: Vec<u8>) {
    if !(IO_BUFFER..=MAX_POOLED_IO_BUFFER).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    pool(&WRITE_BUFFERS, buffer, POOLED_IO_BUFFERS);
}

/// A buffer to read into with room for `size` bytes, out of this thread's pools.
pub(crate) fn take_read_buffer(size: usize) -> BytesMut {
    let found = if size <= IO_BUFFER { pooled(&READ_BUFFERS) } else { take_large(size) };
    found.unwrap_or_else(|| BytesMut::with_capacity(size.next_multiple_of(IO_BUFFER)))
}

/// Gives a read buffer that held so many bytes back.
pub(crate) fn give_read_buffer(mut buffer: BytesMut, size: usize) {
    buffer.clear();
    if size > IO_BUFFER {
        return give_large(buffer, size);
    }
    // Reading moved its start; what a frame was sliced out of is shared with it and cannot be had back.
    if buffer.try_reclaim(IO_BUFFER) && buffer.capacity() <= MAX_POOLED_IO_BUFFER {
        pool(&READ_BUFFERS, buffer, POOLED_IO_BUFFERS);
    }
}

/// A large buffer that nobody shares any more.
///
/// Allocating one for each large frame costs more than the frame itself, where the system's allocator returns large blocks to the kernel:
/// each of its pages is then cleared anew.
fn take_large(size: usize) -> Option<BytesMut> {
    let find = |pool: &RefCell<VecDeque<BytesMut>>| {
        let mut pool = pool.borrow_mut();
        let index = pool.iter_mut().position(|buffer| buffer.try_reclaim(size))?;
        pool.remove(index)
    };
    LARGE_READ_BUFFERS.try_with(find).ok().flatten()
}

/// Keeps a large buffer, which frames that were sliced out of it may still share; the oldest goes where there are too many.
fn give_large(buffer: BytesMut, size: usize) {
    if size > MAX_POOLED_READ_BUFFER {
        return;
    }
    // Where the thread ends, the buffer is dropped.
    let _ = LARGE_READ_BUFFERS.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        let oldest = if pool.len() < POOLED_LARGE_READ_BUFFERS { None } else { pool.pop_front() };
        pool.push_back(buffer);
        drop(pool);
        drop(oldest);
    });
}

#[cfg(test)]
mod tests;
