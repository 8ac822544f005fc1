//! What a receiver must accept although this project's writers never write it: integers of any width, arguments by
//! name, arguments left out or too many, unknown keys, unknown types that may be ignored, further elements of an error.
//! What it must accept of streams is in [`streams`].

mod streams;

use std::time::Duration;

use rpc_core::{
    Code, Error, Structs, Value,
    connection::{client, server},
};

use crate::ends::{Client, LEAST, PREFACE, Server, framed, ping};

fn client_config() -> client::Config {
    client::Config::new(LEAST, None, Structs::Named)
}

fn server_config() -> server::Config {
    server::Config::new(LEAST, 8)
}

/// What `Calc.add(a: i64, b: i64, scale: i64 = 1)` makes of these arguments.
fn add(arguments: &[u8]) -> Result<(i64, i64, i64), Error> {
    let mut server = Server::opened(server_config());
    let head = [0x94, 0, 7, 0xa8, b'C', b'a', b'l', b'c', b'.', b'a', b'd', b'd'];
    let (_, request) = server.call(&framed(&[&head, arguments].concat()));
    let mut arguments = request.arguments();
    let a = i64::decode(arguments.take("a"))?;
    let b = i64::decode(arguments.take("b"))?;
    let scale = i64::decode_or_else(arguments.take("scale"), || 1)?;
    Ok((a, b, scale))
}

#[track_caller]
fn refused(arguments: &[u8], message: &str) {
    let error = add(arguments).expect_err("wrong arguments");
    assert_eq!((error.kind(), error.message()), (Code::InvalidArgument, message));
}

const A: [u8; 2] = [0xa1, b'a'];
const B: [u8; 2] = [0xa1, b'b'];
const SCALE: [u8; 6] = [0xa5, b's', b'c', b'a', b'l', b'e'];

#[test]
fn arguments_by_position() {
    // Rules 5.1 to 5.3.
    assert_eq!(add(&[0x93, 2, 3, 4]).expect("all three"), (2, 3, 4));
    assert_eq!(add(&[0x92, 2, 3]).expect("the last one has a default"), (2, 3, 1));
    assert_eq!(add(&[0x95, 2, 3, 4, 0xc0, 0x90]).expect("more are ignored"), (2, 3, 4));
    assert_eq!(add(&[0x92, 0xff, 0xd0, 0x80]).expect("negative ones"), (-1, -128, 1));
    refused(&[0x91, 2], "missing argument \"b\"");
    refused(&[0x90], "missing argument \"a\"");
}

#[test]
fn arguments_by_name() {
    let map = |head: u8, entries: &[&[u8]]| [&[head][..], &entries.concat()].concat();
    let all = map(0x83, &[&SCALE, &[4], &B, &[3], &A, &[2]]);
    assert_eq!(add(&all).expect("in any order"), (2, 3, 4));
    let fewer = map(0x82, &[&B, &[3], &A, &[2]]);
    assert_eq!(add(&fewer).expect("one has a default"), (2, 3, 1));
    let more = map(0x83, &[&[0xa1, b'x'], &[0x92, 1, 2], &B, &[3], &A, &[2]]);
    assert_eq!(add(&more).expect("unknown names are ignored"), (2, 3, 1));
    refused(&map(0x81, &[&A, &[2]]), "missing argument \"b\"");
    refused(&[0x80], "missing argument \"a\"");
    let wide = map(0xdf, &[&[0, 0, 0, 2], &[0xd9, 1, b'a'], &[2], &[0xda, 0, 1, b'b'], &[3]]);
    assert_eq!(add(&wide).expect("any width"), (2, 3, 1));
}

#[test]
fn arguments_of_a_wrong_shape() {
    let error = add(&[0x92, 2, 0xa1, b'x']).expect_err("text for a number");
    let message = error.message();
    assert!(message.starts_with("argument \"b\" (position 2) does not decode: "), "{message}");
    refused(
        &[0x2a],
        "argument \"a\" (position 1) does not decode: expected an array, found an unsigned integer",
    );
    refused(&[], "argument \"a\" (position 1) does not decode: the bytes end inside a value");
    refused(
        &[0x92, 2, 0xc1],
        "argument \"b\" (position 2) does not decode: 0xc1 is not a MessagePack value",
    );
    refused(
        &[0x81, 0x07, 0x07],
        "argument \"a\" (position 1) does not decode: expected a string, found an unsigned integer",
    );
}

