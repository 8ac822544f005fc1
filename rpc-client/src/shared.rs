//! What callers and the channel's task share: one mutex over the machine and the right to write.
//!
//! A caller encodes outside of the lock, submits and sends its call inside, and decodes outside. Nothing under the lock
//! waits, and no user's code runs under it: no waker is woken, cloned or dropped there, and nothing that could have a
//! user's destructor.
//!
//! Who may write to the connection that takes new calls is a state, never inferred: [`Link::Idle`] means that every unsent byte is
//! in the machine's output, so whoever holds the lock may send from its front; [`Link::Writing`] means that the task holds
//! bytes that go first. A connection that goes away is written to by the task alone.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Duration, Instant},
};

use bytes::Buf;
use futures_util::task::AtomicWaker;
use rpc_core::{
    Error, Metadata,
    connection::client::{CallRef, Channel, Outgoing, Room, Transmitted},
    payload::{Body, Payload},
    stream::{Chunk, Inbox},
    value::Encoder,
};
use tokio::sync::watch;

use crate::{state::Status, tokens::Tokens, transport::DirectWriter};

/// What the machine keeps for each caller.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    waker: Option<Waker>,
    outcome: Option<Result<Payload, Error>>,
    /// Something else than the outcome has changed since the caller looked.
    has_news: bool,
    /// The server takes no more of what the call sends.
    is_stopped: bool,
    arrived: Option<Box<Arrived>>,
}

/// What has arrived beside an outcome: of the stream that is a call's answer, and with its response.
#[derive(Debug, Default)]
struct Arrived {
    has_begun: bool,
    inbox: Inbox,
    metadata: Metadata,
}

impl Waiter {
    /// Sets the outcome and returns who is to be woken, outside of the lock.
    pub(crate) fn settle(&mut self, outcome: Result<Payload, Error>) -> Option<Waker> {
        self.outcome = Some(outcome);
        self.waker.take()
    }

    /// The same, with what came with the response.
    pub(crate) fn settle_with(
        &mut self,
        outcome: Result<Payload, Error>,
        metadata: Metadata,
    ) -> Option<Waker> {
        self.arrived.get_or_insert_default().metadata = metadata;
        self.settle(outcome)
    }

    /// The caller is to look again; who is to be woken, outside of the lock.
    pub(crate) fn notify(&mut self) -> Option<Waker> {
        self.has_news = true;
        self.waker.take()
    }

    /// The server takes no more of what the call sends.
    pub(crate) fn stop(&mut self) -> Option<Waker> {
        self.is_stopped = true;
        self.notify()
    }

    /// The stream has begun.
    pub(crate) fn begin(&mut self) -> Option<Waker> {
        self.arrived.get_or_insert_default().has_begun = true;
        self.notify()
    }

    /// An item has come. Besides who is to be woken, the frame comes back, if its buffer can be used again.
    pub(crate) fn push(
        &mut self,
        item: Result<Payload, Error>,
        cost: u64,
    ) -> (Option<Waker>, Option<Body>) {
        let inbox = &mut self.arrived.get_or_insert_default().inbox;
        let body = match item {
            Ok(payload) => inbox.push(payload, cost),
            Err(error) => {
                inbox.push_failure(&error, cost);
                None
            }
        };
        (self.waker.take(), body)
    }

    /// So many items were dropped here.
    pub(crate) fn push_lost(&mut self, count: u64, cost: u64) -> Option<Waker> {
        self.arrived.get_or_insert_default().inbox.push_lost(count, cost);
        self.waker.take()
    }
}

/// What a caller finds when it looks at its call.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing; it is woken when there is something.
    Nothing,
    /// That it may send again: look there first.
    News,
    /// That it is to send no more.
    Stopped,
    /// Items of its stream.
    Chunk(Chunk),
    /// That its stream has begun.
    Begun,
    /// The outcome, and what came with the response.
    Outcome(Result<Payload, Error>, Metadata),
}

/// What a caller waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// The outcome.
    Outcome,
    /// That its stream has begun, or the outcome.
    Begin,
    /// The next items, or the outcome.
    Items,
}

/// Who may write to the connection that takes new calls.
pub(crate) enum Link {
    /// There is none.
    Down,
    /// Whoever holds the lock, if the transport lets it.
    Idle(Option<DirectWriter>),
    /// The task.
    Writing(Option<DirectWriter>),
}

pub(crate) struct State {
    pub(crate) machine: Channel<Waiter>,
    pub(crate) link: Link,
    /// No handle and no call is left.
    pub(crate) is_abandoned: bool,
    /// Until when the task sleeps.
    pub(crate) sleeping_until: Option<Instant>,
    /// How many callers the last batch of answers woke: they will call again together.
    pub(crate) batch: usize,
    /// How many calls were made since.
    pub(crate) submitted: usize,
    /// The task was woken and has not run yet.
    pub(crate) is_woken: bool,
    /// Why the task is gone; every call fails with this.
    pub(crate) ended: Option<Error>,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    task: AtomicWaker,
    /// Bytes of a call's metadata at most.
    pub(crate) max_metadata_size: usize,
    /// What calls take along, where the channel has a source of it.
    pub(crate) tokens: Option<Tokens>,
    /// How far the connection is, for who watches it.
    pub(crate) status: watch::Sender<Status>,
}

