//! Values: what an argument, a result, an item or an application error is, encoded and not.
//!
//! [`Value`] is implemented for every type that serde can carry both ways; the generated code touches a
//! user's types through nothing else. [`Encoder`] collects the values of one payload, [`Encoded`] is one value
//! still in its bytes, with the name by which an error calls it.
//!
//! `Bytes`, `Vec<u8>` and `&[u8]` as a *whole* value are MessagePack `bin` (PROTOCOL 5.5); a large `Bytes`
//! is neither copied in nor out. Inside of other types serde decides.

use std::any::{Any, type_name};

use bytes::Bytes;
use rmp_serde::config::BytesMode;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Error,
    limits::{LARGE_SEGMENT, MAX_NESTING},
    msgpack::{self, Malformed, Reader},
    payload::Payload,
};

const EMPTY_ARRAY: u8 = 0x90;

/// How structs are written: by name, or by position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Structs {
    /// As maps from field name to value, so that both ends can be deployed one after the other.
    #[default]
    Named,
    /// As arrays of values: smaller and faster, but both ends must agree on the order of the fields.
    Compact,
}

/// The values of one payload, encoded one behind the other.
///
/// Small values share one buffer; a `Bytes` of 16 KiB or more stays where it is, as a segment of its own.
#[derive(Debug, Default)]
pub struct Encoder {
    buffer: Vec<u8>,
    /// Segments, each with its offset in `buffer`, in order. Few payloads have any, and an encoder is moved with its call.
    segments: Option<Box<Segments>>,
    structs: Structs,
}

/// Byte strings that are written from where they are, each with its offset in the buffer.
#[derive(Debug, Default)]
struct Segments(Vec<(usize, Bytes)>);

impl Encoder {
    /// An empty encoder.
    pub fn new(structs: Structs) -> Self {
        Self::with_buffer(Vec::new(), structs)
    }

    /// An empty encoder over a buffer that is used again.
    pub fn with_buffer(mut buffer: Vec<u8>, structs: Structs) -> Self {
        buffer.clear();
        Self { buffer, segments: None, structs }
    }

    /// How structs are written.
    pub fn structs(&self) -> Structs {
        self.structs
    }

    /// Empties it and keeps its buffer.
    pub fn reset(&mut self, structs: Structs) {
        self.buffer.clear();
        self.segments = None;
        self.structs = structs;
    }

    /// The buffer of what is not a segment; what is appended to it follows what is there.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Appends a string.
    pub fn str(&mut self, value: &str) {
        msgpack::write_str(&mut self.buffer, value);
    }

    /// Appends a byte string, copied.
    pub fn bin(&mut self, value: &[u8]) {
        msgpack::write_bin(&mut self.buffer, value);
    }

    /// Appends a byte string; a large one is shared, not copied.
    pub fn bytes(&mut self, value: &Bytes) {
        if value.len() < LARGE_SEGMENT {
            self.bin(value);
        } else {
            msgpack::write_bin_len(&mut self.buffer, value.len());
            self.segments.get_or_insert_default().0.push((self.buffer.len(), value.clone()));
        }
    }

    /// Appends what is one value already; a large one is shared, not copied.
    pub(crate) fn raw(&mut self, value: &Bytes) {
        if value.len() < LARGE_SEGMENT {
            self.buffer.extend_from_slice(value);
        } else {
            self.segments.get_or_insert_default().0.push((self.buffer.len(), value.clone()));
        }
    }

