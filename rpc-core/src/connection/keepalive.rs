//! Whether a silent peer is there: asked by a ping when nothing has come for a while, given up when nothing comes then.
//!
//! ```text
//!               idle                  timeout
//!   Listening ────────▶ ask ▶ Asked ──────────▶ lost
//!       ▲                       │
//!       ╰───── any byte ────────╯
//! ```
//!
//! Both ends have one for each connection. Any byte counts, not only a pong: what arrives shows that the peer is there, and
//! a busy connection is never asked. Time is an argument, and hearing does not move a timer: who waits for
//! [`next_deadline`](Keepalive::next_deadline) looks again when it has come. PROTOCOL 8.

use std::time::{Duration, Instant};

/// What is to be done about a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: it was heard.
    Nothing,
    /// Send it a ping.
    Ask,
    /// End the connection: it is not there.
    Lost,
}

#[derive(Debug)]
pub(super) struct Keepalive {
    idle: Duration,
    timeout: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Something came, at this instant.
    Listening(Instant),
    /// A ping was sent, at this instant, and nothing has come since.
    Asked(Instant),
}

impl Keepalive {
    /// For a connection that is made now. With [`Duration::MAX`] as `idle` the peer is never asked.
    pub(super) fn new(idle: Duration, timeout: Duration, now: Instant) -> Self {
        Self { idle, timeout, state: State::Listening(now) }
    }

    /// Bytes have come; or none could, because this end does not read.
    pub(super) fn heard(&mut self, now: Instant) {
        self.state = State::Listening(now);
    }

    /// When [`expire`](Self::expire) is to be called.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        // What lies beyond the end of time is never due.
        match self.state {
            State::Listening(since) => since.checked_add(self.idle),
            State::Asked(since) => since.checked_add(self.timeout),
        }
    }

    /// Looks whether the peer has been silent for too long.
    pub(super) fn expire(&mut self, now: Instant) -> Verdict {
        if self.next_deadline().is_none_or(|deadline| deadline > now) {
            return Verdict::Nothing;
        }
        match self.state {
            State::Listening(_) => {
                self.state = State::Asked(now);
                Verdict::Ask
            }
            State::Asked(_) => Verdict::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Keepalive, Verdict};

    const IDLE: Duration = Duration::from_secs(20);
    const TIMEOUT: Duration = Duration::from_secs(10);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_silent_peer_is_asked_and_then_given_up() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(IDLE, TIMEOUT, start);
        assert_eq!(keepalive.next_deadline(), Some(start + IDLE));
        assert_eq!(keepalive.expire(start + IDLE - SECOND), Verdict::Nothing);
        assert_eq!(keepalive.expire(start + IDLE), Verdict::Ask);
        assert_eq!(keepalive.next_deadline(), Some(start + IDLE + TIMEOUT));
        assert_eq!(keepalive.expire(start + IDLE + TIMEOUT - SECOND), Verdict::Nothing);
        assert_eq!(keepalive.expire(start + IDLE + TIMEOUT), Verdict::Lost);
    }

    #[test]
    fn any_byte_begins_the_wait_anew() {
        let mut now = Instant::now();
        let mut keepalive = Keepalive::new(IDLE, TIMEOUT, now);
        for _ in 0..5 {
            now += IDLE;
            assert_eq!(keepalive.expire(now), Verdict::Ask);
            now += TIMEOUT - SECOND;
            keepalive.heard(now);
            assert_eq!(keepalive.expire(now + SECOND), Verdict::Nothing);
            assert_eq!(keepalive.next_deadline(), Some(now + IDLE));
        }
    }

    #[test]
    fn a_late_look_still_asks_first() {
        // As after the machine slept: the peer gets its time to answer.
        let start = Instant::now();
        let mut keepalive = Keepalive::new(IDLE, TIMEOUT, start);
        let late = start + IDLE * 100;
        assert_eq!(keepalive.expire(late), Verdict::Ask);
        assert_eq!(keepalive.next_deadline(), Some(late + TIMEOUT));
    }

    #[test]
    fn it_can_be_switched_off() {
        let now = Instant::now();
        let mut keepalive = Keepalive::new(Duration::MAX, TIMEOUT, now);
        assert_eq!(keepalive.next_deadline(), None);
        assert_eq!(keepalive.expire(now + Duration::from_secs(1 << 31)), Verdict::Nothing);
    }
}
