//! The examples of rules 2.7 to 2.9 and 10: parts of messages, and items of streams.

use bytes::Bytes;
use rpc_core::{
    Code, Error, Value, Violation,
    connection::client::{self, Room},
    connection::server::CallKey,
    limits::{FRAGMENT, PARTS_TOLD},
    msgpack::{self, Reader},
    stream::Content,
    value::{Encoded, Encoder},
};

use super::{answer_of, client_at_seven, client_config, examples, same, server_config};
use crate::ends::{Asked, Client, Got, Server, call, framed, number, ping, streaming};

fn example(name: &str) -> Vec<u8> {
    examples().into_iter().find(|(known, _)| *known == name).expect("an example").1
}

/// A client whose call with the id 7 streams.
fn client_that_streams(streams: bool, takes: bool) -> (Client, client::CallRef) {
    let mut client = client_at_seven();
    let call = client.send(streaming(streams, takes));
    client.written();
    (client, call)
}

/// A server with the call of the id 7, which streams.
fn server_that_streams(takes: bool) -> (Server, CallKey) {
    let mut server = Server::streaming(server_config(), client_config(), takes);
    let (key, _request) = server.call(&framed(&[0x94, 0, 7, 0xa3, b'S', b'.', b'm', 0x90]));
    server.written();
    (server, key)
}

/// The state and the bytes of the parts in `bytes`, which are nothing else.
fn parts(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut parts = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (message, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        bytes = rest;
        let mut reader = Reader::new(message);
        assert_eq!((reader.array_len(), reader.unsigned()), (Ok(3), Ok(10)));
        let state = reader.unsigned().expect("a state");
        parts.push((state, reader.bin().expect("bytes").to_vec()));
        assert!(reader.rest().is_empty(), "nothing stands behind a part's bytes");
    }
    parts
}

/// A request that is large enough for parts, and its size.
fn large() -> (client::Outgoing, usize) {
    let data = Bytes::from(vec![7; 2 * FRAGMENT]);
    let outgoing = call("Echo.ping", |out| {
        msgpack::write_array_len(out.buffer(), 1);
        out.bytes(&data);
    });
    let size = 4 + "Echo.ping".len() + outgoing.arguments.len();
    (outgoing, size)
}

pub(super) fn first_part(_: &[u8]) {
    // Written ones are larger than those of the document: the first ones say that others follow.
    let mut client = client_at_seven();
    let (outgoing, size) = large();
    client.send(outgoing);
    let parts = parts(&client.written());
    let states: Vec<u64> = parts.iter().map(|(state, _)| *state).collect();
    assert_eq!(states, [1, 1, 0]);
    let whole: Vec<u8> = parts.into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert_eq!(whole.len(), size);
    assert_eq!(whole[..4], [0x94, 0, 7, 0xa9], "a request with the id 7");
}

pub(super) fn last_part(example_of_last: &[u8]) {
    let mut server = Server::opened(server_config());
    let asked = server.feed(&example("part-first")).expect("a part");
    assert!(asked.is_empty(), "{asked:?}");
    // What is whole finds its place between two parts.
    server.feed(&example("ping")).expect("a ping");
    same(&server.written(), &example("pong"));
    let (_, request) = server.call(example_of_last);
    assert_eq!(request.context().method(), "Echo.ping");
    assert_eq!(request.arguments().take("data").bin().expect("bytes"), b"hi");
    let pieces = [example("part-first"), example_of_last.to_vec()].concat();
    let whole: Vec<u8> = parts(&pieces).into_iter().flat_map(|(_, bytes)| bytes).collect();
    same(&framed(&whole), &example("request"));
}

pub(super) fn abandoned_part(example_of_abandoned: &[u8]) {
    let mut client = client_at_seven();
    let (outgoing, _) = large();
    let call = client.send(outgoing);
    assert!(client.machine.next_part(client.link));
    let output = client.machine.output(client.link);
    let sent = crate::ends::drain(output);
    assert_eq!(parts(&sent).len(), 1);
    assert!(client.machine.cancel(call).is_some(), "the request has not gone out whole");
    same(&client.written(), example_of_abandoned);
    assert_eq!(client.machine.in_flight(client.link), 7);

    let mut server = Server::opened(server_config());
    server.feed(&example("part-first")).expect("a part");
    assert!(server.feed(example_of_abandoned).expect("the end of it").is_empty());
    let (_, request) = server.call(&example("request"));
    assert_eq!(request.context().method(), "Echo.ping", "another message may begin");
}

pub(super) fn received(example: &[u8]) {
    let mut server = Server::opened(server_config());
    let mut part = vec![0x93, 10, 1];
    msgpack::write_bin(&mut part, &vec![0; FRAGMENT]);
    server.feed(&framed(&part)).expect("a part");
    assert!(server.written().is_empty());
    server.feed(&framed(&part)).expect("another one");
    same(&server.written(), example);

    let mut client = client_at_seven();
    let too_early = client.feed(example).err();
    assert_eq!(
        too_early,
        Some(Violation::Received { bytes: PARTS_TOLD as u64 }),
        "nothing was sent"
    );
    let mut client = client_at_seven();
    client.send(large().0);
    client.written();
    client.feed(example).expect("so much was sent");
    assert_eq!(client.feed(example).err(), Some(Violation::Received { bytes: PARTS_TOLD as u64 }));
}

