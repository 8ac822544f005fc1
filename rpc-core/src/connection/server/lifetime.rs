//! What ends an open connection besides its client's wish: silence, idleness, age, and floods of frames that are free to send.
//!
//! Idleness is judged when a timer fires, not when a call ends: a connection counts as idle from the last call that came, or from the last
//! look that found one in flight or ended since the look before. So it ends between one and two of its idle times behind its last call.

use std::time::{Duration, Instant};

use super::interface::{Config, Retirement};
use crate::{
    Violation,
    connection::{
        flood::Flood,
        keepalive::{Keepalive, Verdict},
    },
};

#[derive(Debug)]
pub(super) struct Lifetime {
    keepalive: Keepalive,
    flood: Flood,
    /// Pings that were sent.
    pub(super) pings: u64,
    idle_timeout: Duration,
    /// When there was a call last, as far as is known.
    active: Instant,
    retirement: Option<Retirement>,
}

/// What its time has come for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// The client is to be asked whether it is there.
    Ping,
    /// It is not.
    Silent,
    /// The connection is to be drained, within this time if it has a bound of its own.
    Retire(Option<Duration>),
}

impl Lifetime {
    pub(super) fn new(
        config: &Config,
        keepalive_idle: Duration,
        retirement: Option<Retirement>,
        now: Instant,
    ) -> Self {
        Self {
            keepalive: Keepalive::new(keepalive_idle, config.keepalive_timeout, now),
            flood: Flood::new(config.ping_interval, now),
            pings: 0,
            idle_timeout: config.idle_timeout,
            active: now,
            retirement,
        }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.keepalive.heard(now);
    }

    /// A call has come.
    pub(super) fn called(&mut self, now: Instant) {
        self.active = now;
    }

    /// A pong has come.
    pub(super) fn answered(&mut self, now: Instant) -> Result<(), Violation> {
        self.flood.pong(now)
    }

    /// A frame has come that is free to send.
    pub(super) fn allow(&mut self, now: Instant) -> Result<(), Violation> {
        self.flood.allow(now)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let idle = self.active.checked_add(self.idle_timeout);
        let retirement = self.retirement.map(|retirement| retirement.at);
        self.keepalive.next_deadline().into_iter().chain(idle).chain(retirement).min()
    }

    pub(super) fn expire(&mut self, has_calls: bool, now: Instant) -> Due {
        if has_calls {
            self.active = now;
        }
        match self.keepalive.expire(now) {
            Verdict::Nothing => {}
            Verdict::Ask => {
                self.pings += 1;
                self.flood.expect_pong();
                return Due::Ping;
            }
            Verdict::Lost => return Due::Silent,
        }
        if let Some(Retirement { at, grace }) = self.retirement
            && at <= now
        {
            self.retirement = None;
            return Due::Retire(Some(grace));
        }
        if self.active.checked_add(self.idle_timeout).is_some_and(|end| end <= now) {
            self.idle_timeout = Duration::MAX;
            return Due::Retire(None);
        }
        Due::Nothing
    }
}
