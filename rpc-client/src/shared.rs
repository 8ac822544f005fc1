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
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Duration, Instant},
};

use bytes::Buf;
use futures_util::task::AtomicWaker;
use rpc_core::{
    Error,
    connection::client::{CallRef, Channel, Outgoing, Transmitted},
    payload::Payload,
};
use tokio::sync::watch;

use crate::{state::Status, transport::DirectWriter};

/// What the machine keeps for each caller.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    waker: Option<Waker>,
    outcome: Option<Result<Payload, Error>>,
}

impl Waiter {
    /// Sets the outcome and returns who is to be woken, outside of the lock.
    pub(crate) fn settle(&mut self, outcome: Result<Payload, Error>) -> Option<Waker> {
        self.outcome = Some(outcome);
        self.waker.take()
    }
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
    /// How far the connection is, for who watches it.
    pub(crate) status: watch::Sender<Status>,
}

impl Shared {
    pub(crate) fn new(machine: Channel<Waiter>, max_metadata_size: usize) -> Self {
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
    /// The call ends `timeout` from now, or when the call that made it does.
    ///
    /// # Errors
    ///
    /// What makes the call impossible. `Ok(None)`: it was a one-way call and is accepted.
    pub(crate) fn submit(
        &self,
        outgoing: &mut Outgoing,
        timeout: Duration,
        inherited: Option<Instant>,
        waker: Waker,
    ) -> Result<Option<CallRef>, Error> {
        let waiter = Waiter { waker: Some(waker), outcome: None };
        let now = tokio::time::Instant::now().into_std();
        let mut guard = self.lock();
        let state = &mut *guard;
        let deadline = inherited.map_or(now + timeout, |inherited| inherited.min(now + timeout));
        let submitted = if let Some(error) = &state.ended {
            Err((error.clone(), waiter))
        } else if deadline <= now {
            let error =
                Error::deadline_exceeded("the deadline had passed before the call was sent");
            Err((error.not_started(true), waiter))
        } else {
            state.machine.submit(outgoing, Some(deadline), waiter, now)
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
        if state.write_directly() {
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
        for waker in woken {
            waker.wake();
        }
        match settled {
            None => Ok(Some(call)),
            Some((outcome, _remains)) => outcome.map(|_| None),
        }
    }

    /// The outcome of a call that was submitted; where there is none yet, it wakes `waker`.
    pub(crate) fn poll(&self, call: CallRef, waker: &Waker) -> Option<Result<Payload, Error>> {
        let mut replacement: Option<Waker> = None;
        loop {
            let mut guard = self.lock();
            let waiter = guard.machine.waiter(call);
            if let Some(outcome) = waiter.outcome.take() {
                let remains = guard.machine.release(call);
                drop(guard);
                drop(remains);
                return Some(outcome);
            }
            if waiter.waker.as_ref().is_some_and(|current| current.will_wake(waker)) {
                return None;
            }
            if let Some(replacement) = replacement.take() {
                let replaced = waiter.waker.replace(replacement);
                drop(guard);
                drop(replaced);
                return None;
            }
            drop(guard);
            replacement = Some(waker.clone());
        }
    }

    /// The caller of a call that was submitted lost interest.
    pub(crate) fn cancel(&self, call: CallRef) {
        let mut guard = self.lock();
        let carrier = guard.machine.carrier(call);
        let remains = guard.machine.cancel(call);
        guard.write_directly();
        // A connection that goes away is the task's alone.
        let is_elsewhere = carrier.is_some() && carrier != guard.machine.active();
        let wakes_task = guard.wakes_task() || is_elsewhere;
        drop(guard);
        drop(remains);
        if wakes_task {
            self.wake();
        }
    }
}

impl State {
    /// Sends queued calls while it is their turn; who is to be woken goes to `woken`.
    pub(crate) fn transmit(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        while let Some(transmitted) = self.machine.transmit(now) {
            let waker = match transmitted {
                Transmitted::Request => None,
                Transmitted::Notification(waiter) => waiter.settle(Ok(Payload::nil())),
                Transmitted::Refused(waiter, error) => waiter.settle(Err(error)),
            };
            woken.extend(waker);
        }
    }

    /// Sends the output at once, for a caller that is alone: there is nobody to share a write with. Whether it tried.
    fn write_directly(&mut self) -> bool {
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
        true
    }

    /// Whether the task has something to do and does not know it yet.
    fn wakes_task(&mut self) -> bool {
        if self.is_woken {
            return false;
        }
        let has_output = match (self.machine.active(), &self.link) {
            (Some(active), Link::Idle(_)) => self.machine.output(active).has_remaining(),
            _ => false,
        };
        let is_late = match (self.machine.next_deadline(), self.sleeping_until) {
            (Some(deadline), Some(sleeping_until)) => deadline < sleeping_until,
            (Some(_), None) => true,
            (None, _) => false,
        };
        self.is_woken = has_output || is_late || self.machine.wants_connection();
        self.is_woken
    }
}
