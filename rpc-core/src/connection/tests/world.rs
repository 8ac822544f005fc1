//! One channel, its callers, one server, and the connections between them, one after the other.
//!
//! What must hold is checked after every step: a call ends once and with what is true of it, its handler starts at most
//! once, the tables agree with what really runs, and neither the calls in flight nor the output pass their limits.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bytes::Buf;

use super::ends::{ClientSide, Pipe, Plan, ServerSide, Waiter, answered, transmit};
use crate::{
    Code, Error, Structs,
    connection::{
        client::{self, CallRef, Outgoing},
        server,
    },
    limits::{ASSUMED_CALLS, ASSUMED_MESSAGE_SIZE, WRITE_HIGH_WATER},
    random::Random,
    value::Encoder,
};

/// What differs between worlds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) max_calls: u32,
    /// The most that the link carries at once.
    pub(super) piece: usize,
    pub(super) default_timeout: Option<Duration>,
    pub(super) losses: bool,
    pub(super) go_aways: bool,
    /// Whether arguments and answers are sometimes above the limits.
    pub(super) large: bool,
}

/// A call as its caller holds it.
struct Caller {
    number: usize,
    call: CallRef,
}

/// What both sides have of one connection.
struct Link {
    client: ClientSide,
    server: ServerSide,
    up: Pipe,
    down: Pipe,
}

pub(super) struct World {
    pub(super) random: Random,
    rules: Rules,
    now: Instant,
    channel: client::Channel<Waiter>,
    link: Option<Link>,
    /// The calls whose callers wait.
    waiting: Vec<Caller>,
    made: usize,
    /// How many callers got an outcome, and how many lost interest.
    pub(super) ended: usize,
    pub(super) dropped: usize,
    /// How often each handler was started, by its caller.
    started: HashMap<usize, u32>,
    pub(super) connections: u32,
}

impl World {
    pub(super) fn new(seed: u64, rules: Rules) -> Self {
        let config =
            client::Config::new(ASSUMED_MESSAGE_SIZE, rules.default_timeout, Structs::Named);
        Self {
            random: Random::new(seed),
            rules,
            // Only differences count: nothing here depends on what time it is.
            now: Instant::now(),
            channel: client::Connection::new(config),
            link: None,
            waiting: Vec::new(),
            made: 0,
            ended: 0,
            dropped: 0,
            started: HashMap::new(),
            connections: 0,
        }
    }

    /// Does one thing that a program, its peer, the link or the clock could do next.
    pub(super) fn step(&mut self) {
        match self.random.below(16) {
            0..=2 => self.submit(),
            3 => self.drop_call(),
            4..=8 => self.carry(),
            9 | 10 => self.finish_handler(),
            11 => self.pass_time(),
            12 if self.rules.losses && self.random.once_in(4) => self.lose(),
            13 if self.rules.go_aways && self.random.once_in(4) => self.go_away(),
            _ => self.take_outcomes(),
        }
        self.drive();
        self.check();
    }

    /// Lets everything end, makes no further calls, and checks that nothing is left.
    pub(super) fn end(mut self) {
        for _ in 0..100_000 {
            if self.waiting.is_empty() && self.channel.is_empty() {
                break;
            }
            self.carry();
            self.finish_handler();
            self.take_outcomes();
            self.drive();
            self.check();
        }
        assert!(self.waiting.is_empty(), "{} calls never end", self.waiting.len());
        assert_eq!((self.channel.len(), self.channel.in_flight()), (0, 0), "a slot is held");
        assert!(!self.channel.has_queued());
        assert_eq!(self.ended + self.dropped, self.made, "every call ends once");
        // Notifications may run until the end.
        for _ in 0..100_000 {
            let Some(link) = &self.link else { break };
            if link.up.is_empty() && !self.channel.output().has_remaining() {
                break;
            }
            self.carry();
            self.drive();
        }
        if let Some(Link { server, .. }) = &mut self.link {
            while !server.handlers.is_empty() {
                server.finish(0);
            }
            assert_eq!(server.machine.in_flight(), 0);
        }
    }

    fn submit(&mut self) {
        self.made += 1;
        let number = self.made;
        let large = self.rules.large && self.random.once_in(8);
        let plan = match self.random.below(6) {
            0..=2 => Plan::Pending,
            3 => Plan::Fail,
            _ if large => Plan::Ready(self.random.pick(&[20 << 10, 60 << 10, 70 << 10])),
            _ => Plan::Ready(self.random.below(100)),
        };
        let padding = if self.rules.large && self.random.once_in(8) {
            self.random.pick(&[10 << 10, 17 << 10, 64 << 10, 70 << 10])
        } else {
            self.random.below(50)
        };
        let mut arguments = Encoder::default();
        plan.write(number, padding, &mut arguments);
        let oneway = self.random.once_in(8);
        let mut outgoing = Outgoing { method: "Test.run", arguments, metadata: None, oneway };
        let timeout = match self.random.below(4) {
            0 => None,
            1 => self.rules.default_timeout,
            _ => Some(Duration::from_micros(1 + self.random.next() % 3000)),
        };
        let waiter = Waiter { caller: number, ..Waiter::default() };
        let deadline = timeout.map(|timeout| self.now + timeout);
        let submitted = self.channel.submit(&mut outgoing, deadline, waiter);
        let call = submitted.expect("the channel holds as many calls");
        self.waiting.push(Caller { number, call });
    }

    fn drop_call(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let index = self.random.below(self.waiting.len());
        let Caller { number, call } = self.waiting.swap_remove(index);
        self.dropped += 1;
        if let Some((_, waiter)) = self.channel.cancel(call) {
            assert_eq!(waiter.caller, number);
        }
    }

