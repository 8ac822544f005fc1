//! What of parts and of streams is accepted, or ignored: rules 2.7, 10.2, 10.3 and 10.8.

use rpc_core::{
    Code, Violation,
    connection::{client::Room, server::CallKey},
    msgpack,
    value::Encoder,
};

use super::{client_config, server_config};
use crate::ends::{Asked, Client, Got, Server, framed, number, ping, streaming};

const REQUEST: &[u8] = &[0x94, 0, 7, 0xa1, b'm', 0x90];
const ITEM: &[u8] = &[0x94, 7, 7, 0xc0, 2];
const END: &[u8] = &[0x94, 8, 7, 0xc0, 0xc0];
const CREDIT: &[u8] = &[0x94, 9, 7, 5, 0xc0];

/// A server with the call of the id 7, which takes a stream if `takes` says something, and that.
fn server(takes: Option<bool>) -> (Server, CallKey) {
    let mut server = match takes {
        Some(takes) => Server::streaming(server_config(), client_config(), takes),
        None => Server::greeted(server_config(), client_config()),
    };
    server.pends = true;
    let (key, _request) = server.call(&framed(REQUEST));
    server.written();
    (server, key)
}

fn nil() -> Encoder {
    let mut encoder = Encoder::default();
    msgpack::write_nil(encoder.buffer());
    encoder
}

#[test]
fn what_crossed_the_answer_is_ignored_at_a_server() {
    for takes in [None, Some(false), Some(true)] {
        let (mut server, key) = server(takes);
        server.machine.finish(key, Ok(&mut nil()));
        server.written();
        for message in [ITEM, ITEM, END, CREDIT] {
            assert!(server.feed(&framed(message)).expect("it crossed the answer").is_empty());
            assert!(server.written().is_empty());
        }
        assert_eq!(server.machine.next_ready(), None);
    }
}

#[test]
fn items_that_were_not_asked_for_are_answered_with_a_cancel() {
    for takes in [None, Some(false)] {
        let (mut server, key) = server(takes);
        for message in [ITEM, ITEM, END] {
            assert!(server.feed(&framed(message)).expect("ignored").is_empty(), "{takes:?}");
        }
        assert_eq!(server.written(), framed(&[0x93, 6, 7, 0xc0]), "once, {takes:?}");
        server.machine.finish(key, Ok(&mut number(9)));
        assert_eq!(server.written(), framed(&[0x94, 1, 7, 0xc0, 9]), "the call goes on");
    }
}

#[test]
fn an_end_that_was_not_asked_for_is_ignored() {
    for takes in [None, Some(false)] {
        let (mut server, _) = server(takes);
        assert!(server.feed(&framed(END)).expect("ignored").is_empty());
        assert!(server.written().is_empty());
    }
}

#[test]
fn what_stands_behind_an_end_is_ignored() {
    let (mut server, _) = server(Some(true));
    let asked = server.feed(&framed(END)).expect("an end");
    assert!(matches!(asked[..], [Asked::EndOfItems(Ok(()))]), "{asked:?}");
    for message in [ITEM, END] {
        assert!(server.feed(&framed(message)).expect("ignored").is_empty());
    }
}

#[test]
fn an_end_may_say_that_a_stream_is_not_complete() {
    // Rule 10.4.
    let (mut server, _) = server(Some(true));
    let asked = server
        .feed(&framed(&[0x94, 8, 7, 0x94, 10, 0xa2, b'n', b'o', 0xc0, 0, 0xc0]))
        .expect("an end with an error");
    let [Asked::EndOfItems(Err(error))] = &asked[..] else { unreachable!("{asked:?}") };
    assert_eq!((error.kind(), error.message()), (Code::Aborted, "no"));
}

/// A client whose call with the id 0 streams both ways, and is over at the client.
fn cancelled() -> Client {
    let mut client = Client::opened(client_config(), server_config());
    let call = client.send(streaming(true, true));
    assert!(matches!(client.machine.send_item(call, &mut number(2)), Ok(Room::Sent)));
    drop(client.machine.cancel(call));
    client.written();
    client
}

#[test]
fn what_crossed_the_cancel_is_ignored_at_a_client() {
    let messages: [&[u8]; 5] = [
        &[0x93, 15, 0, 0xc0],
        &[0x94, 7, 0, 0xc0, 2],
        &[0x94, 16, 0, 3, 0xc0],
        &[0x93, 6, 0, 0xc0],
        &[0x94, 9, 0, 5, 0xc0],
    ];
    let mut client = cancelled();
    for message in messages {
        client.feed(&framed(message)).expect("it crossed the cancel");
        assert!(client.got.is_empty() && client.written().is_empty(), "{:?}", client.got);
    }
    client.feed(&framed(&[0x94, 1, 0, 0xc0, 0xc0])).expect("the answer");
    assert!(client.machine.is_empty());
}

