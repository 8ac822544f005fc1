use bytes::Bytes;
use serde::Serialize;

use super::{Encode, Raw};
use crate::{
    Error, Value,
    arguments::Arguments,
    limits::LARGE_SEGMENT,
    payload::{Body, Payload},
    value::{Encoded, Encoder, Piece, Structs},
};

fn sent(value: &(impl Encode + ?Sized)) -> Vec<u8> {
    let mut encoder = Encoder::new(Structs::Named);
    value.append(&mut encoder).expect("it can be encoded");
    encoder.into_bytes().to_vec()
}

fn stubbed<T: Value>(value: T) -> Vec<u8> {
    let mut encoder = Encoder::new(Structs::Named);
    value.encode(&mut encoder).expect("it can be encoded");
    encoder.into_bytes().to_vec()
}

#[derive(Clone, Serialize, serde::Deserialize)]
struct Point {
    x: i64,
    y: Vec<u8>,
}

#[test]
fn what_is_sent_by_name_is_what_a_stub_sends() {
    let point = Point { x: -1, y: vec![1, 2] };
    let text = "text".to_owned();
    assert_eq!(sent(&point), stubbed(point.clone()));
    assert_eq!(sent(&&point), stubbed(point));
    assert_eq!(sent(&7_i64), stubbed(7_i64));
    assert_eq!(sent("text"), stubbed(text.clone()));
    assert_eq!(sent(&"text"), stubbed(text.clone()));
    assert_eq!(sent(&&text), stubbed(text));
    assert_eq!(sent(&Some(())), stubbed(Some(())));
    for length in [0, 1, 300, 70_000] {
        let data = vec![200; length];
        let bytes = Bytes::from(data.clone());
        let expected = stubbed(data.clone());
        assert_eq!(stubbed(bytes.clone()), expected, "{length} bytes");
        for sent in [
            sent(&data),
            sent(&&data),
            sent(&data[..]),
            sent(&&data[..]),
            sent(&&&data[..]),
            sent(&bytes),
            sent(&&bytes),
        ] {
            assert_eq!(sent, expected, "{length} bytes");
        }
    }
    // What is no byte string to a stub is none here.
    let numbers = std::collections::VecDeque::from([1_u8, 2]);
    assert_eq!(sent(&numbers), stubbed(numbers));
    assert_eq!(sent(&vec![Small(1)]), [0x91, 1]);
    assert_eq!(sent(&[1_u8, 2]), [0x92, 1, 2]);
}

#[derive(Serialize)]
#[serde(transparent)]
struct Small(u8);

#[test]
fn only_one_whole_value_is_raw() {
    for bytes in [&[][..], &[0x92, 1], &[1, 2], &[0xc1], &[0xdd, 255, 255, 255, 255]] {
        let error = Raw::new(bytes).expect_err("it is not one value");
        assert!(error.message().starts_with("the value "), "{error}");
    }
    let deep = [vec![0x91; 200], vec![1]].concat();
    assert!(Raw::new(deep).is_err(), "it nests deeper than anybody reads");
}

#[test]
fn a_large_raw_value_is_passed_on_without_a_copy() -> Result<(), Error> {
    let mut frame = vec![0x91];
    frame.extend(stubbed(vec![7_u8; LARGE_SEGMENT]));
    let frame = Bytes::from(frame);
    let payload = Payload::new(Body::Large(frame.clone()), 0);
    let raw = <Raw as Value>::decode(Arguments::new(&payload).take_unnamed())?;
    assert_eq!(raw.as_slice().as_ptr(), frame[1..].as_ptr());
    let mut encoder = Encoder::new(Structs::Named);
    raw.append(&mut encoder)?;
    assert!(encoder.pieces().any(
        |piece| matches!(piece, Piece::Segment(bytes) if bytes.as_ptr() == frame[1..].as_ptr())
    ));
    assert_eq!(encoder.into_bytes(), frame[1..]);
    Ok(())
}

#[test]
fn a_list_of_raw_values_is_taken_apart() -> Result<(), Error> {
    let list = Raw::encode(&("x", 2, [3]))?;
    let parts = <Raw as Value>::decode_vec(Encoded::whole("list", list.as_slice()))?;
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[2].decode::<Vec<u8>>()?, [3]);
    let mut encoder = Encoder::new(Structs::Named);
    <Raw as Value>::encode_slice(&parts, &mut encoder)?;
    assert_eq!(encoder.into_bytes(), list.into_bytes());
    let error =
        <Raw as Value>::decode_vec(Encoded::whole("list", &[1])).expect_err("it is a number");
    assert_eq!(
        error.message(),
        "the list does not decode: expected an array, found an unsigned integer"
    );
    Ok(())
}
