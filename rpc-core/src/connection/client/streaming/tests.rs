//! What a client does with streams, one step at a time, where the simulator would tell it late.

use std::time::{Duration, Instant};

use bytes::Buf;

use super::{CallRef, Channel, Event, LinkId, Room, Stage, Streams, Upload};
use crate::{
    Code, Error,
    connection::client::{Config, Outgoing, Outlook, Transmitted},
    frame::Frame,
    hello::Hello,
    limits::FRAGMENT,
    message,
    payload::Body,
    value::Encoder,
};

impl<W: Default> Channel<W> {
    pub(in crate::connection) fn gauge(&self, on: LinkId) -> crate::connection::Gauge {
        let link = self.links.get(on);
        let streams = self.calls.iter().filter(|(_, entry)| entry.link == on);
        let streams: Vec<&Streams> =
            streams.filter_map(|(_, entry)| entry.streams.as_deref()).collect();
        // Where something is to be sent, they are looked for behind it.
        let is_low = link.unsent() < self.config.write_high_water;
        let has_room = is_low && link.sending.admits_all() && !self.has_output(on);
        let is_stuck = |streams: &&&Streams| {
            has_room && streams.upload == Upload::Blocked && streams.sending.admits_all()
        };
        crate::connection::Gauge {
            stuck: streams.iter().filter(is_stuck).count(),
            streams: streams.len(),
            sent: link.sending.outstanding(),
            arrived: link.receiving.outstanding(),
            untaken: link.receiving.untaken(),
            is_idle: link.bulk.is_empty() && link.assembly.is_idle(),
        }
    }

    /// The connection that carries a call which has not ended.
    pub(in crate::connection) fn carrier(&mut self, call: CallRef) -> Option<LinkId> {
        let entry = self.calls.held(call);
        (entry.stage == Stage::Sent).then_some(entry.link)
    }
}

/// What a caller got: how its call ended, and how often it was told that it may send.
#[derive(Debug, Default)]
struct Waiter {
    outcome: Option<Result<(), Error>>,
    told: u32,
}

struct Client {
    machine: Channel<Waiter>,
    link: LinkId,
    now: Instant,
}

impl Client {
    /// A channel whose server has windows of these sizes.
    fn open(stream_window: usize, connection_window: usize, config: Config) -> Self {
        let config = Config { default_timeout: None, ..config };
        let mut machine = Channel::new(config, 1);
        let now = Instant::now();
        let link = machine.connected(now);
        let mut client = Self { machine, link, now };
        client.greet(stream_window, connection_window);
        client
    }

    fn greet(&mut self, stream_window: usize, connection_window: usize) {
        let hello = Hello {
            max_calls: 100,
            max_message_size: 1 << 20,
            stream_window,
            connection_window,
            ..Hello::default()
        };
        self.receive(|out| message::write_hello(out, &hello));
        self.written();
    }

    fn receive(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut message = Vec::new();
        write(&mut message);
        let mut frame = Frame::Whole(Body::Small(message));
        match self.machine.receive(self.link, &mut frame, self.now).expect("no violation") {
            Event::Answered(waiter, outcome) => waiter.outcome = Some(outcome.map(drop)),
            Event::Room => self.machine.unblock(self.link, |waiter| waiter.told += 1),
            _ => {}
        }
    }

    /// Sends a call; the ids of calls are 0, 1, ….
    fn call(&mut self, outgoing: Outgoing, timeout: Option<Duration>) -> CallRef {
        let mut outgoing = Outgoing { method: "m".into(), ..outgoing };
        let deadline = timeout.map(|timeout| self.now + timeout);
        let waiter = Waiter::default();
        let call = self.machine.submit(&mut outgoing, deadline, waiter, self.now).expect("room");
        self.transmit();
        call
    }

    fn transmit(&mut self) -> usize {
        let mut sent = 0;
        while let Some(transmitted) = self.machine.transmit(self.now) {
            assert!(matches!(transmitted, Transmitted::Request | Transmitted::Upload(_)));
            sent += 1;
        }
        sent
    }

    /// Sends an item whose message has so many bytes.
    fn send(&mut self, call: CallRef, size: usize) -> Room {
        let mut item = Encoder::default();
        item.buffer().resize(size - 4, 1);
        self.machine.send_item(call, &mut item).expect("it is small enough")
    }

    fn written(&mut self) -> Vec<u8> {
        let output = self.machine.output(self.link);
        output.copy_to_bytes(output.remaining()).to_vec()
    }

    /// The connection is lost behind all that was written, and there is another one.
    fn lose(&mut self) {
        let written = self.machine.output(self.link).position();
        let error = Error::unavailable("lost");
        let settled = |waiter: &mut Waiter, error| waiter.outcome = Some(Err(error));
        drop(self.machine.lost(self.link, &error, written, Outlook::Open, self.now, settled));
    }
}

fn uploads() -> Outgoing {
    Outgoing { takes: true, idempotent: true, ..Outgoing::default() }
}

