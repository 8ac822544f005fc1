//! A result of a type that only serde knows, which may be a `Result<T, E>`: answered as a method's `Ok` and `Err` are.
//!
//! A closure that returns `Result<T, E>` returns one value like any other, as far as the compiler's choice between traits goes: serde can
//! carry it. What it is shows when it is serialized: as the variant `Ok` or `Err` of an enum `Result`. [`answer`] asks for that, and encodes
//! what is inside. `Display` cannot be asked for in this way, so the message of the error is its value, written out.

use std::{any::type_name, fmt};

use serde::{
    Serialize, Serializer,
    de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor},
    ser::Impossible,
};

use crate::{
    Answer, Encode, Error, Request,
    value::{Encoder, Structs},
};

/// Ends a call with a result, which may be a `Result`.
pub fn answer<R: Serialize>(request: Request, result: &R) -> Answer {
    if !is_result::<R>() {
        return request.answer_with(|encoder| result.append(encoder));
    }
    let mut error = None;
    let probed = result.serialize(Probe::Err { structs: request.structs(), error: &mut error });
    match (probed, error) {
        (Ok(()), Some(error)) => request.fail(error),
        (Ok(()), None) => request.answer_with(|encoder| {
            let mut encoded = Ok(());
            let probed = result.serialize(Probe::Ok { encoder, encoded: &mut encoded });
            probed.map_err(|_| not_a_result()).and(encoded)
        }),
        (Err(_), _) => request.fail(not_a_result()),
    }
}

/// Whether a type is the standard library's `Result`. A user's own of that name is a value.
pub fn is_result<R>() -> bool {
    type_name::<R>().starts_with("core::result::Result<")
}

fn not_a_result() -> Error {
    Error::internal("the result is not serialized as the standard library does it")
}

/// The application's error that a value is, whose message is the value written out.
fn failure<E: Serialize + ?Sized>(value: &E, structs: Structs) -> Error {
    let mut encoder = Encoder::new(structs);
    if let Err(error) = encoder.serialize(value) {
        return Error::internal(format!(
            "the method's error cannot be encoded: {}",
            error.message()
        ));
    }
    let mut named = Encoder::new(Structs::Named);
    let text = match named.serialize(value) {
        Ok(()) => written_out(&named.into_bytes()),
        Err(_) => None,
    };
    let text = text.unwrap_or_else(|| type_name::<E>().to_owned());
    Error::unknown(text).with_details(encoder.into_bytes(), true)
}

/// An encoded value for a person: a variant's name without quotes, and its content behind it.
fn written_out(value: &[u8]) -> Option<String> {
    match rmp_serde::from_slice::<Text>(value).ok()? {
        Text::String(name) => Some(name),
        Text::Map(entries) => Some(match &entries[..] {
            [(Text::String(name), content @ Text::Map(_))] => format!("{name} {content}"),
            [(Text::String(name), content)] => format!("{name}: {content}"),
            _ => Text::Map(entries).to_string(),
        }),
        other => Some(other.to_string()),
    }
}

/// Any value, as it is written out.
enum Text {
    String(String),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Other(String),
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => write!(f, "{text:?}"),
            Self::Other(text) => f.write_str(text),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Self::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::Map(entries) => {
                let entry = |(key, value): &(Self, Self)| match key {
                    Self::String(key) => format!("{key}: {value}"),
                    key => format!("{key}: {value}"),
                };
                let entries: Vec<_> = entries.iter().map(entry).collect();
                write!(f, "{{ {} }}", entries.join(", "))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

/// The visits that end in what `Display` makes of a value.
macro_rules! displayed {
    ($($visit:ident: $type:ty),*) => {$(
        fn $visit<E>(self, value: $type) -> Result<Text, E> {
            Ok(Text::Other(value.to_string()))
        }
    )*};
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    displayed!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text::Other("none".to_owned()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Text, E> {
        Ok(Text::String(value.to_owned()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Text, E> {
        Ok(Text::Other(format!("{} bytes", value.len())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Text, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Text::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Text, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Text::Map(map))
    }
}

/// Looks into a `Result`.
enum Probe<'a> {
    /// Takes what is in `Err`.
    Err { structs: Structs, error: &'a mut Option<Error> },
    /// Encodes what is in `Ok`.
    Ok { encoder: &'a mut Encoder, encoded: &'a mut Result<(), Error> },
}

/// What no `Result` does.
macro_rules! refused {
    ($($method:ident($($type:ty),*) $(-> $returns:ident)?;)*) => {$(
        refused!(@ $method($($type),*) $($returns)?);
    )*};
    (@ $method:ident($($type:ty),*)) => {
        fn $method(self, $(_: $type),*) -> Result<(), fmt::Error> {
            Err(fmt::Error)
        }
    };
    (@ $method:ident($($type:ty),*) $returns:ident) => {
        fn $method(self, $(_: $type),*) -> Result<Self::$returns, fmt::Error> {
            Err(fmt::Error)
        }
    };
}

impl Serializer for Probe<'_> {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Impossible<(), fmt::Error>;
    type SerializeTuple = Impossible<(), fmt::Error>;
    type SerializeTupleStruct = Impossible<(), fmt::Error>;
    type SerializeTupleVariant = Impossible<(), fmt::Error>;
    type SerializeMap = Impossible<(), fmt::Error>;
    type SerializeStruct = Impossible<(), fmt::Error>;
    type SerializeStructVariant = Impossible<(), fmt::Error>;

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), fmt::Error> {
        match (self, variant) {
            (Self::Err { structs, error }, "Err") => *error = Some(failure(value, structs)),
            (Self::Ok { encoder, encoded }, "Ok") => *encoded = value.append(encoder),
            (Self::Err { .. }, "Ok") => {}
            _ => return Err(fmt::Error),
        }
        Ok(())
    }

    refused! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
        serialize_seq(Option<usize>) -> SerializeSeq;
        serialize_tuple(usize) -> SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_map(Option<usize>) -> SerializeMap;
        serialize_struct(&'static str, usize) -> SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<(), fmt::Error> {
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests;
