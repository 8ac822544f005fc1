use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    Control, Message, oversized, read_error, write_call, write_error, write_failure, write_result,
};
use crate::{
    Code, Error, Metadata, Violation,
    error::Origin,
    limits::{MAX_ERROR_MESSAGE, MAX_TIMEOUT},
    metadata::{self, Extras},
    random::Random,
};

fn round_trip(error: &Error) -> Error {
    let mut out = Vec::new();
    write_error(&mut out, error);
    read_error(&out).expect("an error is read as it was written")
}

#[track_caller]
fn same(found: &Error, sent: &Error) {
    assert_eq!(found.kind(), sent.kind());
    assert_eq!(found.message(), sent.message());
    assert_eq!(found.details(), sent.details());
    assert_eq!(found.retry_after(), sent.retry_after());
    assert_eq!(found.is_not_started(), sent.is_not_started());
    assert_eq!(found.is_application(), sent.is_application());
    assert_eq!(found.origin(), Origin::Remote);
}

#[test]
fn errors_are_read_as_they_were_written() {
    for code in Code::ALL {
        for not_started in [false, true] {
            for details in [None, Some((b"".as_slice(), true)), Some((b"d".as_slice(), false))] {
                for retry_after in [None, Some(Duration::ZERO), Some(Duration::from_millis(1500))] {
                    let mut error = Error::new(code, code.name()).not_started(not_started);
                    if let Some((details, application)) = details {
                        error = error.with_details(Bytes::from_static(details), application);
                    }
                    if let Some(retry_after) = retry_after {
                        error = error.with_retry_after(retry_after);
                    }
                    same(&round_trip(&error), &error);
                }
            }
        }
    }
}

#[test]
fn codes_have_their_numbers_and_names() {
    for (number, code) in (0..).zip(Code::ALL) {
        assert_eq!(Code::from_number(number), code);
        assert_eq!(u64::from(code as u8), number);
        assert_eq!(code.to_string(), code.name());
    }
    for number in [17, 255, 256, u64::MAX] {
        assert_eq!(Code::from_number(number), Code::Unknown);
    }
}

#[test]
fn a_cause_stays_in_its_process() {
    let error = Error::internal("broken").with_source(std::io::Error::other("secret path"));
    assert!(std::error::Error::source(&error).is_some());
    assert!(std::error::Error::source(&round_trip(&error)).is_none());
}

#[test]
fn a_long_message_is_cut_at_a_characters_boundary() {
    for character in ["a", "ä", "€", "🦀"] {
        for extra in 0..4 {
            let text = format!("{}{}", "x".repeat(extra), character.repeat(MAX_ERROR_MESSAGE));
            let cut = round_trip(&Error::internal(text.clone())).message().to_owned();
            assert!(text.starts_with(&cut));
            assert!(cut.len() <= MAX_ERROR_MESSAGE);
            assert!(cut.len() > MAX_ERROR_MESSAGE - character.len());
        }
    }
    let text = "x".repeat(MAX_ERROR_MESSAGE);
    assert_eq!(round_trip(&Error::internal(text.clone())).message(), text, "it is not too long");
}

#[test]
fn a_long_delay_means_the_longest() {
    let error = Error::unavailable("later").with_retry_after(Duration::MAX);
    assert_eq!(round_trip(&error).retry_after(), Some(MAX_TIMEOUT));
}

fn slice(frame: &[u8], span: &std::ops::Range<u32>) -> Vec<u8> {
    frame[span.start as usize..span.end as usize].to_vec()
}

