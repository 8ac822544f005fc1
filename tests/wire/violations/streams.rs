//! What of parts and of streams ends a connection: rules 2.8, 2.9, 10.3 and 10.6 to 10.8.

use rpc_core::{Violation, connection::client, connection::server, msgpack};

use super::{at_client, at_server, both_find, client_config, client_finds, opened, server_config};
use crate::ends::{Client, Got, LEAST, PREFACE, Server, early, framed, ping, streaming};

/// The request with the id 7.
const REQUEST: &[u8] = &[0x94, 0, 7, 0xa1, b'm', 0x90];

/// A part in this state with these bytes.
fn part(state: u8, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![0x93, 10, state];
    msgpack::write_bin(&mut message, bytes);
    message
}

/// An item with this id, whose message has so many bytes.
fn item(id: u8, size: usize) -> Vec<u8> {
    let mut message = vec![0x94, 7, id, 0xc0, 0xc6];
    let left = u32::try_from(size - 9).expect("a test's item is small");
    message.extend(left.to_be_bytes());
    message.resize(size, 1);
    message
}

fn credit(id: Option<u8>, bytes: u64) -> Vec<u8> {
    let mut message = vec![0x94, 9, id.unwrap_or(0xc0)];
    msgpack::write_uint(&mut message, bytes);
    message.push(0xc0);
    message
}

#[test]
fn parts_that_make_no_message() {
    // Rule 2.8.
    let wrong = |what| Violation::Part { what };
    let beginning = part(1, &REQUEST[..3]);
    let empty = wrong("an empty part");
    both_find(&opened(&[&part(0, &[])]), &empty);
    both_find(&opened(&[&part(1, &[])]), &empty);
    both_find(&opened(&[&beginning, &part(0, &[])]), &empty);
    let no_end = wrong("the end of a message that did not begin");
    both_find(&opened(&[&part(2, &[])]), &no_end);
    both_find(&opened(&[&beginning, &part(2, &[]), &part(2, &[])]), &no_end);
    let nested = wrong("a part that holds a part");
    both_find(&opened(&[&part(0, &part(0, REQUEST))]), &nested);
    both_find(&opened(&[&part(1, &[0x93]), &part(0, &[10, 0, 0xc4, 0])]), &nested);
    let behind = [part(0, REQUEST), vec![0xc0]].concat();
    both_find(&opened(&[&behind]), &wrong("bytes behind a part"));
    both_find(&opened(&[&part(3, REQUEST)]), &Violation::PartState { state: 3 });
}

#[test]
fn what_parts_make_is_held_to_every_rule() {
    let pieces = |message: &[u8]| {
        let mut pieces: Vec<_> = message.chunks(2).map(|piece| part(1, piece)).collect();
        pieces.last_mut().expect("a message is not empty")[2] = 0;
        pieces
    };
    let in_parts = |message: &[u8]| {
        let pieces = pieces(message);
        opened(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>())
    };
    both_find(&in_parts(&[0x91, 21]), &Violation::UnknownType { kind: 21 });
    both_find(&in_parts(&[0x92, 14, 0x80]), &Violation::SecondHello);
    let hello = [&PREFACE[..], &framed(&part(0, &[0x92, 14, 0x80]))].concat();
    both_find(&hello, &Violation::HelloExpected { kind: 10 });
    let response = [0x94, 1, 9, 0xc0, 0xc0];
    client_finds(&in_parts(&response), &Violation::NotOutstanding { id: 9 });
    // The limit holds for the whole.
    let size = LEAST + 1;
    let mut pong = vec![0x93, 12, 0];
    pong.resize(size, 0xc0);
    let bytes = opened(&[&part(1, &pong[..size / 2]), &part(0, &pong[size / 2..])]);
    let violation = Violation::MessageTooLarge { kind: 12, size };
    assert_eq!(at_server(&bytes, 999), Err(violation.clone()));
    assert_eq!(at_client(&bytes, 999), Err(violation));
    // And for each part, as for every frame.
    let bytes = opened(&[&part(1, &pong)]);
    let violation = Violation::MessageTooLarge { kind: 10, size: size + 6 };
    let found = at_server(&bytes, 999).expect_err("a part above the limit");
    assert!(matches!(found, Violation::MessageTooLarge { kind: 10, .. }), "{found}, {violation}");
}

