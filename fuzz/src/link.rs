//! Both ends as their drivers run them, for one message or a stream of bytes.

use std::time::{Duration, Instant};

use bytes::Buf;
use rpc_core::{
    Error, Structs, Violation,
    connection::{
        client::{self, LinkId, Outlook},
        server::{self, Permits},
    },
    frame::Frame,
    payload::{Body, Payload},
};

/// A hello without entries, as a message.
const HELLO: [u8; 3] = [0x92, 14, 0x80];

/// A server's end behind the hellos, with nobody to run its calls.
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
        server
    }

    /// Takes a message; calls stay pending.
    pub(crate) fn receive(&mut self, message: &[u8]) -> Result<(), Violation> {
        let mut frame = Frame::Whole(Body::Small(message.to_vec()));
        match self.machine.receive(&mut frame, self.now)? {
            server::Event::Call(key, incoming) => {
                self.machine.pending(key, 0, incoming.deadline());
            }
            server::Event::None
            | server::Event::Refused { .. }
            | server::Event::Cancel { .. }
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
}

impl Waiter {
    fn settle(&mut self, outcome: Result<Payload, Error>) {
        assert!(self.outcome.is_none(), "a call ends once");
        self.outcome = Some(outcome);
    }
}

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
        let config = client::Config::new(0, Some(Duration::from_secs(1)), Structs::Named);
        let now = Instant::now();
        let machine = client::Channel::new(config, 1);
        Self { machine, now, link: None, calls: Vec::new(), made: 0, ended: 0 }
    }

    /// One behind the hellos, with so many calls in flight, of which every second one may be repeated.
    pub(crate) fn opened(calls: usize) -> Self {
        let mut client = Self::new();
        client.connect();
        for _ in 0..calls {
            client.submit();
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

    pub(crate) fn submit(&mut self) {
        let idempotent = self.made % 2 == 1;
        self.made += 1;
        let mut outgoing =
            client::Outgoing { method: "T.m", idempotent, ..client::Outgoing::default() };
        outgoing.arguments.bin(&[1, 2, 3]);
        let deadline = Some(self.now + Duration::from_millis(50));
        match self.machine.submit(&mut outgoing, deadline, Waiter::default(), self.now) {
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
            client::Event::None | client::Event::Gone(..) | client::Event::GoAway(_) => {}
        }
        self.transmit();
        Ok(())
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
            let has_ended = machine.waiter(*call).outcome.take().is_some();
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
