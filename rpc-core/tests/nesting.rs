//! Deep nesting on the stack of an ordinary thread: 128 levels decode, one more is refused, and any number costs nothing
//! (PROTOCOL 3.6).

use std::{collections::BTreeMap, thread};

use rpc_core::{
    Code, Error, Value,
    limits::MAX_NESTING,
    msgpack::{Malformed, Reader},
    value::{Encoded, Encoder},
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Tree(Vec<Tree>);

#[derive(Debug, Serialize, Deserialize)]
struct Named {
    children: Vec<Named>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Linked {
    next: Option<Box<Linked>>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Expression {
    Zero,
    Negative(Box<Expression>),
    Sum { left: Box<Expression>, right: Box<Expression> },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Json {
    Null,
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Leaf,
    Node { child: Box<Tagged> },
}

/// Runs on a thread with the stack that Rust and Tokio give to theirs.
fn on_two_mebibytes(run: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(2 << 20).spawn(run);
    thread.expect("a thread starts").join().expect("the thread did not panic");
}

fn decode<T: Value>(bytes: &[u8]) -> Result<T, Error> {
    T::decode(Encoded::whole("answer", bytes))
}

/// So many levels, each of which begins with `head` and goes on with the next one, around `core`.
fn nested(levels: usize, head: &[u8], core: &[u8]) -> Vec<u8> {
    [&head.repeat(levels)[..], core].concat()
}

#[track_caller]
fn is_too_deep<T: Value + std::fmt::Debug>(bytes: &[u8]) {
    let error = decode::<T>(bytes).expect_err("too deep");
    assert_eq!(error.kind(), Code::InvalidArgument);
    assert!(error.message().contains("deeper than 128 levels"), "{error}");
}

const CHILDREN: &[u8] = b"\x81\xa8children";
const NEXT: &[u8] = b"\x81\xa4next";
const NEGATIVE: &[u8] = b"\x81\xa8Negative";

#[test]
fn as_many_levels_as_are_allowed_and_no_more() {
    on_two_mebibytes(|| {
        let tree = |levels| nested(levels - 1, &[0x91], &[0x90]);
        decode::<Tree>(&tree(MAX_NESTING)).expect("128 levels");
        is_too_deep::<Tree>(&tree(MAX_NESTING + 1));

        // Two levels each: the map, and the list in it.
        let head = [CHILDREN, &[0x91]].concat();
        let core = [CHILDREN, &[0x90]].concat();
        decode::<Named>(&nested(MAX_NESTING / 2 - 1, &head, &core)).expect("128 levels");
        is_too_deep::<Named>(&nested(MAX_NESTING / 2, &head, &core));

        let core = [NEXT, &[0xc0]].concat();
        decode::<Linked>(&nested(MAX_NESTING - 1, NEXT, &core)).expect("128 levels");
        is_too_deep::<Linked>(&nested(MAX_NESTING, NEXT, &core));

        decode::<Expression>(&nested(MAX_NESTING, NEGATIVE, b"\xa4Zero")).expect("128 levels");
        is_too_deep::<Expression>(&nested(MAX_NESTING + 1, NEGATIVE, b"\xa4Zero"));

        decode::<Json>(&nested(MAX_NESTING, &[0x91], &[0xc0])).expect("128 levels");
        is_too_deep::<Json>(&nested(MAX_NESTING + 1, &[0x91], &[0xc0]));
        decode::<Json>(&nested(MAX_NESTING, b"\x81\xa1k", &[0xc0])).expect("128 levels");
        is_too_deep::<Json>(&nested(MAX_NESTING, b"\x81\xa1k", &[0x80]));
    });
}

#[test]
fn an_empty_list_is_a_level_too() {
    for core in [0x90, 0x80] {
        let bytes = nested(MAX_NESTING - 1, &[0x91], &[core]);
        assert_eq!(Reader::new(&bytes).skip(), Ok(&bytes[..]));
        let bytes = nested(MAX_NESTING, &[0x91], &[core]);
        assert_eq!(Reader::new(&bytes).skip(), Err(Malformed::Nesting { most: MAX_NESTING }));
    }
}

#[test]
fn any_depth_is_refused_in_time_and_on_the_stack() {
    on_two_mebibytes(|| {
        for levels in [MAX_NESTING + 1, 1024, 100_000] {
            is_too_deep::<Tree>(&nested(levels, &[0x91], &[0x90]));
            is_too_deep::<Json>(&nested(levels, b"\x81\xa1k", &[0xc0]));
            is_too_deep::<Expression>(&nested(levels, NEGATIVE, b"\xa4Zero"));
            assert_eq!(
                Reader::new(&nested(levels, &[0x91], &[0xc0])).skip(),
                Err(Malformed::Nesting { most: MAX_NESTING })
            );
        }
    });
}

#[test]
fn what_is_encoded_as_deep_as_allowed_comes_back() {
    on_two_mebibytes(|| {
        let mut expression = Expression::Zero;
        for _ in 0..MAX_NESTING / 2 {
            expression =
                Expression::Sum { left: Box::new(expression), right: Box::new(Expression::Zero) };
        }
        let mut encoder = Encoder::default();
        expression.encode(&mut encoder).expect("it encodes");
        decode::<Expression>(&encoder.into_bytes()).expect("it comes back");

        let mut tagged = Tagged::Leaf;
        for _ in 0..MAX_NESTING - 1 {
            tagged = Tagged::Node { child: Box::new(tagged) };
        }
        let mut encoder = Encoder::default();
        tagged.encode(&mut encoder).expect("it encodes");
        decode::<Tagged>(&encoder.into_bytes()).expect("it comes back");
    });
}
