//! Metadata: the key/values that travel with a call beside its arguments.
//!
//! [`Metadata`] is owned and collects what a caller sets; [`MetadataRef`] is a view over the bytes of a received
//! frame, which were checked when the frame was. Both hold the entries as they stand on the wire
//! (PROTOCOL 7), so that neither parsing nor sending allocates. The size is bounded by
//! [`MAX_METADATA_SIZE`](crate::limits::MAX_METADATA_SIZE).
//!
//! Values may be secrets: `Debug` shows the keys alone, and memory that entries lay in is overwritten before it is given back. That does not
//! reach the messages in which they travel.

use std::{fmt, mem, time::Duration};

use zeroize::Zeroize;

use crate::{
    Error,
    limits::MAX_TIMEOUT,
    msgpack::{self, Malformed, Reader},
};

/// The protocol's own keys in a call's metadata; keys of the user are strings.
mod key {
    pub(super) const TIMEOUT: u64 = 0;
    pub(super) const ATTEMPT: u64 = 1;
}

/// The key under which a caller sends its credentials.
pub const AUTHORIZATION: &str = "authorization";

/// What the heads of a key and its value take at most.
const HEADS: usize = 10;

/// What the head of the map and the protocol's own entries take at most: 3, 10 and 6 bytes.
const MAX_OWN_SIZE: usize = 19;

/// Key/values that travel with a call: those that its caller sends along, or those that come back with its response.
///
/// ```
/// use rpc_core::Metadata;
///
/// let mut metadata = Metadata::new();
/// metadata.insert("tenant", "a");
/// metadata.insert("tenant", "b");
/// assert_eq!(metadata.get("tenant"), Some("b"));
/// ```
///
/// Keys are not empty and case-sensitive; a value is text or bytes. Setting a key again replaces its value.
/// At most 8 KiB encoded, of which the protocol may need 19 bytes; a call with more fails with `resource_exhausted` before it is sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    entries: Vec<u8>,
    count: u32,
}

impl Metadata {
    /// No key/values.
    pub const fn new() -> Self {
        Self { entries: Vec::new(), count: 0 }
    }

    /// Sets `key` to a text.
    pub fn insert(&mut self, key: &str, value: &str) {
        self.remove(key);
        self.make_room(key.len() + value.len() + HEADS);
        msgpack::write_str(&mut self.entries, key);
        msgpack::write_str(&mut self.entries, value);
        self.count += 1;
    }

    /// Sets `key` to bytes.
    pub fn insert_bin(&mut self, key: &str, value: &[u8]) {
        self.remove(key);
        self.make_room(key.len() + value.len() + HEADS);
        msgpack::write_str(&mut self.entries, key);
        msgpack::write_bin(&mut self.entries, value);
        self.count += 1;
    }

    /// Makes room for so many bytes, and overwrites the memory that was too small.
    fn make_room(&mut self, more: usize) {
        let (size, capacity) = (self.entries.len() + more, self.entries.capacity());
        if size > capacity {
            let mut roomy = Vec::with_capacity(size.max(2 * capacity));
            roomy.extend_from_slice(&self.entries);
            mem::replace(&mut self.entries, roomy).zeroize();
        }
    }

    /// Sets all keys that `others` has to its values.
    pub fn merge(&mut self, others: MetadataRef<'_>) {
        for (key, value) in others.iter() {
            match value {
                MetadataValue::Str(value) => self.insert(key, value),
                MetadataValue::Bin(value) => self.insert_bin(key, value),
            }
        }
    }

    /// Removes `key`.
    pub fn remove(&mut self, key: &str) {
        let mut reader = Reader::new(&self.entries);
        for _ in 0..self.count {
            let start = reader.position();
            let found = reader.str() == Ok(key);
            if reader.skip().is_err() {
                return;
            }
            if found {
                let end = reader.position();
                self.entries.drain(start..end);
                self.count -= 1;
                return;
            }
        }
    }

