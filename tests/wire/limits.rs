//! What fails one call and leaves the connection as it was: rules 2.4, 3.5, 4.2, 4.6, 7.1 and 9.2.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rpc_core::{
    Code, Metadata, Structs, Value, Violation,
    connection::{client, server},
    limits::{self, FRAGMENT, MAX_FRAME_SIZE, MAX_METADATA_SIZE, MAX_METHOD_NAME},
    msgpack,
    stream::Content,
    value::Encoder,
};

use crate::ends::{
    Asked, Client, EMPTY_HELLO, Got, LEAST, PREFACE, Refusal, Server, call, early, framed, ping,
    refusal, streaming,
};

fn client_config() -> client::Config {
    client::Config::new(LEAST, None, Structs::Named)
}

fn server_config() -> server::Config {
    server::Config::new(LEAST, 8)
}

/// A request of `Echo.ping`, or a notification, with this id and an argument that makes the message so large.
fn call_of_size(id: Option<u32>, size: usize) -> Vec<u8> {
    let mut message = match id {
        Some(_) => vec![0x94, 0],
        None => vec![0x93, 2],
    };
    if let Some(id) = id {
        msgpack::write_uint(&mut message, id.into());
    }
    msgpack::write_str(&mut message, "Echo.ping");
    message.push(0x91);
    let left = size - message.len() - 5;
    message.push(0xc6);
    message.extend(u32::try_from(left).expect("a test's message is small").to_be_bytes());
    message.resize(size, 7);
    message
}

#[test]
fn a_request_at_the_limit_is_accepted() {
    let mut server = Server::opened(server_config());
    let asked = server.feed(&framed(&call_of_size(Some(1), LEAST))).expect("within the limit");
    assert!(matches!(asked[..], [Asked::Call(..)]));
}

#[test]
fn a_request_above_the_limit_is_refused_as_it_arrives() {
    let size = LEAST * 4;
    for id in [0, 7, 300, u32::MAX] {
        let mut server = Server::opened(server_config());
        let mut answer = Vec::new();
        for piece in framed(&call_of_size(Some(id), size)).chunks(10) {
            assert!(server.feed(piece).expect("no violation").is_empty());
            assert!(server.input.capacity() <= 1024, "nothing of it is stored");
            answer.extend(server.written());
        }
        let message = format!(
            "the request has {size} bytes, more than the {LEAST} that the server accepts; \
             raise it with `max_message_size` on the server"
        );
        let code = Code::ResourceExhausted;
        assert_eq!(
            refusal(&answer),
            Refusal { id: id.into(), code, message, flags: 1, retry_after: None }
        );
        assert!(server.end().is_ok(), "the stream is between two frames");
        server.call(&framed(&call_of_size(Some(id), 100)));
    }
}

#[test]
fn a_notification_above_the_limit_is_dropped() {
    let mut server = Server::opened(server_config());
    for piece in framed(&call_of_size(None, LEAST + 1)).chunks(10) {
        assert!(server.feed(piece).expect("no violation").is_empty());
    }
    assert!(server.written().is_empty());
    server.call(&framed(&call_of_size(None, 100)));
    // Both were taken; rule 9.1 counts refused ones.
    server.machine.go_away();
    assert_eq!(server.written(), framed(&[0x94, 13, 2, 0xc0, 0xc0]));
}

#[test]
fn a_response_above_the_limit_fails_its_call() {
    let size = LEAST * 4;
    let mut response = vec![0x94, 1, 1, 0xc0];
    response.resize(size, 0x90);
    for with_metadata in [false, true] {
        if with_metadata {
            response.splice(..4, [0x95, 5, 1, 0xc0]);
        }
        let mut client = Client::opened(client_config(), server_config());
        let other = client.send(ping(0));
        let call = client.send(ping(0));
        client.written();
        for piece in framed(&response).chunks(10) {
            client.feed(piece).expect("no violation");
            assert!(client.input.capacity() <= 1024, "nothing of it is stored");
        }
        let error = client.outcome(call).expect_err("too large");
        assert_eq!(error.kind(), Code::ResourceExhausted);
        assert!(!error.is_not_started(), "the handler ran");
        let message = error.message();
        for part in [size.to_string(), LEAST.to_string(), "max_message_size".to_owned()] {
            assert!(message.contains(&part), "{message}");
        }
        client.feed(&framed(&[0x94, 1, 0, 0xc0, 0x2a])).expect("the connection goes on");
        assert_eq!(client.outcome(other).expect("an answer").as_slice(), [0x2a]);
    }
}

