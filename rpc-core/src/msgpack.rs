//! Reading and writing MessagePack one marker at a time: headers, and the shape of payloads.
//!
//! The writers append to a `Vec<u8>` and cannot fail. The [`Reader`] walks a borrowed slice, allocates
//! nothing, and trusts no count: [`Reader::skip`] accepts an announced count only if that many bytes are
//! left, walks every element, and stops at [`MAX_NESTING`]. serde sees a payload
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
    #[error(
        "arrays and maps nest deeper than {most} levels, as `max_nesting` of the receiver allows"
    )]
    Nesting {
        /// How deep they may.
        most: u8,
    },
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
        Marker::FixPos(_) | Marker::U8 | Marker::U16 | Marker::U32 | Marker::U64 => {
            "an unsigned integer"
        }
        Marker::FixNeg(_) | Marker::I8 | Marker::I16 | Marker::I32 | Marker::I64 => "an integer",
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => "a map",
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => "an array",
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => "a string",
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => "bytes",
        Marker::Null => "nil",
        Marker::True | Marker::False => "a boolean",
        Marker::F32 | Marker::F64 => "a float",
        Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32 => "an extension",
        Marker::Reserved => "a reserved marker",
    }
}

/// Appends an unsigned integer in its shortest form.
#[inline]
pub fn write_uint(out: &mut Vec<u8>, value: u64) {
    let bytes @ [.., b3, b2, b1, b0] = value.to_be_bytes();
    // The most frequent ones: types, codes, ids.
    match value {
        0..=0x7f => out.push(b0),
        0x1_0000..=0xffff_ffff => out.extend_from_slice(&[0xce, b3, b2, b1, b0]),
        0x100..=0xffff => out.extend_from_slice(&[0xcd, b1, b0]),
        0x80..=0xff => out.extend_from_slice(&[0xcc, b0]),
        0x1_0000_0000.. => {
            out.push(0xcf);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Appends a string.
#[inline]
pub fn write_str(out: &mut Vec<u8>, value: &str) {
    match u8::try_from(value.len()) {
        Ok(len @ 0..=31) => {
            out.push(0xa0 | len);
            out.extend_from_slice(value.as_bytes());
        }
        _ => infallible(rmp::encode::write_str(out, value)),
    }
}

/// Appends a byte string.
#[inline]
pub fn write_bin(out: &mut Vec<u8>, value: &[u8]) {
    write_bin_len(out, value.len());
    out.extend_from_slice(value);
}

/// Appends the head of a byte string of this length.
#[inline]
pub(crate) fn write_bin_len(out: &mut Vec<u8>, len: usize) {
    match u8::try_from(len) {
        Ok(len) => out.extend_from_slice(&[0xc4, len]),
        Err(_) => {
            infallible(rmp::encode::write_bin_len(out, u32::try_from(len).unwrap_or(u32::MAX)));
        }
    }
}

/// Appends the head of an array.
#[inline]
pub fn write_array_len(out: &mut Vec<u8>, len: u32) {
    match u8::try_from(len) {
        Ok(len @ 0..=15) => out.push(0x90 | len),
        _ => infallible(rmp::encode::write_array_len(out, len)),
    }
}

/// Appends the head of a map.
pub fn write_map_len(out: &mut Vec<u8>, len: u32) {
    infallible(rmp::encode::write_map_len(out, len));
}

/// Appends nil.
#[inline]
pub fn write_nil(out: &mut Vec<u8>) {
    out.push(Marker::Null.to_u8());
}

fn infallible<T, E>(result: Result<T, E>) {
    debug_assert!(result.is_ok(), "a Vec<u8> takes every byte");
}

/// How many bytes follow the first one of a value, where that alone tells, and the value is no container: what most values are.
const SHORT: [u8; 256] = {
    let mut sizes = [NOT_SHORT; 256];
    let mut first = 0;
    while first < 256 {
        sizes[first] = match first {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 0,
            // The length is in the lower five bits.
            0xa0..=0xbf => first.to_le_bytes()[0] & 0x1f,
            0xcc | 0xd0 => 1,
            0xcd | 0xd1 => 2,
            0xca | 0xce | 0xd2 => 4,
            0xcb | 0xcf | 0xd3 => 8,
            _ => NOT_SHORT,
        };
        first += 1;
    }
    sizes
};

/// Marks what has a longer head, or values in it.
const NOT_SHORT: u8 = u8::MAX;

/// Walks over MessagePack values in a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
    max_nesting: u8,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::nesting(bytes, MAX_NESTING)
    }

    /// A reader at the start of `bytes`, for which arrays and maps nest so deep at most, from 1 to 128.
    pub fn nesting(bytes: &'a [u8], max_nesting: u8) -> Self {
        Self { rest: bytes, len: bytes.len(), max_nesting: max_nesting.clamp(1, MAX_NESTING) }
    }

    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.len - self.rest.len()
    }

    /// The bytes that have not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether the next value is nil; takes it if so.
    pub fn take_nil(&mut self) -> bool {
        match self.rest {
            [0xc0, rest @ ..] => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// The first byte of the next value.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Whether the next value is a map.
    pub fn at_map(&self) -> bool {
        matches!(self.rest, [0x80..=0x8f | 0xde | 0xdf, ..])
    }

    /// Whether the next value is a string.
    pub fn at_str(&self) -> bool {
        matches!(self.rest, [0xa0..=0xbf | 0xd9..=0xdb, ..])
    }

    /// Whether the next value is a byte string, and no string.
    #[cfg(feature = "auth")]
    pub(crate) fn at_bin(&self) -> bool {
        matches!(self.rest, [0xc4..=0xc6, ..])
    }

    /// Whether the next value is an array or a map.
    fn at_container(&self) -> bool {
        matches!(self.rest, [0x80..=0x9f | 0xdc..=0xdf, ..])
    }

    /// The head of an array: how many values follow.
    ///
    /// # Errors
    ///
    /// Any [`Malformed`]; the position is then where the value began, or behind its head.
    #[inline]
    pub fn array_len(&mut self) -> Result<u32, Malformed> {
        let (first, rest) = self.first()?;
        let (len, rest) = match first {
            0x90..=0x9f => (u64::from(first & 0x0f), rest),
            0xdc => uint::<2>(rest)?,
            0xdd => uint::<4>(rest)?,
            _ => return Err(self.mismatch("an array")),
        };
        self.rest = rest;
        self.counted(len, len)
    }

    /// The head of a map: how many pairs follow.
    ///
    /// # Errors
    ///
    /// Any [`Malformed`].
    #[inline]
    pub fn map_len(&mut self) -> Result<u32, Malformed> {
        let (first, rest) = self.first()?;
        let (len, rest) = match first {
            0x80..=0x8f => (u64::from(first & 0x0f), rest),
            0xde => uint::<2>(rest)?,
            0xdf => uint::<4>(rest)?,
            _ => return Err(self.mismatch("a map")),
        };
        self.rest = rest;
        self.counted(len, len * 2)
    }

    /// An unsigned integer of any width; a signed one that is not negative counts too.
    ///
    /// # Errors
    ///
    /// Any [`Malformed`].
    #[inline]
    pub fn unsigned(&mut self) -> Result<u64, Malformed> {
        let (first, rest) = self.first()?;
        let (value, rest) = match first {
            0..=0x7f => (u64::from(first), rest),
            0xcc => uint::<1>(rest)?,
            0xcd => uint::<2>(rest)?,
            0xce => uint::<4>(rest)?,
            0xcf => uint::<8>(rest)?,
            0xd0..=0xd3 => self.not_negative(first, rest)?,
            _ => return Err(self.mismatch("an unsigned integer")),
        };
        self.rest = rest;
        Ok(value)
    }

    fn not_negative(&self, first: u8, rest: &'a [u8]) -> Result<(u64, &'a [u8]), Malformed> {
        let ((value, rest), bits) = match first {
            0xd0 => (uint::<1>(rest)?, 8),
            0xd1 => (uint::<2>(rest)?, 16),
            0xd2 => (uint::<4>(rest)?, 32),
            _ => (uint::<8>(rest)?, 64),
        };
        if value >> (bits - 1) == 0 {
            Ok((value, rest))
        } else {
            Err(self.mismatch("an unsigned integer"))
        }
    }

    /// A string.
    ///
    /// # Errors
    ///
    /// Any [`Malformed`].
    #[inline]
    pub fn str(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.str_bytes()?).map_err(|_| Malformed::Utf8)
    }

    /// The bytes of a string, which need not be UTF-8.
    ///
    /// # Errors
    ///
    /// Any [`Malformed`].
    #[inline]
    pub(crate) fn str_bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let (first, rest) = self.first()?;
        let (len, rest) = match first {
            0xa0..=0xbf => (u64::from(first & 0x1f), rest),
            0xd9 => uint::<1>(rest)?,
            0xda => uint::<2>(rest)?,
            0xdb => uint::<4>(rest)?,
            _ => return Err(self.mismatch("a string")),
        };
        self.take(len, rest)
    }

    /// A byte string; a string counts too, as the MessagePack of older libraries has only those.
    ///
    /// # Errors
    ///
    /// Any [`Malformed`].
    #[inline]
    pub fn bin(&mut self) -> Result<&'a [u8], Malformed> {
        let (first, rest) = self.first()?;
        let (len, rest) = match first {
            0xa0..=0xbf => (u64::from(first & 0x1f), rest),
            0xc4 | 0xd9 => uint::<1>(rest)?,
            0xc5 | 0xda => uint::<2>(rest)?,
            0xc6 | 0xdb => uint::<4>(rest)?,
            _ => return Err(self.mismatch("bytes")),
        };
        self.take(len, rest)
    }

    /// Walks over one whole value, whatever it is, and returns its bytes.
    ///
    /// # Errors
    ///
    /// Any [`Malformed`]: a count that cannot be true, a value that is cut, or nesting that is too deep.
    #[inline]
    pub fn skip(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.rest;
        let count = self.head()?;
        if count > 0 {
            self.skip_nested(count)?;
        }
        Ok(&start[..start.len() - self.rest.len()])
    }

    fn skip_nested(&mut self, count: u64) -> Result<(), Malformed> {
        // What is left to read at each level that encloses the current one, and in that.
        let mut levels = [0u64; MAX_NESTING as usize];
        let mut depth = 0;
        let mut left = count;
        loop {
            let (first, rest) = self.first()?;
            let size = SHORT[usize::from(first)];
            left -= 1;
            if size == NOT_SHORT {
                // An empty one is a level too, of which there is no more.
                if depth + 1 >= usize::from(self.max_nesting) && self.at_container() {
                    return Err(Malformed::Nesting { most: self.max_nesting });
                }
                let count = self.head()?;
                if count > 0 {
                    levels[depth] = left;
                    depth += 1;
                    left = count;
                }
            } else {
                self.take(u64::from(size), rest)?;
            }
            while left == 0 {
                if depth == 0 {
                    return Ok(());
                }
                depth -= 1;
                left = levels[depth];
            }
        }
    }

    /// Walks over a value's head and its body of bytes, and returns how many values follow in it: at most as many as bytes
    /// are left.
    #[inline]
    fn head(&mut self) -> Result<u64, Malformed> {
        let (first, rest) = self.first()?;
        let (len, rest) = match first {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => (0, rest),
            0xa0..=0xbf => (u64::from(first & 0x1f), rest),
            0xcc | 0xd0 => (1, rest),
            0xcd | 0xd1 => (2, rest),
            0xca | 0xce | 0xd2 => (4, rest),
            0xcb | 0xcf | 0xd3 => (8, rest),
            0xc4 | 0xd9 => uint::<1>(rest)?,
            0xc5 | 0xda => uint::<2>(rest)?,
            0xc6 | 0xdb => uint::<4>(rest)?,
            // An extension's type is one more byte in front of its data.
            0xd4..=0xd8 => ((1 << (first - 0xd4)) + 1, rest),
            0xc7 => extension(uint::<1>(rest)?),
            0xc8 => extension(uint::<2>(rest)?),
            0xc9 => extension(uint::<4>(rest)?),
            0x80..=0x9f | 0xdc..=0xdf => return self.container(first, rest),
            0xc1 => return Err(Malformed::Reserved),
        };
        self.take(len, rest)?;
        Ok(0)
    }

    fn container(&mut self, first: u8, rest: &'a [u8]) -> Result<u64, Malformed> {
        let (count, rest) = match first {
            0x80..=0x8f => (u64::from(first & 0x0f) * 2, rest),
            0x90..=0x9f => (u64::from(first & 0x0f), rest),
            0xdc => uint::<2>(rest)?,
            0xdd => uint::<4>(rest)?,
            0xde => uint::<2>(rest).map(|(pairs, rest)| (pairs * 2, rest))?,
            _ => uint::<4>(rest).map(|(pairs, rest)| (pairs * 2, rest))?,
        };
        self.rest = rest;
        if count > rest.len() as u64 {
            return Err(Malformed::Count { announced: count, left: rest.len() });
        }
        Ok(count)
    }

    #[inline]
    fn counted(&self, len: u64, values: u64) -> Result<u32, Malformed> {
        match u32::try_from(len) {
            Ok(len) if values <= self.rest.len() as u64 => Ok(len),
            _ => Err(Malformed::Count { announced: len, left: self.rest.len() }),
        }
    }

    #[inline]
    fn take(&mut self, len: u64, rest: &'a [u8]) -> Result<&'a [u8], Malformed> {
        match usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len)) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Malformed::Count { announced: len, left: rest.len() }),
        }
    }

    #[inline]
    fn first(&self) -> Result<(u8, &'a [u8]), Malformed> {
        match self.rest {
            [first, rest @ ..] => Ok((*first, rest)),
            [] => Err(Malformed::Truncated),
        }
    }

    #[cold]
    fn mismatch(&self, expected: &'static str) -> Malformed {
        Malformed::Type { expected, found: self.peek().map_or("the end", type_name) }
    }
}

/// An unsigned integer of `N` bytes, and what follows it.
#[inline]
fn uint<const N: usize>(bytes: &[u8]) -> Result<(u64, &[u8]), Malformed> {
    let (value, rest) = bytes.split_first_chunk::<N>().ok_or(Malformed::Truncated)?;
    let mut wide = [0; 8];
    wide[8 - N..].copy_from_slice(value);
    Ok((u64::from_be_bytes(wide), rest))
}

fn extension((len, rest): (u64, &[u8])) -> (u64, &[u8]) {
    (len + 1, rest)
}

#[cfg(test)]
mod tests;
