//! Reading a call's arguments one at a time, by position or, for a caller that sent a map, by name.
//!
//! The generated code asks for each argument in order. A trailing argument may be missing (its method decides
//! whether that is an error), extra ones are ignored (PROTOCOL 5.1 to 5.3). Each value is walked over before
//! it is decoded; see [`msgpack`](crate::msgpack).

use crate::{
    msgpack::{Malformed, Reader},
    payload::Payload,
    value::{Encoded, Label, State},
};

/// The arguments of one call, taken in the order of the method's parameters.
#[derive(Debug)]
pub struct Arguments<'a> {
    payload: &'a Payload,
    source: Source<'a>,
    position: u32,
}

#[derive(Debug)]
enum Source<'a> {
    /// An array: what is left of it.
    Positional { reader: Reader<'a>, left: u32 },
    /// A map, searched for each name.
    Named { entries: Reader<'a>, count: u32 },
    /// Neither, or not MessagePack from here on.
    Broken(Malformed),
}

impl<'a> Arguments<'a> {
    /// The arguments that `payload` holds.
    pub fn new(payload: &'a Payload) -> Self {
        let mut reader = payload.reader();
        let source = if reader.at_map() {
            match reader.map_len() {
                Ok(count) => Source::Named { entries: reader, count },
                Err(malformed) => Source::Broken(malformed),
            }
        } else {
            match reader.array_len() {
                Ok(left) => Source::Positional { reader, left },
                Err(malformed) => Source::Broken(malformed),
            }
        };
        Self { payload, source, position: 0 }
    }

    /// The next argument, which the method calls `name`.
    pub fn take(&mut self, name: &'static str) -> Encoded<'a> {
        self.position += 1;
        let found = match &mut self.source {
            Source::Named { entries, count } => find(entries.clone(), *count, name),
            source => source.next(),
        };
        let state = self.state(found);
        Encoded { state, label: Label::Argument { name, position: self.position } }
    }

    /// The next argument of a method whose arguments have no names.
    pub fn take_unnamed(&mut self) -> Encoded<'a> {
        self.position += 1;
        let found = self.source.next();
        let state = self.state(found);
        Encoded { state, label: Label::Unnamed { position: self.position } }
    }

    fn state(&mut self, found: Result<Option<&'a [u8]>, Malformed>) -> State<'a> {
        match found {
            Ok(Some(bytes)) => State::Present { bytes, payload: Some(self.payload) },
            Ok(None) => State::Missing,
            Err(malformed) => {
                self.source = Source::Broken(malformed);
                State::Broken(malformed)
            }
        }
    }
}

impl<'a> Source<'a> {
    /// The next argument by position.
    #[inline]
    fn next(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match self {
            Self::Positional { left: 0, .. } => Ok(None),
            Self::Positional { reader, left } => {
                *left -= 1;
                reader.skip().map(Some)
            }
            Self::Named { .. } => Err(Malformed::Type {
                expected: "an array, for the arguments of this method have no names",
                found: "a map",
            }),
            Self::Broken(malformed) => Err(*malformed),
        }
    }
}

fn find<'a>(
    mut entries: Reader<'a>,
    count: u32,
    name: &str,
) -> Result<Option<&'a [u8]>, Malformed> {
    for _ in 0..count {
        let key = entries.str()?;
        let value = entries.skip()?;
        if key == name {
            return Ok(Some(value));
        }
    }
    Ok(None)
}