#[test]
fn an_oversized_response_to_a_cancelled_call_ends_it() {
    let mut client = Client::opened(client_config(), server_config());
    let call = client.send(ping(0));
    assert!(client.machine.cancel(call).is_some());
    let mut response = vec![0x94, 1, 0, 0xc0];
    response.resize(LEAST + 1, 0x90);
    client.feed(&framed(&response)).expect("no violation");
    assert_eq!((client.machine.in_flight(client.link), client.machine.len()), (0, 0));
}

#[test]
fn a_client_does_not_send_what_its_server_would_refuse() {
    let mut client = Client::opened(client_config(), server_config());
    let call = client.send(ping(LEAST));
    let error = client.outcome(call).expect_err("too large");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    assert!(error.is_not_started());
    assert!(error.message().contains("max_message_size"), "{error}");
    assert!(client.written().is_empty());
    assert_eq!((client.machine.in_flight(client.link), client.machine.len()), (0, 0));
}

#[test]
fn a_server_does_not_send_what_its_client_would_discard() {
    let mut server = Server::opened(server_config());
    let (key, request) = server.call(&framed(&call_of_size(Some(7), 100)));
    let mut answer = request.answer(&Bytes::from(vec![7; LEAST]));
    server.machine.answer(key, answer.outcome());
    let refusal = refusal(&server.written());
    assert_eq!((refusal.id, refusal.code, refusal.flags), (7, Code::ResourceExhausted, 0));
    assert!(refusal.message.contains("max_message_size"), "{}", refusal.message);
}

#[test]
fn a_message_at_the_limit_is_accepted_where_it_travels_in_parts() {
    // Each part is a message too, with a head of its own.
    for limit in FRAGMENT - 4..FRAGMENT + 20 {
        let (theirs, ours) = (
            server::Config::new(limit, 8),
            client::Config { max_message_size: limit, ..client_config() },
        );
        let mut client = Client::opened(ours, theirs);
        let call = client.send(streaming(true, true));
        let mut server = Server::streaming(theirs, ours, true);
        let (key, _request) = server.call(&client.written());
        let item = || {
            let mut item = Encoder::default();
            item.bin(&vec![7; limit - 9]);
            item
        };
        assert!(matches!(client.machine.send_item(call, &mut item()), Ok(client::Room::Sent)));
        let asked = server.feed(&client.written()).expect("no violation");
        assert!(
            matches!(&asked[..], [Asked::Item(Ok(_), cost)] if *cost == limit as u64),
            "{limit}"
        );
        // A server leaves some room for the largest head.
        let mut item = Encoder::default();
        item.bin(&vec![7; limit - 5 - 8]);
        assert!(server.machine.send(key, Content::Item(&mut item), 0));
        client.feed(&server.written()).expect("no violation");
        assert!(matches!(client.got[..], [Got::Item(Ok(_), _)]), "{limit}: {:?}", client.got);
    }
}

#[test]
fn a_limit_below_the_least_is_read_as_this() {
    // Rule 1.6: a hello that announces 1 byte.
    let mut server = Server::new(server_config());
    server.feed(&PREFACE).expect("a right preface");
    server.feed(&framed(&[0x92, 14, 0x81, 1, 1])).expect("a right hello");
    server.written();
    let (key, request) = server.call(&framed(&call_of_size(Some(7), 100)));
    let mut answer = request.answer(&Bytes::from(vec![7; 60 << 10]));
    server.machine.answer(key, answer.outcome());
    assert!(server.written().len() > 60 << 10);
}

#[test]
fn a_method_name_has_a_bound() {
    // Rule 4.2.
    for (len, accepted) in [(MAX_METHOD_NAME, true), (MAX_METHOD_NAME + 1, false)] {
        let mut message = vec![0x94, 0, 7];
        msgpack::write_str(&mut message, &"m".repeat(len));
        message.push(0x90);
        let mut server = Server::opened(server_config());
        let asked = server.feed(&framed(&message)).expect("no violation");
        assert_eq!(asked.len(), usize::from(accepted));
        if !accepted {
            let refusal = refusal(&server.written());
            assert_eq!((refusal.id, refusal.code), (7, Code::InvalidArgument));
            assert_eq!(refusal.flags, 1);
            assert!(refusal.message.contains("256 bytes"), "{}", refusal.message);
            message.splice(..3, [0x93, 2]);
            assert!(server.feed(&framed(&message)).expect("no violation").is_empty());
            assert!(server.written().is_empty(), "a notification has nobody to tell");
        }
    }
}

