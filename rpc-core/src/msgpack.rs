//! Reading and writing MessagePack one marker at a time: headers, and the shape of payloads.
//!
//! The writers append to a `Vec<u8>` and cannot fail. The [`Reader`] walks a borrowed slice, allocates
//! nothing, and trusts no count: [`Reader::skip`] accepts an announced count only if that many bytes are
//! left, walks every element, and stops at [`MAX_NESTING`](crate::limits::MAX_NESTING). serde sees a payload
//! only after that walk, so that what it allocates is bounded by what really arrived (PROTOCOL 3.5, 3.6).
//! Integers are accepted in every width, as the MessagePack specification asks of a reader.

use rmp::Marker;

use crate::limits::MAX_NESTING;

/// Why bytes are not the MessagePack that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The bytes end inside a value.
    #[error("the bytes end inside a value")]
    Truncated,
    /// An array, map or string announces more than there are bytes.
    #[error("a value announces {announced} elements or bytes where {left} bytes are left")]
    Count {
        /// The announced count.
        announced: u64,
        /// The bytes left behind it.
        left: usize,
    },
    /// Arrays and maps nest too deep.
    #[error("arrays and maps nest deeper than {MAX_NESTING} levels")]
    Nesting,
    /// The marker that MessagePack never uses.
    #[error("0xc1 is not a MessagePack value")]
    Reserved,
    /// A value of another type than the protocol wants here.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What the protocol wants.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A string that is not UTF-8.
    #[error("a string is not UTF-8")]
    Utf8,
}

/// The name of the type that a value beginning with this byte has.
pub(crate) fn type_name(first: u8) -> &'static str {
    match Marker::from_u8(first) {
        Marker::FixPos(_) | Marker::U8 | Marker::U16 | Marker::U32 | Marker::U64 => "an unsigned integer",
        Marker::FixNeg(_) | Marker::I8 | Marker::I16 | Marker::I32 | Marker::I64 => "an integer",
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => "a map",
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => "an array",
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => "a string",
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => "bytes",
        Marker::Null => "nil",
        Marker::True | Marker::False => "a boolean",
        Marker::F32 | Marker::F64 => "a float",
        Marker::FixExt1 | Marker::FixExt2 | Marker::FixExt4 | Marker::FixExt8 | Marker::FixExt16
        | Marker::Ext8 | Marker::Ext16 | Marker::Ext32 => "an extension",
        Marker::Reserved => "a reserved marker",
    }
}

/// Appends an unsigned integer in its shortest form.
pub fn write_uint(out: &mut Vec<u8>, value: u64) {
    infallible(rmp::encode::write_uint(out, value));
}

/// Appends a string.
pub fn write_str(out: &mut Vec<u8>, value: &str) {
    infallible(rmp::encode::write_str(out, value));
}

/// Appends a byte string.
pub fn write_bin(out: &mut Vec<u8>, value: &[u8]) {
    write_bin_len(out, value.len());
    out.extend_from_slice(value);
}

/// Appends the head of a byte string of this length.
pub(crate) fn write_bin_len(out: &mut Vec<u8>, len: usize) {
    infallible(rmp::encode::write_bin_len(out, u32::try_from(len).unwrap_or(u32::MAX)));
}

/// Appends the head of an array.
pub fn write_array_len(out: &mut Vec<u8>, len: u32) {
    infallible(rmp::encode::write_array_len(out, len));
}

/// Appends the head of a map.
pub fn write_map_len(out: &mut Vec<u8>, len: u32) {
    infallible(rmp::encode::write_map_len(out, len));
}

/// Appends nil.
pub fn write_nil(out: &mut Vec<u8>) {
    out.push(Marker::Null.to_u8());
}

fn infallible<T, E>(result: Result<T, E>) {
    debug_assert!(result.is_ok(), "a Vec<u8> takes every byte");
}

/// The head of one value: what it is, and what follows.
enum Head {
    /// A value without a body, or with a body of this many bytes.
    Bytes(usize),
    /// This many values follow.
    Values(u64),
}

