use std::{collections::BTreeMap, io::Cursor};

use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::{
    Malformed, Reader, write_array_len, write_bin, write_map_len, write_nil, write_str, write_uint,
};

/// What the writer makes, and what rmp-serde makes of the same value.
#[track_caller]
fn same<T: Serialize>(write: impl FnOnce(&mut Vec<u8>), value: &T) {
    let mut out = Vec::new();
    write(&mut out);
    assert_eq!(out, rmp_serde::to_vec(value).expect("it encodes"));
}

/// Both sides of each width that a length or number can take.
const WIDTHS: [usize; 12] = [0, 1, 15, 16, 31, 32, 127, 128, 255, 256, 65_535, 65_536];

#[test]
fn numbers_are_written_like_everybody_writes_them() {
    let edges = [0, 1, 127, 128, 255, 256, 65_535, 65_536, u32::MAX.into(), 1 << 32, u64::MAX];
    for value in edges {
        same(|out| write_uint(out, value), &value);
        let bytes = rmp_serde::to_vec(&value).expect("it encodes");
        assert_eq!(Reader::new(&bytes).unsigned(), Ok(value));
    }
}

#[test]
fn numbers_are_read_in_every_width() {
    for bytes in [
        &[42][..],
        &[0xcc, 42],
        &[0xcd, 0, 42],
        &[0xce, 0, 0, 0, 42],
        &[0xcf, 0, 0, 0, 0, 0, 0, 0, 42],
        &[0xd0, 42],
        &[0xd1, 0, 42],
        &[0xd2, 0, 0, 0, 42],
        &[0xd3, 0, 0, 0, 0, 0, 0, 0, 42],
    ] {
        let mut reader = Reader::new(bytes);
        assert_eq!(reader.unsigned(), Ok(42));
        assert!(reader.rest().is_empty());
        for end in 0..bytes.len() {
            assert_eq!(Reader::new(&bytes[..end]).unsigned(), Err(Malformed::Truncated));
        }
    }
    for bytes in [
        &[0xff][..],
        &[0xd0, 0x80],
        &[0xd1, 0xff, 0xff],
        &[0xd2, 0x80, 0, 0, 0],
        &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let mut reader = Reader::new(bytes);
        let found = "an integer";
        let expected = "an unsigned integer";
        assert_eq!(reader.unsigned(), Err(Malformed::Type { expected, found }));
        assert_eq!(reader.position(), 0, "the value can be read as what it is");
    }
}

#[test]
fn strings_and_bytes_of_every_width() {
    for len in WIDTHS {
        let text = "x".repeat(len);
        same(|out| write_str(out, &text), &text);
        let encoded = rmp_serde::to_vec(&text).expect("it encodes");
        assert_eq!(Reader::new(&encoded).str(), Ok(&text[..]));
        assert_eq!(Reader::new(&encoded).bin(), Ok(text.as_bytes()), "a string counts as bytes");
        assert_eq!(Reader::new(&encoded).skip(), Ok(&encoded[..]));

        let bytes = bytes::Bytes::from(vec![0xc1; len]);
        same(|out| write_bin(out, &bytes), &bytes);
        let encoded = rmp_serde::to_vec(&bytes).expect("it encodes");
        assert_eq!(Reader::new(&encoded).bin(), Ok(&bytes[..]));
        assert!(Reader::new(&encoded).str().is_err(), "bytes are no string");
        assert_eq!(Reader::new(&encoded).skip(), Ok(&encoded[..]));
    }
}

#[test]
fn arrays_and_maps_of_every_width() {
    for len in WIDTHS {
        let array = vec![(); len];
        let count = u32::try_from(len).expect("a small length");
        let nils = |out: &mut Vec<u8>| (0..len).for_each(|_| write_nil(out));
        same(
            |out| {
                write_array_len(out, count);
                nils(out);
            },
            &array,
        );
        let encoded = rmp_serde::to_vec(&array).expect("it encodes");
        assert_eq!(Reader::new(&encoded).array_len(), Ok(count));
        assert_eq!(Reader::new(&encoded).skip(), Ok(&encoded[..]));

        let map: BTreeMap<u32, u32> = (0..count).map(|key| (key, key)).collect();
        same(
            |out| {
                write_map_len(out, count);
                for key in 0..count {
                    write_uint(out, key.into());
                    write_uint(out, key.into());
                }
            },
            &map,
        );
        let encoded = rmp_serde::to_vec(&map).expect("it encodes");
        assert!(Reader::new(&encoded).at_map());
        assert_eq!(Reader::new(&encoded).map_len(), Ok(count));
        assert_eq!(Reader::new(&encoded).skip(), Ok(&encoded[..]));
    }
}