/// A request with the id 7 whose metadata map takes so many bytes.
fn with_metadata_of(size: usize) -> Vec<u8> {
    let mut map = vec![0x81, 0xa1, b'k', 0xc5];
    let left = size - map.len() - 2;
    map.extend(u16::try_from(left).expect("a test's metadata is small").to_be_bytes());
    map.resize(size, 7);
    [&[0x95, 3, 7, 0xa1, b'm'][..], &map, &[0x90]].concat()
}

#[test]
fn metadata_has_a_bound() {
    // Rule 7.1.
    let mut server = Server::opened(server_config());
    let (_, request) = server.call(&framed(&with_metadata_of(MAX_METADATA_SIZE)));
    assert_eq!(request.context().metadata().get_bin("k").map(<[u8]>::len), Some(8192 - 6));

    let mut server = Server::opened(server_config());
    let mut message = with_metadata_of(MAX_METADATA_SIZE + 1);
    assert!(server.feed(&framed(&message)).expect("no violation").is_empty());
    let refusal = refusal(&server.written());
    assert_eq!((refusal.id, refusal.code, refusal.flags), (7, Code::ResourceExhausted, 1));
    assert!(refusal.message.contains("8193 bytes, more than the 8192"), "{}", refusal.message);

    message.splice(..3, [0x94, 4]);
    assert!(server.feed(&framed(&message)).expect("no violation").is_empty());
    assert!(server.written().is_empty(), "a notification has nobody to tell");
}

#[test]
fn calls_in_flight_have_a_bound() {
    // Rule 4.6.
    let mut server = Server::opened(server::Config::new(LEAST, 2));
    for id in 0..2 {
        let (key, _request) = server.call(&framed(&call_of_size(Some(id), 100)));
        server.machine.pending(key, id, None);
    }
    assert!(server.feed(&framed(&call_of_size(Some(2), 100))).expect("no violation").is_empty());
    let refused = refusal(&server.written());
    assert_eq!((refused.id, refused.code, refused.flags), (2, Code::ResourceExhausted, 1));
    assert!(refused.message.contains("max_calls_per_connection"), "{}", refused.message);
    assert!(server.feed(&framed(&call_of_size(None, 100))).expect("no violation").is_empty());
    assert!(server.written().is_empty());

    server.feed(&framed(&[0x93, 6, 0, 0xc0])).expect("a cancel");
    server.written();
    let (key, _request) = server.call(&framed(&call_of_size(None, 100)));
    server.machine.pending(key, 0, None);
    assert_eq!(server.machine.in_flight(), 2, "a notification that runs is in flight too");
}

#[test]
fn arguments_that_are_no_arguments_fail_their_call_alone() {
    // Rule 3.5: the frame is taken, what is in it is the method's to refuse.
    let hostile: &[&[u8]] = &[
        &[],
        &[0xc1],
        &[0xdd, 0xff, 0xff, 0xff, 0xff],
        &[0x92, 0x01],
        &[0x91, 0xdb, 0xff, 0xff, 0xff, 0xff],
        &[0xa2, b'h', b'i'],
    ];
    for arguments in hostile {
        let mut server = Server::opened(server_config());
        let message = [&[0x94, 0, 7, 0xa1, b'm'][..], arguments].concat();
        // An array of four elements needs four bytes behind its head, which these have.
        let (_, request) = server.call(&framed(&message));
        let mut taken = request.arguments();
        let first = u64::decode(taken.take("a")).and_then(|_| u64::decode(taken.take("b")));
        let error = first.expect_err("no two numbers");
        assert_eq!(error.kind(), Code::InvalidArgument);
        assert!(server.end().is_ok());
    }
}

#[test]
fn a_result_that_does_not_decode_fails_its_call_alone() {
    let mut client = Client::opened(client_config(), server_config());
    let call = client.send(ping(0));
    client.feed(&framed(&[0x94, 1, 0, 0xc0, 0xdd, 0xff, 0xff, 0xff, 0xff])).expect("no violation");
    let payload = client.outcome(call).expect("a payload, whatever is in it");
    let encoded = rpc_core::value::Encoded::of_payload("answer", &payload);
    let error = Vec::<u64>::decode(encoded).expect_err("no array");
    assert!(error.message().starts_with("the answer does not decode"), "{error}");
}