#[test]
fn integers_and_heads_of_any_width() {
    let method = [b'E', b'.', b'p'];
    let heads: &[&[u8]] = &[
        &[0x95, 3, 7, 0xa3],
        &[0xdc, 0, 5, 0xcc, 3, 0xcd, 0, 7, 0xd9, 3],
        &[0xdd, 0, 0, 0, 5, 0xcd, 0, 3, 0xce, 0, 0, 0, 7, 0xda, 0, 3],
        &[0xdc, 0, 5, 0xce, 0, 0, 0, 3, 0xcf, 0, 0, 0, 0, 0, 0, 0, 7, 0xdb, 0, 0, 0, 3],
        &[0x95, 0xd0, 3, 0xd1, 0, 7, 0xa3],
        &[0x95, 0xd2, 0, 0, 0, 3, 0xd3, 0, 0, 0, 0, 0, 0, 0, 7, 0xa3],
    ];
    let metadata: &[&[u8]] = &[
        &[0x81, 0, 10],
        &[0xde, 0, 1, 0xcc, 0, 0xcd, 0, 10],
        &[0xdf, 0, 0, 0, 1, 0xd0, 0, 0xd3, 0, 0, 0, 0, 0, 0, 0, 10],
    ];
    for head in heads {
        for map in metadata {
            let mut server = Server::opened(server_config());
            server.pends = true;
            let message = [head, &method[..], map, &[0xdc, 0, 1, 0xcc, 42]].concat();
            let (_, request) = server.call(&framed(&message));
            let context = request.context();
            assert_eq!(context.method(), "E.p");
            assert_eq!(context.deadline(), Some(server.now + Duration::from_micros(10)));
            assert_eq!(u8::decode(request.arguments().take("n")).expect("a number"), 42);
            assert!(server.feed(&framed(&[0x93, 6, 7, 0xc0])).is_ok());
            assert_eq!(server.machine.in_flight(), 0, "the cancel of the id 7 found it");
        }
    }
    let responses: &[&[u8]] = &[
        &[0xdc, 0, 4, 0xcc, 1, 0xce, 0, 0, 0, 0, 0xc0, 42],
        &[0xdd, 0, 0, 0, 4, 0xd0, 1, 0xd1, 0, 0, 0xc0, 42],
    ];
    for response in responses {
        let mut client = Client::opened(client_config(), server_config());
        let call = client.send(ping(0));
        client.feed(&framed(response)).expect("no violation");
        assert_eq!(client.outcome(call).expect("an answer").as_slice(), [42]);
    }
}

#[test]
fn unknown_types_that_may_be_ignored() {
    // Rule 3.4, with any number of elements behind the type.
    for kind in 64..128 {
        for tail in [&[][..], &[0xc0], &[7, 0x81, 0, 0, 0xc0]] {
            let elements = match tail {
                [] => 1,
                [_] => 2,
                _ => 4,
            };
            let message = [&[0x90 | elements, kind], tail].concat();
            let mut server = Server::opened(server_config());
            assert!(server.feed(&framed(&message)).expect("ignored").is_empty());
            assert!(server.written().is_empty());
            let mut client = Client::opened(client_config(), server_config());
            assert!(client.feed(&framed(&message)).expect("ignored").is_empty());
            assert!(client.written().is_empty());
        }
    }
}

#[test]
fn unknown_keys_of_a_hello_and_of_metadata() {
    // Rules 1.8 and 7.2.
    let hello = [0x92, 14, 0x84, 2, 9, 0xcc, 200, 0x91, 0x81, 0xa1, b'x', 0xc0, 3, 1, 4, 5];
    let mut server = Server::new(server_config());
    server.feed(&PREFACE).expect("a right preface");
    server.feed(&framed(&hello)).expect("unknown keys are ignored");
    assert_eq!(server.machine.structs(), Structs::Compact);
    assert_eq!(server.machine.default_timeout(), Some(Duration::from_micros(5)));

    let metadata = [0x84, 1, 3, 99, 0x92, 0xc0, 0x80, 0xa1, b'k', 0xa1, b'v', 0, 8];
    let message = [&[0x95, 3, 7, 0xa1, b'm'][..], &metadata, &[0x90]].concat();
    let (_, request) = server.call(&framed(&message));
    let context = request.context();
    assert_eq!(context.attempt(), 3);
    assert_eq!(context.deadline(), Some(server.now + Duration::from_micros(8)));
    assert_eq!(context.metadata().get("k"), Some("v"));
    assert_eq!(context.metadata().iter().count(), 1);
}

#[test]
fn a_key_that_stands_twice_has_its_last_value() {
    // Rule 7.3.
    let metadata = [0x82, 0xa1, b'k', 0xa1, b'1', 0xa1, b'k', 0xc4, 1, b'2'];
    let message = [&[0x95, 3, 7, 0xa1, b'm'][..], &metadata, &[0x90]].concat();
    let mut server = Server::opened(server_config());
    let (_, request) = server.call(&framed(&message));
    assert_eq!(request.context().metadata().get("k"), None);
    assert_eq!(request.context().metadata().get_bin("k"), Some(&b"2"[..]));
}

