//! One channel, its callers, and the servers and connections that come and go.
//!
//! What must hold is checked after every step, against a model of what a user may observe: a call ends once, in time, and with what
//! is true of it; its handler starts at most once, unless it may be repeated, and then as often as the channel allows; the tables
//! agree with what really runs; and no bound is passed.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{
    callers::{Caller, Truth},
    ends::{Start, Waiter, transmit},
    link::Link,
};
use crate::{
    Backoff, Error, Structs,
    connection::{
        client::{self, LinkId, Outlook, Overdue},
        server,
    },
    limits::{
        ASSUMED_MESSAGE_SIZE, CONNECTION_WINDOW, PARTS_AHEAD, STREAM_WINDOW, WRITE_HIGH_WATER,
    },
    random::Random,
};

/// What differs between worlds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) max_calls: u32,
    /// The most that a link carries at once.
    pub(super) piece: usize,
    /// The longest that a piece is under way.
    pub(super) delay: Duration,
    pub(super) default_timeout: Option<Duration>,
    /// Whether connections are cut.
    pub(super) losses: bool,
    /// Whether connections fall silent.
    pub(super) stalls: bool,
    /// Whether attempts to connect fail, or take too long.
    pub(super) refusals: bool,
    pub(super) go_aways: bool,
    /// Whether arguments and answers are sometimes above the limits.
    pub(super) large: bool,
    /// How long a call waits for a connection.
    pub(super) wait: Duration,
    pub(super) max_attempts: u32,
    /// How many of a hundred calls may be repeated.
    pub(super) percent: u32,
    /// Whether calls stream.
    pub(super) streams: bool,
    /// The sizes of items; where calls stream and are large, those of arguments and answers too.
    pub(super) sizes: &'static [usize],
    pub(super) stream_window: usize,
    pub(super) connection_window: usize,
    pub(super) max_message_size: usize,
    pub(super) parts_ahead: usize,
    pub(super) high_water: usize,
}

impl Rules {
    /// Nothing goes wrong.
    pub(super) const CALM: Self = Self {
        max_calls: 1024,
        piece: 4096,
        delay: Duration::ZERO,
        default_timeout: None,
        losses: false,
        stalls: false,
        refusals: false,
        go_aways: false,
        large: false,
        wait: Duration::from_secs(3600),
        max_attempts: 4,
        percent: 100,
        streams: false,
        sizes: &[0],
        stream_window: STREAM_WINDOW,
        connection_window: CONNECTION_WINDOW,
        max_message_size: ASSUMED_MESSAGE_SIZE,
        parts_ahead: PARTS_AHEAD,
        high_water: WRITE_HIGH_WATER,
    };
}

impl Rules {
    pub(super) fn largest_item(&self) -> usize {
        self.sizes.iter().max().copied().unwrap_or_default()
    }
}

pub(super) const IDLE: Duration = Duration::from_millis(6);
pub(super) const SILENCE: Duration = Duration::from_millis(4);
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_millis(8);
/// The longest time that passes in one step.
pub(super) const LEAP: Duration = Duration::from_millis(5);

/// How an attempt to connect ends.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Connects,
    Fails,
    /// Not by itself.
    Hangs,
}

/// What the worlds of one test did in all, so that a test which tests nothing is seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total {
    pub(super) ended: usize,
    pub(super) dropped: usize,
    pub(super) connections: u32,
    /// Handlers that started although one of their call had started before.
    pub(super) repeated: u32,
    /// Connections that were given up for their silence.
    pub(super) silent: u32,
    /// Moments at which one channel had several connections.
    pub(super) side_by_side: u32,
    pub(super) go_aways: u32,
    pub(super) failed_attempts: u32,
    /// Items that were taken, by callers and by handlers.
    pub(super) taken: usize,
    /// Items that were sent by callers, and those that found no room at first.
    pub(super) sent: usize,
    pub(super) blocked: usize,
    /// Calls that stream and ended well.
    pub(super) streamed: usize,
    /// Calls that ended with metadata.
    pub(super) with_metadata: usize,
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) rules: Rules,
    config: client::Config,
    start: Instant,
    pub(super) now: Instant,
    pub(super) channel: client::Channel<Waiter>,
    attempt: Option<(Instant, Fate)>,
    pub(super) links: Vec<Link>,
    /// The calls whose callers wait.
    pub(super) waiting: Vec<Caller>,
    pub(super) made: usize,
    pub(super) calls: HashMap<usize, Truth>,
    /// Nothing goes wrong any more, and no call is made.
    is_ending: bool,
    /// Whether each step is told.
    is_told: bool,
    pub(super) total: Total,
}