#[test]
fn a_call_whose_stream_was_refused_is_not_made_again() {
    let mut client = Client::open(1000, 1000, Config::default());
    let call = client.call(uploads(), None);
    client.written();
    client.receive(|out| message::write_cancel(out, 0));
    client.written();
    client.lose();
    let outcome = client.machine.waiter(call).outcome.take().expect("the call has ended");
    assert_eq!(outcome.expect_err("it was lost").kind(), Code::Unavailable);
}

#[test]
fn a_call_of_which_nothing_has_passed_is_made_again() {
    let mut client = Client::open(1000, 1000, Config::default());
    let call = client.call(uploads(), None);
    client.written();
    client.lose();
    assert!(client.machine.waiter(call).outcome.is_none());
    client.now += Duration::from_secs(60);
    let settled = |_: &mut Waiter, error| unreachable!("nothing is due but the pause: {error}");
    client.machine.expire(client.now, settled);
    client.link = client.machine.connected(client.now);
    client.greet(1000, 1000);
    assert_eq!(client.transmit(), 1);
    assert_eq!(client.send(call, 10), Room::Sent);
}

#[test]
fn an_item_opens_a_stream_as_a_begin_does() {
    let second = Duration::from_secs(1);
    for opens in [&[0x93, 15, 0, 0xc0][..], &[0x94, 7, 0, 0xc0, 1], &[0x94, 16, 0, 3, 0xc0]] {
        let mut client = Client::open(1000, 1000, Config::default());
        let outgoing = Outgoing { streams: true, opens_only: true, ..Outgoing::default() };
        let call = client.call(outgoing, Some(second));
        client.receive(|out| out.extend(opens));
        let settled = |_: &mut Waiter, error| unreachable!("the stream has begun: {error}");
        client.machine.expire(client.now + second, settled);
        assert!(client.machine.waiter(call).outcome.is_none());
    }
}

#[test]
fn room_that_a_call_gives_up_unsent_goes_to_others() {
    let config = Config { write_high_water: 1000, ..Config::default() };
    let mut client = Client::open(1 << 20, 1 << 20, config);
    let small = client.call(uploads(), None);
    let mut large = || {
        let mut outgoing = Outgoing::default();
        outgoing.arguments.bin(&vec![1; 2 * FRAGMENT]);
        client.call(outgoing, None)
    };
    let (first, second) = (large(), large());
    client.written();
    assert_eq!(client.send(small, 10), Room::Blocked, "too much waits to be sent");
    assert!(!client.machine.is_empty() && client.written().is_empty());
    for call in [second, first] {
        assert!(client.machine.cancel(call).is_some());
    }
    assert!(client.written().is_empty(), "of neither was anything sent");
    assert!(client.machine.has_output(client.link), "somebody is to be told");
    client.machine.unblock(client.link, |waiter| waiter.told += 1);
    assert!(!client.machine.has_output(client.link));
    assert_eq!(client.machine.waiter(small).told, 1);
    assert_eq!(client.send(small, 10), Room::Sent);
}

#[test]
fn an_item_that_does_not_fit_takes_its_turn_behind_those_that_wait() {
    let mut client = Client::open(1 << 20, 1000, Config::default());
    let mut outgoing = uploads();
    outgoing.arguments.bin(&vec![1; 2 * FRAGMENT]);
    let waiting = client.call(outgoing, None);
    let other = client.call(uploads(), None);
    client.written();
    assert_eq!(client.send(waiting, 100), Room::Sent, "behind its request");
    assert_eq!(client.send(other, 100), Room::Sent);
    assert_eq!(client.written().len(), 104, "what fits goes first");
    assert_eq!(client.send(other, 2000), Room::Sent);
    assert!(client.written().is_empty(), "what does not fit waits");
}

#[test]
fn what_was_untaken_when_a_call_ended_is_not_taken_again() {
    let config = Config { connection_window: 100, ..Config::default() };
    let mut client = Client::open(0, 0, config);
    let call = client.call(Outgoing { streams: true, ..Outgoing::default() }, None);
    client.written();
    client.receive(|out| out.extend([&[0x94, 7, 0, 0xc0][..], &[1; 76]].concat()));
    client.receive(|out| message::write_failure(out, 0, &Error::aborted("no")));
    assert_eq!(client.written(), [0, 0, 0, 5, 0x94, 9, 0xc0, 80, 0xc0]);
    client.machine.took(call, 80);
    assert!(client.written().is_empty());
    let gauge = client.machine.gauge(client.link);
    assert_eq!((gauge.streams, gauge.untaken, gauge.arrived), (0, 0, 0));
}

#[test]
fn credit_for_each_item_may_cross_a_cancel() {
    // However finely a server credits; and beside it, that the stream has begun, and that no more is taken.
    let mut client = Client::open(1000, 1000, Config::default());
    let call = client.call(Outgoing { streams: true, ..uploads() }, None);
    for _ in 0..10 {
        assert_eq!(client.send(call, 100), Room::Sent);
    }
    assert!(client.machine.cancel(call).is_some());
    client.written();
    client.receive(|out| message::write_begin(out, 0));
    for _ in 0..10 {
        client.receive(|out| message::write_credit(out, Some(0), 100));
    }
    client.receive(|out| message::write_cancel(out, 0));
}
