//! What ends a connection: each rule that a peer can break gives its own [`Violation`], at the end that reads it, and
//! however the bytes are cut. Those of parts and of streams are in [`streams`].

mod streams;

use rpc_core::{
    Structs, Violation,
    connection::{client, server},
    limits::MAX_FRAME_SIZE,
    msgpack::Malformed,
};

use crate::ends::{Client, EMPTY_HELLO, LEAST, PREFACE, Server, early, framed, ping};

fn server_config() -> server::Config {
    server::Config::new(LEAST, 8)
}

fn client_config() -> client::Config {
    client::Config::new(LEAST, None, Structs::Named)
}

/// What a server finds in `bytes` when they come from a new client, and then the stream's end.
fn at_server(bytes: &[u8], piece: usize) -> Result<(), Violation> {
    let mut server = Server::new(server_config());
    server.pends = true;
    for piece in bytes.chunks(piece) {
        server.feed(piece)?;
    }
    server.end()
}

/// What a client with one call outstanding, whose id is 0, finds in `bytes`, and then in the stream's end.
fn at_client(bytes: &[u8], piece: usize) -> Result<(), Violation> {
    let mut client = Client::connected(client_config());
    client.send(early(ping(0)));
    for piece in bytes.chunks(piece) {
        client.feed(piece)?;
    }
    client.end()
}

#[track_caller]
fn server_finds(bytes: &[u8], violation: &Violation) {
    assert_eq!(at_server(bytes, bytes.len()).as_ref(), Err(violation), "whole");
    assert_eq!(at_server(bytes, 1).as_ref(), Err(violation), "byte by byte");
}

#[track_caller]
fn client_finds(bytes: &[u8], violation: &Violation) {
    assert_eq!(at_client(bytes, bytes.len()).as_ref(), Err(violation), "whole");
    assert_eq!(at_client(bytes, 1).as_ref(), Err(violation), "byte by byte");
}

#[track_caller]
fn both_find(bytes: &[u8], violation: &Violation) {
    server_finds(bytes, violation);
    client_finds(bytes, violation);
}

/// An opening, and these messages behind it.
fn opened(messages: &[&[u8]]) -> Vec<u8> {
    let frames = messages.iter().flat_map(|message| framed(message));
    [&PREFACE[..], &EMPTY_HELLO].concat().into_iter().chain(frames).collect()
}

/// A message of `kind` with so many bytes behind its type and this second element.
fn padded(head: &[u8], size: usize) -> Vec<u8> {
    let mut message = head.to_vec();
    message.resize(size, 0xc0);
    message
}

#[test]
fn another_protocol_is_named_by_its_first_bytes() {
    // Rule 1.3. The first wrong byte is enough, so what is reported may be cut.
    for (bytes, found) in [
        (&b"GET / HTTP/1.1\r\n"[..], *b"GET "),
        (b"\0RPX\0\x01\0\0", *b"\0RPX"),
        (b"\x16\x03\x01\x02\x00\x01", *b"\x16\x03\x01\x02"),
        (b"\0\0\0\x08whatever", [0, 0, 0, 8]),
    ] {
        assert_eq!(at_server(bytes, bytes.len()), Err(Violation::Preface { found }));
        assert_eq!(at_client(bytes, bytes.len()), Err(Violation::Preface { found }));
        let violation = at_server(bytes, 1).expect_err("wrong");
        assert!(matches!(violation, Violation::Preface { .. }), "{violation}");
    }
}

#[test]
fn another_protocol_gets_no_answer() {
    let mut server = Server::new(server_config());
    let violation = server.feed(b"GET / HTTP/1.1\r\n").expect_err("not this protocol");
    server.machine.violated(&violation);
    assert!(server.written().is_empty());
}

#[test]
fn another_major_version_is_told_ours() {
    // Rule 1.4.
    for (major, minor) in [(0, 9), (2, 0), (u16::MAX, u16::MAX)] {
        let theirs = rpc_core::frame::preface(major, minor);
        both_find(&theirs, &Violation::Version { major, minor });
        let mut server = Server::new(server_config());
        let violation = server.feed(&theirs).expect_err("another version");
        server.machine.violated(&violation);
        assert_eq!(server.written(), PREFACE);
    }
}

#[test]
fn another_minor_version_is_no_violation() {
    let mut server = Server::new(server_config());
    server.feed(&rpc_core::frame::preface(1, 7)).expect("a newer client");
    assert_eq!(server.written()[..8], PREFACE, "the smaller of the two minors is in force");
}

