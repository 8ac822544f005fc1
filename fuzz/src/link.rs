//! Both ends as their drivers run them, for one message or a stream of bytes.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use rpc_core::{
    Code, Error, Structs, Violation,
    connection::{
        client::{self, LinkId, Outlook, Room},
        server::{self, Permits, Shape},
    },
    frame::Frame,
    limits::MAX_METADATA_SIZE,
    payload::{Body, Payload},
    value::Encoder,
};

/// A hello without entries, as a message.
const HELLO: [u8; 3] = [0x92, 14, 0x80];

/// What makes a message travel in parts, if its receiver takes so much.
pub(crate) static LARGE: [u8; 140_000] = [0; 140_000];

/// A request with the id 0.
const REQUEST: [u8; 6] = [0x94, 0, 0, 0xa1, b'm', 0x90];

/// A server's end behind the hellos, with a call whose client streams, and nobody to run its calls.
pub(crate) struct Server {
    pub(crate) machine: server::Connection,
    pub(crate) now: Instant,
    permits: std::sync::Arc<Permits>,
}

impl Server {
    pub(crate) fn opened() -> Self {
        let permits = Permits::new(8);
        let config = server::Config::new(0, 4);
        let mut machine = server::Connection::sharing(config, permits.clone(), None);
        machine.open((1, 0));
        let mut server = Self { machine, now: Instant::now(), permits };
        server.receive(&HELLO).expect("a hello is right");
        server.receive(&REQUEST).expect("a request is right");
        server
    }

    /// Takes a message; calls stay pending, and stream.
    pub(crate) fn receive(&mut self, message: &[u8]) -> Result<(), Violation> {
        let mut frame = Frame::Whole(Body::Small(message.to_vec()));
        match self.machine.receive(&mut frame, self.now)? {
            server::Event::Call(key, incoming) => {
                self.machine.pending(key, 0, incoming.deadline());
                self.machine.streams(key, 0, Shape { takes: true });
            }
            server::Event::None
            | server::Event::Refused { .. }
            | server::Event::Cancel { .. }
            | server::Event::Item { .. }
            | server::Event::EndOfItems { .. }
            | server::Event::Room
            | server::Event::GoAway(_) => {}
        }
        Ok(())
    }

    /// The connection is over: it gives back what it took.
    pub(crate) fn end(self) {
        let Self { machine, permits, .. } = self;
        assert_eq!(permits.taken() as usize, machine.in_flight());
        drop(machine);
        assert_eq!(permits.taken(), 0, "a connection that is gone holds no permit");
    }
}

/// What a caller got.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    outcome: Option<Result<Payload, Error>>,
    /// Whether its call is answered with a stream, which may have begun; and what has come of that and was not taken.
    streams: bool,
    has_begun: bool,
    untaken: Vec<u64>,
    /// Whether it sends a stream, and was told that it may.
    sends: bool,
    may_send: bool,
    /// Whether it asks for what comes with its response.
    asks: bool,
}

impl Waiter {
    fn settle(&mut self, outcome: Result<Payload, Error>) {
        assert!(self.outcome.is_none(), "a call ends once");
        self.outcome = Some(outcome);
        self.may_send = false;
    }

    /// Something has come of a stream.
    fn arrived(&mut self, cost: u64) {
        assert!(self.streams && self.outcome.is_none(), "somebody waits for it");
        self.has_begun = true;
        self.untaken.push(cost);
    }
}

/// What metadata is checked to have room for, besides the user's.
const ROOM_FOR_OWN: usize = 19;

/// The windows of a client's end.
const STREAM_WINDOW: usize = 200;
const CONNECTION_WINDOW: usize = 500;

/// The most that may be untaken where a window has so many bytes: half of it, and one item more.
pub(crate) const fn most_untaken(window: usize) -> u64 {
    (window + LEAST_LIMIT) as u64
}

/// What these items hold: one that is above the limit on messages is an error in its place.
pub(crate) fn held(costs: &[u64]) -> u64 {
    costs.iter().map(|cost| (*cost).min(LEAST_LIMIT as u64)).sum()
}

/// The least limit on messages.
pub(crate) const LEAST_LIMIT: usize = 64 << 10;

/// A client's end with some calls in flight.
pub(crate) struct Client {
    pub(crate) machine: client::Channel<Waiter>,
    pub(crate) now: Instant,
    pub(crate) link: Option<LinkId>,
    calls: Vec<client::CallRef>,
    pub(crate) made: usize,
    ended: usize,
}

