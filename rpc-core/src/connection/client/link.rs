//! One connection of a channel, as far as it is not about single calls.
//!
//! ```text
//!            hello           go-away
//!  Hello ───────────▶ Open ───────────▶ Draining ─── last answer ──▶ finished
//!    ╰───────────────────────────────────▲ ╰ Refused, where it was for what this end did
//! ```
//!
//! New calls go to one connection only, which is in `Hello` or `Open`. Those that go away stay beside it until their
//! last call is answered; [`MAX_LINKS`] in all.

use std::time::{Duration, Instant};

use bytes::Buf;

use super::interface::Config;
use crate::{
    buffer::WriteBuffer,
    connection::{
        flood::Flood,
        keepalive::{Keepalive, Verdict},
        parts::{Assembly, Bulk},
    },
    hello::Hello,
    limits::{ASSUMED_CALLS, MAX_LINKS},
    message,
    stream::{Receiving, Sending},
    violation::Violation,
};

/// More messages than this do not cross the ends of streams at once.
const MOST_STRAGGLERS: u32 = 1 << 20;

/// Which of a channel's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LinkId(u8);

#[cfg(test)]
impl LinkId {
    pub(super) const FIRST: Self = Self(0);
    pub(super) const SECOND: Self = Self(1);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The server's hello is awaited, until this instant.
    Hello {
        until: Instant,
    },
    Open,
    /// The server takes no calls behind the first `accepted` ones.
    Draining {
        accepted: u64,
    },
    /// The same, because of what this end did, or because it will not be served.
    Refused {
        accepted: u64,
    },
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) state: State,
    pub(super) peer: Hello,
    /// Calls that were sent and not answered.
    pub(super) in_flight: u32,
    /// Those of them for whose answers nobody waits.
    pub(super) unwanted: u32,
    /// Whether it carried one-way calls.
    pub(super) has_notified: bool,
    /// Whether it carried others.
    pub(super) has_requested: bool,
    /// Whether the server has gone away before.
    pub(super) has_left: bool,
    /// Calls, one-way ones included, that this connection carried.
    pub(super) carried: u64,
    /// Whether an answer has come.
    pub(super) has_answered: bool,
    pub(super) output: WriteBuffer,
    /// What goes out in parts.
    pub(super) bulk: Bulk,
    /// What arrives in parts.
    pub(super) assembly: Assembly,
    /// The windows over all streams.
    pub(super) sending: Sending,
    pub(super) receiving: Receiving,
    /// Whether an item has found no room.
    pub(super) has_blocked: bool,
    /// Whether messages have been given up since, which makes room.
    pub(super) has_given_up: bool,
    /// How many messages may still come for streams that are over.
    pub(super) stragglers: u32,
    /// Bytes of items that may still come for calls that nobody waits for.
    pub(super) late_bytes: u64,
    keepalive: Keepalive,
    flood: Flood,
    pings: u64,
}

impl Link {
    /// A new connection: the preface, where it is still to be sent, and the hello are written, and calls may follow (PROTOCOL 1.6).
    fn new(config: &Config, preface: &[u8], until: Instant, now: Instant) -> Self {
        let mut output = WriteBuffer::new();
        output.raw(preface);
        let hello = Hello {
            max_message_size: config.max_message_size,
            stream_window: config.stream_window,
            connection_window: config.connection_window,
            structs: config.structs,
            default_timeout: config.default_timeout,
            ..Hello::default()
        };
        output.message(|out| message::write_hello(out, &hello));
        Self {
            state: State::Hello { until },
            peer: Hello { max_calls: ASSUMED_CALLS, ..Hello::default() },
            in_flight: 0,
            unwanted: 0,
            has_notified: false,
            has_requested: false,
            has_left: false,
            carried: 0,
            has_answered: false,
            output,
            bulk: Bulk::default(),
            assembly: Assembly::default(),
            sending: Sending::new(0),
            receiving: Receiving::new(config.connection_window),
            has_blocked: false,
            has_given_up: false,
            stragglers: 0,
            late_bytes: 0,
            keepalive: Keepalive::new(config.keepalive_idle, config.keepalive_timeout, now),
            flood: Flood::new(hello.ping_interval, now),
            pings: 0,
        }
    }