#[test]
fn the_first_frame_is_a_hello() {
    // Rule 1.5, whatever width the array's head and the type have.
    for (message, kind) in [
        (&[0x94, 0, 7, 0xa1, b'm', 0x90][..], 0),
        (&[0x93, 11, 42, 0xc0], 11),
        (&[0x91, 0x40], 64),
        (&[0xdc, 0, 3, 0xcc, 12, 42, 0xc0], 12),
        (&[0x93, 0xcd, 0, 6, 7, 0xc0], 6),
        (&[0x94, 13, 0, 0xc0, 0xc0], 13),
        (&[0x94, 1, 0, 0xc0, 0xc0], 1),
    ] {
        let bytes = [&PREFACE[..], &framed(message)].concat();
        both_find(&bytes, &Violation::HelloExpected { kind });
    }
}

#[test]
fn the_first_frame_is_a_hello_even_above_the_limit() {
    for (head, kind) in [(&[0x94, 1, 0, 0xc0][..], 1), (&[0x94, 0, 0, 0xa1, b'm'], 0)] {
        let bytes = [&PREFACE[..], &framed(&padded(head, LEAST + 1))].concat();
        assert_eq!(at_server(&bytes, 999), Err(Violation::HelloExpected { kind }));
        assert_eq!(at_client(&bytes, 999), Err(Violation::HelloExpected { kind }));
    }
    let size = LEAST + 1;
    let bytes = [&PREFACE[..], &framed(&padded(&[0x92, 14, 0x80], size))].concat();
    assert_eq!(at_server(&bytes, 999), Err(Violation::MessageTooLarge { kind: 14, size }));
    assert_eq!(at_client(&bytes, 999), Err(Violation::MessageTooLarge { kind: 14, size }));
}

#[test]
fn a_second_hello() {
    both_find(&opened(&[&[0x92, 14, 0x80]]), &Violation::SecondHello);
}

#[test]
fn a_frame_of_no_length() {
    both_find(&opened(&[&[]]), &Violation::EmptyFrame);
    both_find(&[&PREFACE[..], &[0; 4]].concat(), &Violation::EmptyFrame);
}

#[test]
fn a_frame_above_what_any_end_accepts() {
    let above = u32::try_from(MAX_FRAME_SIZE + 1).expect("a prefix can say it");
    for announced in [above, u32::MAX] {
        let bytes = [&opened(&[])[..], &announced.to_be_bytes()].concat();
        both_find(&bytes, &Violation::FrameTooLarge { announced });
    }
    // The largest one that is not above, cut off.
    let bytes = [&opened(&[])[..], &(above - 1).to_be_bytes()].concat();
    both_find(&bytes, &Violation::Truncated);
}

#[test]
fn a_stream_that_ends_inside_of_something() {
    // Rule 2.6. It may end before its first byte and between two frames.
    let whole = opened(&[&[0x93, 11, 42, 0xc0], &[0x93, 12, 42, 0xc0]]);
    let boundaries = [0, 8, 15, 23, 31];
    assert_eq!(whole.len(), 31);
    for end in 0..=whole.len() {
        let expected = if boundaries.contains(&end) { Ok(()) } else { Err(Violation::Truncated) };
        assert_eq!(at_server(&whole[..end], 31), expected, "{end}");
        assert_eq!(at_client(&whole[..end], 31), expected, "{end}");
    }
}

#[test]
fn a_stream_that_ends_inside_of_what_is_discarded() {
    let too_large = framed(&padded(&[0x94, 1, 0, 0xc0], LEAST + 1));
    let bytes = [&opened(&[])[..], &too_large[..too_large.len() - 1]].concat();
    assert_eq!(at_client(&bytes, 999), Err(Violation::Truncated));
}

#[test]
fn a_wrong_number_of_elements() {
    // Rule 3.3, for every type: one too few and one too many.
    let right = [
        (0, 4),
        (1, 4),
        (2, 3),
        (3, 5),
        (4, 4),
        (5, 5),
        (6, 3),
        (7, 4),
        (8, 4),
        (9, 4),
        (10, 3),
        (11, 3),
        (12, 3),
        (13, 4),
        (15, 3),
        (16, 4),
        (17, 3),
    ];
    for (kind, elements) in right {
        for found in [elements - 1, elements + 1] {
            if (kind, found) == (7, 5) {
                // A message may bring several items (rule 10.1), which an error is not.
                let message = [0x95, 7, 0, 0x94, 2, 0xa0, 0xc0, 0, 0xc0, 0xc0];
                both_find(&opened(&[&message]), &Violation::Elements { kind: 7, found: 5 });
                continue;
            }
            let mut message = vec![0x90 | found, kind];
            message.resize(usize::from(found) + 1, 0xc0);
            let violation = Violation::Elements { kind: kind.into(), found: found.into() };
            both_find(&opened(&[&message]), &violation);
        }
    }
    for found in [1, 3] {
        let mut message = vec![0x90 | found, 14];
        message.resize(usize::from(found) + 1, 0xc0);
        let bytes = [&PREFACE[..], &framed(&message)].concat();
        both_find(&bytes, &Violation::Elements { kind: 14, found: found.into() });
    }
}