proptest! {
    #[test]
    fn calls_are_read_as_they_were_written(
        id in proptest::option::of(any::<u32>()),
        method in ".{0,300}",
        timeout in proptest::option::of(any::<u64>()),
        attempt in proptest::option::of(any::<u32>()),
        user in proptest::collection::btree_map("[a-z]{1,40}", ".{0,40}", 0..4),
    ) {
        let extras = Extras { timeout: timeout.map(metadata::from_micros), attempt };
        let mut own = Metadata::new();
        for (key, value) in &user {
            own.insert(key, value);
        }
        let mut frame = Vec::new();
        write_call(&mut frame, id, &method, extras, own.view());
        let head = frame.len();
        frame.push(0x90);
        let message = Message::parse(&frame).expect("it was written by us");
        let Message::Call { id: found, method: name, metadata: map, payload } = message else {
            return Err(TestCaseError::fail(format!("not a call: {message:?}")));
        };
        prop_assert_eq!(found, id);
        prop_assert_eq!(slice(&frame, &name), method.as_bytes());
        prop_assert_eq!(payload as usize, head);
        prop_assert_eq!(map.is_none(), extras.is_empty() && user.is_empty());
        if let Some(map) = map {
            let map = slice(&frame, &map);
            let (found, view) = metadata::read(&map).expect("it was written by us");
            prop_assert_eq!(found, extras);
            prop_assert_eq!(view.iter().count(), user.len());
        }
        // The limits are checked against what may be added at most.
        prop_assert!(head <= method.len() + own.view().len() + 40);
        if let Some(id) = id {
            let (_, found) = oversized(&frame[..frame.len().min(23)]).expect("enough of it");
            prop_assert_eq!(found, Some(id));
        }
    }

    #[test]
    fn responses_are_read_as_they_were_written(id in any::<u32>(), text in ".{0,40}") {
        let mut frame = Vec::new();
        write_result(&mut frame, id);
        let head = frame.len();
        prop_assert!(head <= 8, "what the server allows for");
        frame.push(0xc0);
        let payload = u32::try_from(head).expect("small");
        prop_assert_eq!(Message::parse(&frame), Ok(Message::Response { id, error: None, payload }));

        let mut frame = Vec::new();
        write_failure(&mut frame, id, &Error::aborted(text.clone()));
        match Message::parse(&frame) {
            Ok(Message::Response { id: found, error: Some(span), payload }) => {
                prop_assert_eq!(found, id);
                prop_assert_eq!(&frame[payload as usize..], &[0xc0]);
                let error = read_error(&slice(&frame, &span)).expect("it was written by us");
                prop_assert_eq!(error.message(), text);
            }
            other => return Err(TestCaseError::fail(format!("not a response: {other:?}"))),
        }
    }

    #[test]
    fn any_bytes_are_a_message_or_a_violation(
        head in prop_oneof![
            Just(vec![]),
            (0x90..0x97u8, 0..22u8).prop_map(|(head, kind)| vec![head, kind]),
            (0x90..0x97u8, 0..22u8).prop_map(|(head, kind)| vec![head, kind, 7]),
        ],
        tail in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let frame = [head, tail].concat();
        let length = frame.len();
        let within = |span: &std::ops::Range<u32>| {
            span.start <= span.end && span.end as usize <= length
        };
        match Message::parse(&frame) {
            Ok(Message::Call { method, metadata, payload, .. }) => {
                prop_assert!(within(&method) && metadata.as_ref().is_none_or(within));
                prop_assert!(payload as usize <= length);
                if let Some(map) = metadata {
                    let _ = metadata::read(&slice(&frame, &map));
                }
            }
            Ok(Message::Response { error, payload, .. }) => {
                prop_assert!(error.as_ref().is_none_or(within) && payload as usize <= length);
                if let Some(error) = error {
                    let _ = read_error(&slice(&frame, &error));
                }
            }
            Ok(Message::Control(Control::Item { error, payload, .. })) => {
                prop_assert!(error.as_ref().is_none_or(within) && payload as usize <= length);
            }
            Ok(Message::Control(Control::Part { bytes, .. })) => prop_assert!(within(&bytes)),
            Ok(Message::Control(Control::GoAway { error, .. }) | Message::Control(Control::End { error, .. })) => prop_assert!(error.as_ref().is_none_or(within)),
            Ok(_) => {}
            Err(violation) => {
                let named = matches!(
                    violation,
                    Violation::Malformed { .. }
                        | Violation::Elements { .. }
                        | Violation::UnknownType { .. }
                        | Violation::PartState { .. }
                        | Violation::Part { .. }
                        | Violation::NoChallenge { .. }
                );
                prop_assert!(named, "{}", violation);
            }
        }
        let _ = oversized(&frame[..length.min(23)]);
        let _ = read_error(&frame);
    }
}

/// Whatever the usual way reads, the other reads as well.
#[test]
fn the_usual_way_reads_what_the_other_does() {
    let mut read = 0;
    let mut same = |frame: &[u8]| {
        if let Some(message) = Message::parse_usual(frame) {
            assert_eq!(Message::parse_any(frame), Ok(message), "{frame:02x?}");
            read += 1;
        }
    };
    // Every beginning, and every cut of it.
    let ids: [&[u8]; 6] = [
        &[0],
        &[0x7f],
        &[0xcc, 0x80],
        &[0xcd, 1, 0],
        &[0xce, 0, 1, 0, 0],
        &[0xcf, 0, 0, 0, 0, 0, 0, 0, 1],
    ];
    let rests: [&[u8]; 6] =
        [b"\xa4ping\x91\x01", b"\xa0\x90", b"\xa4ping", b"\xd9\x04ping\x90", b"\xc0\x01", b"\xc0"];
    for count in [0x93, 0x94, 0x95] {
        for kind in 0..=17 {
            for id in ids {
                for rest in rests {
                    let frame = [&[count, kind], id, rest].concat();
                    for end in 0..=frame.len() {
                        same(&frame[..end]);
                    }
                }
            }
        }
    }
    let mut random = Random::new(7);
    for _ in 0..100_000 {
        let mut frame = [0x94, 0, 0xce, 0, 0, 0, 0, 0xa2, 0, 0, 0, 0];
        for _ in 0..2 {
            frame[random.below(12)] = random.number().to_le_bytes()[0];
        }
        same(&frame[..frame.len() - random.below(4)]);
    }
    assert!(read > 10_000, "the usual way is taken: {read}");
}