    /// Callers look whether their calls have ended.
    fn take_outcomes(&mut self) {
        let mut index = 0;
        while index < self.waiting.len() {
            let Caller { number, call } = self.waiting[index];
            let waiter = self.channel.waiter(call);
            assert_eq!(waiter.caller, number, "a slot belongs to its caller while it is held");
            let Some(outcome) = waiter.outcome.take() else {
                index += 1;
                continue;
            };
            self.waiting.swap_remove(index);
            self.ended += 1;
            drop(self.channel.release(call));
            let started = self.started.get(&number).copied().unwrap_or(0);
            match outcome {
                // The empty answer is that of a one-way call, which may not even have arrived.
                Ok(payload) if payload.as_slice() == [0xc0] => {}
                Ok(payload) => {
                    assert_eq!(answered(&payload), number, "an answer reaches its caller");
                    assert_eq!(started, 1, "there is no answer without a handler");
                }
                Err(error) if error.is_not_started() => {
                    assert_eq!(started, 0, "caller {number}: {error}");
                }
                Err(error) => assert_ne!(error.kind(), Code::Ok),
            }
        }
    }

    fn finish_handler(&mut self) {
        if let Some(Link { server, .. }) = &mut self.link
            && !server.handlers.is_empty()
        {
            let index = self.random.below(server.handlers.len());
            server.finish(index);
        }
    }

    /// Moves bytes both ways, as many as the link likes.
    fn carry(&mut self) {
        let Some(Link { client, server, up, down }) = &mut self.link else {
            return;
        };
        let mut piece = || 1 + self.random.below(self.rules.piece);
        up.fill(self.channel.output(), piece());
        up.empty(&mut server.input, piece());
        let mut started = Vec::new();
        server.handle(self.now, &mut started);
        down.fill(server.machine.output(), piece());
        down.empty(&mut client.input, piece());
        let mut gone = Vec::new();
        client.handle(&mut self.channel, &mut gone);
        for caller in started {
            let times = self.started.entry(caller).or_default();
            *times += 1;
            assert_eq!(*times, 1, "the handler of caller {caller} started twice");
        }
        for waiter in gone {
            let waits = self.waiting.iter().any(|caller| caller.number == waiter.caller);
            assert!(!waits, "a caller that waits keeps its slot");
        }
    }

    fn pass_time(&mut self) {
        self.now += Duration::from_micros(self.random.next() % 500);
        if let Some(Link { server, .. }) = &mut self.link {
            server.expire(self.now);
        }
        self.channel.expire(self.now, |waiter, error| waiter.settle(Err(error)));
        let early = self.channel.next_deadline().is_some_and(|next| next <= self.now);
        assert!(!early, "what is due has been done");
    }

    fn lose(&mut self) {
        if self.link.take().is_some() {
            let error = Error::unavailable("the connection was lost");
            self.lost(&error);
        }
    }

    fn lost(&mut self, error: &Error) {
        let remains = self.channel.lost(error, |waiter, error| waiter.settle(Err(error)));
        for (_, waiter) in remains.calls {
            let waits = self.waiting.iter().any(|caller| caller.number == waiter.caller);
            assert!(!waits, "only callers that are gone leave remains");
        }
        assert_eq!(self.channel.in_flight(), 0);
        assert!(!self.channel.output().has_remaining());
    }

    fn go_away(&mut self) {
        if let Some(Link { server, .. }) = &mut self.link {
            server.machine.go_away();
        }
    }

    /// What the client's driver does by itself.
    fn drive(&mut self) {
        let is_over = self.link.as_ref().is_some_and(|link| {
            let sent = link.down.is_empty() && link.client.input.is_empty();
            self.channel.is_finished()
                || (link.server.machine.in_flight() == 0 && sent && {
                    // The server has closed: it drained, and all of it has arrived.
                    link.is_drained()
                })
        });
        if is_over {
            self.link = None;
            self.lost(&Error::unavailable("the server closed the connection"));
        }
        if self.link.is_none() && self.channel.has_queued() {
            self.connections += 1;
            self.channel.connected();
            self.link = Some(Link {
                client: ClientSide::new(ASSUMED_MESSAGE_SIZE),
                server: ServerSide::new(server::Config::new(
                    ASSUMED_MESSAGE_SIZE,
                    self.rules.max_calls,
                )),
                up: Pipe::default(),
                down: Pipe::default(),
            });
        }
        transmit(&mut self.channel, self.now, self.rules.max_calls);
    }

    fn check(&mut self) {
        let in_flight = self.channel.in_flight();
        assert!(in_flight <= ASSUMED_CALLS.max(self.rules.max_calls), "{in_flight} calls");
        assert!(self.channel.len() >= in_flight as usize);
        assert!(self.channel.len() >= self.waiting.len());
        let slack = ASSUMED_MESSAGE_SIZE + self.channel.len() * 32;
        assert!(self.channel.output().remaining() <= WRITE_HIGH_WATER + slack);
        if let Some(Link { server, .. }) = &mut self.link {
            assert_eq!(server.machine.in_flight(), server.handlers.len());
            assert!(server.machine.in_flight() <= self.rules.max_calls as usize);
            let slack = ASSUMED_MESSAGE_SIZE + self.rules.max_calls as usize * 128;
            assert!(server.machine.output().remaining() <= WRITE_HIGH_WATER + slack);
        }
    }
}

impl Link {
    fn is_drained(&self) -> bool {
        self.server.machine.is_finished()
    }
}
