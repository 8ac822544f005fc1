//! What comes back with a response: rules 7.1 to 7.4, beside the examples in `golden.rs`.

use std::error::Error as _;

use bytes::Bytes;
use rpc_core::{
    Code, Error, Metadata, Structs, Violation,
    connection::{
        client,
        server::{self, Shape},
    },
    limits::{FRAGMENT, LARGEST_METADATA, MAX_METADATA_SIZE},
    msgpack,
    value::Encoder,
};

use crate::ends::{Client, LEAST, Outcome, Server, framed, ping, refusal, streaming};

fn client_config() -> client::Config {
    client::Config::new(LEAST, None, Structs::Named)
}

fn server_config() -> server::Config {
    server::Config::new(LEAST, 8)
}

fn asking(outgoing: client::Outgoing) -> client::Outgoing {
    client::Outgoing { wants_metadata: true, ..outgoing }
}

fn of_size(size: usize) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.insert("k", &"v".repeat(size));
    metadata
}

fn result_of(size: usize) -> Encoder {
    let mut result = Encoder::default();
    result.bin(&vec![7; size]);
    result
}

/// What the first call of a client, which asks for the metadata if it likes, makes of these responses.
fn told(asks: bool, responses: &[u8]) -> Result<(Outcome, Option<Metadata>), Violation> {
    let mut client = Client::opened(client_config(), server_config());
    let call = client.send(client::Outgoing { wants_metadata: asks, ..ping(0) });
    client.feed(responses)?;
    Ok((Some(client.outcome(call)), client.metadata))
}

/// A response to id 0 with this metadata, whose result is 42.
fn response(metadata: &[u8]) -> Vec<u8> {
    framed(&[&[0x95, 5, 0, 0xc0], metadata, &[42]].concat())
}

/// The frame that the server answers its first call with.
fn answered(
    outcome: Result<&mut Encoder, &Error>,
    metadata: &Metadata,
) -> (Option<Error>, Vec<u8>) {
    let mut server = Server::opened(server_config());
    let (key, _) = server.call(&framed(&[0x94, 0, 0, 0xa1, b'm', 0x90]));
    let instead = server.machine.answer_with(key, outcome, metadata);
    (instead, server.written())
}

#[test]
fn numbers_mean_nothing_in_it_yet() {
    // Rule 7.4: those that mean something in a request, too, and whatever their values.
    let maps: &[&[u8]] = &[
        &[0x83, 0, 0xc0, 0xa1, b'k', 0xa1, b'v', 1, 0x91, 0x80],
        &[0xde, 0, 2, 0xcc, 200, 0xa1, b'x', 0xd9, 1, b'k', 0xda, 0, 1, b'v'],
        &[0xdf, 0, 0, 0, 2, 0xa1, b'k', 0xa1, b'1', 0xa1, b'k', 0xa1, b'v'],
    ];
    for map in maps {
        let (outcome, metadata) = told(true, &response(map)).expect("no violation");
        assert_eq!(outcome.expect("it ended").expect("an answer").as_slice(), [42]);
        assert_eq!(metadata.expect("it asks").get("k"), Some("v"));
    }
    let (_, metadata) = told(true, &response(&[0x80])).expect("an empty map is one");
    assert_eq!(metadata, Some(Metadata::new()));
}

#[test]
fn what_is_no_metadata_is_a_violation() {
    // Rules 3.3 and 7.1, whether or not somebody asks.
    for map in [&[0xc0][..], &[0x90], &[0x81, 0xc0, 1], &[0x81, 0xa1, b'k', 7], &[0x81, 0xff, 1]] {
        for asks in [false, true] {
            let violation = told(asks, &response(map)).expect_err("it is malformed");
            assert!(
                matches!(violation, Violation::Malformed { part: "the metadata", .. }),
                "{violation}"
            );
        }
    }
}

#[test]
fn only_a_server_sends_it() {
    let mut server = Server::opened(server_config());
    let violation = server.feed(&response(&[0x80])).expect_err("a client does not answer");
    assert_eq!(violation, Violation::WrongSide { kind: 5 });
}

