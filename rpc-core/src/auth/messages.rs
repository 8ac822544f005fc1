//! The three messages of the challenge, read and written in their frames (PROTOCOL 12.2 to 12.5).
//!
//! They are read to their last byte: a nil that is none, bytes behind it, or a string in the place of a `bin` are a [`Violation`], so that no
//! byte can be another one. What is not the message that is due is left where it is.

use bytes::{Buf, BytesMut};

use super::transcript::{Nonce, Tag};
use crate::{
    limits::{MAX_CHALLENGE_MESSAGE, MAX_KEY_ID},
    message::{self, head, kind, part},
    msgpack::{self, Malformed, Reader, type_name},
    violation::Violation,
};

const PREFIX_LEN: usize = 4;

/// As many bytes as the head of an array and a type take in their widest forms.
const HEAD: usize = 5 + 9;

/// Appends a message in a frame.
pub(super) fn write(out: &mut Vec<u8>, message: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX_LEN]);
    message(out);
    let size = u32::try_from(out.len() - start - PREFIX_LEN).unwrap_or(u32::MAX);
    out[start..start + PREFIX_LEN].copy_from_slice(&size.to_be_bytes());
}

/// Appends what the client begins with.
pub(super) fn write_authenticate(out: &mut Vec<u8>, id: &str, nonce: &Nonce) {
    write(out, |out| {
        begin(out, 4, kind::AUTHENTICATE);
        msgpack::write_str(out, id);
        msgpack::write_bin(out, nonce);
        msgpack::write_nil(out);
    });
}

/// Appends the server's answer.
pub(super) fn write_challenge(out: &mut Vec<u8>, nonce: &Nonce, tag: &Tag) {
    write(out, |out| {
        begin(out, 4, kind::CHALLENGE);
        msgpack::write_bin(out, nonce);
        msgpack::write_bin(out, tag);
        msgpack::write_nil(out);
    });
}

/// Appends the client's answer to that.
pub(super) fn write_proof(out: &mut Vec<u8>, tag: &Tag) {
    write(out, |out| {
        begin(out, 3, kind::PROOF);
        msgpack::write_bin(out, tag);
        msgpack::write_nil(out);
    });
}

fn begin(out: &mut Vec<u8>, elements: u32, kind: u8) {
    msgpack::write_array_len(out, elements);
    msgpack::write_uint(out, u64::from(kind));
}

/// The type and the size of the message that comes next; `None` until they can be told. What is no message at all has a type that none has.
pub(super) fn next(input: &[u8]) -> Option<(u64, usize)> {
    let (prefix, message) = input.split_first_chunk::<PREFIX_LEN>()?;
    let size = u32::from_be_bytes(*prefix) as usize;
    let head = message.get(..size.min(HEAD))?;
    Some((message::kind_of(head), size))
}

/// Takes the message that comes next, of this type and size, out of its frame; `None` until all of it is there.
pub(super) fn take(
    input: &mut BytesMut,
    (kind, size): (u64, usize),
    limit: usize,
) -> Result<Option<BytesMut>, Violation> {
    if size > limit {
        return Err(Violation::ChallengeTooLarge { kind, size });
    }
    if input.len() < PREFIX_LEN + size {
        return Ok(None);
    }
    input.advance(PREFIX_LEN);
    Ok(Some(input.split_to(size)))
}

/// Takes a message of the challenge, of which `next` has told.
pub(super) fn take_small(
    input: &mut BytesMut,
    next: (u64, usize),
) -> Result<Option<BytesMut>, Violation> {
    take(input, next, MAX_CHALLENGE_MESSAGE)
}

/// Reads what the client begins with.
pub(super) fn read_authenticate(message: &[u8]) -> Result<(&str, Nonce), Violation> {
    let mut reader = elements(message, 4)?;
    let id = part("the key's id", reader.str())?;
    if id.is_empty() || id.len() > MAX_KEY_ID {
        return Err(Violation::KeyId { size: id.len() });
    }
    let nonce = bytes(&mut reader, "the nonce")?;
    end(&mut reader)?;
    Ok((id, nonce))
}

/// Reads the server's answer.
pub(super) fn read_challenge(message: &[u8]) -> Result<(Nonce, Tag), Violation> {
    let mut reader = elements(message, 4)?;
    let nonce = bytes(&mut reader, "the nonce")?;
    let tag = bytes(&mut reader, "the proof")?;
    end(&mut reader)?;
    Ok((nonce, tag))
}

/// Reads the client's answer to that.
pub(super) fn read_proof(message: &[u8]) -> Result<Tag, Violation> {
    let mut reader = elements(message, 3)?;
    let tag = bytes(&mut reader, "the proof")?;
    end(&mut reader)?;
    Ok(tag)
}

/// A reader behind the type of a message that has so many elements.
fn elements(message: &[u8], expected: u32) -> Result<Reader<'_>, Violation> {
    let mut reader = Reader::new(message);
    let (kind, found) = head(&mut reader)?;
    if found == expected { Ok(reader) } else { Err(Violation::Elements { kind, found }) }
}

fn bytes<const N: usize>(
    reader: &mut Reader<'_>,
    name: &'static str,
) -> Result<[u8; N], Violation> {
    // Elsewhere a string counts as bytes, for the sake of older libraries.
    if !reader.at_bin() {
        let found = reader.peek().map_or("the end", type_name);
        return part(name, Err(Malformed::Type { expected: "bytes", found }));
    }
    let bytes = part(name, reader.bin())?;
    bytes.try_into().map_err(|_| Violation::ChallengeField {
        part: name,
        size: bytes.len(),
        expected: N,
    })
}

fn end(reader: &mut Reader<'_>) -> Result<(), Violation> {
    if reader.take_nil() && reader.rest().is_empty() {
        return Ok(());
    }
    let found = reader.peek().map_or("the end", type_name);
    part("the end", Err(Malformed::Type { expected: "nil, and nothing behind it", found }))
}