pub(super) fn item_of_a_client(example: &[u8]) {
    let (mut client, call) = client_that_streams(false, true);
    assert!(matches!(client.machine.send_item(call, &mut number(2)), Ok(Room::Sent)));
    same(&client.written(), example);

    let (mut server, key) = server_that_streams(true);
    let asked = server.feed(example).expect("an item");
    let [Asked::Item(Ok(item), 5)] = &asked[..] else { unreachable!("{asked:?}") };
    assert_eq!(item.as_slice(), [2]);
    let asked = server.feed(&framed(&[0x94, 7, 7, 0xc0, 3])).expect("another one");
    assert!(matches!(&asked[..], [Asked::Item(Ok(item), 5)] if item.as_slice() == [3]));
    server.machine.took(key, 10);
    assert!(server.written().is_empty(), "no credit is due for so little");
}

pub(super) fn end(example: &[u8]) {
    let (mut client, call) = client_that_streams(false, true);
    assert_eq!(client.machine.end_items(call, None), Room::Sent);
    same(&client.written(), example);
    assert_eq!(client.machine.end_items(call, None), Room::Closed);
    assert!(client.written().is_empty(), "a stream ends once");

    let (mut server, key) = server_that_streams(true);
    let asked = server.feed(example).expect("an end");
    assert!(matches!(asked[..], [Asked::EndOfItems(Ok(()))]), "{asked:?}");
    server.machine.finish(key, Ok(&mut number(5)));
    client.feed(&server.written()).expect("the call goes on until its answer");
    assert_eq!(client.outcome(call).expect("an answer").as_slice(), [5]);
}

fn text(text: &str) -> Encoder {
    let mut encoder = Encoder::default();
    encoder.str(text);
    encoder
}

pub(super) fn items(example: &[u8]) {
    let (mut server, key) = server_that_streams(false);
    let mut two = number(2);
    msgpack::write_uint(two.buffer(), 3);
    assert!(server.machine.send(key, Content::Items(&mut two, 2), 0));
    same(&server.written(), example);

    let (mut client, _) = client_that_streams(true, false);
    client.feed(example).expect("two items");
    let [Got::Item(Ok(items), 6)] = &client.got[..] else { unreachable!("{:?}", client.got) };
    assert_eq!(items.as_slice(), [2, 3]);
}

pub(super) fn item_of_a_server(example: &[u8]) {
    let (mut server, key) = server_that_streams(false);
    assert!(server.machine.send(key, Content::Item(&mut text("a")), 0));
    same(&server.written(), example);

    let (mut client, call) = client_that_streams(true, false);
    client.feed(example).expect("an item");
    let [Got::Item(Ok(item), 6)] = &client.got[..] else { unreachable!("{:?}", client.got) };
    assert_eq!(String::decode(Encoded::of_payload("item", item)).expect("text"), "a");
    // The response ends the stream.
    server.machine.finish(key, Ok(&mut nil()));
    client.feed(&server.written()).expect("an answer");
    assert_eq!(client.outcome(call).expect("a complete stream").as_slice(), [0xc0]);
}

fn nil() -> Encoder {
    let mut encoder = Encoder::default();
    msgpack::write_nil(encoder.buffer());
    encoder
}

pub(super) fn item_that_is_an_error(example: &[u8]) {
    let error = Error::unknown("gone").with_details(text("Gone").into_bytes(), true);
    let (mut server, key) = server_that_streams(false);
    assert!(server.machine.send(key, Content::Failure(&error), 0));
    same(&server.written(), example);

    let (mut client, call) = client_that_streams(true, false);
    client.feed(example).expect("an item");
    let [Got::Item(Err(error), 19)] = &client.got[..] else { unreachable!("{:?}", client.got) };
    assert_eq!((error.kind(), error.message()), (Code::Unknown, "gone"));
    assert_eq!(error.details().map(|bytes| &bytes[..]), Some(&b"\xa4Gone"[..]));
    assert!(error.is_application());
    assert_eq!(client.machine.in_flight(client.link), 8, "the stream goes on");
    assert!(client.machine.waiter(call).is_none());
}

pub(super) fn begin(example: &[u8]) {
    let (mut server, key) = server_that_streams(false);
    assert!(server.machine.send(key, Content::Begin, 0));
    same(&server.written(), example);

    let (mut client, _) = client_that_streams(true, false);
    client.feed(example).expect("a stream begins");
    assert!(matches!(client.got[..], [Got::Begun]), "{:?}", client.got);
    assert_eq!(client.feed(example).err(), Some(Violation::BegunTwice { id: 7 }));
}

