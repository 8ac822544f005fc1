//! What a server does with streams, one step at a time, where the simulator would tell it late.

use std::time::Instant;

use bytes::Buf;

use super::{Blocked, CallKey, Config, Connection, Content, Event, Shape, Stream};
use crate::{
    Error, connection::server::Overdue, frame::Frame, hello::Hello, limits::FRAGMENT, message,
    payload::Body, value::Encoder,
};

impl Connection {
    pub(in crate::connection) fn gauge(&self) -> crate::connection::Gauge {
        let is_stuck = |stream: &&Stream| match stream.blocked {
            Blocked::No => false,
            Blocked::Stream => stream.sending.admits_all(),
            Blocked::Connection => self.streams.sending.admits_all(),
        };
        crate::connection::Gauge {
            stuck: self.streams.table.values().filter(is_stuck).count(),
            streams: self.streams.table.len(),
            sent: self.streams.sending.outstanding(),
            arrived: self.streams.receiving.outstanding(),
            untaken: self.streams.receiving.untaken(),
            is_idle: self.bulk.is_empty() && self.assembly.is_idle(),
        }
    }
}

struct Server {
    machine: Connection,
    now: Instant,
}

impl Server {
    /// A server whose client has windows of these sizes.
    fn new(stream_window: usize, connection_window: usize, config: Config) -> Self {
        let mut server = Self { machine: Connection::new(config), now: Instant::now() };
        server.machine.open((1, 0));
        let hello = Hello {
            max_message_size: 1 << 20,
            stream_window,
            connection_window,
            ..Hello::default()
        };
        server.receive(|out| message::write_hello(out, &hello));
        server.written();
        server
    }

