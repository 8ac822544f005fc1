use std::time::Duration;

use super::Hello;
use crate::{
    limits::{ASSUMED_MESSAGE_SIZE, MAX_FRAME_SIZE},
    msgpack::Reader,
    value::Structs,
};

fn read(bytes: &[u8]) -> Hello {
    let mut reader = Reader::new(bytes);
    let hello = Hello::read(&mut reader).expect("a right hello");
    assert!(reader.rest().is_empty());
    hello
}

fn written(hello: Hello) -> Vec<u8> {
    let mut out = Vec::new();
    hello.write(&mut out);
    out
}

#[test]
fn every_hello_is_read_as_it_was_written() {
    for max_calls in [0, 1, 1024, u32::MAX] {
        for max_message_size in [ASSUMED_MESSAGE_SIZE, 16 << 20, MAX_FRAME_SIZE] {
            for structs in [Structs::Named, Structs::Compact] {
                for micros in [None, Some(1), Some(30_000_000)] {
                    let default_timeout = micros.map(Duration::from_micros);
                    for ping_interval in [0, 1, 1000].map(Duration::from_millis) {
                        let hello = Hello {
                            max_calls,
                            max_message_size,
                            stream_window: max_calls as usize % 7,
                            connection_window: max_message_size,
                            structs,
                            default_timeout,
                            ping_interval,
                        };
                        assert_eq!(read(&written(hello)), hello);
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_as_if_absent_is_left_out() {
    assert_eq!(written(Hello::default()), [0x80]);
    assert_eq!(read(&[0x80]), Hello::default());
}

#[test]
fn a_message_limit_is_read_within_what_the_protocol_allows() {
    assert_eq!(read(&[0x81, 1, 0]).max_message_size, ASSUMED_MESSAGE_SIZE);
    let largest = [&[0x81, 1, 0xcf][..], &[0xff; 8]].concat();
    assert_eq!(
        read(&largest).max_message_size,
        MAX_FRAME_SIZE,
        "no frame is larger (PROTOCOL 2.3)"
    );
}

#[test]
fn numbers_that_are_too_large_mean_the_largest() {
    let calls = [&[0x81, 0, 0xcf][..], &[0xff; 8]].concat();
    assert_eq!(read(&calls).max_calls, u32::MAX);
}

#[test]
fn a_timeout_of_zero_means_none() {
    assert_eq!(read(&[0x81, 4, 0]).default_timeout, None);
}

#[test]
fn an_unknown_form_of_structs_is_the_named_one() {
    assert_eq!(read(&[0x81, 3, 2]).structs, Structs::Named);
}