#[test]
fn it_may_be_as_large_as_both_ends_allow() {
    let mut fits = false;
    for size in MAX_METADATA_SIZE - 64..=MAX_METADATA_SIZE + 1 {
        let metadata = of_size(size);
        let (instead, written) = answered(Ok(&mut result_of(1)), &metadata);
        if metadata.check(MAX_METADATA_SIZE).is_ok() {
            fits = true;
            assert!(instead.is_none());
            let (_, told) = told(true, &written).expect("no violation");
            assert_eq!(told, Some(metadata), "what one end lets pass, the other takes");
        } else {
            let refused = refusal(&written);
            assert_eq!((refused.code, refused.flags), (Code::ResourceExhausted, 0));
            assert!(refused.message.ends_with("`max_metadata_size` on the server"), "{refused:?}");
            assert_eq!(instead.expect("another answer").message(), refused.message);
        }
    }
    assert!(fits);
}

#[test]
fn an_error_is_told_with_what_cannot_go_along() {
    let (instead, written) = answered(Err(&Error::not_found("no such row")), &of_size(9000));
    let refused = refusal(&written);
    assert_eq!(refused.code, Code::ResourceExhausted);
    assert!(refused.message.ends_with("(the handler ended with no such row)"), "{refused:?}");
    assert!(instead.is_some());
}

#[test]
fn a_key_has_a_name() {
    let mut metadata = Metadata::new();
    metadata.insert("", "v");
    let (_, written) = answered(Ok(&mut result_of(1)), &metadata);
    let refused = refusal(&written);
    assert_eq!(refused.code, Code::Internal);
    assert_eq!(refused.message, "a key of the response's metadata is empty; give it a name");
}

#[test]
fn more_than_a_client_accepts_ends_the_call_of_who_asks() {
    let mut map = vec![0x81, 0xa1, b'k'];
    msgpack::write_str(&mut map, &"v".repeat(MAX_METADATA_SIZE));
    let (outcome, metadata) = told(true, &response(&map)).expect("no violation");
    let error = outcome.expect("it ended").expect_err("more than 8 KiB");
    assert_eq!((error.kind(), metadata), (Code::ResourceExhausted, None));
    assert!(error.message().ends_with("`max_metadata_size` on the channel's builder"), "{error}");
    assert!(!error.is_not_started());

    let (outcome, metadata) = told(false, &response(&map)).expect("no violation");
    assert_eq!(outcome.expect("it ended").expect("nobody asks").as_slice(), [42]);
    assert_eq!(metadata, None);

    let failure = [&[0x95, 5, 0, 0x94, 5, 0xa1, b'm', 0xc0, 0][..], &map, &[0xc0]].concat();
    let (outcome, _) = told(true, &framed(&failure)).expect("no violation");
    let error = outcome.expect("it ended").expect_err("it failed, with more than 8 KiB");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    assert!(error.source().expect("the server's").to_string().contains('m'));
}

#[test]
fn it_counts_in_the_size_of_the_answer() {
    // The largest answer that goes with it, byte by byte: what does not fit is an error that it goes along with.
    let metadata = of_size(1000);
    let mut fits = 0;
    for size in LEAST - 1100..LEAST - 900 {
        let (instead, written) = answered(Ok(&mut result_of(size)), &metadata);
        assert!(written.len() <= LEAST + 4, "the client accepts it");
        let (outcome, told) = told(true, &written).expect("no violation");
        assert_eq!(told.as_ref(), Some(&metadata));
        match outcome.expect("it ended") {
            Ok(_) => {
                fits += 1;
                assert!(instead.is_none());
            }
            Err(error) => {
                assert_eq!(error.kind(), Code::ResourceExhausted);
                assert!(instead.is_some() && error.message().contains("the answer has"));
            }
        }
    }
    assert!(fits > 0 && fits < 200, "{fits}");

    // The same of an error's details.
    let server = server::Config { max_metadata_size: LARGEST_METADATA, ..server_config() };
    for size in [LEAST - 40_000, LEAST - 36_000, LEAST - 33_000, LEAST] {
        let mut server = Server::opened(server);
        let (key, _) = server.call(&framed(&[0x94, 0, 0, 0xa1, b'm', 0x90]));
        let error = Error::unknown("mine").with_details(Bytes::from(vec![7; size]), true);
        server.machine.answer_with(key, Err(&error), &of_size(LARGEST_METADATA - 64));
        let written = server.written();
        assert!(written.len() <= LEAST + 4, "{size}: {}", written.len());
    }
}