    fn receive(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Event {
        let mut message = Vec::new();
        write(&mut message);
        let mut frame = Frame::Whole(Body::Small(message));
        self.machine.receive(&mut frame, self.now).expect("no violation")
    }

    /// A call with this id, which is also its handle; its client sends a stream if it `takes`.
    fn call(&mut self, id: u8, takes: bool) -> CallKey {
        let Event::Call(key, incoming) =
            self.receive(|out| out.extend([0x94, 0, id, 0xa1, b'm', 0x90]))
        else {
            unreachable!("it is a call")
        };
        self.machine.pending(key, id.into(), incoming.deadline());
        self.machine.streams(key, id.into(), Shape { takes });
        key
    }

    /// Sends an item whose message has so many bytes.
    fn send(&mut self, key: CallKey, size: usize, lost: u64) -> bool {
        let mut item = Encoder::default();
        item.buffer().resize(size - 4, 1);
        self.machine.send(key, Content::Item(&mut item), lost)
    }

    /// The types of the messages that were written; large ones are left.
    fn written(&mut self) -> Vec<u64> {
        let output = self.machine.output();
        let bytes = output.copy_to_bytes(output.remaining());
        kinds(&bytes)
    }
}

/// The types of these messages; a preface may stand in front.
fn kinds(mut bytes: &[u8]) -> Vec<u64> {
    let mut kinds = Vec::new();
    if bytes.starts_with(b"\0RPC") {
        bytes = &bytes[8..];
    }
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (message, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        kinds.push(message::kind_of(message));
        bytes = rest;
    }
    kinds
}

const LOST: u64 = 16;
const ITEM: u64 = 7;
const CREDIT: u64 = 9;
const CANCEL: u64 = 6;

#[test]
fn a_gap_is_told_before_its_item_has_room() {
    let mut server = Server::new(100, 1 << 20, Config::default());
    let key = server.call(1, false);
    assert!(server.send(key, 48, 0));
    assert_eq!(server.written(), [ITEM]);
    // The gap takes what is outstanding beyond the half, so the item has to wait, and the gap is told once.
    assert!(!server.send(key, 60, 3));
    assert_eq!(server.written(), [LOST]);
    assert!(!server.send(key, 60, 3));
    assert!(server.written().is_empty());
    assert!(matches!(server.receive(|out| message::write_credit(out, Some(1), 53)), Event::Room));
    assert_eq!((server.machine.next_ready(), server.machine.next_ready()), (Some(1), None));
    assert!(server.send(key, 60, 3));
    assert_eq!(server.written(), [ITEM]);
    assert!(server.send(key, 20, 1));
    assert_eq!(server.written(), [LOST, ITEM], "the next gap is another one");
}

#[test]
fn room_that_a_cancelled_call_gives_up_goes_to_others() {
    let mut server = Server::new(1 << 20, 1000, Config::default());
    let (large, small) = (server.call(1, false), server.call(2, false));
    assert!(server.send(large, 2 * FRAGMENT, 0));
    assert!(!server.send(small, 10, 0), "the connection's window is full");
    assert!(server.written().is_empty(), "the large item waits for its turn");
    assert!(matches!(
        server.receive(|out| message::write_cancel(out, 1)),
        Event::Cancel { handle: 1 }
    ));
    assert_eq!((server.machine.next_ready(), server.machine.next_ready()), (Some(2), None));
    assert!(server.send(small, 10, 0));
    assert_eq!(server.machine.gauge().sent, 10);
}

#[test]
fn room_that_an_expired_call_gives_up_goes_to_others() {
    let max_timeout = std::time::Duration::from_millis(1);
    let mut server = Server::new(1 << 20, 1000, Config { max_timeout, ..Config::default() });
    let large = server.call(1, false);
    server.now += max_timeout / 2;
    let small = server.call(2, false);
    assert!(server.send(large, 2 * FRAGMENT, 0) && !server.send(small, 10, 0));
    let mut expired = Vec::new();
    let overdue: Option<Overdue> =
        server.machine.expire(server.now + max_timeout / 2, |handle| expired.push(handle));
    assert_eq!((overdue, &expired[..]), (None, &[1][..]));
    assert_eq!(server.machine.next_ready(), Some(2));
}

#[test]
fn an_item_that_does_not_fit_takes_its_turn_behind_those_that_wait() {
    let window = 6 * FRAGMENT;
    let mut server = Server::new(1 << 20, window, Config::default());
    let (one, other) = (server.call(1, false), server.call(2, false));
    assert!(server.send(one, 2 * FRAGMENT, 0) && server.send(one, 30, 0));
    assert!(server.send(other, 40, 0));
    assert_eq!(server.written(), [ITEM], "what fits goes first");
    let failure = Error::aborted("no").with_details(vec![0; 5 * FRAGMENT].into(), true);
    assert!(server.machine.send(other, Content::Failure(&failure), 0));
    assert!(server.written().is_empty(), "what does not fit waits, small or large");
    server.machine.finish_parts();
    assert_eq!(*server.written().last().expect("parts"), 10);
}

#[test]
fn what_a_handler_leaves_goes_back_to_the_window_once() {
    let config = Config { stream_window: 1 << 20, connection_window: 200, ..Config::default() };
    let mut server = Server::new(0, 0, config);
    let key = server.call(1, true);
    let item = |out: &mut Vec<u8>| out.extend([&[0x94, 7, 1, 0xc0][..], &[1; 36]].concat());
    for _ in 0..2 {
        assert!(matches!(server.receive(item), Event::Item { handle: 1, cost: 40, .. }));
    }
    server.machine.took(key, 40);
    assert!(server.written().is_empty(), "less than a quarter of a window was taken");
    server.machine.stop_items(key);
    assert_eq!(server.written(), [CANCEL, CREDIT]);
    // What was taken and told late has been counted.
    server.machine.took(key, 40);
    assert!(matches!(server.receive(item), Event::None));
    assert_eq!(server.machine.gauge().untaken, 0);
    server.machine.finish(key, Err(&Error::aborted("no")));
    assert!(matches!(server.receive(item), Event::None));
    let gauge = server.machine.gauge();
    assert_eq!((gauge.streams, gauge.untaken), (0, 0));
}

#[test]
fn items_of_a_one_way_call_go_nowhere() {
    let mut server = Server::new(1000, 1000, Config::default());
    let Event::Call(key, _) = server.receive(|out| out.extend([0x93, 2, 0xa1, b'm', 0x90])) else {
        unreachable!("it is a call")
    };
    server.machine.pending(key, 1, None);
    server.machine.streams(key, 1, Shape { takes: true });
    assert!(server.send(key, 10, 1));
    server.machine.took(key, 10);
    server.machine.stop_items(key);
    assert!(server.written().is_empty());
    server.machine.finish(key, Err(&Error::aborted("no")));
    assert_eq!(server.machine.gauge().streams, 0);
}

#[test]
fn credit_that_crosses_an_answer_is_bounded_by_what_was_sent() {
    let mut server =
        Server::new(1 << 20, 1 << 20, Config { stream_window: 0, ..Config::new(0, 8) });
    let key = server.call(1, false);
    for _ in 0..100 {
        assert!(server.send(key, 10_000, 0));
    }
    server.machine.finish(key, Err(&Error::aborted("no")));
    server.written();
    for _ in 0..100_000 {
        let event = server.receive(|out| message::write_credit(out, Some(1), 10));
        assert!(matches!(event, Event::None), "{event:?}");
    }
}
