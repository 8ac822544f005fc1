//! Messages: what stands in front of a payload, read and written (PROTOCOL 3).
//!
//! [`Message::parse`] reads up to the payload and no further: routing an answer costs the same whatever its size.
//! It owns nothing; spans say where things lie in the frame. The writers are in `message/write.rs`.

mod write;

pub(crate) use self::write::*;
use crate::{
    Code, Error,
    hello::Hello,
    metadata::from_micros,
    msgpack::{Malformed, Reader},
    payload::{Body, Span, slice},
    violation::Violation,
};

/// The numbers of the message types.
pub(crate) mod kind {
    pub(crate) const REQUEST: u8 = 0;
    pub(crate) const RESPONSE: u8 = 1;
    pub(crate) const NOTIFICATION: u8 = 2;
    pub(crate) const REQUEST_WITH_METADATA: u8 = 3;
    pub(crate) const NOTIFICATION_WITH_METADATA: u8 = 4;
    pub(crate) const RESPONSE_WITH_METADATA: u8 = 5;
    pub(crate) const CANCEL: u8 = 6;
    pub(crate) const ITEM: u8 = 7;
    pub(crate) const END: u8 = 8;
    pub(crate) const CREDIT: u8 = 9;
    pub(crate) const PART: u8 = 10;
    pub(crate) const PING: u8 = 11;
    pub(crate) const PONG: u8 = 12;
    pub(crate) const GO_AWAY: u8 = 13;
    pub(crate) const HELLO: u8 = 14;
    pub(crate) const BEGIN: u8 = 15;
    pub(crate) const LOST: u8 = 16;
    pub(crate) const RECEIVED: u8 = 17;
    pub(crate) const AUTHENTICATE: u8 = 18;
    pub(crate) const CHALLENGE: u8 = 19;
    pub(crate) const PROOF: u8 = 20;
    /// From here on an unknown type is ignored (PROTOCOL 3.4).
    pub(crate) const FIRST_IGNORABLE: u64 = 64;
    /// From here on there are no types (PROTOCOL 3.1).
    pub(crate) const PAST_LAST: u64 = 128;
}

const FLAG_NOT_STARTED: u64 = 1;
const FLAG_APPLICATION: u64 = 2;

/// A message up to its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A request, or without an id a notification.
    Call { id: Option<u32>, method: Span, metadata: Option<Span>, payload: u32 },
    /// A response.
    Response { id: u32, error: Option<Span>, payload: u32 },
    /// Anything else.
    Control(Control),
}

/// A message that is neither a call nor a usual response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// A response with metadata.
    Response { id: u32, error: Option<Span>, metadata: Span, payload: u32 },
    /// A cancel.
    Cancel { id: u32 },
    /// Items of a stream, one behind the other; or an error in the place of one.
    Item { id: u32, error: Option<Span>, payload: u32 },
    /// The end of a client's stream.
    End { id: u32, error: Option<Span> },
    /// Room for so many bytes more: of a stream's items or, without an id, of the items of all streams.
    Credit { id: Option<u32>, bytes: u64 },
    /// A part of a message.
    Part { state: PartState, bytes: Span },
    /// So many bytes of parts have been received in all.
    Received { bytes: u64 },
    /// A stream has begun.
    Begin { id: u32 },
    /// So many items of a stream were dropped here.
    Lost { id: u32, count: u64 },
    /// A ping.
    Ping { token: u64 },
    /// A pong.
    Pong,
    /// A go-away.
    GoAway { accepted: u64, error: Option<Span> },
    /// A hello.
    Hello(Hello),
    /// A type that may be ignored.
    Ignored,
}

/// What follows a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartState {
    /// Nothing: the message is complete.
    Last,
    /// Further parts.
    More,
    /// Nothing: the message will not be completed, and is to be forgotten.
    Abandoned,
}

impl Message {
    /// Reads the message in a frame.
    #[inline]
    pub(crate) fn parse(frame: &[u8]) -> Result<Self, Violation> {
        match Self::parse_usual(frame) {
            Some(message) => Ok(message),
            None => Self::parse_any(frame),
        }
    }

