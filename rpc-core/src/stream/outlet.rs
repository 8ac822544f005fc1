//! The one item of a server's stream that is on its way out.
//!
//! Between a handler that streams and its connection's task, which may be one task or two:
//!
//! ```text
//!            put                    offer, and it was sent
//!   Empty ─────────▶ Begin │ Item │ Failure ─────────▶ Empty
//!                        │ offer, and there was no room: it stays
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
    /// The same, for the first time, and its producer is to learn that: it drops what it cannot send.
    Refused,
    /// It was sent.
    Sent,
}

#[derive(Debug, Default)]
enum Holds {
    #[default]
    Nothing,
    Begin,
    Item,
    Failure(Error),
}

#[derive(Debug, Default)]
struct State {
    holds: Holds,
    encoder: Encoder,
    /// Items that were dropped in front of the one that is held.
    lost: u64,
    producer: Option<Waker>,
    /// Whether what is held was offered in vain.
    is_refused: bool,
    /// Whether the producer is to be told of that.
    tells_refusals: bool,
}

/// The way out of one stream.
#[derive(Debug, Default)]
pub struct Outlet {
    state: Mutex<State>,
    /// Whom to wake when there is something, if the handler runs in a task of its own.
    consumer: Option<Waker>,
}

impl Outlet {
    /// The outlet of a handler that its consumer polls itself, or else of one that is to wake `consumer`.
    pub fn new(consumer: Option<Waker>) -> Self {
        Self { state: Mutex::default(), consumer }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something may be put in; if not, its task is woken when it may.
    fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        let state = self.lock();
        if let Holds::Nothing = state.holds {
            return Poll::Ready(());
        }
        if !state.producer.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            drop(state);
            let waker = Some(cx.waker().clone());
            let mut again = self.lock();
            if let Holds::Nothing = again.holds {
                return Poll::Ready(());
            }
            let before = mem::replace(&mut again.producer, waker);
            drop(again);
            drop(before);
        }
        Poll::Pending
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
        let State { holds, encoder, lost, producer, is_refused, tells_refusals } = &mut *state;
        let content = match holds {
            Holds::Nothing => return Offered::Nothing,
            Holds::Begin => Content::Begin,
            Holds::Item => Content::Item(encoder),
            Holds::Failure(error) => Content::Failure(error),
        };
        if !send(content, *lost) {
            let is_news = !mem::replace(is_refused, true) && *tells_refusals;
            let waker = if is_news { producer.take() } else { None };
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
            return if is_news { Offered::Refused } else { Offered::Held };
        }
        *lost = 0;
        *is_refused = false;
        let failure = mem::take(holds);
        let waker = if self.consumer.is_some() { producer.take() } else { None };
        drop(state);
        drop(failure);
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
        (state.is_refused, state.tells_refusals) = (false, false);
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

    pub(crate) fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        self.outlet.poll_empty(cx)
    }

    /// The producer is polled, too, when what it has put in finds no room for the first time.
    pub(crate) fn tell_refusals(&self) {
        self.outlet.lock().tells_refusals = true;
    }

    /// Whether what is held was offered in vain.
    pub(crate) fn is_refused(&self) -> bool {
        self.outlet.lock().is_refused
    }

    pub(crate) fn begin(&self) {
        self.outlet.put(|state| state.holds = Holds::Begin);
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
                state.holds = Holds::Item;
                state.lost = lost;
            }),
            Err(error) => self.outlet.put(|state| {
                state.holds = Holds::Failure(error);
                state.lost = lost;
            }),
        }
        self.encoder.reset(structs);
    }
}