#[test]
fn early_calls_keep_to_the_assumed_limits() {
    // Rule 1.6.
    let mut client = Client::connected(client::Config::new(LEAST, None, Structs::Named));
    for _ in 0..200 {
        client.send(early(ping(0)));
    }
    assert_eq!(client.machine.in_flight(client.link), 128);

    // What may not run twice waits: nobody could say whether it ran, if this connection ended now.
    let mut client = Client::connected(client::Config::new(LEAST, None, Structs::Named));
    client.send(ping(0));
    assert_eq!(client.machine.in_flight(client.link), 0);

    let mut client = Client::connected(client::Config::new(LEAST, None, Structs::Named));
    client.written();
    let large = client.send(early(ping(LEAST)));
    client.send(early(ping(0)));
    assert!(client.written().is_empty(), "it waits for the hello, and what is behind it too");
    let mut server = Server::new(server::Config::new(LEAST * 2, 8));
    server.feed(&PREFACE).expect("a right preface");
    server.feed(&EMPTY_HELLO).expect("a right hello");
    client.feed(&server.written()).expect("a right opening");
    client.transmit();
    assert_eq!(client.machine.in_flight(client.link), 2);
    assert!(client.machine.waiter(large).is_none());
}

#[test]
fn a_request_may_be_cancelled_once() {
    // Rule 4.5.
    let mut server = Server::opened(server_config());
    for id in 0..100 {
        let (key, request) = server.call(&framed(&[0x94, 0, id, 0xa1, b'm', 0x90]));
        server.machine.answer(key, request.done().outcome());
    }
    server.written();
    // Each of them crossed a response.
    for id in 0..100 {
        let cancel = framed(&[0x93, 6, id, 0xc0]);
        assert!(server.feed(&cancel).expect("as many as there were requests").is_empty());
    }
    assert!(server.written().is_empty());
    let violation = server.feed(&framed(&[0x93, 6, 7, 0xc0])).expect_err("one too many");
    assert_eq!(violation, Violation::TooManyCancels);
}

#[test]
fn a_flood_of_free_frames_is_a_violation() {
    // Rule 8.3: pings, pongs that nobody asked for, and types that are ignored.
    for frame in [&[0x93, 11, 7, 0xc0][..], &[0x93, 12, 7, 0xc0], &[0x92, 64, 0xc0]] {
        let mut server = Server::opened(server_config());
        let mut client = Client::opened(client_config(), server_config());
        let (now, interval) = (Instant::now(), limits::PING_INTERVAL);
        let burst = framed(frame).repeat(limits::FREE_FRAMES as usize);
        server.feed(&burst).expect("a burst is taken");
        client.feed(&burst).expect("a burst is taken");
        for later in 1..100 {
            (server.now, client.now) = (now + interval * later, now + interval * later);
            server.feed(&framed(frame)).expect("one every interval is taken");
            client.feed(&framed(frame)).expect("one every interval is taken");
        }
        let flood = Violation::Flood { interval };
        assert_eq!(server.feed(&framed(frame)).err(), Some(flood.clone()));
        assert_eq!(client.feed(&framed(frame)).err(), Some(flood));
    }
}

#[test]
fn a_call_with_a_large_segment_arrives_whole() {
    let data = Bytes::from(vec![9; 40 << 10]);
    let outgoing = call("Echo.ping", |out| {
        msgpack::write_array_len(out.buffer(), 2);
        out.bytes(&data);
        out.str("behind");
    });
    let mut client = Client::opened(client_config(), server_config());
    client.send(outgoing);
    let mut server = Server::opened(server_config());
    let (_, request) = server.call(&client.written());
    let mut arguments = request.arguments();
    assert_eq!(Bytes::decode(arguments.take("data")).expect("bytes"), data);
    assert_eq!(arguments.take("tail").str().expect("text"), "behind");
}

#[test]
fn an_error_that_is_too_large_for_its_reader_is_cut() {
    // Rule 6.1 for the text; details go when they would take half of a message.
    let mut server = Server::opened(server_config());
    let (key, _request) = server.call(&framed(&call_of_size(Some(7), 100)));
    let error = rpc_core::Error::aborted("ä".repeat(5000));
    server.machine.answer(key, Err(&error));
    let refused = refusal(&server.written());
    assert_eq!(refused.message, "ä".repeat(2048));
    let details = Bytes::from(vec![0; LEAST]);
    let error = rpc_core::Error::unknown("much to tell").with_details(details, true);
    let (key, _request) = server.call(&framed(&call_of_size(Some(7), 100)));
    server.machine.answer(key, Err(&error));
    let expected = Refusal {
        id: 7,
        code: Code::Unknown,
        message: format!(
            "much to tell (its details have {LEAST} bytes, too many for the {LEAST} that the client accepts; raise it with \
             `max_message_size` on the channel's builder)"
        ),
        flags: 0,
        retry_after: None,
    };
    assert_eq!(refusal(&server.written()), expected);
}