    /// Appends what serde makes of a value that is known to be a list of bytes: a byte string.
    pub(crate) fn serialize_bytes<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
    ) -> Result<(), Error> {
        let start = self.buffer.len();
        let mut serializer =
            rmp_serde::Serializer::new(&mut self.buffer).with_bytes(BytesMode::ForceIterables);
        if let Err(error) = value.serialize(&mut serializer) {
            self.buffer.truncate(start);
            return Err(Error::internal(error.to_string()));
        }
        // No byte tells that it is one.
        if self.buffer[start..] == [EMPTY_ARRAY] {
            self.buffer.truncate(start);
            self.bin(&[]);
        }
        Ok(())
    }

    /// Appends what serde makes of a value.
    ///
    /// # Errors
    ///
    /// `internal`, with what the value's `Serialize` said; what it had written is taken back.
    pub fn serialize<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.serialize_with(value, self.structs)
    }

    /// The same, with structs as `structs` says.
    ///
    /// # Errors
    ///
    /// Those of [`serialize`](Self::serialize).
    #[inline]
    pub fn serialize_with<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
        structs: Structs,
    ) -> Result<(), Error> {
        let start = self.buffer.len();
        let mut serializer = rmp_serde::Serializer::new(&mut self.buffer);
        let result = match structs {
            Structs::Named => value.serialize(&mut serializer.with_struct_map()),
            Structs::Compact => value.serialize(&mut serializer),
        };
        result.map_err(|error| {
            self.buffer.truncate(start);
            Error::internal(error.to_string())
        })
    }

    /// How much was appended to the buffer, for [`split_off`](Self::split_off).
    pub(crate) fn mark(&self) -> usize {
        self.buffer.len()
    }

    /// Takes off what was appended behind a mark, in front of which there are no segments.
    pub(crate) fn split_off(&mut self, mark: usize) -> Self {
        let mut segments = self.segments.take();
        for (offset, _) in segments.iter_mut().flat_map(|segments| &mut segments.0) {
            *offset -= mark;
        }
        Self { buffer: self.buffer.split_off(mark), segments, structs: self.structs }
    }

    /// The encoded size in bytes.
    pub fn len(&self) -> usize {
        self.buffer.len() + self.segments().iter().map(|(_, bytes)| bytes.len()).sum::<usize>()
    }

    /// Whether nothing has been encoded.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.segments.is_none()
    }

    /// Makes a large buffer a segment, so that it is written from where it is.
    pub fn seal(&mut self) {
        if self.segments.is_none() && self.buffer.len() >= LARGE_SEGMENT {
            let whole = Bytes::from(std::mem::take(&mut self.buffer));
            self.segments.get_or_insert_default().0.push((0, whole));
        }
    }

    /// The pieces in order: runs of the buffer, and segments.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let mut at = 0;
        let tail = self.segments().last().map_or(0, |(offset, _)| *offset);
        self.segments()
            .iter()
            .flat_map(move |(offset, bytes)| {
                let run = &self.buffer[at..*offset];
                at = *offset;
                [Piece::Run(run), Piece::Segment(bytes)]
            })
            .chain(std::iter::once(Piece::Run(&self.buffer[tail..])))
    }

    fn segments(&self) -> &[(usize, Bytes)] {
        self.segments.as_deref().map_or(&[], |segments| &segments.0)
    }

    /// Takes out the byte strings that were written from where they are: they are a user's, to be dropped outside of any lock.
    pub(crate) fn take_segments(&mut self) -> impl Sized + use<> {
        self.segments.take()
    }

    /// Whether dropping it drops nothing but its buffer.
    pub(crate) fn has_segments(&self) -> bool {
        self.segments.is_some()
    }

    /// All of it, if it is one run.
    pub(crate) fn as_run(&self) -> Option<&[u8]> {
        self.segments.is_none().then_some(&self.buffer[..])
    }

    /// Everything as one contiguous value.
    pub fn into_bytes(self) -> Bytes {
        if self.segments.is_none() {
            return Bytes::from(self.buffer);
        }
        let mut whole = Vec::with_capacity(self.len());
        for piece in self.pieces() {
            match piece {
                Piece::Run(run) => whole.extend_from_slice(run),
                Piece::Segment(bytes) => whole.extend_from_slice(bytes),
            }
        }
        Bytes::from(whole)
    }

    /// Takes the buffer, to be used again; segments stay.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }
}

/// A part of an encoded payload.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// Bytes to copy.
    Run(&'a [u8]),
    /// Bytes that can be written from where they are.
    Segment(&'a Bytes),
}

/// One value, still encoded, and what an error calls it.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    pub(crate) state: State<'a>,
    pub(crate) label: Label,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum State<'a> {
    /// The value's bytes, walked over and found whole, and the payload that they lie in, if any.
    Present { bytes: &'a [u8], payload: Option<&'a Payload> },
    /// The caller left it out.
    Missing,
    /// The bytes in front of it are not MessagePack.
    Broken(Malformed),
}