    /// The text under `key`; `None` where there is none, or bytes.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.view().get(key)
    }

    /// The bytes under `key`; those of a text, where it is one.
    pub fn get_bin(&self, key: &str) -> Option<&[u8]> {
        self.view().get_bin(key)
    }

    /// A view of the key/values.
    pub fn view(&self) -> MetadataRef<'_> {
        MetadataRef { entries: &self.entries, count: self.count }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Checks that its encoded size is at most `max_size`, what the protocol may need included, and that every key has a name.
    ///
    /// # Errors
    ///
    /// `resource_exhausted` above the size limit, `invalid_argument` for an empty key.
    pub fn check(&self, max_size: usize) -> Result<(), Error> {
        let size = self.entries.len() + MAX_OWN_SIZE;
        if size > max_size {
            return Err(too_large(size, max_size, "on the channel's builder"));
        }
        if self.has_empty_key() {
            return Err(Error::invalid_argument("a metadata key is empty; give it a name"));
        }
        Ok(())
    }

    /// The same of the metadata that a handler has set for its response.
    ///
    /// # Errors
    ///
    /// `resource_exhausted` above the size limit, `internal` for an empty key: the mistake is the handler's.
    pub(crate) fn check_response(&self, max_size: usize) -> Result<(), Error> {
        let size = self.entries.len() + MAX_OWN_SIZE;
        if size > max_size {
            return Err(response_too_large(size, max_size, "on the server"));
        }
        if self.has_empty_key() {
            return Err(Error::internal(
                "a key of the response's metadata is empty; give it a name",
            ));
        }
        Ok(())
    }

    fn has_empty_key(&self) -> bool {
        self.view().iter().any(|(key, _)| key.is_empty())
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        // Most calls have none.
        if self.entries.capacity() != 0 {
            // With what lies behind the last entry, where one was removed.
            self.entries.zeroize();
        }
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

pub(crate) fn too_large(size: usize, limit: usize, place: &str) -> Error {
    Error::resource_exhausted(format!(
        "the metadata has {size} bytes, more than the {limit} allowed; move large values into the arguments, or raise it with `max_metadata_size` {place}"
    ))
    .not_started(true)
}

pub(crate) fn response_too_large(size: usize, limit: usize, place: &str) -> Error {
    Error::resource_exhausted(format!(
        "the response's metadata has {size} bytes, more than the {limit} allowed; move large values into the result, or raise it with `max_metadata_size` {place}"
    ))
}

/// A value of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataValue<'a> {
    /// Text.
    Str(&'a str),
    /// Bytes.
    Bin(&'a [u8]),
}

/// The key/values that came with a call, or with its response.
#[derive(Clone, Copy, Default)]
pub struct MetadataRef<'a> {
    entries: &'a [u8],
    count: u32,
}

impl<'a> MetadataRef<'a> {
    /// The text under `key`; `None` where there is none, or bytes.
    pub fn get(self, key: &str) -> Option<&'a str> {
        match self.value(key)? {
            MetadataValue::Str(value) => Some(value),
            MetadataValue::Bin(_) => None,
        }
    }

    /// The bytes under `key`; those of a text, where it is one.
    pub fn get_bin(self, key: &str) -> Option<&'a [u8]> {
        match self.value(key)? {
            MetadataValue::Str(value) => Some(value.as_bytes()),
            MetadataValue::Bin(value) => Some(value),
        }
    }

    /// The bearer token that the caller sent: what stands behind `Bearer` in the text under `authorization` (RFC 6750, section 2.1). The scheme's case does
    /// not matter (RFC 9110, section 11.1).
    ///
    /// `None` where there is no such text, it has another scheme, or no token.
    ///
    /// ```
    /// use rpc_core::Metadata;
    ///
    /// let mut metadata = Metadata::new();
    /// metadata.insert("authorization", "Bearer mF_9.B5f-4.1JqM");
    /// assert_eq!(metadata.view().bearer(), Some("mF_9.B5f-4.1JqM"));
    /// ```
    pub fn bearer(self) -> Option<&'a str> {
        let (scheme, token) = self.get(AUTHORIZATION)?.split_once(' ')?;
        let token = token.trim_matches(' ');
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
    }

    /// The key/values, in memory of their own: to be kept, changed or sent on. A key that stands twice stays so: the last one is what is found.
    ///
    /// ```
    /// # fn handler(ctx: &rpc_core::Context) {
    /// let mut metadata = ctx.metadata().to_metadata();
    /// metadata.insert("via", "gateway");
    /// # }
    /// ```
    pub fn to_metadata(self) -> Metadata {
        let mut metadata = Metadata::new();
        metadata.entries.reserve_exact(self.entries.len());
        for (key, value) in self.iter() {
            msgpack::write_str(&mut metadata.entries, key);
            match value {
                MetadataValue::Str(value) => msgpack::write_str(&mut metadata.entries, value),
                MetadataValue::Bin(value) => msgpack::write_bin(&mut metadata.entries, value),
            }
            metadata.count += 1;
        }
        metadata
    }

    /// The encoded size in bytes.
    pub(crate) fn len(self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.count == 0 || self.iter().next().is_none()
    }

    /// All key/values, in the order in which they came.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, MetadataValue<'a>)> {
        let mut reader = Reader::new(self.entries);
        std::iter::from_fn(move || {
            loop {
                reader.peek()?;
                if !reader.at_str() {
                    // One of the protocol's own entries.
                    reader.skip().ok()?;
                    reader.skip().ok()?;
                    continue;
                }
                let key = reader.str().ok()?;
                let value = if reader.at_str() {
                    MetadataValue::Str(reader.str().ok()?)
                } else {
                    MetadataValue::Bin(reader.bin().ok()?)
                };
                return Some((key, value));
            }
        })
    }

    fn value(self, key: &str) -> Option<MetadataValue<'a>> {
        // The last one wins, as it does where a map is read into a table.
        self.iter().filter(|(name, _)| *name == key).last().map(|(_, value)| value)
    }
}