#[test]
fn a_client_closes_for_its_servers_violation_and_says_why() {
    let mut client = Client::opened(client_config(), server_config());
    let violation = client.feed(&EMPTY_HELLO).expect_err("a second hello");
    assert_eq!(violation, Violation::SecondHello);
    client.machine.violated(client.link, &violation);
    let mut server = Server::opened(server_config());
    let asked = server.feed(&client.written()).expect("a go-away");
    let [Asked::GoAway(Some(reason))] = &asked[..] else {
        unreachable!("a go-away with its reason was expected, not {asked:?}");
    };
    assert_eq!(reason.message(), Violation::SecondHello.to_string());
}

#[test]
fn a_call_without_a_timeout_is_not_given_the_default_one() {
    // Rule 4.7: without a timeout in its metadata it would get the one of the hello.
    let default = Some(Duration::from_secs(30));
    let mut client = Client::connected(client::Config::new(LEAST, default, Structs::Named));
    let mut server = Server::new(server_config());
    server.feed(&client.written()).expect("a right opening");
    client.submit(early(ping(0)), Some(client.now + Duration::from_secs(30)));
    client.submit(early(ping(0)), None);
    client.transmit();
    let mut left = Vec::new();
    for asked in server.feed(&client.written()).expect("two calls") {
        if let Asked::Call(_, request) = asked {
            left.push(request.context().deadline().map(|deadline| deadline - server.now));
        }
    }
    assert_eq!(left, [default, None]);
}

#[test]
fn a_limit_above_every_frame_is_read_as_the_largest_frame() {
    // Rule 2.3: what the peer announces cannot make this end write a frame that no end accepts.
    let config = client::Config::new(usize::MAX, None, Structs::Named);
    assert_eq!(config.max_message_size, MAX_FRAME_SIZE);
    assert_eq!(server::Config::new(usize::MAX, 1).max_message_size, MAX_FRAME_SIZE);
}

#[test]
fn a_server_that_drains_refuses_whatever_its_size() {
    // Rule 9.2.
    for size in [100, LEAST + 1] {
        let mut server = Server::opened(server_config());
        server.machine.go_away();
        server.written();
        let asked = server.feed(&framed(&call_of_size(Some(7), size))).expect("no violation");
        assert!(asked.is_empty());
        let refused = refusal(&server.written());
        assert_eq!((refused.id, refused.code, refused.flags), (7, Code::Unavailable, 1));
        assert!(server.feed(&framed(&call_of_size(None, size))).expect("no violation").is_empty());
        assert!(server.written().is_empty());
        assert!(server.machine.is_finished());
    }
}

#[test]
fn metadata_that_a_client_lets_pass_is_accepted_by_the_server() {
    // Whatever the protocol adds to it.
    let mut largest = None;
    for size in MAX_METADATA_SIZE - 64..=MAX_METADATA_SIZE {
        let mut metadata = Metadata::new();
        metadata.insert("k", &"v".repeat(size));
        if metadata.check(MAX_METADATA_SIZE).is_ok() {
            largest = Some(metadata);
        }
    }
    let largest = largest.expect("nearly 8 KiB are allowed");
    let mut client = Client::opened(client_config(), server_config());
    let outgoing = client::Outgoing { metadata: Some(Arc::new(largest)), ..ping(0) };
    client.submit(outgoing, Some(client.now + Duration::from_secs(1 << 31)));
    client.transmit();
    let mut server = Server::opened(server_config());
    let asked = server.feed(&client.written()).expect("no violation");
    assert!(matches!(asked[..], [Asked::Call(..)]), "{asked:?}");
}

#[test]
fn pings_do_not_grow_the_output_of_an_end_that_cannot_write() {
    // A client reads always, so this is the end that a server which never reads could fill.
    let mut client = Client::opened(client_config(), server_config());
    for _ in 0..1 << 18 {
        client.now += limits::PING_INTERVAL;
        client.feed(&framed(&[0x93, 11, 7, 0xc0])).expect("one every interval is taken");
    }
    let unsent = bytes::Buf::remaining(client.machine.output(client.link));
    assert!(unsent <= limits::WRITE_HIGH_WATER + 32, "{unsent} bytes");
}
