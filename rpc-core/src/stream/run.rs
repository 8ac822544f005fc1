//! Items of a stream that are there at once, and go out together if they are small.
//!
//! A stream is asked for items until it has none, or there are enough, or it has taken a while: each may compute for long, and others of the
//! connection wait meanwhile. Then they go to the outlet together. What was there before a stream panics goes out, too.

use std::{
    mem,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use super::{Outgo, Outlet};
use crate::{Error, limits::MAX_ITEM_RUN, value::Encoder};

/// A run ends when its items, but for the first, took so long.
const LONGEST: Duration = Duration::from_micros(10);

/// The clock is read at the first items of a run, where there are twice as many as when it was read last, and then whenever so many have come.
const CLOCK_EVERY: u32 = 8;

/// The items of one stream on their way into its outlet.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    outlet: &'a Outlet,
    items: Encoder,
    count: u32,
    /// An item that is too large to go out with those before it.
    large: Option<Encoder>,
    /// An error in the place of the next item.
    failure: Option<Error>,
    has_ended: bool,
}

impl<'a> Run<'a> {
    /// Items are encoded in `items`, which is empty.
    pub(crate) fn new(outlet: &'a Outlet, items: Encoder) -> Self {
        Self { outlet, items, count: 0, large: None, failure: None, has_ended: false }
    }

    /// Moves items from the stream into the outlet; ready when the last one has left that.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut next: impl FnMut(&mut Context<'_>) -> Poll<Option<T>>,
        encode: &mut impl FnMut(T, &mut Encoder) -> Result<(), Error>,
    ) -> Poll<()> {
        loop {
            let mut unused = Encoder::default();
            let outgo = Outgo::new(self.outlet, &mut unused);
            ready!(outgo.poll_free(cx));
            // What was there behind the last items goes first.
            if let Some(mut large) = self.large.take() {
                outgo.put_items(&mut large, 1);
            } else if let Some(error) = self.failure.take() {
                outgo.put_failure(error);
            } else if self.has_ended {
                return Poll::Ready(());
            } else {
                let polled = self.fill(|| next(cx), encode);
                if self.count == 0 && self.failure.is_none() && !self.has_ended {
                    return polled;
                }
                self.put();
            }
        }
    }

    /// Asks for items until there are none, or enough; pending where the stream is.
    fn fill<T>(
        &mut self,
        mut next: impl FnMut() -> Poll<Option<T>>,
        encode: &mut impl FnMut(T, &mut Encoder) -> Result<(), Error>,
    ) -> Poll<()> {
        let most = self.outlet.run();
        let mut start = None;
        loop {
            let Some(item) = ready!(next()) else {
                self.has_ended = true;
                return Poll::Ready(());
            };
            let mark = self.items.mark();
            if let Err(error) = encode(item, &mut self.items) {
                self.failure = Some(error);
                return Poll::Ready(());
            }
            let length = self.items.len();
            let size = length - mark;
            if self.count > 0 && size > most {
                self.large = Some(self.items.split_off(mark));
                return Poll::Ready(());
            }
            self.count += 1;
            if length + size > most || self.count == MAX_ITEM_RUN {
                return Poll::Ready(());
            }
            // The first item is behind: one that comes alone need not be timed.
            let start = *start.get_or_insert_with(Instant::now);
            let is_timed = self.count.is_power_of_two() || self.count.is_multiple_of(CLOCK_EVERY);
            if self.count > 1 && is_timed && start.elapsed() >= LONGEST {
                return Poll::Ready(());
            }
        }
    }

    /// Puts what is there into the outlet, which is empty.
    fn put(&mut self) {
        let count = mem::take(&mut self.count);
        if count > 0 {
            Outgo::new(self.outlet, &mut Encoder::default()).put_items(&mut self.items, count);
        }
    }

    /// The buffer that items were encoded in, to be used again.
    pub(crate) fn into_buffer(mut self) -> Vec<u8> {
        self.items.take_buffer()
    }
}

impl Drop for Run<'_> {
    // The stream has panicked, behind these items; or its call is over, and nobody looks into the outlet.
    fn drop(&mut self) {
        self.put();
    }
}