    /// What nearly every call and answer is, in the forms that this library writes; `None` for all else, right or wrong.
    #[inline]
    fn parse_usual(frame: &[u8]) -> Option<Self> {
        // An array of four elements announces no less than four bytes.
        let [0x94, kind, rest @ ..] = frame else {
            return None;
        };
        if rest.len() < 3 {
            return None;
        }
        let (id, rest) = match rest {
            [0xce, a, b, c, d, rest @ ..] => (u32::from_be_bytes([*a, *b, *c, *d]), rest),
            [id @ 0..=0x7f, rest @ ..] => (u32::from(*id), rest),
            [0xcd, a, b, rest @ ..] => (u32::from(u16::from_be_bytes([*a, *b])), rest),
            [0xcc, id, rest @ ..] => (u32::from(*id), rest),
            _ => return None,
        };
        let start = u32::try_from(frame.len() - rest.len()).ok()? + 1;
        match (*kind, rest) {
            (kind::RESPONSE, [0xc0, ..]) => {
                Some(Self::Response { id, error: None, payload: start })
            }
            (kind::REQUEST, [head @ 0xa0..=0xbf, rest @ ..]) => {
                let len = head & 0x1f;
                let end = start + u32::from(len);
                let call =
                    Self::Call { id: Some(id), method: start..end, metadata: None, payload: end };
                (usize::from(len) <= rest.len()).then_some(call)
            }
            _ => None,
        }
    }

    /// The same, of any message.
    fn parse_any(frame: &[u8]) -> Result<Self, Violation> {
        let mut reader = Reader::new(frame);
        let (kind, elements) = head(&mut reader)?;
        let expect = |wanted: u32| {
            if elements == wanted {
                Ok(())
            } else {
                Err(Violation::Elements { kind, found: elements })
            }
        };
        let message = match u8::try_from(kind).unwrap_or(u8::MAX) {
            number @ (kind::REQUEST | kind::REQUEST_WITH_METADATA) => {
                let with_metadata = number == kind::REQUEST_WITH_METADATA;
                expect(if with_metadata { 5 } else { 4 })?;
                let id = Some(id(&mut reader)?);
                call(&mut reader, id, with_metadata)?
            }
            number @ (kind::NOTIFICATION | kind::NOTIFICATION_WITH_METADATA) => {
                let with_metadata = number == kind::NOTIFICATION_WITH_METADATA;
                expect(if with_metadata { 4 } else { 3 })?;
                call(&mut reader, None, with_metadata)?
            }
            kind::RESPONSE => {
                expect(4)?;
                let id = id(&mut reader)?;
                let error = optional(&mut reader, "the error")?;
                Self::Response { id, error, payload: position(&reader) }
            }
            _ => Self::Control(Control::parse(kind, elements, &mut reader)?),
        };
        Ok(message)
    }
}

impl Control {
    /// Reads the rest of it; apart, so that calls and responses are read without a detour.
    #[inline(never)]
    fn parse(kind: u64, elements: u32, reader: &mut Reader<'_>) -> Result<Self, Violation> {
        let expect = |wanted: u32| {
            if elements == wanted {
                Ok(())
            } else {
                Err(Violation::Elements { kind, found: elements })
            }
        };
        Ok(match u8::try_from(kind).unwrap_or(u8::MAX) {
            kind::RESPONSE_WITH_METADATA => {
                expect(5)?;
                let id = id(reader)?;
                let error = optional(reader, "the error")?;
                let metadata = skip(reader, "the metadata")?;
                Self::Response { id, error, metadata, payload: position(reader) }
            }
            kind::CANCEL => {
                expect(3)?;
                Self::Cancel { id: id(reader)? }
            }
            kind::ITEM => {
                if elements < 4 {
                    expect(4)?;
                }
                let id = id(reader)?;
                let error = optional(reader, "the error")?;
                // A message may bring several items, but one error.
                if error.is_some() {
                    expect(4)?;
                }
                Self::Item { id, error, payload: position(reader) }
            }
            kind::END => {
                expect(4)?;
                Self::End { id: id(reader)?, error: optional(reader, "the error")? }
            }
            kind::CREDIT => {
                expect(4)?;
                let id = if reader.take_nil() { None } else { Some(id(reader)?) };
                Self::Credit { id, bytes: part("the credit", reader.unsigned())? }
            }
            kind::PART => {
                expect(3)?;
                let state = match part("the part's state", reader.unsigned())? {
                    0 => PartState::Last,
                    1 => PartState::More,
                    2 => PartState::Abandoned,
                    state => return Err(Violation::PartState { state }),
                };
                let size = part("the part", reader.bin())?.len();
                let end = position(reader);
                if !reader.rest().is_empty() {
                    return Err(Violation::Part { what: "bytes behind a part" });
                }
                Self::Part { state, bytes: end - u32::try_from(size).unwrap_or(0)..end }
            }
            kind::RECEIVED => {
                expect(3)?;
                Self::Received { bytes: part("the count", reader.unsigned())? }
            }
            kind::BEGIN => {
                expect(3)?;
                Self::Begin { id: id(reader)? }
            }
            kind::LOST => {
                expect(4)?;
                let id = id(reader)?;
                Self::Lost { id, count: part("the count", reader.unsigned())? }
            }
            kind::PING => {
                expect(3)?;
                Self::Ping { token: part("the token", reader.unsigned())? }
            }
            kind::PONG => {
                expect(3)?;
                part("the token", reader.unsigned())?;
                Self::Pong
            }
            kind::GO_AWAY => {
                expect(4)?;
                let accepted = part("the count", reader.unsigned())?;
                Self::GoAway { accepted, error: optional(reader, "the error")? }
            }
            kind::HELLO => {
                expect(2)?;
                Self::Hello(part("the hello", Hello::read(reader))?)
            }
            // They come in front of the hellos, and are taken there.
            kind::AUTHENTICATE | kind::CHALLENGE | kind::PROOF => {
                return Err(Violation::NoChallenge { kind });
            }
            _ if (kind::FIRST_IGNORABLE..kind::PAST_LAST).contains(&kind) => Self::Ignored,
            _ => return Err(Violation::UnknownType { kind }),
        })
    }
}