#[test]
fn a_timeout_that_no_clock_can_hold_means_none() {
    // Rules 4.7 and 11: it is read as the longest one.
    let longest = Duration::from_secs(1 << 31);
    let metadata = [&[0x81, 0, 0xcf][..], &[0xff; 8]].concat();
    let message = [&[0x95, 3, 7, 0xa1, b'm'][..], &metadata, &[0x90]].concat();
    let mut server = Server::opened(server_config());
    let (_, request) = server.call(&framed(&message));
    assert_eq!(request.context().deadline(), None);

    let hello = [&[0x92, 14, 0x82, 0, 0xcf][..], &[0xff; 8], &[4, 0xcf], &[0xff; 8]].concat();
    let mut server = Server::new(server_config());
    server.feed(&PREFACE).expect("a right preface");
    server.feed(&framed(&hello)).expect("a right hello");
    assert_eq!(server.machine.default_timeout(), Some(longest));
    let (_, request) = server.call(&framed(&[0x94, 0, 7, 0xa1, b'm', 0x90]));
    assert_eq!(request.context().deadline(), None);
}

/// What a client makes of this error.
fn error(bytes: &[u8]) -> Error {
    let mut client = Client::opened(client_config(), server_config());
    let call = client.send(ping(0));
    let message = [&[0x94, 1, 0][..], bytes, &[0xc0]].concat();
    client.feed(&framed(&message)).expect("no violation");
    client.outcome(call).expect_err("the call failed")
}

#[test]
fn errors_of_newer_peers() {
    // Rules 6.1 and 6.2: further elements, unknown codes and flags, details that are a string.
    // A code for which a call that is not idempotent is not repeated, whatever the error asks for.
    let later = error(&[0x97, 10, 0xa1, b'm', 0xc0, 1, 0xcd, 3, 0xe8, 0x90, 0x80]);
    assert_eq!((later.kind(), later.message()), (Code::Aborted, "m"));
    assert!(later.is_not_started());
    assert_eq!(later.retry_after(), Some(Duration::from_millis(1)));

    for code in [&[17][..], &[0xcc, 255], &[0xce, 1, 0, 0, 0]] {
        let unknown = error(&[&[0x94][..], code, &[0xa0, 0xc0, 0]].concat());
        assert_eq!(unknown.kind(), Code::Unknown);
    }

    let flags = error(&[0x94, 2, 0xa0, 0xc0, 0xcc, 0xfc]);
    assert!(!flags.is_not_started() && !flags.is_application());
    let both = error(&[0x94, 2, 0xa0, 0xc4, 1, 5, 3]);
    assert!(both.is_not_started() && both.is_application());
    let no_details = error(&[0x94, 2, 0xa0, 0xc0, 2]);
    assert!(!no_details.is_application(), "without details there is nothing to decode");
    let text = error(&[0x94, 2, 0xa0, 0xa1, b'd', 2]);
    assert_eq!(text.details().map(|bytes| &bytes[..]), Some(&b"d"[..]));
}

#[test]
fn bytes_may_be_a_string_or_a_list_of_numbers() {
    // Rule 5.5.
    let decode = |argument: &[u8]| {
        let mut server = Server::opened(server_config());
        let message = [&[0x94, 0, 7, 0xa1, b'm', 0x91], argument].concat();
        let (_, request) = server.call(&framed(&message));
        Vec::<u8>::decode(request.arguments().take("data"))
    };
    assert_eq!(decode(&[0xc4, 2, b'h', b'i']).expect("bin"), b"hi");
    assert_eq!(decode(&[0xa2, b'h', 0xff]).expect("str, UTF-8 or not"), b"h\xff");
    assert_eq!(decode(&[0xc6, 0, 0, 0, 1, 9]).expect("of any width"), [9]);
    assert_eq!(decode(&[0x92, 1, 0xcc, 255]).expect("numbers"), [1, 255]);
    assert!(decode(&[0x91, 0xcd, 1, 0]).is_err(), "256 is no byte");
}

#[test]
fn a_name_that_is_no_text_is_one_that_nobody_has() {
    // Rule 4.2: the call is refused like any other of an unknown method, and the connection goes on.
    let mut server = Server::opened(server_config());
    let (_, request) = server.call(&framed(&[0x94, 0, 7, 0xa1, 0xff, 0x90]));
    assert_eq!(request.context().method(), "");
    server.call(&framed(&[0x94, 0, 8, 0xa1, b'm', 0x90]));
}