/// Walks over MessagePack values in a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The bytes that have not been read.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    /// Whether the next value is nil; takes it if so.
    pub fn take_nil(&mut self) -> bool {
        let is_nil = self.peek() == Some(Marker::Null.to_u8());
        self.position += usize::from(is_nil);
        is_nil
    }

    /// The first byte of the next value.
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    /// Whether the next value is a map.
    pub fn at_map(&self) -> bool {
        self.peek().is_some_and(|byte| matches!(byte, 0x80..=0x8f | 0xde | 0xdf))
    }

    /// Whether the next value is a string.
    pub fn at_str(&self) -> bool {
        self.peek().is_some_and(|byte| matches!(byte, 0xa0..=0xbf | 0xd9..=0xdb))
    }

    /// The head of an array: how many values follow.
    ///
    /// # Errors
    ///
    /// Any [`Malformed`]; the position is then where the value began, or behind its head.
    pub fn array_len(&mut self) -> Result<u32, Malformed> {
        let start = self.position;
        let len = match Marker::from_u8(self.byte()?) {
            Marker::FixArray(len) => u64::from(len),
            Marker::Array16 => self.uint(2)?,
            Marker::Array32 => self.uint(4)?,
            _ => return Err(self.mismatch(start, "an array")),
        };
        self.counted(len, len)
    }

    /// The head of a map: how many pairs follow.
    ///
    /// # Errors
    ///
    /// Any [`Malformed`].
    pub fn map_len(&mut self) -> Result<u32, Malformed> {
        let start = self.position;
        let len = match Marker::from_u8(self.byte()?) {
            Marker::FixMap(len) => u64::from(len),
            Marker::Map16 => self.uint(2)?,
            Marker::Map32 => self.uint(4)?,
            _ => return Err(self.mismatch(start, "a map")),
        };
        self.counted(len, len * 2)
    }

    /// An unsigned integer of any width; a signed one that is not negative counts too.
    ///
    /// # Errors
    ///
    /// Any [`Malformed`].
    pub fn unsigned(&mut self) -> Result<u64, Malformed> {
        let start = self.position;
        match Marker::from_u8(self.byte()?) {
            Marker::FixPos(value) => Ok(u64::from(value)),
            Marker::U8 => self.uint(1),
            Marker::U16 => self.uint(2),
            Marker::U32 => self.uint(4),
            Marker::U64 => self.uint(8),
            marker @ (Marker::I8 | Marker::I16 | Marker::I32 | Marker::I64) => {
                let width = match marker {
                    Marker::I8 => 1,
                    Marker::I16 => 2,
                    Marker::I32 => 4,
                    _ => 8,
                };
                let value = self.uint(width)?;
                let negative = value >> (width * 8 - 1) != 0;
                if negative { Err(self.mismatch(start, "an unsigned integer")) } else { Ok(value) }
            }
            _ => Err(self.mismatch(start, "an unsigned integer")),
        }
    }

    /// A string.
    ///
    /// # Errors
    ///
    /// Any [`Malformed`].
    pub fn str(&mut self) -> Result<&'a str, Malformed> {
        let start = self.position;
        let len = match Marker::from_u8(self.byte()?) {
            Marker::FixStr(len) => u64::from(len),
            Marker::Str8 => self.uint(1)?,
            Marker::Str16 => self.uint(2)?,
            Marker::Str32 => self.uint(4)?,
            _ => return Err(self.mismatch(start, "a string")),
        };
        std::str::from_utf8(self.take(len)?).map_err(|_| Malformed::Utf8)
    }

    /// A byte string; a string counts too, as the MessagePack of older libraries has only those.
    ///
    /// # Errors
    ///
    /// Any [`Malformed`].
    pub fn bin(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.position;
        let len = match Marker::from_u8(self.byte()?) {
            Marker::FixStr(len) => u64::from(len),
            Marker::Bin8 | Marker::Str8 => self.uint(1)?,
            Marker::Bin16 | Marker::Str16 => self.uint(2)?,
            Marker::Bin32 | Marker::Str32 => self.uint(4)?,
            _ => return Err(self.mismatch(start, "bytes")),
        };
        self.take(len)
    }

    /// Walks over one whole value, whatever it is, and returns its bytes.
    ///
    /// # Errors
    ///
    /// Any [`Malformed`]: a count that cannot be true, a value that is cut, or nesting that is too deep.
    pub fn skip(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.position;
        match self.head()? {
            Head::Bytes(len) => self.position += len,
            Head::Values(0) => {}
            Head::Values(count) => self.skip_nested(count)?,
        }
        Ok(&self.bytes[start..self.position])
    }

    fn skip_nested(&mut self, count: u64) -> Result<(), Malformed> {
        // What is left to read at each level that encloses the current one.
        let mut levels = [0u64; MAX_NESTING];
        let mut depth = 0;
        levels[0] = count;
        loop {
            levels[depth] -= 1;
            match self.head()? {
                Head::Bytes(len) => self.position += len,
                // An empty one is a level too.
                Head::Values(count) => {
                    depth += 1;
                    *levels.get_mut(depth).ok_or(Malformed::Nesting)? = count;
                }
            }
            while levels[depth] == 0 {
                if depth == 0 {
                    return Ok(());
                }
                depth -= 1;
            }
        }
    }

    /// Reads a value's head; a body of bytes is there in full, a count is at most the bytes left.
    fn head(&mut self) -> Result<Head, Malformed> {
        let head = match Marker::from_u8(self.byte()?) {
            Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => {
                return Ok(Head::Bytes(0));
            }
            Marker::U8 | Marker::I8 => Head::Bytes(1),
            Marker::U16 | Marker::I16 => Head::Bytes(2),
            Marker::U32 | Marker::I32 | Marker::F32 => Head::Bytes(4),
            Marker::U64 | Marker::I64 | Marker::F64 => Head::Bytes(8),
            Marker::FixStr(len) => Head::Bytes(usize::from(len)),
            Marker::Str8 | Marker::Bin8 => self.body(1, 0)?,
            Marker::Str16 | Marker::Bin16 => self.body(2, 0)?,
            Marker::Str32 | Marker::Bin32 => self.body(4, 0)?,
            // An extension's type is one more byte in front of its data.
            Marker::Ext8 => self.body(1, 1)?,
            Marker::Ext16 => self.body(2, 1)?,
            Marker::Ext32 => self.body(4, 1)?,
            Marker::FixExt1 => Head::Bytes(2),
            Marker::FixExt2 => Head::Bytes(3),
            Marker::FixExt4 => Head::Bytes(5),
            Marker::FixExt8 => Head::Bytes(9),
            Marker::FixExt16 => Head::Bytes(17),
            Marker::FixArray(len) => Head::Values(u64::from(len)),
            Marker::Array16 => Head::Values(self.uint(2)?),
            Marker::Array32 => Head::Values(self.uint(4)?),
            Marker::FixMap(len) => Head::Values(u64::from(len) * 2),
            Marker::Map16 => Head::Values(self.uint(2)? * 2),
            Marker::Map32 => Head::Values(self.uint(4)? * 2),
            Marker::Reserved => return Err(Malformed::Reserved),
        };
        let left = self.bytes.len() - self.position;
        match head {
            Head::Bytes(len) if len > left => Err(Malformed::Truncated),
            Head::Values(count) if count > left as u64 => {
                Err(Malformed::Count { announced: count, left })
            }
            head => Ok(head),
        }
    }

    fn body(&mut self, width: usize, extra: usize) -> Result<Head, Malformed> {
        let len = self.uint(width)?;
        let left = self.bytes.len() - self.position;
        match usize::try_from(len) {
            Ok(len) if len <= left => Ok(Head::Bytes(len + extra)),
            _ => Err(Malformed::Count { announced: len, left }),
        }
    }

    fn counted(&self, len: u64, values: u64) -> Result<u32, Malformed> {
        let left = self.bytes.len() - self.position;
        match u32::try_from(len) {
            Ok(len) if values <= left as u64 => Ok(len),
            _ => Err(Malformed::Count { announced: len, left }),
        }
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Malformed> {
        let rest = self.rest();
        let taken = usize::try_from(len)
            .ok()
            .and_then(|len| rest.get(..len))
            .ok_or(Malformed::Count { announced: len, left: rest.len() })?;
        self.position += taken.len();
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = self.peek().ok_or(Malformed::Truncated)?;
        self.position += 1;
        Ok(byte)
    }

    fn uint(&mut self, width: usize) -> Result<u64, Malformed> {
        let bytes = self.rest().get(..width).ok_or(Malformed::Truncated)?;
        self.position += width;
        Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn mismatch(&mut self, start: usize, expected: &'static str) -> Malformed {
        self.position = start;
        Malformed::Type { expected, found: self.peek().map_or("the end", type_name) }
    }
}

#[cfg(test)]
mod tests;