/// What an error calls a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Label {
    Argument {
        name: &'static str,
        position: u32,
    },
    /// An argument of a method whose arguments have no names.
    Unnamed {
        position: u32,
    },
    Whole(&'static str),
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Argument { name, position } => {
                write!(f, "argument \"{name}\" (position {position})")
            }
            Self::Unnamed { position } => write!(f, "argument {position}"),
            Self::Whole(name) => write!(f, "the {name}"),
        }
    }
}

impl<'a> Encoded<'a> {
    /// A value that is the whole of `bytes`, called `name` in errors.
    pub fn whole(name: &'static str, bytes: &'a [u8]) -> Self {
        Self::single(name, bytes, None)
    }

    /// The first of several values, called `name` in errors, and where the next one begins; behind a broken one there is none.
    pub(crate) fn first(
        name: &'static str,
        bytes: &'a [u8],
        max_nesting: u8,
        payload: Option<&'a Payload>,
    ) -> (Self, usize) {
        let mut reader = Reader::nesting(bytes, max_nesting);
        let (state, next) = match reader.skip() {
            Ok(value) => (State::Present { bytes: value, payload }, value.len()),
            Err(malformed) => (State::Broken(malformed), bytes.len()),
        };
        (Self { state, label: Label::Whole(name) }, next)
    }

    /// The value that a payload consists of, called `name` in errors.
    pub fn of_payload(name: &'static str, payload: &'a Payload) -> Self {
        Self::single(name, payload.as_slice(), Some(payload))
    }

    fn single(name: &'static str, bytes: &'a [u8], payload: Option<&'a Payload>) -> Self {
        let mut reader = payload.map_or_else(|| Reader::new(bytes), Payload::reader);
        let state = match reader.skip() {
            Ok(_) if !reader.rest().is_empty() => {
                State::Broken(Malformed::Type { expected: "the end", found: "a second value" })
            }
            Ok(bytes) => State::Present { bytes, payload },
            Err(malformed) => State::Broken(malformed),
        };
        Self { state, label: Label::Whole(name) }
    }

    /// The value's bytes.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where the value is missing or the bytes are not MessagePack.
    pub fn present(self) -> Result<&'a [u8], Error> {
        match self.state {
            State::Present { bytes, .. } => Ok(bytes),
            State::Missing => Err(match self.label {
                Label::Argument { name, .. } => {
                    Error::invalid_argument(format!("missing argument \"{name}\""))
                }
                Label::Unnamed { position } => {
                    Error::invalid_argument(format!("missing argument {position}"))
                }
                Label::Whole(name) => Error::invalid_argument(format!("the {name} is missing")),
            }),
            State::Broken(malformed) => Err(self.wrong(malformed)),
        }
    }

    /// Whether the caller left the value out.
    pub fn is_missing(self) -> bool {
        matches!(self.state, State::Missing)
    }

    /// A string, borrowed from the payload.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where it is missing or not a string.
    pub fn str(self) -> Result<&'a str, Error> {
        Reader::new(self.present()?).str().map_err(|malformed| self.wrong(malformed))
    }

    /// A byte string, borrowed from the payload.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where it is missing or not bytes.
    pub fn bin(self) -> Result<&'a [u8], Error> {
        Reader::new(self.present()?).bin().map_err(|malformed| self.wrong(malformed))
    }

    /// A byte string as `Bytes`.
    fn bytes(self) -> Result<Bytes, Error> {
        let bytes = self.bin()?;
        Ok(self.owned(bytes))
    }

    /// The value's bytes as `Bytes`.
    pub(crate) fn raw(self) -> Result<Bytes, Error> {
        let bytes = self.present()?;
        Ok(self.owned(bytes))
    }

    /// Appends the value as it is: a large one out of a large payload is shared, not copied.
    pub(crate) fn append_to(self, encoder: &mut Encoder) -> Result<(), Error> {
        let bytes = self.present()?;
        if bytes.len() < LARGE_SEGMENT {
            encoder.buffer().extend_from_slice(bytes);
        } else {
            encoder.raw(&self.owned(bytes));
        }
        Ok(())
    }

    /// A part of the value: a slice of a large payload, a copy out of a small one.
    fn owned(self, part: &[u8]) -> Bytes {
        match self.state {
            State::Present { payload: Some(payload), .. } => payload.slice_ref(part),
            _ => Bytes::copy_from_slice(part),
        }
    }

    fn deserialize<T: DeserializeOwned>(self) -> Result<T, Error> {
        let mut deserializer = rmp_serde::Deserializer::from_read_ref(self.present()?);
        // The walk has bounded the nesting; an enum adds a level of recursion of its own.
        deserializer.set_max_depth(usize::from(MAX_NESTING) * 2);
        T::deserialize(&mut deserializer).map_err(|error| match error {
            rmp_serde::decode::Error::TypeMismatch(marker) => {
                let found = msgpack::type_name(marker.to_u8());
                // Of a type that is made of others, it may be a part that does not fit.
                match type_name::<T>() {
                    simple if !simple.contains(['<', ':', '(', '[']) => {
                        self.wrong(format_args!("expected {simple}, found {found}"))
                    }
                    _ => self.wrong(format_args!("{found} does not fit there")),
                }
            }
            error => self.wrong(error),
        })
    }

    pub(crate) fn wrong(self, why: impl std::fmt::Display) -> Error {
        Error::invalid_argument(format!("{} does not decode: {why}", self.label))
    }
}