impl Shared {
    pub(crate) fn new(
        machine: Channel<Waiter>,
        max_metadata_size: usize,
        tokens: Option<Tokens>,
    ) -> Self {
        let state = State {
            machine,
            link: Link::Down,
            is_abandoned: false,
            sleeping_until: None,
            batch: 0,
            submitted: 0,
            is_woken: false,
            ended: None,
        };
        Self {
            state: Mutex::new(state),
            task: AtomicWaker::new(),
            max_metadata_size,
            tokens,
            status: watch::Sender::new(Status::default()),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the channel's task, which is to be woken.
    pub(crate) fn register(&self, waker: &Waker) {
        self.task.register(waker);
    }

    /// Wakes the channel's task.
    pub(crate) fn wake(&self) {
        self.task.wake();
    }

    /// Asks for a connection, whether or not there is a call.
    pub(crate) fn want_connection(&self) {
        self.lock().machine.want_connection();
        self.wake();
    }

    /// Hands a call in, and sends it if it is its turn. The answer to it wakes `waker`.
    ///
    /// `waker` is not kept for a one-way call that waits for its turn: [`poll`](Self::poll) it. The call ends `timeout` from now, if there is one, or when the call that made it does.
    ///
    /// # Errors
    ///
    /// What makes the call impossible. `Ok(None)`: it was a one-way call and is accepted.
    pub(crate) fn submit(
        &self,
        outgoing: &mut Outgoing,
        timeout: Option<Duration>,
        inherited: Option<Instant>,
        waker: Waker,
    ) -> Result<Option<CallRef>, Error> {
        // A one-way call is mostly over at once: then nobody need be woken.
        let waker = (!outgoing.oneway).then_some(waker);
        let waiter = Waiter { waker, ..Waiter::default() };
        let now = tokio::time::Instant::now().into_std();
        let mut guard = self.lock();
        let state = &mut *guard;
        let own = timeout.map(|timeout| now + timeout);
        let deadline = own.into_iter().chain(inherited).min();
        let submitted = if let Some(error) = &state.ended {
            Err((error.clone(), waiter))
        } else if deadline.is_some_and(|deadline| deadline <= now) {
            let error =
                Error::deadline_exceeded("the deadline had passed before the call was sent");
            Err((error.not_started(true), waiter))
        } else {
            state.machine.submit(outgoing, deadline, waiter, now)
        };
        let call = match submitted {
            Ok(call) => call,
            Err((error, _waiter)) => {
                drop(guard);
                return Err(error);
            }
        };
        let mut woken = Vec::new();
        state.submitted += 1;
        state.transmit(now, &mut woken);
        if state.write_directly(&mut woken) {
            // There is room again.
            state.transmit(now, &mut woken);
        }
        let mut settled = None;
        if let Some(outcome) = state.machine.waiter(call).outcome.take() {
            settled = Some((outcome, state.machine.release(call)));
        }
        let wakes_task = state.wakes_task();
        drop(guard);
        if wakes_task {
            self.wake();
        }
        wake_all(woken);
        match settled {
            None => Ok(Some(call)),
            Some((outcome, _remains)) => outcome.map(|_| None),
        }
    }

    /// The outcome of a call that was submitted, if it is there and nothing else is; [`poll`](Self::poll) it otherwise.
    pub(crate) fn take_outcome(&self, call: CallRef) -> Option<Result<Payload, Error>> {
        let mut guard = self.lock();
        let waiter = guard.machine.waiter(call);
        if waiter.has_news || waiter.arrived.is_some() {
            return None;
        }
        let outcome = waiter.outcome.take()?;
        let remains = guard.machine.release(call);
        drop(guard);
        drop(remains);
        Some(outcome)
    }

    /// What there is of what a call that was submitted waits for; where there is nothing yet, it wakes `waker`. With the outcome, what
    /// is left of the call goes to `left`.
    pub(crate) fn poll(
        &self,
        call: CallRef,
        awaited: Awaited,
        waker: &Waker,
        spare: Vec<u8>,
        left: &mut Option<Outgoing>,
    ) -> Found {
        let mut spare = Some(spare).filter(|spare| spare.capacity() > 0);
        let mut replacement: Option<Waker> = None;
        loop {
            let mut guard = self.lock();
            let state = &mut *guard;
            let waiter = state.machine.waiter(call);
            if waiter.has_news {
                waiter.has_news = false;
                return if waiter.is_stopped { Found::Stopped } else { Found::News };
            }
            if let Some(stream) = &mut waiter.arrived {
                let is_begun = stream.has_begun || !stream.inbox.is_empty();
                match awaited {
                    Awaited::Begin if is_begun => return Found::Begun,
                    Awaited::Begin | Awaited::Outcome => {}
                    Awaited::Items => {
                        if let Some(spare) = spare.take() {
                            stream.inbox.recycle(spare);
                        }
                        if let Some((chunk, cost)) = stream.inbox.take() {
                            state.machine.took(call, cost);
                            self.sent(guard);
                            return Found::Chunk(chunk);
                        }
                        stream.inbox.shrink();
                    }
                }
            }
            if let Some(outcome) = waiter.outcome.take() {
                let arrived = waiter.arrived.take();
                let remains = guard.machine.release(call);
                drop(guard);
                *left = remains;
                let metadata = arrived.map(|arrived| arrived.metadata).unwrap_or_default();
                return Found::Outcome(outcome, metadata);
            }
            if waiter.waker.as_ref().is_some_and(|current| current.will_wake(waker)) {
                return Found::Nothing;
            }
            if let Some(replacement) = replacement.take() {
                let replaced = waiter.waker.replace(replacement);
                drop(guard);
                drop(replaced);
                return Found::Nothing;
            }
            drop(guard);
            replacement = Some(waker.clone());
        }
    }

    /// Writes an item of the stream that a call sends; [`flush`](Self::flush) sends it.
    ///
    /// # Errors
    ///
    /// Why it cannot be sent.
    pub(crate) fn send_item(&self, call: CallRef, item: &mut Encoder) -> Result<Room, Error> {
        self.lock().machine.send_item(call, item)
    }

    /// The stream that a call sends has ended; [`flush`](Self::flush) says so.
    pub(crate) fn end_items(&self, call: CallRef) -> Room {
        self.lock().machine.end_items(call, None)
    }

    /// Sends the items that were written, together.
    pub(crate) fn flush(&self) {
        self.sent(self.lock());
    }

    /// Something may have been written for a call that was sent.
    fn sent(&self, mut guard: MutexGuard<'_, State>) {
        let mut woken = Vec::new();
        guard.write_directly(&mut woken);
        let wakes_task = guard.wakes_task();
        drop(guard);
        if wakes_task {
            self.wake();
        }
        wake_all(woken);
    }

    /// The caller of a call that was submitted lost interest.
    pub(crate) fn cancel(&self, call: CallRef) {
        let mut guard = self.lock();
        let remains = guard.machine.cancel(call);
        let spent = guard.machine.take_spent();
        self.sent(guard);
        drop((remains, spent));
    }
}

/// Wakes them all, also where one panics.
fn wake_all(wakers: Vec<Waker>) {
    struct Rest(std::vec::IntoIter<Waker>);

    impl Drop for Rest {
        fn drop(&mut self) {
            for waker in self.0.by_ref() {
                let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
            }
        }
    }

    let mut rest = Rest(wakers.into_iter());
    for waker in rest.0.by_ref() {
        waker.wake();
    }
}

impl State {
    /// Sends queued calls while it is their turn; who is to be woken goes to `woken`.
    pub(crate) fn transmit(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        while let Some(transmitted) = self.machine.transmit(now) {
            let waker = match transmitted {
                Transmitted::Request => None,
                Transmitted::Upload(waiter) => waiter.notify(),
                Transmitted::Notification(waiter) => waiter.settle(Ok(Payload::nil())),
                Transmitted::Refused(waiter, error) => waiter.settle(Err(error)),
            };
            woken.extend(waker);
        }
    }

    /// Sends the output at once, for a caller that is alone: there is nobody to share a write with. Whether it tried; whose streams have room
    /// then goes to `woken`, for the task may find nothing left to send.
    fn write_directly(&mut self, woken: &mut Vec<Waker>) -> bool {
        let (Some(active), Link::Idle(Some(writer))) = (self.machine.active(), &self.link) else {
            return false;
        };
        if self.batch > 1 || self.machine.in_flight(active) > 1 {
            return false;
        }
        let output = self.machine.output(active);
        // Segments are a user's, and may run code when they are dropped.
        if !output.has_remaining() || output.has_segments() {
            return false;
        }
        // An error here is an error for the task too, which will say what it means.
        let _ = writer.try_write(output);
        self.machine.unblock(active, |waiter| woken.extend(waiter.notify()));
        true
    }

    /// Whether the task has something to do and does not know it yet.
    fn wakes_task(&mut self) -> bool {
        if self.is_woken {
            return false;
        }
        let has_output = match (self.machine.active(), &self.link) {
            (Some(active), Link::Idle(_)) => self.machine.has_output(active),
            _ => false,
        };
        let is_late = match (self.machine.next_deadline(), self.sleeping_until) {
            (Some(deadline), Some(sleeping_until)) => deadline < sleeping_until,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let is_elsewhere = self.machine.has_retired_output();
        self.is_woken = has_output || is_elsewhere || is_late || self.machine.wants_connection();
        self.is_woken
    }
}