impl Client {
    /// A client's end without a connection.
    pub(crate) fn new() -> Self {
        let config = client::Config {
            stream_window: STREAM_WINDOW,
            connection_window: CONNECTION_WINDOW,
            ..client::Config::new(0, Some(Duration::from_secs(1)), Structs::Named)
        };
        let now = Instant::now();
        let machine = client::Channel::new(config, 1);
        Self { machine, now, link: None, calls: Vec::new(), made: 0, ended: 0 }
    }

    /// One behind the hellos, with so many calls in flight, of which every second one may be repeated.
    pub(crate) fn opened(calls: usize) -> Self {
        let mut client = Self::new();
        client.connect();
        for call in 0..calls {
            client.submit(call);
        }
        client.receive(&HELLO).expect("a hello is right");
        client
    }

    pub(crate) fn connect(&mut self) {
        if self.link.is_none() && self.machine.active().is_none() {
            self.link = Some(self.machine.connected(self.now));
            self.transmit();
        }
    }

    /// Makes a call, whose two lowest bits say whether it streams, and in which direction; a large one if the next one says so.
    pub(crate) fn submit(&mut self, kind: usize) {
        let idempotent = self.made % 2 == 1;
        let (streams, takes) = (kind & 1 == 1, kind & 2 == 2);
        self.made += 1;
        let mut outgoing = client::Outgoing {
            method: "T.m".into(),
            idempotent,
            streams,
            takes,
            opens_only: streams && kind & 8 == 8,
            wants_metadata: idempotent,
            ..client::Outgoing::default()
        };
        if kind & 4 == 4 {
            outgoing.arguments.bytes(&Bytes::from_static(&LARGE));
        } else {
            outgoing.arguments.bin(&[1, 2, 3]);
        }
        let deadline = Some(self.now + Duration::from_millis(50));
        let waiter = Waiter { streams, sends: takes, asks: idempotent, ..Waiter::default() };
        match self.machine.submit(&mut outgoing, deadline, waiter, self.now) {
            Ok(call) => self.calls.push(call),
            Err((error, _)) => {
                assert!(error.is_not_started());
                self.ended += 1;
            }
        }
        self.transmit();
    }

    /// The newest caller loses interest.
    pub(crate) fn drop_call(&mut self) {
        if let Some(call) = self.calls.pop() {
            self.ended += 1;
            drop(self.machine.cancel(call));
        }
    }

    fn transmit(&mut self) {
        while let Some(transmitted) = self.machine.transmit(self.now) {
            match transmitted {
                client::Transmitted::Request => {}
                client::Transmitted::Upload(waiter) => {
                    assert!(waiter.sends, "what is over is not sent again");
                    waiter.may_send = true;
                }
                client::Transmitted::Notification(waiter) => waiter.settle(Ok(Payload::nil())),
                client::Transmitted::Refused(waiter, error) => waiter.settle(Err(error)),
            }
        }
    }

    /// Takes a message on the connection.
    pub(crate) fn receive(&mut self, message: &[u8]) -> Result<(), Violation> {
        let mut frame = Frame::Whole(Body::Small(message.to_vec()));
        self.receive_frame(&mut frame)
    }

    pub(crate) fn receive_frame(&mut self, frame: &mut Frame) -> Result<(), Violation> {
        let Some(link) = self.link else { return Ok(()) };
        self.machine.heard(link, self.now);
        match self.machine.receive(link, frame, self.now)? {
            client::Event::Answered(waiter, outcome) => waiter.settle(outcome),
            client::Event::AnsweredWith(waiter, outcome, metadata) => {
                assert!(waiter.streams || waiter.asks, "nobody asks for it");
                // What it is checked for besides is a server's mistake, which costs nobody anything.
                if let Err(error) = metadata.check(MAX_METADATA_SIZE + ROOM_FOR_OWN) {
                    assert_ne!(error.kind(), Code::ResourceExhausted, "{error}");
                }
                waiter.settle(outcome);
            }
            client::Event::Item { waiter, cost, .. }
            | client::Event::LostItems { waiter, cost, .. } => waiter.arrived(cost),
            client::Event::Begun(waiter) => {
                assert!(waiter.streams && !waiter.has_begun, "a stream begins once");
                waiter.has_begun = true;
            }
            client::Event::Stopped(waiter) => {
                assert!(waiter.sends, "it sends what is not taken");
                waiter.may_send = false;
            }
            client::Event::Writable(waiter) => {
                assert!(waiter.sends && waiter.outcome.is_none(), "it waits for room");
                waiter.may_send = true;
            }
            client::Event::Room => self.unblock(),
            client::Event::None | client::Event::Gone(..) | client::Event::GoAway(_) => {}
        }
        self.transmit();
        self.check();
        Ok(())
    }

