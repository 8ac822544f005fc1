//! How long a connection's task may work before it lets others run.
//!
//! A slice is 200 µs. Reading the clock at each frame would cost more than a small frame does, so the interval doubles, up to
//! 16 frames, while a frame costs under 5 µs, and falls back to one when a frame cost more. The runtime's own budget ends
//! a slice too.

use std::time::Duration;

use tokio::{task::coop::has_budget_remaining, time::Instant};

const SLICE: Duration = Duration::from_micros(200);
const CHEAP_FRAME: Duration = Duration::from_micros(5);
const LONGEST_INTERVAL: u32 = 16;

/// One turn of a connection's task.
pub(crate) struct Slice {
    start: Instant,
    last: Instant,
    interval: u32,
    left: u32,
}

impl Slice {
    pub(crate) fn begin(now: Instant) -> Self {
        Self { start: now, last: now, interval: 1, left: 1 }
    }

    /// Counts one frame or handler; whether it was the last of the slice.
    pub(crate) fn is_over(&mut self) -> bool {
        self.left -= 1;
        if self.left > 0 {
            return false;
        }
        let now = Instant::now();
        let spent = now.duration_since(self.last);
        self.interval = if spent < CHEAP_FRAME * self.interval {
            (self.interval * 2).min(LONGEST_INTERVAL)
        } else {
            1
        };
        self.left = self.interval;
        self.last = now;
        now.duration_since(self.start) >= SLICE || !has_budget_remaining()
    }

    /// The time as of the last look at the clock.
    pub(crate) fn now(&self) -> Instant {
        self.last
    }
}