#[test]
fn parts_that_were_not_sent_are_not_received() {
    // Rule 2.9; neither end has sent one.
    for bytes in [0, 1, 1 << 18] {
        let mut message = vec![0x93, 17];
        msgpack::write_uint(&mut message, bytes);
        message.push(0xc0);
        both_find(&opened(&[&message]), &Violation::Received { bytes });
    }
}

/// A server whose windows are small, with the call of the id 7, which takes a stream.
fn taking(stream_window: usize, connection_window: usize) -> Server {
    let config = server::Config { stream_window, connection_window, ..server_config() };
    let mut server = Server::streaming(config, client_config(), true);
    server.feed(&framed(REQUEST)).expect("a call");
    server
}

/// A client whose windows are small, with calls of the ids 0 and 1, which are answered with streams.
fn receiving(stream_window: usize, connection_window: usize) -> Client {
    let config = client::Config { stream_window, connection_window, ..client_config() };
    let mut client = Client::opened(config, server_config());
    client.send(streaming(true, false));
    client.send(streaming(true, false));
    client
}

#[test]
fn items_for_which_there_is_no_room() {
    // Rules 10.5 and 10.6: the whole of a window may be under way, and one item more while at most half is.
    let windows = [(1000, 1 << 20), (1 << 20, 1000)];
    for sizes in [&[500, 500, 9][..], &[600, 400, 9], &[500, 30_000, 9], &[30_000, 9], &[600, 401]]
    {
        let (last, right) = sizes.split_last().expect("some items");
        for (stream, connection) in windows {
            let violation = Some(Violation::Overrun { size: *last });
            let mut server = taking(stream, connection);
            let mut client = receiving(stream, connection);
            for size in right {
                server.feed(&framed(&item(7, *size))).expect("there is room");
                client.feed(&framed(&item(1, *size))).expect("there is room");
            }
            assert_eq!(server.feed(&framed(&item(7, *last))).err(), violation, "{sizes:?}");
            assert_eq!(client.feed(&framed(&item(1, *last))).err(), violation, "{sizes:?}");
        }
    }
    // Streams have windows of their own, and one together.
    let mut client = receiving(1000, 1000);
    client.feed(&framed(&item(0, 600))).expect("there is room");
    assert_eq!(client.feed(&framed(&item(1, 600))).err(), Some(Violation::Overrun { size: 600 }));
    let mut client = receiving(1000, 2000);
    client.feed(&framed(&item(0, 600))).expect("there is room");
    client.feed(&framed(&item(1, 600))).expect("there is room for each of them");
}

#[test]
fn what_was_dropped_counts_as_an_item_does() {
    let mut client = receiving(6, 1 << 20);
    let lost = [0x94, 16, 1, 3, 0xc0];
    client.feed(&framed(&lost)).expect("there is room");
    assert_eq!(client.feed(&framed(&lost)).err(), Some(Violation::Overrun { size: 5 }));
}

#[test]
fn credit_that_nobody_can_owe() {
    // Rule 10.7, of a stream and of a connection, at both ends.
    for id in [None, Some(1)] {
        for bytes in [0, 1, u64::MAX] {
            let mut client = receiving(1000, 1000);
            let found = client.feed(&framed(&credit(id, bytes))).err();
            assert_eq!(found, Some(Violation::Credit { bytes }), "{id:?}");
        }
    }
    for id in [None, Some(7)] {
        for bytes in [0, 1, u64::MAX] {
            let mut server = taking(1000, 1000);
            let found = server.feed(&framed(&credit(id, bytes))).err();
            assert_eq!(found, Some(Violation::Credit { bytes }), "{id:?}");
        }
    }
}

#[test]
fn a_stream_that_begins_twice() {
    // Rule 10.3: an item is as good as a begin.
    let begin = framed(&[0x93, 15, 1, 0xc0]);
    for before in [begin.clone(), framed(&item(1, 20)), framed(&[0x94, 16, 1, 3, 0xc0])] {
        let mut client = receiving(1000, 1000);
        client.feed(&before).expect("the first one");
        assert_eq!(client.feed(&begin).err(), Some(Violation::BegunTwice { id: 1 }));
    }
}