/// A type whose values can cross the network.
///
/// Implemented for every `Send + 'static` type that implements `serde::Serialize` and
/// `serde::de::DeserializeOwned`; there is nothing to implement by hand.
///
/// MessagePack has one nil: `Some(None)` and `Some(())` arrive as `None`. Do not use `Option<Option<T>>` or
/// `Option<()>` as, or inside of, a value.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross the network",
    label = "must implement `Serialize` and `Deserialize`, own its data and be `Send`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for `{Self}`"
)]
pub trait Value: Sized {
    /// Appends this value.
    ///
    /// # Errors
    ///
    /// `internal`, with what the type's `Serialize` said.
    #[doc(hidden)]
    fn encode(&self, encoder: &mut Encoder) -> Result<(), Error>;

    /// Appends a list of values.
    ///
    /// # Errors
    ///
    /// `internal`, with what the type's `Serialize` said.
    #[doc(hidden)]
    fn encode_slice(values: &[Self], encoder: &mut Encoder) -> Result<(), Error>;

    /// Decodes one value.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, which names the value and says what is wrong with it.
    #[doc(hidden)]
    fn decode(encoded: Encoded<'_>) -> Result<Self, Error>;

    /// Decodes a list of values.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, which names the value and says what is wrong with it.
    #[doc(hidden)]
    fn decode_vec(encoded: Encoded<'_>) -> Result<Vec<Self>, Error>;

    /// Decodes one value, or takes its default where the caller left it out.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, which names the value and says what is wrong with it.
    #[doc(hidden)]
    fn decode_or_else(encoded: Encoded<'_>, default: impl FnOnce() -> Self) -> Result<Self, Error> {
        if encoded.is_missing() { Ok(default()) } else { Self::decode(encoded) }
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Value for T {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), Error> {
        let any: &dyn Any = self;
        if let Some(bytes) = any.downcast_ref::<Bytes>() {
            encoder.bytes(bytes);
        } else if let Some(bytes) = any.downcast_ref::<Vec<u8>>() {
            encoder.bin(bytes);
        } else {
            encoder.serialize(self)?;
        }
        Ok(())
    }

    fn encode_slice(values: &[Self], encoder: &mut Encoder) -> Result<(), Error> {
        encoder.serialize(values)
    }

    fn decode(encoded: Encoded<'_>) -> Result<Self, Error> {
        let mut value: Option<Self> = None;
        let any: &mut dyn Any = &mut value;
        if let Some(value) = any.downcast_mut::<Option<Bytes>>() {
            *value = Some(encoded.bytes()?);
        } else if let Some(value) = any.downcast_mut::<Option<Vec<u8>>>() {
            // A caller in another language may send a list of numbers.
            if let Ok(bytes) = encoded.bin() {
                *value = Some(bytes.to_vec());
            }
        }
        match value {
            Some(value) => Ok(value),
            None => encoded.deserialize(),
        }
    }

    fn decode_vec(encoded: Encoded<'_>) -> Result<Vec<Self>, Error> {
        encoded.deserialize()
    }
}

#[cfg(test)]
mod tests;
