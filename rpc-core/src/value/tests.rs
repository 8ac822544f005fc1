use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Encoded, Encoder, Piece, Structs, Value};
use crate::{Code, limits::LARGE_SEGMENT, payload::Payload};

fn whole(encoder: &Encoder) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in encoder.pieces() {
        match piece {
            Piece::Run(run) => bytes.extend_from_slice(run),
            Piece::Segment(segment) => bytes.extend_from_slice(segment),
        }
    }
    bytes
}

fn segments(encoder: &Encoder) -> usize {
    encoder.pieces().filter(|piece| matches!(piece, Piece::Segment(_))).count()
}

#[test]
fn pieces_stand_in_the_order_of_their_values() {
    let large = Bytes::from(vec![7; LARGE_SEGMENT]);
    let mut encoder = Encoder::default();
    encoder.str("a");
    encoder.bytes(&large);
    encoder.bytes(&large);
    encoder.bytes(&large.slice(..LARGE_SEGMENT - 1));
    encoder.str("b");
    assert_eq!(segments(&encoder), 2, "what is smaller is copied");
    let mut copied = Encoder::default();
    copied.str("a");
    copied.bin(&large);
    copied.bin(&large);
    copied.bin(&large[1..]);
    copied.str("b");
    assert_eq!(whole(&encoder), whole(&copied));
    assert_eq!(encoder.len(), whole(&encoder).len());
    assert_eq!(encoder.into_bytes(), copied.into_bytes());
}

#[test]
fn a_large_buffer_is_sealed_once() {
    let mut encoder = Encoder::default();
    encoder.bin(&vec![7; LARGE_SEGMENT]);
    let before = whole(&encoder);
    encoder.seal();
    assert_eq!(segments(&encoder), 1);
    assert_eq!(whole(&encoder), before);
    encoder.seal();
    assert_eq!((segments(&encoder), whole(&encoder)), (1, before));
    let mut small = Encoder::default();
    small.bin(&[7]);
    small.seal();
    assert_eq!(segments(&small), 0);
}

#[test]
fn a_reset_encoder_is_empty() {
    let mut encoder = Encoder::new(Structs::Named);
    assert!(encoder.is_empty());
    encoder.bytes(&Bytes::from(vec![7; LARGE_SEGMENT]));
    assert!(!encoder.is_empty());
    encoder.reset(Structs::Compact);
    assert!(encoder.is_empty() && whole(&encoder).is_empty());
    assert_eq!((encoder.len(), encoder.structs()), (0, Structs::Compact));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i32,
    y: i32,
}

#[test]
fn structs_are_written_by_name_or_by_position_and_read_either_way() {
    for (structs, bytes) in [
        (Structs::Named, &[0x82, 0xa1, b'x', 1, 0xa1, b'y', 2][..]),
        (Structs::Compact, &[0x92, 1, 2]),
    ] {
        let mut encoder = Encoder::new(structs);
        Point { x: 1, y: 2 }.encode(&mut encoder).expect("it encodes");
        assert_eq!(whole(&encoder), bytes);
        let point = Point::decode(Encoded::whole("point", bytes)).expect("it decodes");
        assert_eq!(point, Point { x: 1, y: 2 });
    }
    let newer = [0x83, 0xa1, b'z', 3, 0xa1, b'y', 2, 0xa1, b'x', 1];
    let point = Point::decode(Encoded::whole("point", &newer)).expect("unknown fields are ignored");
    assert_eq!(point, Point { x: 1, y: 2 });
}

#[test]
fn what_serde_refuses_leaves_nothing_behind() {
    #[derive(Deserialize)]
    struct Half;
    impl Serialize for Half {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeTuple;
            let mut tuple = serializer.serialize_tuple(2)?;
            tuple.serialize_element(&1)?;
            Err(serde::ser::Error::custom("half way"))
        }
    }
    let mut encoder = Encoder::default();
    encoder.str("before");
    let before = whole(&encoder);
    let error = Half.encode(&mut encoder).expect_err("it fails half way");
    assert_eq!((error.kind(), error.message()), (Code::Internal, "half way"));
    assert_eq!(whole(&encoder), before);
}

#[test]
fn lists_are_encoded_from_slices_and_decoded_to_vectors() {
    let points = [Point { x: 1, y: 2 }, Point { x: 3, y: 4 }];
    let mut encoder = Encoder::new(Structs::Compact);
    Point::encode_slice(&points, &mut encoder).expect("it encodes");
    let bytes = encoder.into_bytes();
    assert_eq!(&bytes[..], [0x92, 0x92, 1, 2, 0x92, 3, 4]);
    let decoded = Point::decode_vec(Encoded::whole("points", &bytes)).expect("it decodes");
    assert_eq!(decoded, points);
}

#[test]
fn bytes_share_a_large_frame_and_leave_a_small_one() {
    let frame = Bytes::from([&[0xc5, 0x27, 0x10][..], &[7; 10_000]].concat());
    let payload = Payload::new(crate::payload::Body::Large(frame.clone()), 0);
    let bytes = Bytes::decode(Encoded::of_payload("answer", &payload)).expect("bytes");
    assert_eq!(bytes.as_ptr(), frame[3..].as_ptr(), "a slice, not a copy");
    let payload = Payload::new(crate::payload::Body::Small(frame.to_vec()), 0);
    let bytes = Bytes::decode(Encoded::of_payload("answer", &payload)).expect("bytes");
    assert_eq!(bytes, frame[3..]);
}

#[test]
fn an_error_names_its_value() {
    for (bytes, message) in [
        (&[][..], "the answer does not decode: the bytes end inside a value"),
        (&[1, 2], "the answer does not decode: expected the end, found a second value"),
        (&[0xc1], "the answer does not decode: 0xc1 is not a MessagePack value"),
        (&[0xa1, b'x'], "the answer does not decode: expected u8, found a string"),
    ] {
        let error = u8::decode(Encoded::whole("answer", bytes)).expect_err("no value");
        assert_eq!((error.kind(), error.message()), (Code::InvalidArgument, message));
    }
    let error = Encoded::whole("answer", &[1]).str().expect_err("a number is no text");
    assert!(error.message().ends_with("expected a string, found an unsigned integer"), "{error}");
    let error = Vec::<u8>::decode(Encoded::whole("answer", &[0x91, 0xa1, b'x'])).expect_err("x");
    assert_eq!(error.message(), "the answer does not decode: a string does not fit there");
    let error = Encoded::whole("answer", &[0xcd, 1, 0]);
    assert!(u8::decode(error).is_err(), "256 is not a byte");
}

#[test]
fn a_default_stands_in_only_for_what_is_missing() {
    let payload = Payload::new(crate::payload::Body::Small(vec![0x91, 0xc0]), 0);
    let mut arguments = crate::arguments::Arguments::new(&payload);
    let first = Option::<u8>::decode_or_else(arguments.take("a"), || Some(9)).expect("nil");
    assert_eq!(first, None, "nil is a value");
    let second = Option::<u8>::decode_or_else(arguments.take("b"), || Some(9)).expect("missing");
    assert_eq!(second, Some(9));
    let third = arguments.take("c");
    assert!(third.is_missing());
    assert_eq!(third.present().expect_err("missing").message(), "missing argument \"c\"");
}
