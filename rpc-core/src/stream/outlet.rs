//! What of a server's stream is on its way out: an item, or a few small ones that were there at once.
//!
//! Between a handler that streams and its connection's task, which may be one task or two:
//!
//! ```text
//!            put                    offer, and it was sent
//!   Empty ─────────▶ Begin │ Items │ Failure ────────▶ Empty
//!                        │ offer, and there was no room: it stays, and is held
//! ```
//!
//! While it is not empty, the stream is not asked for another item. Where the handler runs in its connection's task, the task polls it again
//! by itself; otherwise each side wakes the other. Nothing of the user's runs under the lock: an item is encoded before it is put in here.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::{Error, value::Encoder};

/// What a stream has to send next.
#[derive(Debug)]
pub enum Content<'a> {
    /// That it has begun.
    Begin,
    /// An item.
    Item(&'a mut Encoder),
    /// So many items, one behind the other.
    Items(&'a mut Encoder, u32),
    /// An item that is an error.
    Failure(&'a Error),
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// There was nothing to send.
    Nothing,
    /// There was no room for it: it is offered again when there is.
    Held,
    /// It was sent.
    Sent,
}

#[derive(Debug, Default)]
enum Holds {
    #[default]
    Nothing,
    Begin,
    Items(u32),
    Failure(Error),
}

#[derive(Debug, Default)]
struct State {
    holds: Holds,
    encoder: Encoder,
    /// Items that were dropped in front of the one that is held.
    lost: u64,
    /// There was no room for it.
    is_held: bool,
    /// The producer wants to know when there is none: it does not wait.
    is_eager: bool,
    producer: Option<Waker>,
}

/// Whether something may be put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It may.
    Free,
    /// Something is on its way out.
    Taken,
    /// Something is, and found no room.
    Held,
}

/// The way out of one stream.
#[derive(Debug, Default)]
pub struct Outlet {
    state: Mutex<State>,
    /// Whom to wake when there is something, if the handler runs in a task of its own.
    consumer: Option<Waker>,
    /// Bytes of items that are there at once and may go out together.
    run: usize,
}

impl Outlet {
    /// The outlet of a handler that its consumer polls itself, or else of one that is to wake `consumer`. About `run` bytes of small items that are
    /// there at once go out together.
    pub fn new(consumer: Option<Waker>, run: usize) -> Self {
        Self { state: Mutex::default(), consumer, run }
    }

    /// Bytes of items that may go out together.
    pub(super) fn run(&self) -> usize {
        self.run
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something may be put in; if not, its task is woken when that changes.
    fn poll_way(&self, cx: &Context<'_>, is_eager: bool) -> Way {
        let mut replacement = None;
        loop {
            let mut state = self.lock();
            state.is_eager = is_eager;
            let way = match (&state.holds, state.is_held) {
                (Holds::Nothing, _) => return Way::Free,
                (_, false) => Way::Taken,
                (_, true) => Way::Held,
            };
            if state.producer.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                return way;
            }
            if let Some(replacement) = replacement.take() {
                let before = state.producer.replace(replacement);
                drop(state);
                drop(before);
                return way;
            }
            drop(state);
            replacement = Some(cx.waker().clone());
        }
    }

    fn put(&self, put: impl FnOnce(&mut State)) {
        put(&mut self.lock());
        if let Some(consumer) = &self.consumer {
            consumer.wake_by_ref();
        }
    }

    /// Shows `send` what is held, and how many items were dropped in front of it; `send` says whether it took it.
    pub fn offer(&self, send: impl FnOnce(Content<'_>, u64) -> bool) -> Offered {
        let mut state = self.lock();
        let State { holds, encoder, lost, is_held, is_eager, producer } = &mut *state;
        let content = match holds {
            Holds::Nothing => return Offered::Nothing,
            Holds::Begin => Content::Begin,
            Holds::Items(1) => Content::Item(encoder),
            Holds::Items(count) => Content::Items(encoder, *count),
            Holds::Failure(error) => Content::Failure(error),
        };
        if !send(content, *lost) {
            let is_news = *is_eager && !mem::replace(is_held, true);
            let waker = if is_news { producer.take() } else { None };
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
            return Offered::Held;
        }
        *is_held = false;
        *lost = 0;
        // What was sent is not kept for the next item, which may never come.
        let sent = (mem::take(holds), encoder.take_segments());
        let waker = if self.consumer.is_some() { producer.take() } else { None };
        drop(state);
        drop(sent);
        if let Some(waker) = waker {
            waker.wake();
        }
        Offered::Sent
    }

    /// Forgets what is held: its call is over.
    pub fn clear(&self) {
        let mut state = self.lock();
        let before = (mem::take(&mut state.holds), mem::take(&mut state.encoder));
        state.lost = 0;
        state.is_held = false;
        state.is_eager = false;
        drop(state);
        drop(before);
    }
}

/// The handler's side of an outlet.
#[derive(Debug)]
pub(crate) struct Outgo<'a> {
    outlet: &'a Outlet,
    encoder: &'a mut Encoder,
}

impl<'a> Outgo<'a> {
    /// Items are encoded in `encoder`.
    pub(crate) fn new(outlet: &'a Outlet, encoder: &'a mut Encoder) -> Self {
        Self { outlet, encoder }
    }

    /// Ready when something may be put in.
    pub(crate) fn poll_free(&self, cx: &Context<'_>) -> Poll<()> {
        match self.outlet.poll_way(cx, false) {
            Way::Free => Poll::Ready(()),
            Way::Taken | Way::Held => Poll::Pending,
        }
    }

    /// Whether something may be put in, for a producer that does not wait.
    pub(crate) fn poll_way(&self, cx: &Context<'_>) -> Way {
        self.outlet.poll_way(cx, true)
    }

    pub(crate) fn begin(&self) {
        self.outlet.put(|state| state.holds = Holds::Begin);
    }

    /// Puts in an error in the place of an item, behind so many that were dropped.
    pub(crate) fn put_failure(&self, error: Error, lost: u64) {
        self.outlet.put(|state| {
            state.holds = Holds::Failure(error);
            state.lost = lost;
        });
    }

    /// Puts in so many items that stand in `encoder`, which gets an empty one in exchange, behind so many that were dropped.
    pub(crate) fn put_items(&self, encoder: &mut Encoder, count: u32, lost: u64) {
        let structs = encoder.structs();
        self.outlet.put(|state| {
            mem::swap(&mut state.encoder, encoder);
            state.holds = Holds::Items(count);
            state.lost = lost;
        });
        encoder.reset(structs);
    }

    /// Puts in the item that `encode` appends, behind so many that were dropped.
    pub(crate) fn put(
        &mut self,
        lost: u64,
        encode: impl FnOnce(&mut Encoder) -> Result<(), Error>,
    ) {
        let structs = self.encoder.structs();
        self.encoder.reset(structs);
        match encode(self.encoder) {
            Ok(()) => self.outlet.put(|state| {
                mem::swap(&mut state.encoder, self.encoder);
                state.holds = Holds::Items(1);
                state.lost = lost;
            }),
            Err(error) => self.put_failure(error, lost),
        }
        self.encoder.reset(structs);
    }
}