    /// The server has introduced itself.
    pub(super) fn open(&mut self, hello: Hello, config: &Config, now: Instant) {
        self.peer = hello;
        self.sending = Sending::new(hello.connection_window);
        self.state = State::Open;
        // The server ends connections on which it is asked more often than it likes.
        let idle = config.keepalive_idle.max(hello.ping_interval);
        self.keepalive = Keepalive::new(idle, config.keepalive_timeout, now);
    }

    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Hello { .. })
    }

    /// Whether the server goes away and owes nothing more.
    pub(super) fn is_finished(&self) -> bool {
        self.is_leaving() && self.in_flight == 0
    }

    /// Whether the server goes away.
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.state, State::Draining { .. } | State::Refused { .. })
    }

    /// Whether it served nobody: it carried calls of which none was answered, or none at all although some waited for their turn.
    pub(super) fn is_fruitless(&self, has_queued: bool) -> bool {
        (self.has_requested && !self.has_answered) || (self.carried == 0 && has_queued)
    }

    /// Bytes have arrived.
    pub(super) fn heard(&mut self, now: Instant) {
        self.keepalive.heard(now);
    }

    /// The server sent what it may send now and then only.
    pub(super) fn allow(&mut self, now: Instant) -> Result<(), Violation> {
        self.flood.allow(now)
    }

    /// So many messages may cross the end of a stream.
    pub(super) fn expect_stragglers(&mut self, messages: u32) {
        self.stragglers = self.stragglers.saturating_add(messages).min(MOST_STRAGGLERS);
    }

    /// The server sent what crossed the end of a stream.
    pub(super) fn straggler(&mut self) -> Result<(), Violation> {
        self.stragglers = self.stragglers.checked_sub(1).ok_or(Violation::LateItems)?;
        Ok(())
    }

    /// The server answered a ping, or says so.
    pub(super) fn answered(&mut self, now: Instant) -> Result<(), Violation> {
        self.flood.pong(now)
    }

    pub(super) fn pong(&mut self, token: u64, high_water: usize) {
        // A client always reads, so a server that never does could fill its memory with pongs.
        if self.output.remaining() < high_water {
            self.output.message(|out| message::write_pong(out, token));
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.state {
            State::Hello { until } => Some(until),
            State::Open | State::Draining { .. } | State::Refused { .. } => {
                self.keepalive.next_deadline()
            }
        }
    }

    /// Asks a silent server whether it is there; why the connection is to be given up, if it is.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Late> {
        match self.state {
            State::Hello { until } => (until <= now).then_some(Late::Hello),
            State::Open | State::Draining { .. } | State::Refused { .. } => {
                match self.keepalive.expire(now) {
                    Verdict::Nothing => None,
                    Verdict::Ask => {
                        self.pings += 1;
                        self.flood.expect_pong();
                        let token = self.pings;
                        self.output.message(|out| message::write_ping(out, token));
                        None
                    }
                    Verdict::Lost => Some(Late::Silent),
                }
            }
        }
    }
}

/// What a connection is late with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// The server's hello has not come in time.
    Hello,
    /// The server was silent, and did not answer a ping either.
    Silent,
}

/// The connections of a channel.
#[derive(Debug, Default)]
pub(super) struct Links {
    places: Vec<Option<Link>>,
    /// The one that takes new calls.
    active: Option<LinkId>,
}

impl Links {
    pub(super) fn active(&self) -> Option<LinkId> {
        self.active
    }

    pub(super) fn has_room(&self) -> bool {
        self.places.len() < MAX_LINKS || self.places.iter().any(Option::is_none)
    }

    /// Adds a connection, which takes the new calls. The server is to introduce itself `until` then.
    pub(super) fn connect(
        &mut self,
        config: &Config,
        preface: &[u8],
        until: Instant,
        now: Instant,
    ) -> LinkId {
        debug_assert!(self.active.is_none(), "one connection takes new calls");
        let link = Some(Link::new(config, preface, until, now));
        let index = match self.places.iter().position(Option::is_none) {
            Some(index) => {
                self.places[index] = link;
                index
            }
            None => {
                self.places.push(link);
                self.places.len() - 1
            }
        };
        let id = LinkId(u8::try_from(index).unwrap_or(u8::MAX));
        self.active = Some(id);
        id
    }

    /// This connection takes no new calls; whether it did.
    pub(super) fn retire(&mut self, id: LinkId) -> bool {
        let was_active = self.active == Some(id);
        if was_active {
            self.active = None;
        }
        was_active
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Link {
        self.places[usize::from(id.0)].take().expect("a connection is lost once")
    }

    pub(super) fn get(&self, id: LinkId) -> &Link {
        self.places[usize::from(id.0)].as_ref().expect("a driver holds connections that are there")
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> &mut Link {
        self.places[usize::from(id.0)].as_mut().expect("a driver holds connections that are there")
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (LinkId, &mut Link)> {
        let ids = (0..).map(LinkId);
        ids.zip(&mut self.places).filter_map(|(id, link)| Some((id, link.as_mut()?)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        let ids = (0..).map(LinkId);
        ids.zip(&self.places).filter_map(|(id, link)| Some((id, link.as_ref()?)))
    }
}

/// What a connection's end means for the next one.
pub(super) fn at_least(pause: Duration, asked: Option<Duration>) -> Duration {
    pause.max(asked.unwrap_or_default())
}
