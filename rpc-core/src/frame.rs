//! Bytes ⇄ frames: the preface, and the codec for what follows it.
//!
//! [`FrameCodec`] implements Tokio's [`Decoder`] and [`Encoder`]; the drivers call it directly on their read
//! buffers, which costs less than a framed stream. It allocates for what arrived, never for what was announced
//! (PROTOCOL 2.5), and it never decodes a byte twice: an incomplete frame is looked at again only when all of it is there.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::{
    buffer::{give_read_buffer, take_read_buffer},
    limits::{
        ASSUMED_MESSAGE_SIZE, IO_BUFFER, MAX_FRAME_SIZE, MAX_POOLED_READ_BUFFER, READ_AHEAD,
        SMALL_PAYLOAD,
    },
    payload::Body,
    violation::Violation,
};

/// The version that this end speaks, major and minor.
pub const VERSION: (u16, u16) = (1, 0);

/// The length of a preface in bytes.
pub const PREFACE_LEN: usize = 8;

const MAGIC: [u8; 4] = [0, b'R', b'P', b'C'];
const PREFIX_LEN: usize = 4;

/// The first bytes of either side: the protocol's name and a version (PROTOCOL 1.2).
pub fn preface(major: u16, minor: u16) -> [u8; PREFACE_LEN] {
    let mut bytes = [0; PREFACE_LEN];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..6].copy_from_slice(&major.to_be_bytes());
    bytes[6..].copy_from_slice(&minor.to_be_bytes());
    bytes
}

/// Takes the preface off `bytes`; `None` until it is there.
///
/// # Errors
///
/// [`Violation::Preface`] as soon as a byte of the name is wrong, and [`Violation::Version`] for another major version.
pub fn take_preface(bytes: &mut BytesMut) -> Result<Option<(u16, u16)>, Violation> {
    let known = bytes.len().min(MAGIC.len());
    if bytes[..known] != MAGIC[..known] {
        let mut found = [0; 4];
        found[..known].copy_from_slice(&bytes[..known]);
        return Err(Violation::Preface { found });
    }
    if bytes.len() < PREFACE_LEN {
        return Ok(None);
    }
    bytes.advance(MAGIC.len());
    let (major, minor) = (bytes.get_u16(), bytes.get_u16());
    if major == VERSION.0 {
        Ok(Some((major, minor)))
    } else {
        Err(Violation::Version { major, minor })
    }
}

/// One wire unit.
#[derive(Debug)]
pub enum Frame {
    /// A message within the limit.
    Whole(Body),
    /// The beginning of a message above the limit; the rest is discarded as it arrives.
    Oversized {
        /// The size that its prefix announced, in bytes.
        size: usize,
        /// Its first bytes, enough for its type and its id.
        head: Bytes,
    },
}

/// The frame codec: a length of four bytes, then the message (PROTOCOL 2).
///
/// Decodes up to a limit and encodes what it is given. A frame of up to 4 KiB is copied into a buffer of its own,
/// which [`recycle`](Self::recycle) gives back; a larger one is a slice of the read buffer.
#[derive(Debug)]
pub struct FrameCodec {
    max_message_size: usize,
    state: State,
    /// Buffers of frames that were given back. There are never more than frames were held at once.
    spares: Vec<Vec<u8>>,
    /// What room the read buffer had when it was taken or grew, for its own capacity shrinks with each frame that is split off; 0
    /// where none was taken.
    read_size: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The next byte is the first of a prefix.
    Prefix,
    /// The prefix was read; so many bytes of message follow.
    Message(usize),
    /// A message above the limit was reported; so many bytes of it are still to be discarded.
    Discard(usize),
}

/// Less room than this in a read buffer is not worth a read.
const LEAST_READ: usize = 1024;

/// As many bytes as the head of an array, a type and an id can take in their widest forms.
const OVERSIZED_HEAD: usize = 5 + 9 + 9;

impl FrameCodec {
    /// A codec that accepts messages of up to this many bytes, from 64 KiB to 1 GiB (PROTOCOL 1.6, 2.3).
    pub fn new(max_message_size: usize) -> Self {
        Self {
            max_message_size: max_message_size.clamp(ASSUMED_MESSAGE_SIZE, MAX_FRAME_SIZE),
            state: State::Prefix,
            spares: Vec::new(),
            read_size: 0,
        }
    }

    /// Accepts messages of up to this many bytes from the next one on, within the same bounds.
    pub fn accept_up_to(&mut self, max_message_size: usize) {
        self.max_message_size = max_message_size.clamp(ASSUMED_MESSAGE_SIZE, MAX_FRAME_SIZE);
    }

    /// Makes room for a read behind the bytes in `input`, which are to be decoded next.
    pub fn make_room(&mut self, input: &mut BytesMut) {
        // A frame that fits needs no more room.
        let least = match self.state {
            State::Message(size) => size.saturating_sub(input.len()).clamp(1, LEAST_READ),
            State::Prefix | State::Discard(_) => LEAST_READ,
        };
        if input.capacity() - input.len() < least {
            let more = IO_BUFFER.saturating_sub(input.len()).max(LEAST_READ);
            self.reserve(input, more);
        }
    }