#[test]
fn elements_of_a_wrong_type() {
    // Rule 3.3: everything in front of the payload.
    let wrong = |part, expected, found| Violation::Malformed {
        part,
        malformed: Malformed::Type { expected, found },
    };
    for (message, violation) in [
        (&[0xa3, b'a', b'b', b'c'][..], wrong("the array", "an array", "a string")),
        (&[0x80], wrong("the array", "an array", "a map")),
        (&[0x92, 0xa1, b'a', 0xc0], wrong("the type", "an unsigned integer", "a string")),
        (&[0x92, 0xff, 0xc0], wrong("the type", "an unsigned integer", "an integer")),
        (&[0x93, 6, 0xc0, 0xc0], wrong("the id", "an unsigned integer", "nil")),
        (&[0x93, 6, 0xca, 0, 0, 0, 0, 0xc0], wrong("the id", "an unsigned integer", "a float")),
        (
            &[0x93, 6, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0, 0xc0],
            wrong("the id", "an integer of 32 bits", "a larger one"),
        ),
        (&[0x94, 0, 7, 9, 0x90], wrong("the method", "a string", "an unsigned integer")),
        (&[0x94, 0, 7, 0xc4, 1, b'm', 0x90], wrong("the method", "a string", "bytes")),
        (&[0x93, 11, 0xc3, 0xc0], wrong("the token", "an unsigned integer", "a boolean")),
        (&[0x94, 13, 0xc0, 0xc0, 0xc0], wrong("the count", "an unsigned integer", "nil")),
        (&[0x94, 7, 0xc0, 0xc0, 1], wrong("the id", "an unsigned integer", "nil")),
        (&[0x94, 8, 0xa0, 0xc0, 0xc0], wrong("the id", "an unsigned integer", "a string")),
        (&[0x94, 9, 0xc2, 1, 0xc0], wrong("the id", "an unsigned integer", "a boolean")),
        (&[0x94, 9, 0xc0, 0xc0, 0xc0], wrong("the credit", "an unsigned integer", "nil")),
        (&[0x93, 10, 0xc0, 0xc4, 0], wrong("the part's state", "an unsigned integer", "nil")),
        (&[0x93, 10, 0, 0xc0], wrong("the part", "bytes", "nil")),
        (&[0x93, 15, 0xc0, 0xc0], wrong("the id", "an unsigned integer", "nil")),
        (&[0x94, 16, 0, 0xc0, 0xc0], wrong("the count", "an unsigned integer", "nil")),
        (&[0x93, 17, 0xff, 0xc0], wrong("the count", "an unsigned integer", "an integer")),
    ] {
        both_find(&opened(&[message]), &violation);
    }
    let truncated = Violation::Malformed { part: "the type", malformed: Malformed::Truncated };
    both_find(&opened(&[&[0x90]]), &truncated);
    let count = Malformed::Count { announced: 0xffff_ffff, left: 3 };
    let count = Violation::Malformed { part: "the array", malformed: count };
    both_find(&opened(&[&[0xdd, 0xff, 0xff, 0xff, 0xff, 0, 0, 0]]), &count);
}

#[test]
fn metadata_of_a_wrong_type() {
    let wrong = |expected, found| Violation::Malformed {
        part: "the metadata",
        malformed: Malformed::Type { expected, found },
    };
    for (metadata, violation) in [
        (&[0xc0][..], wrong("a map", "nil")),
        (&[0x90], wrong("a map", "an array")),
        (&[0x81, 0xa1, b'k', 0xc0], wrong("bytes", "nil")),
        (&[0x81, 0xa1, b'k', 7], wrong("bytes", "an unsigned integer")),
        (&[0x81, 0xc4, 1, b'k', 0xa0], wrong("an unsigned integer", "bytes")),
        (&[0x81, 0xff, 0xa0], wrong("an unsigned integer", "an integer")),
        (&[0x81, 0, 0xa1, b'1'], wrong("an unsigned integer", "a string")),
        (&[0x81, 1, 0xc0], wrong("an unsigned integer", "nil")),
    ] {
        let message = [&[0x95, 3, 7, 0xa1, b'm'][..], metadata, &[0x90]].concat();
        server_finds(&opened(&[&message]), &violation);
    }
}