    fn unblock(&mut self) {
        if let Some(link) = self.link {
            self.machine.unblock(link, |waiter| {
                assert!(waiter.sends && waiter.outcome.is_none(), "it waits for room");
                waiter.may_send = true;
            });
        }
    }

    /// What is untaken stays within the windows.
    fn check(&mut self) {
        let mut all = 0;
        for call in &self.calls {
            let waiter = self.machine.waiter(*call);
            if waiter.outcome.is_none() {
                let untaken = held(&waiter.untaken);
                assert!(untaken <= most_untaken(STREAM_WINDOW), "{untaken} bytes of a stream");
                all += untaken;
            }
        }
        assert!(all <= most_untaken(CONNECTION_WINDOW), "{all} bytes of all streams");
    }

    /// A caller takes what has come, or sends something, or ends what it sends.
    pub(crate) fn stream(&mut self, action: usize) {
        let Some(index) = (action / 8).checked_rem(self.calls.len()) else { return };
        let call = self.calls[index];
        let waiter = self.machine.waiter(call);
        match action % 8 {
            0..=3 => {
                let count = waiter.untaken.len().min(action % 4 + 1);
                let taken: u64 = waiter.untaken.drain(..count).sum();
                self.machine.took(call, taken);
            }
            kind if waiter.may_send => {
                let mut item = Encoder::default();
                item.bytes(&Bytes::from_static(&LARGE[..[10, 1000, LARGE.len()][(kind - 4) % 3]]));
                let room = match kind {
                    7 => self.machine.end_items(call, None),
                    // One that is too large is not sent.
                    _ => self.machine.send_item(call, &mut item).unwrap_or(Room::Sent),
                };
                let waiter = self.machine.waiter(call);
                waiter.may_send = room == Room::Sent && kind != 7;
                waiter.sends &= room != Room::Closed;
            }
            _ => {}
        }
    }

    /// Everything that can be sent is.
    pub(crate) fn send(&mut self) {
        let Some(link) = self.link else { return };
        loop {
            let output = self.machine.output(link);
            let count = output.remaining();
            output.advance(count);
            if !self.machine.next_part(link) {
                break;
            }
        }
        self.unblock();
        self.transmit();
    }

    /// The connection is lost.
    pub(crate) fn lose(&mut self, violation: bool) {
        let Some(link) = self.link.take() else { return };
        let error = Error::unavailable("lost");
        let outlook = if violation { Outlook::Hopeless } else { Outlook::Open };
        let output = self.machine.output(link);
        // A part of it was written.
        let half = output.remaining() / 2;
        let written = output.position() + half as u64;
        let settled = |waiter: &mut Waiter, error| waiter.settle(Err(error));
        drop(self.machine.lost(link, &error, written, outlook, self.now, settled));
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        for _ in 0..100 {
            if self.machine.next_deadline().is_none_or(|next| next > self.now) {
                return;
            }
            let settled = |waiter: &mut Waiter, error| waiter.settle(Err(error));
            match self.machine.expire(self.now, settled) {
                None => {}
                Some(client::Overdue::Connection(..)) => self.lose(false),
                Some(client::Overdue::Attempt) => unreachable!("no attempt takes time here"),
            }
        }
        unreachable!("something stays due for ever");
    }

    /// Callers take what they got.
    pub(crate) fn take(&mut self) {
        let machine = &mut self.machine;
        let ended = &mut self.ended;
        self.calls.retain(|call| {
            let waiter = machine.waiter(*call);
            let has_ended = waiter.outcome.take().is_some();
            if has_ended {
                *ended += 1;
                drop(machine.release(*call));
            }
            !has_ended
        });
    }

    /// The channel ends: every call has one outcome.
    pub(crate) fn end(mut self) {
        self.take();
        let error = Error::unavailable("the end");
        let settled = |waiter: &mut Waiter, error| waiter.settle(Err(error));
        drop(self.machine.end(&error, self.now, settled));
        self.take();
        assert_eq!(self.ended, self.made, "every call ends");
        assert!(self.machine.is_empty(), "no slot is held");
    }
}