#[test]
fn it_ends_a_stream() {
    let mut client = Client::opened(client_config(), server_config());
    let mut server = Server::opened(server_config());
    server.pends = true;
    server.shape = Some(Shape { takes: false });
    let metadata = of_size(3);
    for outcome in [Ok(()), Err(Error::aborted("no more"))] {
        let call = client.send(streaming(true, false));
        let (key, _) = server.call(&client.written());
        let mut nil = Encoder::default();
        msgpack::write_nil(nil.buffer());
        let answer = outcome.as_ref().map(|()| &mut nil);
        assert!(server.machine.finish_with(key, answer, &metadata).is_none());
        client.feed(&server.written()).expect("no violation");
        assert_eq!(client.outcome(call).is_ok(), outcome.is_ok());
        assert_eq!(client.metadata.take().as_ref(), Some(&metadata), "a stream always asks");
    }
}

#[test]
fn it_goes_in_front_of_an_answer_in_parts() {
    let limit = 1 << 20;
    let config = client::Config::new(limit, None, Structs::Named);
    let mut client = Client::connected(config);
    let mut server = Server::new(server_config());
    server.feed(&client.written()).expect("a right opening");
    client.feed(&server.written()).expect("a right opening");
    let metadata = of_size(1000);
    for segment in [false, true] {
        let call = client.send(asking(ping(0)));
        let (key, _) = server.call(&client.written());
        let mut result = result_of(FRAGMENT * 2);
        if segment {
            result = Encoder::default();
            result.bytes(&Bytes::from(vec![7; FRAGMENT * 2]));
        }
        assert!(server.machine.answer_with(key, Ok(&mut result), &metadata).is_none());
        let written = server.written();
        assert_eq!(written[5], 10, "the first frame is a part");
        client.feed(&written).expect("no violation");
        let payload = client.outcome(call).expect("an answer");
        assert_eq!(payload.as_slice().len(), FRAGMENT * 2 + 5);
        assert_eq!(client.metadata.take().as_ref(), Some(&metadata));
    }
}

#[test]
fn a_call_that_is_sent_again_has_that_of_its_last_response() {
    let mut client = Client::opened(client_config(), server_config());
    let call = client.send(client::Outgoing { idempotent: true, ..asking(ping(0)) });
    client.written();
    // Asked to come back in 1 ms.
    let first =
        [0x95, 5, 0, 0x95, 14, 0xa0, 0xc0, 0, 0xcd, 3, 0xe8, 0x81, 0xa1, b'k', 0xa1, b'1', 0xc0];
    client.feed(&framed(&first)).expect("no violation");
    assert!(client.machine.waiter(call).is_none(), "the call is not over");
    assert_eq!(client.metadata, None);
    client.now += std::time::Duration::from_secs(10);
    client.machine.expire(client.now, |_, error| unreachable!("no deadline passed: {error}"));
    client.transmit();
    assert!(!client.written().is_empty(), "it is sent again");
    client.feed(&response(&[0x81, 0xa1, b'k', 0xa1, b'2'])).expect("no violation");
    assert!(client.outcome(call).is_ok());
    assert_eq!(client.metadata.expect("it asks").get("k"), Some("2"));
}

#[test]
fn a_caller_that_left_is_not_told() {
    let mut client = Client::opened(client_config(), server_config());
    let call = client.send(asking(ping(0)));
    drop(client.machine.cancel(call));
    client.written();
    client.feed(&response(&[0x81, 0xa1, b'k', 0xa1, b'v'])).expect("no violation");
    assert!(client.machine.is_empty() && client.metadata.is_none());
}