#[test]
fn errors_of_a_wrong_type() {
    // Rules 6.1 and 6.5.
    let wrong = |malformed| Violation::Malformed { part: "the error", malformed };
    let mismatch = |expected, found| wrong(Malformed::Type { expected, found });
    for (error, violation) in [
        (&[0xa1, b'e'][..], mismatch("an array", "a string")),
        (&[0x94, 0xc0, 0xa0, 0xc0, 0], mismatch("an unsigned integer", "nil")),
        (&[0x94, 1, 1, 0xc0, 0], mismatch("a string", "an unsigned integer")),
        (&[0x94, 1, 0xa0, 0x90, 0], mismatch("bytes", "an array")),
        (&[0x94, 1, 0xa0, 0xc0, 0xc0], mismatch("an unsigned integer", "nil")),
        (&[0x95, 1, 0xa0, 0xc0, 0, 0xc3], mismatch("an unsigned integer", "a boolean")),
        (&[0x93, 1, 0xa0, 0xc0], wrong(Malformed::Truncated)),
    ] {
        let message = [&[0x94, 1, 0][..], error, &[0xc0]].concat();
        client_finds(&opened(&[&message]), &violation);
    }
}

#[test]
fn a_hello_of_a_wrong_type() {
    let wrong = |expected, found| Violation::Malformed {
        part: "the hello",
        malformed: Malformed::Type { expected, found },
    };
    for (map, violation) in [
        (&[0xc0][..], wrong("a map", "nil")),
        (&[0x81, 0xa1, b'k', 0], wrong("an unsigned integer", "a string")),
        (&[0x81, 0, 0xc0], wrong("an unsigned integer", "nil")),
        (&[0x81, 1, 0xa1, b'1'], wrong("an unsigned integer", "a string")),
    ] {
        let bytes = [&PREFACE[..], &framed(&[&[0x92, 14], map].concat())].concat();
        both_find(&bytes, &violation);
    }
}

#[test]
fn types_that_are_not_known() {
    // Rules 3.1 and 3.4: unknown ones below 64, and what is not a type.
    for kind in (21..64).chain([128, 255, 256, 0xffff_ffff_ffff_ffff]) {
        let mut message = vec![0x93];
        rpc_core::msgpack::write_uint(&mut message, kind);
        message.extend([0, 0xc0]);
        both_find(&opened(&[&message]), &Violation::UnknownType { kind });
    }
}

#[test]
fn types_of_a_challenge_that_is_not_under_way() {
    // Rule 12.1: neither in the place of the hello nor behind it.
    for kind in [18, 19, 20] {
        let message = [0x94, kind, 0xa1, b'a', 0xc0, 0xc0];
        let violation = Violation::NoChallenge { kind: kind.into() };
        both_find(&opened(&[&message]), &violation);
        both_find(&[&PREFACE[..], &framed(&message)].concat(), &violation);
    }
}

#[test]
fn types_that_only_the_other_side_may_send() {
    for (message, kind) in [
        (&[0x94, 1, 0, 0xc0, 0xc0][..], 1),
        (&[0x95, 5, 0, 0xc0, 0x80, 0xc0], 5),
        (&[0x93, 15, 0, 0xc0], 15),
        (&[0x94, 16, 0, 3, 0xc0], 16),
    ] {
        server_finds(&opened(&[message]), &Violation::WrongSide { kind });
    }
    for (message, kind) in [
        (&[0x94, 0, 0, 0xa1, b'm', 0x90][..], 0),
        (&[0x93, 2, 0xa1, b'm', 0x90], 2),
        (&[0x95, 3, 0, 0xa1, b'm', 0x80, 0x90], 3),
        (&[0x94, 4, 0xa1, b'm', 0x80, 0x90], 4),
        (&[0x94, 8, 0, 0xc0, 0xc0], 8),
    ] {
        client_finds(&opened(&[message]), &Violation::WrongSide { kind });
    }
}