#[test]
fn a_stream_need_not_say_that_it_begins() {
    let mut client = Client::opened(client_config(), server_config());
    let call = client.send(streaming(true, false));
    client.feed(&framed(&[0x94, 7, 0, 0xc0, 2])).expect("an item");
    assert!(matches!(&client.got[..], [Got::Item(Ok(item), 5)] if item.as_slice() == [2]));
    client.feed(&framed(&[0x94, 1, 0, 0xc0, 0xc0])).expect("the end");
    assert!(client.outcome(call).is_ok());
}

#[test]
fn a_stream_where_one_answer_was_expected_fails_its_call_alone() {
    let messages: [&[u8]; 3] =
        [&[0x94, 7, 0, 0xc0, 2], &[0x93, 15, 0, 0xc0], &[0x94, 16, 0, 3, 0xc0]];
    for message in messages {
        let mut client = Client::opened(client_config(), server_config());
        let call = client.send(ping(0));
        client.written();
        client.feed(&framed(message)).expect("no violation");
        assert_eq!(client.outcome(call).expect_err("it streams").kind(), Code::Internal);
        assert_eq!(client.written(), framed(&[0x93, 6, 0, 0xc0]));
        client.feed(&framed(&[0x94, 7, 0, 0xc0, 2])).expect("it crossed the cancel");
        client.feed(&framed(&[0x94, 1, 0, 0xc0, 0xc0])).expect("the answer to the cancel");
        assert!(client.machine.is_empty());
    }
}

#[test]
fn a_stream_that_is_not_taken_of_a_call_that_has_none_is_ignored() {
    let mut client = Client::opened(client_config(), server_config());
    let call = client.send(ping(0));
    client.written();
    client.feed(&framed(&[0x93, 6, 0, 0xc0])).expect("no violation");
    assert!(client.written().is_empty());
    client.feed(&framed(&[0x94, 1, 0, 0xc0, 5])).expect("the answer");
    assert_eq!(client.outcome(call).expect("an answer").as_slice(), [5]);
}

#[test]
fn parts_may_have_any_size_and_be_mixed_with_whole_messages() {
    // Rule 2.7.
    let (mut server, _) = server(None);
    for (index, byte) in REQUEST.iter().enumerate() {
        let state = u8::from(index + 1 < REQUEST.len());
        let byte = if index == 2 { &8 } else { byte };
        let asked = server.feed(&framed(&[0x93, 10, state, 0xc4, 1, *byte])).expect("a part");
        assert_eq!(asked.len(), usize::from(state == 0));
        server.feed(&framed(&[0x93, 11, 1, 0xc0])).expect("a ping");
        assert_eq!(server.written(), framed(&[0x93, 12, 1, 0xc0]));
    }
}

#[test]
fn a_request_in_parts_that_is_too_large_is_refused_before_its_end() {
    let (mut server, _) = server(None);
    let mut part = vec![0x93, 10, 1, 0xc5, 0x40, 0];
    part.extend([0x94, 0, 8, 0xa1, b'm']);
    part.resize(6 + 0x4000, 0);
    for _ in 0..4 {
        assert!(server.feed(&framed(&part)).expect("a part").is_empty());
        assert!(server.written().is_empty());
    }
    server.feed(&framed(&part)).expect("a part too many");
    let refusal = crate::ends::refusal(&server.written());
    assert_eq!((refusal.id, refusal.code, refusal.flags), (8, Code::ResourceExhausted, 1));
    for _ in 0..4 {
        server.feed(&framed(&part)).expect("what follows is discarded");
    }
    assert!(server.written().is_empty());
    part[2] = 0;
    server.feed(&framed(&part)).expect("its end");
    server.call(&framed(&[0x94, 0, 9, 0xa1, b'm', 0x90]));
}

#[test]
fn an_answer_may_come_before_its_request_has_gone_out_whole() {
    // A server that refuses a request for its size need not wait for the rest of it.
    let config = rpc_core::connection::client::Config::new(1 << 20, None, rpc_core::Structs::Named);
    let mut client = Client::opened(config, rpc_core::connection::server::Config::new(1 << 20, 8));
    let call = client.send(ping(300_000));
    assert!(client.machine.next_part(client.link));
    crate::ends::drain(client.machine.output(client.link));
    let refusal = [0x94, 1, 0, 0x94, 8, 0xa0, 0xc0, 1, 0xc0];
    client.feed(&framed(&refusal)).expect("no violation");
    assert!(client.outcome(call).expect_err("refused").is_not_started());
    assert_eq!(client.written(), framed(&[0x93, 10, 2, 0xc4, 0]), "the rest is not sent");
    assert_eq!(client.feed(&framed(&refusal)).err(), Some(Violation::NotOutstanding { id: 0 }));
    assert!(client.machine.is_empty());
}
