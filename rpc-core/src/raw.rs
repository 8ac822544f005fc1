//! Values without a trait that says their type: what a call by name sends, and what is encoded already.
//!
//! [`Encode`] is the half of [`Value`] that sending needs: whatever serde can serialize, borrowed or not. It makes the same bytes as a stub
//! does for a parameter of that type. [`Raw`] is one value in its bytes, for programs that pass on what they do not understand.

use std::{any::TypeId, fmt};

use bytes::Bytes;
use serde::Serialize;

use crate::{
    Error,
    msgpack::{self, Malformed, Reader},
    value::{Encoded, Encoder, Structs, Value},
};

/// A value that a call by name can send.
///
/// Implemented for every type that implements `serde::Serialize`, references among them, and for [`Raw`]; there is nothing to implement by
/// hand. `Vec<u8>`, `&[u8]` and `Bytes` are sent as bytes, as stubs send them; another list of numbers, such as the `&[u8; 3]` that `b"abc"` is,
/// is sent as a list: write `&b"abc"[..]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent",
    label = "must implement `serde::Serialize`",
    note = "derive `serde::Serialize` for `{Self}`"
)]
pub trait Encode {
    /// Appends this value.
    ///
    /// # Errors
    ///
    /// `internal`, with what the type's `Serialize` said.
    #[doc(hidden)]
    fn append(&self, encoder: &mut Encoder) -> Result<(), Error>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Encode for T {
    fn append(&self, encoder: &mut Encoder) -> Result<(), Error> {
        if is_bytes::<T>() { encoder.serialize_bytes(self) } else { encoder.serialize(self) }
    }
}

/// Whether a type is one that stubs send as bytes, and serde would not. `Any` cannot tell of what is borrowed.
fn is_bytes<T: ?Sized>() -> bool {
    let known = [
        TypeId::of::<Vec<u8>>(),
        TypeId::of::<&Vec<u8>>(),
        TypeId::of::<[u8]>(),
        TypeId::of::<&[u8]>(),
        TypeId::of::<&&[u8]>(),
    ];
    known.contains(&typeid::of::<T>())
}

/// One encoded value, known to be whole: what a program passes on without understanding it.
///
/// It stands wherever a value does: as an argument, a result or an item of a stream; in place of a call's tuple it is all of its arguments,
/// as an array or, from name to value, a map. A large one is neither copied in nor out.
///
/// ```
/// use rpc_core::Raw;
///
/// let raw = Raw::encode(&("x", 2))?;
/// assert_eq!(raw.as_slice(), [0x92, 0xa1, b'x', 2]);
/// assert_eq!(Raw::new(raw.into_bytes())?.decode::<(String, u8)>()?, ("x".to_owned(), 2));
/// assert!(Raw::new(&[0x92, 1][..]).is_err());
/// # Ok::<_, rpc_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Raw(Bytes);

impl Raw {
    /// The value that these bytes are.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where they are not one MessagePack value.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        let bytes = bytes.into();
        Encoded::whole("value", &bytes).present()?;
        Ok(Self(bytes))
    }

    /// A value, encoded; structs are maps from field name to value. Inside of it serde decides: in a tuple that is to be a call's arguments, bytes
    /// are a `Bytes`.
    ///
    /// # Errors
    ///
    /// `internal`, with what the type's `Serialize` said.
    pub fn encode<T: Encode + ?Sized>(value: &T) -> Result<Self, Error> {
        let mut encoder = Encoder::new(Structs::Named);
        value.append(&mut encoder)?;
        Ok(Self(encoder.into_bytes()))
    }

    /// The value, decoded.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where it is another type's.
    pub fn decode<T: Value>(&self) -> Result<T, Error> {
        T::decode(Encoded::whole("value", &self.0))
    }

    /// The encoded bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The encoded bytes.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

#[diagnostic::do_not_recommend]
impl Encode for Raw {
    fn append(&self, encoder: &mut Encoder) -> Result<(), Error> {
        encoder.raw(&self.0);
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl Value for Raw {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), Error> {
        self.append(encoder)
    }

    fn encode_slice(values: &[Self], encoder: &mut Encoder) -> Result<(), Error> {
        let count = u32::try_from(values.len())
            .map_err(|_| Error::internal("a list has more values than an array can have"))?;
        msgpack::write_array_len(encoder.buffer(), count);
        values.iter().try_for_each(|value| value.append(encoder))
    }

    fn decode(encoded: Encoded<'_>) -> Result<Self, Error> {
        encoded.raw().map(Self)
    }

    fn decode_vec(encoded: Encoded<'_>) -> Result<Vec<Self>, Error> {
        let whole = encoded.raw()?;
        let mut reader = Reader::new(&whole);
        let wrong = |malformed: Malformed| encoded.wrong(malformed);
        let count = reader.array_len().map_err(wrong)?;
        (0..count).map(|_| Ok(Self(whole.slice_ref(reader.skip().map_err(wrong)?)))).collect()
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Raw").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests;