#[test]
fn an_id_that_is_outstanding() {
    // Rule 4.1.
    let request: &[u8] = &[0x94, 0, 7, 0xa1, b'm', 0x90];
    let with_metadata: &[u8] = &[0x95, 3, 7, 0xa1, b'm', 0x80, 0x90];
    let too_large = padded(&[0x94, 0, 7, 0xa1, b'm'], LEAST + 1);
    let violation = Violation::DuplicateId { id: 7 };
    server_finds(&opened(&[request, request]), &violation);
    server_finds(&opened(&[request, with_metadata]), &violation);
    assert_eq!(at_server(&opened(&[request, &too_large]), 999), Err(violation));
    // Once the response was written, the id may be used again.
    let cancel: &[u8] = &[0x93, 6, 7, 0xc0];
    assert_eq!(at_server(&opened(&[request, cancel, request]), 1), Ok(()));
}

#[test]
fn a_response_that_nobody_waits_for() {
    // Rule 4.3. The call with the id 0 is outstanding, once.
    let response: &[u8] = &[0x94, 1, 0, 0xc0, 0xc0];
    assert_eq!(at_client(&opened(&[response]), 1), Ok(()));
    client_finds(&opened(&[response, response]), &Violation::NotOutstanding { id: 0 });
    let unknown: &[u8] = &[0x94, 1, 9, 0xc0, 0xc0];
    client_finds(&opened(&[unknown]), &Violation::NotOutstanding { id: 9 });
    // The same slot in another generation.
    let late: &[u8] = &[0x94, 1, 0xce, 0, 0x10, 0, 0, 0xc0, 0xc0];
    client_finds(&opened(&[late]), &Violation::NotOutstanding { id: 1 << 20 });
    let failure: &[u8] = &[0x94, 1, 9, 0x94, 1, 0xa0, 0xc0, 1, 0xc0];
    client_finds(&opened(&[failure]), &Violation::NotOutstanding { id: 9 });
    let too_large = padded(&[0x94, 1, 9, 0xc0], LEAST + 1);
    assert_eq!(at_client(&opened(&[&too_large]), 999), Err(Violation::NotOutstanding { id: 9 }));
}

#[test]
fn a_message_above_the_limit_that_is_no_call() {
    // Rule 2.4.
    let size = LEAST + 1;
    for kind in [6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 64, 127] {
        let bytes = opened(&[&padded(&[0x93, kind, 0], size)]);
        let violation = Violation::MessageTooLarge { kind: kind.into(), size };
        assert_eq!(at_server(&bytes, 999), Err(violation.clone()));
        assert_eq!(at_client(&bytes, 999), Err(violation));
    }
    let response = opened(&[&padded(&[0x94, 1, 0, 0xc0], size)]);
    assert_eq!(at_server(&response, 999), Err(Violation::MessageTooLarge { kind: 1, size }));
    let request = opened(&[&padded(&[0x94, 0, 0, 0xa1, b'm'], size)]);
    assert_eq!(at_client(&request, 999), Err(Violation::MessageTooLarge { kind: 0, size }));
    // What cannot be read up to its id belongs to no call.
    let violation = at_server(&opened(&[&padded(&[0xa3], size)]), 999).expect_err("a string");
    assert!(matches!(violation, Violation::Malformed { part: "the array", .. }), "{violation}");
}

#[test]
fn every_violation_cites_its_rule() {
    for violation in [
        Violation::Preface { found: *b"GET " },
        Violation::Version { major: 2, minor: 0 },
        Violation::HelloExpected { kind: 0 },
        Violation::SecondHello,
        Violation::EmptyFrame,
        Violation::FrameTooLarge { announced: u32::MAX },
        Violation::MessageTooLarge { kind: 11, size: 1 << 20 },
        Violation::Truncated,
        Violation::Malformed { part: "the id", malformed: Malformed::Utf8 },
        Violation::Elements { kind: 0, found: 3 },
        Violation::UnknownType { kind: 7 },
        Violation::WrongSide { kind: 1 },
        Violation::DuplicateId { id: 7 },
        Violation::NotOutstanding { id: 7 },
        Violation::PartState { state: 3 },
        Violation::Part { what: "an empty part" },
        Violation::Received { bytes: 7 },
        Violation::Overrun { size: 7 },
        Violation::LateItems,
        Violation::BegunTwice { id: 7 },
        Violation::Credit { bytes: 7 },
        Violation::TooManyCancels,
        Violation::Flood { interval: std::time::Duration::from_secs(1) },
    ] {
        assert!(violation.to_string().contains("(PROTOCOL "), "{violation}");
        let error = rpc_core::Error::from(violation);
        assert!(error.message().starts_with("the peer broke the protocol"), "{error}");
    }
}