pub(super) fn cancel_of_a_server(cancel: &[u8]) {
    let (mut server, key) = server_that_streams(true);
    server.machine.stop_items(key);
    same(&server.written(), cancel);
    server.machine.stop_items(key);
    assert!(server.written().is_empty(), "it is said once");
    assert!(server.feed(&example("item-client")).expect("it crossed the cancel").is_empty());
    assert!(server.feed(&example("end")).expect("the answer to it").is_empty());

    let (mut client, call) = client_that_streams(false, true);
    client.feed(cancel).expect("the server takes no more");
    assert!(matches!(client.got[..], [Got::Stopped]), "{:?}", client.got);
    same(&client.written(), &example("end"));
    assert!(matches!(client.machine.send_item(call, &mut number(2)), Ok(Room::Closed)));
    assert!(client.written().is_empty());
}

/// An item of which so many fill half of a window of 256 KiB, with its head.
const EIGHTH: usize = 32 << 10;

fn eighth() -> Encoder {
    let mut encoder = Encoder::default();
    encoder.bin(&vec![7; EIGHTH - 4 - 3]);
    encoder
}

pub(super) fn credit(example: &[u8]) {
    // At a server, which takes what a client sends.
    let (mut client, call) = client_that_streams(false, true);
    let (mut server, key) = server_that_streams(true);
    for _ in 0..8 {
        assert!(matches!(client.machine.send_item(call, &mut eighth()), Ok(Room::Sent)));
        server.feed(&client.written()).expect("an item");
    }
    for _ in 0..2 {
        assert!(server.written().is_empty(), "no credit is due for so little");
        server.machine.took(key, EIGHTH as u64);
    }
    same(&server.written(), example);
    assert!(matches!(client.machine.send_item(call, &mut eighth()), Ok(Room::Blocked)));
    client.feed(example).expect("there is room again");
    assert!(matches!(client.got[..], [Got::Room]), "{:?}", client.got);
    assert!(matches!(client.machine.send_item(call, &mut eighth()), Ok(Room::Sent)));

    // And the other way round.
    let (mut server, key) = server_that_streams(false);
    let (mut client, call) = client_that_streams(true, false);
    for _ in 0..8 {
        assert!(server.machine.send(key, Content::Item(&mut eighth()), 0));
    }
    assert!(!server.machine.send(key, Content::Item(&mut eighth()), 0));
    client.feed(&server.written()).expect("items");
    client.machine.took(call, 2 * EIGHTH as u64);
    same(&client.written(), example);
    server.feed(example).expect("there is room again");
    assert_eq!(server.machine.next_ready(), Some(0));
    assert!(server.machine.send(key, Content::Item(&mut eighth()), 0));
}

pub(super) fn credit_of_a_connection(example: &[u8]) {
    // A quarter of 16 MiB was taken, by one stream.
    let (mut server, key) = server_that_streams(false);
    let (mut client, call) = client_that_streams(true, false);
    let mut credits = Vec::new();
    for _ in 0..(4 << 20) / EIGHTH {
        assert!(server.machine.send(key, Content::Item(&mut eighth()), 0));
        client.feed(&server.written()).expect("an item");
        client.machine.took(call, EIGHTH as u64);
        let written = client.written();
        server.feed(&written).expect("credit");
        credits.extend(written);
    }
    let of_streams = (4 << 20) / (64 << 10);
    same(&credits, &[self::example("credit").repeat(of_streams), example.to_vec()].concat());

    let (mut client, call) = client_that_streams(false, true);
    assert!(matches!(client.machine.send_item(call, &mut eighth()), Ok(Room::Sent)));
    let beyond = client.feed(example).err();
    assert_eq!(beyond, Some(Violation::Credit { bytes: 4 << 20 }), "so much was not sent");
}

pub(super) fn lost(example: &[u8]) {
    let (mut server, key) = server_that_streams(false);
    assert!(server.machine.send(key, Content::Item(&mut text("a")), 3));
    let written = [example, &self::example("item-server")].concat();
    same(&server.written(), &written);

    let (mut client, _) = client_that_streams(true, false);
    client.feed(&written).expect("a gap, and an item");
    assert!(matches!(client.got[..], [Got::Lost(3, 5), Got::Item(Ok(_), 6)]), "{:?}", client.got);
}

#[test]
fn an_answer_overtakes_a_larger_one() {
    // Rule 2.7: what is small goes first.
    let mut client = client_at_seven();
    let large = client.send(ping(2 * FRAGMENT));
    let small = client.send(ping(0));
    let mut server = Server::greeted(server_config(), client_config());
    let asked = server.feed(&client.written()).expect("two calls");
    let calls: Vec<_> = asked
        .into_iter()
        .map(|asked| match asked {
            Asked::Call(key, request) => (key, request),
            other => unreachable!("{other:?}"),
        })
        .collect();
    let [(small_key, small_request), (large_key, large_request)] = calls.try_into().expect("two");
    server
        .machine
        .answer(large_key, large_request.answer(&Bytes::from(vec![1; 3 * FRAGMENT])).outcome());
    server.machine.answer(small_key, small_request.answer(&Bytes::from_static(b"2")).outcome());
    client.feed(&server.written()).expect("both answers");
    assert_eq!(answer_of(&mut client, small), b"2");
    assert_eq!(answer_of(&mut client, large).len(), 3 * FRAGMENT);
}