/// The type of a message and its number of elements.
pub(crate) fn head(reader: &mut Reader<'_>) -> Result<(u64, u32), Violation> {
    let elements = part("the array", reader.array_len())?;
    let kind = part("the type", reader.unsigned())?;
    Ok((kind, elements))
}

/// The type of a message that was parsed.
pub(crate) fn kind_of(frame: &[u8]) -> u64 {
    head(&mut Reader::new(frame)).map_or(kind::PAST_LAST, |(kind, _)| kind)
}

/// What can be told from the first bytes of a message that is too large: whose call it belongs to.
pub(crate) fn oversized(head_bytes: &[u8]) -> Result<(u64, Option<u32>), Violation> {
    // The array's count cannot be held against the few bytes that are there.
    let mut padded = head_bytes.to_vec();
    padded.resize(head_bytes.len() + usize::from(u8::MAX), 0xc0);
    let mut reader = Reader::new(&padded);
    let (kind, _) = head(&mut reader)?;
    let has_id = matches!(
        u8::try_from(kind).unwrap_or(u8::MAX),
        kind::REQUEST | kind::REQUEST_WITH_METADATA | kind::RESPONSE | kind::RESPONSE_WITH_METADATA
    );
    let id = if has_id { Some(id(&mut reader)?) } else { None };
    Ok((kind, id))
}

fn call(
    reader: &mut Reader<'_>,
    id: Option<u32>,
    with_metadata: bool,
) -> Result<Message, Violation> {
    let name = part("the method", reader.str_bytes())?;
    let end = position(reader);
    // The name is the last thing that was read, whatever the width of its head.
    let method = end - u32::try_from(name.len()).unwrap_or(0)..end;
    let metadata = if with_metadata { Some(skip(reader, "the metadata")?) } else { None };
    Ok(Message::Call { id, method, metadata, payload: position(reader) })
}

fn id(reader: &mut Reader<'_>) -> Result<u32, Violation> {
    let id = part("the id", reader.unsigned())?;
    u32::try_from(id).map_err(|_| Violation::Malformed {
        part: "the id",
        malformed: Malformed::Type { expected: "an integer of 32 bits", found: "a larger one" },
    })
}

fn optional(reader: &mut Reader<'_>, name: &'static str) -> Result<Option<Span>, Violation> {
    if reader.take_nil() { Ok(None) } else { skip(reader, name).map(Some) }
}

fn skip(reader: &mut Reader<'_>, name: &'static str) -> Result<Span, Violation> {
    let start = position(reader);
    part(name, reader.skip())?;
    Ok(start..position(reader))
}

fn position(reader: &Reader<'_>) -> u32 {
    u32::try_from(reader.position()).unwrap_or(u32::MAX)
}

pub(crate) fn part<T>(part: &'static str, result: Result<T, Malformed>) -> Result<T, Violation> {
    result.map_err(|malformed| Violation::Malformed { part, malformed })
}

/// Reads an error that the peer sent.
pub(crate) fn read_error(bytes: &[u8]) -> Result<Error, Malformed> {
    let mut reader = Reader::new(bytes);
    let elements = reader.array_len()?;
    let code = Code::from_number(reader.unsigned()?);
    let message = reader.str()?.to_owned();
    let details = if reader.take_nil() { None } else { Some(reader.bin()?) };
    let flags = reader.unsigned()?;
    let mut error =
        Error::new(code, message).from_remote().not_started(flags & FLAG_NOT_STARTED != 0);
    if let Some(details) = details {
        let details = bytes::Bytes::copy_from_slice(details);
        error = error.with_details(details, flags & FLAG_APPLICATION != 0);
    }
    if elements > 4 {
        error = error.with_retry_after(from_micros(reader.unsigned()?));
    }
    Ok(error)
}

/// Reads the error that stands here in a frame.
pub(crate) fn error_in(body: &Body, span: &Span) -> Result<Error, Violation> {
    part("the error", read_error(slice(body, span)))
}

#[cfg(test)]
mod tests;