#[test]
fn a_stream_of_a_call_that_is_not_outstanding() {
    // Rule 10.8.
    let messages: [&[u8]; 5] = [
        &item(9, 20),
        &[0x93, 15, 9, 0xc0],
        &[0x94, 16, 9, 3, 0xc0],
        &[0x93, 6, 9, 0xc0],
        &[0x94, 9, 9, 1, 0xc0],
    ];
    let response: &[u8] = &[0x94, 1, 0, 0xc0, 0xc0];
    for message in messages {
        client_finds(&opened(&[message]), &Violation::NotOutstanding { id: 9 });
        let mut behind = message.to_vec();
        behind[2] = 0;
        client_finds(&opened(&[response, &behind]), &Violation::NotOutstanding { id: 0 });
    }
}

#[test]
fn an_item_above_the_limit() {
    // Rule 2.4.
    let too_large = opened(&[&item(0, LEAST + 1)]);
    client_finds(&too_large, &Violation::MessageTooLarge { kind: 7, size: LEAST + 1 });
}

#[test]
fn a_stream_of_a_request_that_has_not_gone_out_whole() {
    // Rules 2.7 and 4.1: the id is outstanding from the last part on.
    let config = client::Config::new(1 << 20, None, rpc_core::Structs::Named);
    let messages: [&[u8]; 5] = [
        &item(0, 20),
        &[0x93, 15, 0, 0xc0],
        &[0x94, 16, 0, 3, 0xc0],
        &[0x93, 6, 0, 0xc0],
        &[0x94, 9, 0, 1, 0xc0],
    ];
    for message in messages {
        let mut client = Client::opened(config, server::Config::new(1 << 20, 8));
        client.send(client::Outgoing { streams: true, takes: true, ..ping(300_000) });
        assert!(client.machine.next_part(client.link), "the first part of several");
        let found = client.feed(&framed(message)).err();
        assert_eq!(found, Some(Violation::NotOutstanding { id: 0 }), "{message:?}");
    }
}

#[test]
fn more_late_items_than_can_have_crossed() {
    // Rule 10.8, at a server: what fits into a window, one item of any size, and a bit more.
    let config = server::Config { stream_window: 1000, ..server_config() };
    let mut server = Server::greeted(config, client_config());
    server.pends = true;
    let (key, _request) = server.call(&framed(REQUEST));
    server.machine.finish(key, Err(&rpc_core::Error::aborted("no")));
    let mut ignored = 0;
    let found = loop {
        match server.feed(&framed(&item(7, 1000))) {
            Ok(asked) => assert!(asked.is_empty(), "{asked:?}"),
            Err(violation) => break violation,
        }
        ignored += 1000;
    };
    assert_eq!(found, Violation::LateItems);
    assert!((1000 + LEAST..1000 + LEAST + 16_384).contains(&ignored), "{ignored} bytes");
    // Nobody asked for anything at all.
    let mut server = Server::opened(server_config());
    for message in [&item(7, 20)[..], &[0x94, 8, 7, 0xc0, 0xc0], &credit(Some(7), 5)] {
        let mut fresh = Server::opened(server_config());
        assert_eq!(fresh.feed(&framed(message)).err(), Some(Violation::LateItems));
        assert!(server.feed(&framed(message)).is_err());
    }
}

#[test]
fn more_late_credits_and_cancels_than_can_have_crossed() {
    // Rule 10.8, at a client. That its stream is not taken may be said once of a call that has none: the traits differ.
    let cancel: &[u8] = &[0x93, 6, 0, 0xc0];
    assert_eq!(at_client(&opened(&[cancel]), 99), Ok(()));
    client_finds(&opened(&[cancel, cancel]), &Violation::LateItems);
    client_finds(&opened(&[cancel, &credit(Some(0), 5)]), &Violation::LateItems);
    for message in [credit(Some(0), 5), vec![0x93, 6, 0, 0xc0], vec![0x93, 15, 0, 0xc0]] {
        let mut client = Client::opened(client_config(), server_config());
        let call = client.send(streaming(true, true));
        drop(client.machine.cancel(call));
        let ignored = (0..100).take_while(|_| client.feed(&framed(&message)).is_ok()).count();
        assert!((1..=10).contains(&ignored), "{ignored} of {message:?}");
        assert!(client.got.iter().all(|got| matches!(got, Got::Room)), "{:?}", client.got);
    }
}

#[test]
fn a_call_that_was_not_made_early_streams_nothing() {
    // Rules 10.5 and 1.5: before the hello there is no item.
    let mut client = Client::connected(client_config());
    client.send(early(streaming(true, false)));
    let bytes = [&PREFACE[..], &framed(&item(0, 20))].concat();
    assert_eq!(client.feed(&bytes).err(), Some(Violation::HelloExpected { kind: 7 }));
}
