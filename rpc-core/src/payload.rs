//! A payload: the encoded arguments or result at the end of a received frame.
//!
//! A small frame is a buffer of its own, which goes back to be used again; a large one is a slice of what
//! was read (the bound is [`SMALL_PAYLOAD`](crate::limits::SMALL_PAYLOAD)). A payload owns its frame and
//! remembers where in it the payload begins, because a receiver may still want the method's name or the
//! metadata in front of it.

use std::ops::Range;

use bytes::Bytes;

use crate::{limits::MAX_NESTING, msgpack::Reader, value::Encoder};

/// The body of one received frame.
#[derive(Clone, Debug)]
pub enum Body {
    /// A copy, in a buffer that is used again.
    Small(Vec<u8>),
    /// A slice of the read buffer.
    Large(Bytes),
}

impl Body {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large(bytes) => bytes,
        }
    }

    /// The buffer, if it can be used again.
    pub fn into_buffer(self) -> Option<Vec<u8>> {
        match self {
            Self::Small(buffer) => Some(buffer),
            Self::Large(_) => None,
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Small(Vec::new())
    }
}

/// Where something lies in a frame, in bytes from its start.
pub(crate) type Span = Range<u32>;

/// The bytes of `span` in `body`.
pub(crate) fn slice<'a>(body: &'a Body, span: &Span) -> &'a [u8] {
    &body.as_slice()[span.start as usize..span.end as usize]
}

/// Encoded arguments or an encoded result, at the end of the frame that brought it.
#[derive(Clone, Debug)]
pub struct Payload {
    body: Body,
    start: u32,
    max_nesting: u8,
}

impl Default for Payload {
    fn default() -> Self {
        Self { body: Body::default(), start: 0, max_nesting: MAX_NESTING }
    }
}

impl Payload {
    /// The payload that begins at `start` in `body`.
    pub(crate) fn new(body: Body, start: u32) -> Self {
        debug_assert!(start as usize <= body.as_slice().len(), "a payload lies in its frame");
        Self { body, start, ..Self::default() }
    }

    /// The same, whose values may nest so deep.
    pub(crate) fn nesting(mut self, max_nesting: u8) -> Self {
        self.max_nesting = max_nesting;
        self
    }

    /// How deep its values may nest.
    pub(crate) fn max_nesting(&self) -> u8 {
        self.max_nesting
    }

    /// A reader at its beginning, which keeps to the receiver's limit on nesting.
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader::nesting(self.as_slice(), self.max_nesting)
    }

    /// The payload that is nil: the answer to a call that gets none.
    pub fn nil() -> Self {
        Self::new(Body::Large(Bytes::from_static(&[0xc0])), 0)
    }

    /// The encoded bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.body.as_slice()[self.start as usize..]
    }

    /// The frame that holds it.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The frame's buffer, to be used again.
    pub fn into_body(self) -> Body {
        self.body
    }

    /// Appends it to another payload, as it is: a large one is shared, not copied.
    pub(crate) fn append_to(&self, encoder: &mut Encoder) {
        match &self.body {
            Body::Small(_) => encoder.buffer().extend_from_slice(self.as_slice()),
            Body::Large(bytes) => encoder.raw(&bytes.slice(self.start as usize..)),
        }
    }

    /// `part`, which must lie in this payload, as `Bytes`: shared with a large frame, copied out of a small one.
    pub(crate) fn slice_ref(&self, part: &[u8]) -> Bytes {
        match &self.body {
            Body::Small(_) => Bytes::copy_from_slice(part),
            Body::Large(bytes) => bytes.slice_ref(part),
        }
    }
}
