//! Frames that ask for nothing, cost the sender nothing, and are free to send at any time: pings, pongs and ignored
//! types. Each end bounds how many of them it takes (PROTOCOL 8.3).
//!
//! A bucket holds [`FREE_FRAMES`] of them, and is filled again by one every so often. Who pings as rarely as the hello asks for never
//! meets its bottom. Cancels are counted by themselves, against requests (PROTOCOL 4.5).

use std::time::{Duration, Instant};

use crate::{Violation, limits::FREE_FRAMES};

#[derive(Debug)]
pub(super) struct Flood {
    interval: Duration,
    left: u32,
    /// Until when the bucket was filled.
    filled: Instant,
    /// Pings of this end that were not answered.
    pongs_due: u32,
}

impl Flood {
    /// A full bucket, which gets one more frame every `interval`.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self { interval, left: FREE_FRAMES, filled: now, pongs_due: 0 }
    }

    /// This end sends a ping: the pong to it is asked for.
    pub(super) fn expect_pong(&mut self) {
        self.pongs_due = self.pongs_due.saturating_add(1);
    }

    /// Takes a pong, which is free where it was asked for.
    ///
    /// # Errors
    ///
    /// Those of [`allow`](Self::allow).
    pub(super) fn pong(&mut self, now: Instant) -> Result<(), Violation> {
        match self.pongs_due.checked_sub(1) {
            Some(left) => {
                self.pongs_due = left;
                Ok(())
            }
            None => self.allow(now),
        }
    }

    /// Takes one frame out.
    ///
    /// # Errors
    ///
    /// [`Violation::Flood`], where none is left.
    pub(super) fn allow(&mut self, now: Instant) -> Result<(), Violation> {
        if self.left == 0 {
            self.fill(now);
        }
        self.left = self.left.checked_sub(1).ok_or(Violation::Flood { interval: self.interval })?;
        Ok(())
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        let intervals = passed.as_nanos().checked_div(self.interval.as_nanos());
        let whole = intervals.map_or(FREE_FRAMES, |n| u32::try_from(n).unwrap_or(FREE_FRAMES));
        self.left = whole.min(FREE_FRAMES);
        // What is left of an interval counts for the next frame, unless the bucket overflowed.
        self.filled = if whole >= FREE_FRAMES { now } else { self.filled + self.interval * whole };
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, FREE_FRAMES, Flood, Instant};

    const INTERVAL: Duration = Duration::from_secs(1);

    fn taken(flood: &mut Flood, now: Instant) -> usize {
        (0..10 * FREE_FRAMES).take_while(|_| flood.allow(now).is_ok()).count()
    }

    #[test]
    fn a_burst_is_taken_and_then_one_every_interval() {
        let start = Instant::now();
        let mut flood = Flood::new(INTERVAL, start);
        assert_eq!(taken(&mut flood, start), FREE_FRAMES as usize);
        assert_eq!(taken(&mut flood, start + INTERVAL / 2), 0);
        assert_eq!(taken(&mut flood, start + INTERVAL), 1);
        // Halves add up.
        assert_eq!(taken(&mut flood, start + INTERVAL * 5 / 2), 1);
        assert_eq!(taken(&mut flood, start + INTERVAL * 3), 1);
        assert_eq!(taken(&mut flood, start + INTERVAL * 10_000), FREE_FRAMES as usize);
        assert_eq!(taken(&mut flood, start + INTERVAL * 10_001), 1);
    }

    #[test]
    fn who_keeps_to_the_interval_may_go_on_for_ever() {
        let mut now = Instant::now();
        let mut flood = Flood::new(INTERVAL, now);
        for _ in 0..10_000 {
            now += INTERVAL;
            assert!(flood.allow(now).is_ok());
        }
    }

    #[test]
    fn a_pong_that_was_asked_for_is_free() {
        let now = Instant::now();
        let mut flood = Flood::new(INTERVAL, now);
        for _ in 0..1000 {
            flood.expect_pong();
            assert!(flood.pong(now).is_ok());
        }
        let unasked = (0..1000).take_while(|_| flood.pong(now).is_ok()).count();
        assert_eq!(unasked, FREE_FRAMES as usize);
    }

    #[test]
    fn no_interval_means_no_bound() {
        let now = Instant::now();
        let mut flood = Flood::new(Duration::ZERO, now);
        assert!((0..10_000).all(|_| flood.allow(now).is_ok()));
    }
}