impl fmt::Debug for MetadataRef<'_> {
    // Values may be secrets (tokens), so only the keys are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(key, _)| key)).finish()
    }
}

/// What the protocol itself puts into a call's metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extras {
    /// What is left until the deadline, where it differs from the client's default.
    pub(crate) timeout: Option<Duration>,
    /// Which attempt this is, from 1.
    pub(crate) attempt: Option<u32>,
}

impl Extras {
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// Appends the metadata of one call: the protocol's entries, then the user's.
pub(crate) fn write(out: &mut Vec<u8>, extras: Extras, user: MetadataRef<'_>) {
    let own = u32::from(extras.timeout.is_some()) + u32::from(extras.attempt.is_some());
    msgpack::write_map_len(out, own + user.count);
    if let Some(timeout) = extras.timeout {
        msgpack::write_uint(out, key::TIMEOUT);
        msgpack::write_uint(out, micros(timeout));
    }
    if let Some(attempt) = extras.attempt {
        msgpack::write_uint(out, key::ATTEMPT);
        msgpack::write_uint(out, u64::from(attempt));
    }
    out.extend_from_slice(user.entries);
}

/// A duration in the unit of the wire, at most [`MAX_TIMEOUT`].
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.min(MAX_TIMEOUT).as_micros()).unwrap_or(u64::MAX)
}

/// A duration from the unit of the wire, at most [`MAX_TIMEOUT`].
pub(crate) fn from_micros(micros: u64) -> Duration {
    Duration::from_micros(micros).min(MAX_TIMEOUT)
}

/// Reads a metadata map that [`Reader::skip`] has found whole.
///
/// Unknown numbers are skipped: a newer peer may send more (PROTOCOL 7.2). A key that is neither a number
/// nor a string, or a value that is neither text nor bytes, is malformed.
pub(crate) fn read(map: &[u8]) -> Result<(Extras, MetadataRef<'_>), Malformed> {
    let mut reader = Reader::new(map);
    let count = reader.map_len()?;
    let view = MetadataRef { entries: reader.rest(), count };
    let mut extras = Extras::default();
    for _ in 0..count {
        if skip_user_entry(&mut reader)? {
            continue;
        }
        match reader.unsigned()? {
            key::TIMEOUT => extras.timeout = Some(from_micros(reader.unsigned()?)),
            key::ATTEMPT => {
                extras.attempt = Some(u32::try_from(reader.unsigned()?).unwrap_or(u32::MAX));
            }
            _ => {
                reader.skip()?;
            }
        }
    }
    Ok((extras, view))
}

/// The same for the metadata of a response, in which no number has a meaning yet (PROTOCOL 7.4).
pub(crate) fn read_response(map: &[u8]) -> Result<MetadataRef<'_>, Malformed> {
    let mut reader = Reader::new(map);
    let count = reader.map_len()?;
    let view = MetadataRef { entries: reader.rest(), count };
    for _ in 0..count {
        if !skip_user_entry(&mut reader)? {
            reader.unsigned()?;
            reader.skip()?;
        }
    }
    Ok(view)
}

/// Reads the next entry if it is one of the user's.
fn skip_user_entry(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    if !reader.at_str() {
        return Ok(false);
    }
    reader.str()?;
    if reader.at_str() {
        reader.str()?;
    } else {
        reader.bin()?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