#[test]
fn every_first_byte_is_skipped_or_refused() {
    for first in 0..=u8::MAX {
        // Enough zeros for any body: what announces a length announces none, what has one finds it.
        let mut bytes = vec![0; 64];
        bytes[0] = first;
        let result = Reader::new(&bytes).skip();
        assert_eq!(result.is_err(), first == 0xc1, "{first:#x}: {result:?}");
        let body = result.map_or(1, <[u8]>::len);
        for end in 0..body {
            assert!(Reader::new(&bytes[..end]).skip().is_err(), "{first:#x} cut to {end}");
        }
    }
    assert_eq!(Reader::new(&[0xc1]).skip(), Err(Malformed::Reserved));
}

// An extension's type is one byte more than its length says.
#[test]
fn a_count_that_cannot_be_true_is_refused_at_its_head() {
    for (bytes, announced, left) in [
        (&[0x92, 0][..], 2, 1),
        (&[0x81, 0], 2, 1),
        (&[0xdc, 0, 9, 0], 9, 1),
        (&[0xdd, 0xff, 0xff, 0xff, 0xff], 0xffff_ffff, 0),
        (&[0xdf, 0xff, 0xff, 0xff, 0xff], 0x1_ffff_fffe, 0),
        (&[0xdb, 0xff, 0xff, 0xff, 0xff, 0], 0xffff_ffff, 1),
        (&[0xc6, 0, 0, 0, 2, 0], 2, 1),
        (&[0xc9, 0xff, 0xff, 0xff, 0xff, 0], 0x1_0000_0000, 1),
        (&[0xc7, 2, 0, 0], 3, 2),
    ] {
        assert_eq!(Reader::new(bytes).skip(), Err(Malformed::Count { announced, left }));
    }
}

#[test]
fn what_is_there_is_named() {
    for (bytes, found) in [
        (&[0][..], "an unsigned integer"),
        (&[0xff], "an integer"),
        (&[0xd0, 0], "an integer"),
        (&[0x80], "a map"),
        (&[0xde, 0, 0], "a map"),
        (&[0x90], "an array"),
        (&[0xa0], "a string"),
        (&[0xc4, 0], "bytes"),
        (&[0xc0], "nil"),
        (&[0xc2], "a boolean"),
        (&[0xcb, 0, 0, 0, 0, 0, 0, 0, 0], "a float"),
        (&[0xd4, 0, 0], "an extension"),
        (&[0xc1], "a reserved marker"),
    ] {
        let mismatch = |expected| Malformed::Type { expected, found };
        if found != "a map" {
            assert_eq!(Reader::new(bytes).map_len(), Err(mismatch("a map")));
        }
        if found != "an array" {
            assert_eq!(Reader::new(bytes).array_len(), Err(mismatch("an array")));
        }
        if found != "a string" {
            assert_eq!(Reader::new(bytes).str(), Err(mismatch("a string")));
        }
    }
    assert_eq!(Reader::new(&[]).skip(), Err(Malformed::Truncated));
    assert_eq!(Reader::new(&[0xa1, 0xff]).str(), Err(Malformed::Utf8));
}

proptest! {
    #[test]
    fn any_bytes_are_walked_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut reader = Reader::new(&bytes);
        if let Ok(walked) = reader.skip() {
            prop_assert_eq!(walked.len(), reader.position());
            // serde finds the same value, of the same length.
            let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(&bytes));
            prop_assert!(IgnoredAny::deserialize(&mut deserializer).is_ok());
            prop_assert_eq!(deserializer.position(), walked.len() as u64);
        }
    }

    #[test]
    fn any_small_structure_is_walked_like_serde_does(
        bytes in proptest::collection::vec(
            prop_oneof![
                Just(0x90u8), Just(0x91), Just(0x92), Just(0x93), Just(0x81), Just(0x82),
                Just(0xc0), Just(0xa1), Just(0xcc), Just(0xdc), Just(0xc4), any::<u8>(),
            ],
            0..60,
        ),
    ) {
        let mut reader = Reader::new(&bytes);
        let walked = reader.skip().map(<[u8]>::len);
        let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(&bytes));
        let ignored = IgnoredAny::deserialize(&mut deserializer);
        if walked.is_ok() {
            prop_assert!(ignored.is_ok());
            prop_assert_eq!(deserializer.position(), walked.map_or(0, |len| len as u64));
        } else if walked != Err(Malformed::Nesting { most: MAX_NESTING }) {
            prop_assert!(ignored.is_err(), "serde accepts what the walk refuses: {:?}", walked);
        }
    }
}