impl World {
    pub(super) fn new(seed: u64, rules: Rules, is_told: bool) -> Self {
        let backoff = Backoff::new(Duration::from_millis(1), 2.0, Duration::from_millis(4));
        let silence = if rules.stalls { IDLE } else { Duration::MAX };
        // A byte at a time, a hello may never arrive within the short timeout, and no call end.
        let connect_timeout = if rules.piece == 1 { rules.wait } else { CONNECT_TIMEOUT };
        let config = client::Config {
            max_message_size: rules.max_message_size,
            stream_window: rules.stream_window,
            connection_window: rules.connection_window,
            parts_ahead: rules.parts_ahead,
            write_high_water: rules.high_water,
            default_timeout: rules.default_timeout,
            structs: Structs::Named,
            connect_timeout,
            wait_for_connection: rules.wait,
            reconnect_backoff: backoff,
            retry_backoff: backoff,
            max_attempts: rules.max_attempts,
            retry_percent: rules.percent,
            retries_per_second: 0,
            keepalive_idle: silence,
            keepalive_timeout: SILENCE,
            ..client::Config::default()
        };
        // Only differences count: nothing here depends on what time it is.
        let now = Instant::now();
        Self {
            random: Random::new(seed),
            rules,
            config,
            start: now,
            now,
            channel: client::Channel::new(config, seed),
            attempt: None,
            links: Vec::new(),
            waiting: Vec::new(),
            made: 0,
            calls: HashMap::new(),
            is_ending: false,
            is_told,
            total: Total::default(),
        }
    }

    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.is_told {
            eprintln!("{:>10?}  {}", self.now - self.start, what());
        }
    }

    /// Does one thing that a program, its peer, a link or the clock could do next.
    pub(super) fn step(&mut self) {
        match self.random.below(if self.rules.streams { 30 } else { 18 }) {
            0..=2 => self.submit(),
            3 => self.drop_call(),
            4..=9 => self.carry(),
            10 | 11 => self.finish_handler(),
            12 => self.pass_time(),
            13 if self.rules.losses && self.random.once_in(4) => self.cut(),
            14 if self.rules.go_aways && self.random.once_in(4) => self.go_away(),
            15 if self.rules.stalls && self.random.once_in(3) => self.stall(),
            18..=22 => self.consume(),
            23..=27 => self.finish_handler(),
            28 | 29 => self.carry(),
            _ => self.take_outcomes(),
        }
        self.drive();
        self.check();
    }

    /// Lets everything end, makes no further calls, and checks that nothing is left.
    pub(super) fn end(mut self) -> Total {
        self.tell(|| "the end begins".to_owned());
        self.is_ending = true;
        for link in &mut self.links {
            link.stalled = None;
        }
        for _ in 0..100_000 {
            if self.waiting.is_empty()
                && self.channel.is_empty()
                && self.links.iter_mut().all(|link| link.is_quiet(&self.channel))
            {
                break;
            }
            self.carry();
            self.finish_handler();
            self.consume();
            self.take_outcomes();
            self.pass_time();
            self.drive();
            self.check();
        }
        assert!(self.waiting.is_empty(), "{} calls never end", self.waiting.len());
        assert_eq!(self.channel.len(), 0, "a slot is held");
        assert!(!self.channel.has_queued());
        assert_eq!(self.total.ended + self.total.dropped, self.made, "every call ends once");
        self.check_empty();
        self.total
    }

    /// A handler somewhere ends, or does something.
    fn finish_handler(&mut self) {
        let busy = |link: &&mut Link| {
            link.server.as_ref().is_some_and(|server| !server.handlers.is_empty())
        };
        if let Some(server) = self.links.iter_mut().find(busy).and_then(|link| link.server.as_mut())
        {
            let index = self.random.below(server.handlers.len());
            server.finish(index, self.is_ending, &mut self.random);
        }
    }

    /// Moves bytes both ways on one connection, as many as the link likes.
    fn carry(&mut self) {
        if self.links.is_empty() {
            return;
        }
        let index = self.random.below(self.links.len());
        let (rules, now) = (self.rules, self.now);
        let random = &mut self.random;
        let link = &mut self.links[index];
        if link.stalled.is_some() {
            // The sockets still take what is written, until their buffers are full.
            link.send_up(&mut self.channel, random.below(2), now);
            return;
        }
        let mut started = Vec::new();
        let arrival = Link::arrival(now, rules.delay, random);
        link.send_up(&mut self.channel, 1 + random.below(rules.piece), arrival);
        if let Some(server) = &mut link.server {
            link.up.empty(&mut server.input, now);
            server.handle(now, &mut started);
            let arrival = Link::arrival(now, rules.delay, random);
            link.send_down(1 + random.below(rules.piece), arrival);
        }
        let Link { id, client, server, down, .. } = link;
        down.empty(&mut client.input, now);
        let mut gone = Vec::new();
        client.handle(&mut self.channel, *id, now, &mut gone);
        if server.as_ref().is_some_and(|server| server.machine.is_finished()) {
            *server = None;
        }
        self.note_passed();
        for Start { caller, attempt } in started {
            self.started(caller, attempt);
        }
        for waiter in gone {
            let waits = self.waiting.iter().any(|caller| caller.number == waiter.caller);
            assert!(!waits, "a caller that waits keeps its slot");
        }
    }

    fn started(&mut self, caller: usize, attempt: u32) {
        let max_attempts = self.rules.max_attempts;
        let truth = self.calls.get_mut(&caller).expect("it was made");
        truth.started += 1;
        assert!(
            truth.passed.is_none_or(|passed| attempt <= passed),
            "items of {caller} have passed"
        );
        assert!(!truth.told_not_started, "caller {caller} was told that it had not started");
        let most = if truth.idempotent { max_attempts } else { 1 };
        assert!(truth.started <= most, "the handler of caller {caller} started too often");
        assert!(attempt > truth.attempt, "attempt {attempt} behind {}", truth.attempt);
        truth.attempt = attempt;
        if truth.started > 1 {
            self.total.repeated += 1;
        }
        self.tell(|| format!("a handler of {caller} starts, attempt {attempt}"));
    }

    fn pass_time(&mut self) {
        let leap = if self.random.once_in(6) { LEAP } else { Duration::from_micros(500) };
        let nanos = u64::try_from(leap.as_nanos()).expect("it is short");
        self.now += Duration::from_nanos(self.random.number() % nanos);
        for link in &mut self.links {
            if link.server.as_mut().is_some_and(|server| server.expire(self.now)) {
                link.server = None;
            }
        }
        // What is due may make something else due at once, but not for ever.
        let mut rounds = 0;
        while self.channel.next_deadline().is_some_and(|next| next <= self.now) {
            rounds += 1;
            assert!(rounds < 100, "something stays due");
            let settle = |waiter: &mut Waiter, error| waiter.settle(Err(error));
            match self.channel.expire(self.now, settle) {
                None => {}
                Some(Overdue::Attempt) => self.fail("it took too long"),
                Some(Overdue::Connection(id, late)) => {
                    self.tell(|| format!("{id:?} is given up: {late:?}"));
                    self.total.silent += 1;
                    self.lose(id, "the server is silent");
                }
            }
        }
        for Caller { number, call, deadline, opens_only, .. } in &self.waiting {
            let streams = &self.channel.waiter(*call).streams;
            if *opens_only && streams.as_ref().is_some_and(|streams| streams.has_begun) {
                continue;
            }
            if deadline.is_some_and(|deadline| deadline <= self.now) {
                let has_ended = self.channel.waiter(*call).outcome.is_some();
                assert!(has_ended, "caller {number} waits beyond its deadline");
            }
        }
    }

    /// A connection breaks, with all that it carries.
    fn cut(&mut self) {
        if !self.links.is_empty() {
            let index = self.random.below(self.links.len());
            let id = self.links[index].id;
            self.tell(|| format!("{id:?} is cut"));
            self.lose(id, "the connection was cut");
        }
    }

    /// A connection falls silent, or wakes up.
    fn stall(&mut self) {
        if !self.links.is_empty() {
            let index = self.random.below(self.links.len());
            let link = &mut self.links[index];
            let wakes = link.stalled.is_some();
            link.stalled = if wakes { None } else { Some(self.now) };
            let id = link.id;
            self.tell(|| format!("{id:?} {}", if wakes { "wakes" } else { "falls silent" }));
        }
    }

    fn go_away(&mut self) {
        if self.links.is_empty() {
            return;
        }
        let index = self.random.below(self.links.len());
        if let Some(server) = &mut self.links[index].server {
            server.machine.go_away();
            self.total.go_aways += 1;
            let id = self.links[index].id;
            self.tell(|| format!("the server of {id:?} goes away"));
        }
    }

    fn lose(&mut self, id: LinkId, why: &'static str) {
        let index = self.links.iter().position(|link| link.id == id).expect("it is there");
        self.links.swap_remove(index);
        let written = self.channel.output(id).position();
        let remains = self.channel.lost(
            id,
            &Error::unavailable(why),
            written,
            Outlook::Open,
            self.now,
            |waiter, error| waiter.settle(Err(error)),
        );
        for (_, waiter) in remains.calls {
            let waits = self.waiting.iter().any(|caller| caller.number == waiter.caller);
            assert!(!waits, "only callers that are gone leave remains");
        }
    }

    fn fail(&mut self, why: &'static str) {
        self.attempt = None;
        self.total.failed_attempts += 1;
        self.tell(|| format!("the attempt to connect fails: {why}"));
        let error = Error::unavailable(why);
        self.channel.failed(&error, Outlook::Open, self.now, |waiter, error| {
            waiter.settle(Err(error));
        });
    }

    /// What the client's driver does by itself.
    fn drive(&mut self) {
        let over = |world: &Self, link: &Link| world.channel.is_finished(link.id) || link.is_over();
        while let Some(id) = self.links.iter().find(|link| over(self, link)).map(|link| link.id) {
            self.tell(|| format!("{id:?} is closed"));
            self.lose(id, "the server closed the connection");
        }
        if self.attempt.is_none() && self.channel.wants_connection() {
            self.channel.dialling(self.now);
            let fate = match self.random.below(8) {
                0 | 1 if self.rules.refusals && !self.is_ending => Fate::Fails,
                2 if self.rules.refusals && !self.is_ending => Fate::Hangs,
                _ => Fate::Connects,
            };
            let at = Link::arrival(self.now, self.rules.delay, &mut self.random);
            self.attempt = Some((at, fate));
        }
        match self.attempt {
            Some((at, Fate::Connects)) if at <= self.now => self.connect(),
            Some((at, Fate::Fails)) if at <= self.now => self.fail("nobody listens"),
            _ => {}
        }
        transmit(&mut self.channel, self.now, self.rules.max_calls);
    }

    fn connect(&mut self) {
        self.attempt = None;
        self.total.connections += 1;
        let id = self.channel.connected(self.now);
        self.tell(|| format!("{id:?} is connected"));
        let config = server::Config {
            keepalive_idle: self.config.keepalive_idle,
            keepalive_timeout: SILENCE,
            ping_interval: Duration::ZERO,
            stream_window: self.rules.stream_window,
            connection_window: self.rules.connection_window,
            parts_ahead: self.rules.parts_ahead,
            write_high_water: self.rules.high_water,
            ..server::Config::new(self.rules.max_message_size, self.rules.max_calls)
        };
        self.links.push(Link::new(id, config, self.rules.sizes));
        self.total.side_by_side += u32::from(self.links.len() > 1);
    }
}
