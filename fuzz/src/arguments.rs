//! Arguments and values: what decodes encodes again to a value that decodes to the same, and nothing else happens.

use std::collections::BTreeMap;

use bytes::Bytes;
use rpc_core::{
    Value,
    limits::MAX_NESTING,
    msgpack::Reader,
    value::{Encoded, Encoder},
};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tree(Vec<Tree>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i32,
    label: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Circle(u32),
    Line { from: Point, to: Point },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Json {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Json>),
    Map(BTreeMap<String, Json>),
}

/// The first byte chooses the type; the rest is the value, or the arguments.
pub fn run(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    walk(bytes);
    match choice % 14 {
        0 => round_trip::<u64>(bytes),
        1 => round_trip::<i8>(bytes),
        2 => round_trip::<String>(bytes),
        3 => round_trip::<Vec<u8>>(bytes),
        4 => round_trip::<Bytes>(bytes),
        5 => round_trip::<Vec<Point>>(bytes),
        6 => round_trip::<Shape>(bytes),
        7 => round_trip::<Tree>(bytes),
        8 => round_trip::<Json>(bytes),
        9 => round_trip::<BTreeMap<String, Vec<u64>>>(bytes),
        10 => round_trip::<(u8, Option<String>, bool)>(bytes),
        11 => round_trip::<Option<Vec<Option<u16>>>>(bytes),
        12 => round_trip::<()>(bytes),
        _ => borrowed(bytes),
    }
}

fn round_trip<T: Value + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(value) = T::decode(Encoded::whole("value", bytes)) else { return };
    let mut encoder = Encoder::default();
    if T::encode(&value, &mut encoder).is_err() {
        return;
    }
    let mut encoded = Vec::new();
    encoder.seal();
    for piece in encoder.pieces() {
        match piece {
            rpc_core::value::Piece::Run(run) => encoded.extend_from_slice(run),
            rpc_core::value::Piece::Segment(segment) => encoded.extend_from_slice(segment),
        }
    }
    match T::decode(Encoded::whole("value", &encoded)) {
        Ok(again) => assert_eq!(value, again),
        // An empty byte string is taken for an empty list, which is a level of its own once it is written as one.
        Err(error) => {
            let has_room = Reader::nesting(bytes, MAX_NESTING - 1).skip().is_ok();
            assert!(!has_room, "what was encoded does not decode: {error}");
        }
    }
}

/// A value is walked over to its end, or not at all.
fn walk(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    if let Ok(value) = reader.skip() {
        assert_eq!(value.len() + reader.rest().len(), bytes.len());
        let mut again = Reader::new(value);
        assert!(again.skip().is_ok() && again.rest().is_empty());
        for limit in [1, 2, 128] {
            let nested = Reader::nesting(value, limit).skip().is_ok();
            let deeper = Reader::nesting(value, limit.saturating_add(1)).skip().is_ok();
            assert!(deeper || !nested, "what nests in {limit} levels nests in more");
        }
    }
}

/// A string that borrows from the frame is the one that is owned. (serde takes bytes for a string, too, where they are UTF-8.)
fn borrowed(bytes: &[u8]) {
    if let Ok(text) = Encoded::whole("text", bytes).str() {
        let owned = String::decode(Encoded::whole("text", bytes)).expect("it is a string");
        assert_eq!(text, owned);
    }
}
