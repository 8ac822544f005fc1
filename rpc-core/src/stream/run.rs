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

/// What a stream gives: an item that was encoded or an error in its place, behind so many that were dropped.
pub(crate) struct Produced {
    pub(crate) item: Result<(), Error>,
    pub(crate) lost: u64,
}

/// The items of one stream on their way into its outlet.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    outlet: &'a Outlet,
    items: Encoder,
    count: u32,
    /// Items that were dropped in front of them.
    lost: u64,
    /// An item that cannot go out with those before it: it is too large, or some were dropped in between.
    apart: Option<(Encoder, u64)>,
    /// An error in the place of the next item, behind so many that were dropped.
    failure: Option<(Error, u64)>,
    has_ended: bool,
}

impl<'a> Run<'a> {
    /// Items are encoded in `items`, which is empty.
    pub(crate) fn new(outlet: &'a Outlet, items: Encoder) -> Self {
        Self { outlet, items, count: 0, lost: 0, apart: None, failure: None, has_ended: false }
    }

    /// Moves items into the outlet, each as `produce` appends it; ready when the last one has left that.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut produce: impl FnMut(&mut Context<'_>, &mut Encoder) -> Poll<Option<Produced>>,
    ) -> Poll<()> {
        loop {
            let mut unused = Encoder::default();
            let outgo = Outgo::new(self.outlet, &mut unused);
            ready!(outgo.poll_free(cx));
            // What was there behind the last items goes first.
            if let Some((mut apart, lost)) = self.apart.take() {
                outgo.put_items(&mut apart, 1, lost);
            } else if let Some((error, lost)) = self.failure.take() {
                outgo.put_failure(error, lost);
            } else if self.has_ended {
                return Poll::Ready(());
            } else {
                let polled = self.fill(|items| produce(cx, items));
                if self.count == 0 && self.failure.is_none() && !self.has_ended {
                    return polled;
                }
                self.put();
            }
        }
    }

    /// Asks for items until there are none, or enough; pending where the stream is.
    fn fill(
        &mut self,
        mut produce: impl FnMut(&mut Encoder) -> Poll<Option<Produced>>,
    ) -> Poll<()> {
        let most = self.outlet.run();
        let mut start = None;
        loop {
            let mark = self.items.mark();
            let Some(Produced { item, lost }) = ready!(produce(&mut self.items)) else {
                self.has_ended = true;
                return Poll::Ready(());
            };
            if let Err(error) = item {
                self.failure = Some((error, lost));
                return Poll::Ready(());
            }
            let length = self.items.len();
            let size = length - mark;
            if self.count > 0 && (size > most || lost > 0) {
                self.apart = Some((self.items.split_off(mark), lost));
                return Poll::Ready(());
            }
            self.lost += lost;
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
        let (count, lost) = (mem::take(&mut self.count), mem::take(&mut self.lost));
        if count > 0 {
            let mut unused = Encoder::default();
            Outgo::new(self.outlet, &mut unused).put_items(&mut self.items, count, lost);
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
