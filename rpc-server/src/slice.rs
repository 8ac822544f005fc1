//! How long a connection's task may work before it lets others run.
//!
//! A slice is 200 µs. Reading the clock at each frame would cost more than a small frame does, so the interval doubles, up to
//! 8 frames, while a frame costs under 5 µs, and falls back to one when a frame cost more; the next slice goes on with it. The
//! clock is read once more behind the last frame of a turn. The runtime's own budget ends a slice too.
//!
//! The same looks at the clock find handlers that hold the others up: a single poll between two looks that took over 10 ms is told
//! with its method. Where several lay between them, one of those is to blame, and the clock is read at every frame for a while,
//! so that the next time it is known which.
//!
//! Within a slice, answers wait at most 10 µs for company: a write costs about half of that, and while one part of a batch is
//! being handled here, the client can handle the answers to the part before.

use std::time::Duration;

use tokio::{task::coop::has_budget_remaining, time::Instant};

const SLICE: Duration = Duration::from_micros(200);
const CHEAP_FRAME: Duration = Duration::from_micros(5);
const LONGEST_INTERVAL: u32 = 8;
/// A poll that takes longer holds up the other calls of its connection, and those of others on the same thread.
const LONG_POLL: Duration = Duration::from_millis(10);
/// So many frames after a long one of which it is not known which it was, the clock is read at each.
const SUSPICION: u32 = 1000;
/// So many reads, and the clock is read although no frame has come.
const READS: u32 = 16;
const FLUSH_AFTER: Duration = Duration::from_micros(10);

/// How often the clock is read: what one slice leaves to the next.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// So many frames, and it is read.
    interval: u32,
    /// How many frames are still to be timed one by one.
    suspicion: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { interval: 1, suspicion: 0 }
    }
}

/// One turn of a connection's task.
pub(crate) struct Slice {
    start: Instant,
    last: Instant,
    flushed: Instant,
    pace: Pace,
    /// Frames since the last look at the clock.
    frames: u32,
    reads: u32,
    /// The last poll, if it was long and alone.
    long_poll: Option<Duration>,
}

impl Slice {
    /// `pace` is what the slice before left.
    pub(crate) fn begin(now: Instant, pace: Pace) -> Self {
        Self { start: now, last: now, flushed: now, pace, frames: 0, reads: 0, long_poll: None }
    }

    /// Counts one frame or handler; whether it is time to [`look`](Self::look).
    pub(crate) fn count(&mut self) -> bool {
        self.frames += 1;
        self.frames >= self.pace.interval
    }

    /// Whether frames have been counted since the last look at the clock.
    pub(crate) fn has_counted(&self) -> bool {
        self.frames > 0
    }

    /// Looks at the clock; whether the slice is over.
    pub(crate) fn look(&mut self) -> bool {
        let now = Instant::now();
        let spent = now.duration_since(self.last);
        let Pace { interval, suspicion } = &mut self.pace;
        if spent >= LONG_POLL {
            if self.frames == 1 {
                self.long_poll = Some(spent);
            } else {
                *suspicion = SUSPICION;
            }
        }
        *interval = if spent < CHEAP_FRAME * self.frames {
            (*interval * 2).min(LONGEST_INTERVAL)
        } else {
            1
        };
        if *suspicion > 0 {
            *suspicion = suspicion.saturating_sub(self.frames);
            *interval = 1;
        }
        self.frames = 0;
        self.last = now;
        self.has_ended()
    }

    /// Counts a read, which is no frame: one of a large message may take many; whether the slice is over.
    pub(crate) fn is_over_behind_read(&mut self) -> bool {
        self.reads += 1;
        let is_late = || Instant::now().duration_since(self.start) >= SLICE;
        self.reads.is_multiple_of(READS) && is_late() || self.has_ended()
    }

    /// How long the poll took that was counted last, if it held up others.
    pub(crate) fn take_long_poll(&mut self) -> Option<Duration> {
        self.long_poll.take()
    }

    /// What the next slice begins with.
    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    /// Whether the slice is over, as of the last look at the clock, or the runtime's budget is used up.
    pub(crate) fn has_ended(&self) -> bool {
        self.last.duration_since(self.start) >= SLICE || !has_budget_remaining()
    }

    /// Whether answers have waited long enough to be sent; the next ones wait anew.
    pub(crate) fn is_flush_due(&mut self) -> bool {
        let is_due = self.last.duration_since(self.flushed) >= FLUSH_AFTER;
        if is_due {
            self.flushed = self.last;
        }
        is_due
    }

    /// The time as of the last look at the clock.
    pub(crate) fn now(&self) -> Instant {
        self.last
    }
}