    /// Gives the memory of an empty read buffer back to its thread's pool.
    pub fn release(&mut self, input: &mut BytesMut) {
        if input.is_empty() {
            give_read_buffer(std::mem::take(input), std::mem::take(&mut self.read_size));
        }
    }

    /// Makes room for so many bytes more in `input`: a buffer out of the pool takes its place where frames share it.
    fn reserve(&mut self, input: &mut BytesMut, more: usize) {
        if input.try_reclaim(more) {
            return;
        }
        let size = input.len() + more;
        if size > MAX_POOLED_READ_BUFFER {
            // Too large to be kept: it grows where it is, if it can.
            input.reserve(more);
            self.read_size = size;
            return;
        }
        let mut next = take_read_buffer(size);
        let size = std::mem::replace(&mut self.read_size, next.capacity());
        next.extend_from_slice(input);
        give_read_buffer(std::mem::replace(input, next), size);
    }

    /// Gives back the buffer of a frame that is no longer needed.
    pub fn recycle(&mut self, body: Body) {
        if let Some(buffer) = body.into_buffer()
            && buffer.capacity() > 0
        {
            self.spares.push(buffer);
        }
    }

    /// Frees the buffers that were given back.
    pub fn free_buffers(&mut self) {
        self.spares = Vec::new();
    }

    /// Whether the stream may end here: between two frames.
    pub fn is_at_boundary(&self) -> bool {
        matches!(self.state, State::Prefix)
    }

    fn message(&mut self, size: usize, source: &mut BytesMut) -> Body {
        if size > SMALL_PAYLOAD {
            return Body::Large(source.split_to(size).freeze());
        }
        let mut buffer = self.spares.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(&source[..size]);
        source.advance(size);
        Body::Small(buffer)
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    #[inline]
    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        // What nearly every frame is: small, and there as a whole.
        if let State::Prefix = self.state
            && let Some((prefix, rest)) = source.split_first_chunk::<PREFIX_LEN>()
            && let size @ 1..=SMALL_PAYLOAD = u32::from_be_bytes(*prefix) as usize
            && let Some(message) = rest.get(..size)
        {
            let mut buffer = self.spares.pop().unwrap_or_default();
            buffer.clear();
            buffer.extend_from_slice(message);
            source.advance(PREFIX_LEN + size);
            return Ok(Some(Frame::Whole(Body::Small(buffer))));
        }
        self.decode_slowly(source)
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self.decode(source)? {
            None if !source.is_empty() || !self.is_at_boundary() => {
                Err(Violation::Truncated.into())
            }
            frame => Ok(frame),
        }
    }
}

impl FrameCodec {
    fn decode_slowly(&mut self, source: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        loop {
            match self.state {
                State::Prefix => {
                    let Some(prefix) = source.first_chunk::<PREFIX_LEN>() else {
                        return Ok(None);
                    };
                    let announced = u32::from_be_bytes(*prefix);
                    let size = announced as usize;
                    if size == 0 {
                        return Err(Violation::EmptyFrame.into());
                    }
                    if size > MAX_FRAME_SIZE {
                        return Err(Violation::FrameTooLarge { announced }.into());
                    }
                    source.advance(PREFIX_LEN);
                    self.state = State::Message(size);
                }
                State::Message(size) if size > self.max_message_size => {
                    let head = size.min(OVERSIZED_HEAD);
                    if source.len() < head {
                        return Ok(None);
                    }
                    let head = Bytes::copy_from_slice(&source[..head]);
                    self.state = State::Discard(size);
                    return Ok(Some(Frame::Oversized { size, head }));
                }
                State::Message(size) if source.len() < size => {
                    let missing = size - source.len();
                    // At most doubles what arrived, so an announced length allocates nothing by itself. Where there is
                    // room, nothing is reserved: a buffer that grows doubles on its own account too.
                    if source.capacity() - source.len() < missing.min(READ_AHEAD) {
                        self.reserve(source, missing.min(READ_AHEAD.max(source.len())));
                    }
                    return Ok(None);
                }
                State::Message(size) => {
                    self.state = State::Prefix;
                    return Ok(Some(Frame::Whole(self.message(size, source))));
                }
                State::Discard(left) => {
                    let discarded = left.min(source.len());
                    source.advance(discarded);
                    if discarded < left {
                        self.state = State::Discard(left - discarded);
                        return Ok(None);
                    }
                    self.state = State::Prefix;
                }
            }
        }
    }
}

impl Encoder<&[u8]> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, message: &[u8], out: &mut BytesMut) -> Result<(), FrameError> {
        let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
        if len as usize > MAX_FRAME_SIZE {
            return Err(Violation::FrameTooLarge { announced: len }.into());
        }
        if len == 0 {
            return Err(Violation::EmptyFrame.into());
        }
        out.reserve(PREFIX_LEN + message.len());
        out.put_u32(len);
        out.extend_from_slice(message);
        Ok(())
    }
}

/// Why a stream of frames ended: its transport failed, or the peer broke the protocol.
///
/// Tokio's codecs want an error that can hold both; the drivers, which call the codec on a buffer, see only
/// [`FrameError::Violation`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The transport failed.
    #[error("the transport failed")]
    Io(#[from] std::io::Error),
    /// The peer broke the protocol.
    #[error(transparent)]
    Violation(#[from] Violation),
}
