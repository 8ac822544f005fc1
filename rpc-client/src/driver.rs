//! The task of one channel: it connects when there is something to carry, moves the bytes, and ends what is due.
//!
//! ```text
//!   Waiting ──a call or a wish──▶ Connecting ──connected──▶ Connected ──abandoned──▶ Closing ──▶ gone
//!      ▲                              │                         │
//!      ╰───────────failed─────────────┴──────────lost───────────╯
//! ```
//!
//! The task outlives its connections, as the calls do. One timer serves all deadlines. The task always reads. When it is
//! dropped, with its runtime or by a panic, every call fails at once. A channel without handles and calls is abandoned: what was
//! written is still sent.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Buf;
use rpc_core::{Address, Error};
use tokio::time::Instant;

use crate::{
    connected::{Aside, Connected, Read},
    shared::{Link, Shared, Status},
    timer::Timer,
    transport::Transport,
};

/// So many reads, and other tasks get their turn.
const READS_PER_TURN: u32 = 16;

/// How long reading goes on after writing failed, and how long a connection that is closed in order waits for the server.
const LINGER: Duration = Duration::from_secs(1);

/// The pause before calls that a server sent away go out again, where the last connection answered none.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Where connections come from.
pub(crate) enum Connector {
    /// From this address, as often as one is needed.
    Address(Address),
    /// From nowhere: the address was wrong.
    Nowhere(Error),
    /// It is there already, and there will be no other.
    Once(Option<Transport>),
}

impl From<Result<Address, Error>> for Connector {
    fn from(address: Result<Address, Error>) -> Self {
        match address {
            Ok(address) => Self::Address(address),
            Err(error) => Self::Nowhere(error),
        }
    }
}

impl Connector {
    fn attempt(&mut self) -> Attempt {
        match self {
            Self::Address(address) => {
                let address = address.clone();
                Box::pin(async move { Transport::connect(&address).await })
            }
            Self::Nowhere(error) => Box::pin(std::future::ready(Err(error.clone()))),
            Self::Once(transport) => {
                let gone = || Error::unavailable("the channel's only connection was lost");
                Box::pin(std::future::ready(transport.take().ok_or_else(gone)))
            }
        }
    }
}

type Attempt = Pin<Box<dyn Future<Output = Result<Transport, Error>> + Send>>;

enum Phase {
    Waiting,
    Connecting(Attempt),
    Connected(Box<Connected>),
    Closing(Pin<Box<dyn Future<Output = ()> + Send>>),
}

/// The task.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    connector: Connector,
    max_message_size: usize,
    connect_timeout: Duration,
    phase: Phase,
    /// When the phase ends by itself: a pause before connecting, the attempt together with the server's hello, or the reading
    /// after writing failed.
    phase_deadline: Option<Instant>,
    pause: Duration,
    timer: Timer,
    aside: Aside,
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        connector: Connector,
        max_message_size: usize,
        connect_timeout: Duration,
    ) -> Self {
        Self {
            shared,
            connector,
            max_message_size,
            connect_timeout,
            phase: Phase::Waiting,
            phase_deadline: None,
            pause: Duration::ZERO,
            timer: Timer::default(),
            aside: Aside::default(),
        }
    }

    /// The connection, or the attempt to make one, is over.
    fn lost(&mut self, error: &Error) {
        let has_answered = match std::mem::replace(&mut self.phase, Phase::Waiting) {
            Phase::Connected(connected) => connected.has_answered(),
            Phase::Waiting | Phase::Connecting(_) | Phase::Closing(_) => false,
        };
        let woken = &mut self.aside.woken;
        let mut state = self.shared.lock();
        let remains =
            state.machine.lost(error, |waiter, error| woken.extend(waiter.settle(Err(error))));
        let has_queued = state.machine.has_queued();
        let link = std::mem::replace(&mut state.link, Link::Down);
        let status = std::mem::replace(&mut state.status, Status::Failed(error.clone()));
        state.is_wanted = false;
        woken.append(&mut state.watchers);
        drop(state);
        drop((remains, link, status));
        self.aside.settle();
        self.phase_deadline = None;
        if has_answered {
            self.pause = Duration::ZERO;
        } else if has_queued {
            // Calls that were sent away go out again; a server that sends all of them away is not to be hammered.
            self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            self.phase_deadline = Some(Instant::now() + self.pause);
        }
    }

    /// Begins a connection, if one is needed; whether it did.
    fn poll_waiting(&mut self) -> bool {
        if self.phase_deadline.is_some() {
            return false;
        }
        let mut state = self.shared.lock();
        if !state.is_wanted && !state.machine.has_queued() {
            return false;
        }
        let status = std::mem::replace(&mut state.status, Status::Connecting);
        drop(state);
        drop(status);
        self.phase_deadline = Some(Instant::now() + self.connect_timeout);
        self.phase = Phase::Connecting(self.connector.attempt());
        true
    }

    fn connected(&mut self, transport: Transport) {
        let mut state = self.shared.lock();
        state.machine.connected();
        state.link = Link::Idle(transport.direct_writer());
        drop(state);
        self.phase = Phase::Connected(Box::new(Connected::new(transport, self.max_message_size)));
    }

    /// Moves bytes until there is nothing to move.
    ///
    /// # Errors
    ///
    /// Why the connection is over.
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        let Phase::Connected(connected) = &mut self.phase else {
            return Ok(());
        };
        connected.begin_turn();
        for _ in 0..READS_PER_TURN {
            let read = connected.poll_input(cx, &self.shared, &mut self.aside)?;
            connected.poll_flush(cx, &self.shared, &mut self.aside);
            self.aside.settle();
            if connected.broken().is_some() {
                self.phase_deadline.get_or_insert_with(|| Instant::now() + LINGER);
            } else if self.phase_deadline.is_some() && self.shared.lock().machine.is_open() {
                self.phase_deadline = None;
            }
            if let Read::Empty = read {
                return Ok(());
            }
        }
        let _ = std::pin::pin!(tokio::task::yield_now()).poll(cx);
        Ok(())
    }

    /// Ends what is due, and sets the timer for what is due next.
    ///
    /// # Errors
    ///
    /// Why the phase is over, where it took too long.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        loop {
            let mut state = self.shared.lock();
            let next = state.machine.next_deadline().map(Instant::from_std);
            let next = next.into_iter().chain(self.phase_deadline).min();
            state.sleeping_until = next.map(Instant::into_std);
            drop(state);
            if self.timer.poll(next, cx).is_pending() {
                return Ok(());
            }
            self.expire(Instant::now())?;
        }
    }

    fn expire(&mut self, now: Instant) -> Result<(), Error> {
        let woken = &mut self.aside.woken;
        let mut state = self.shared.lock();
        state
            .machine
            .expire(now.into_std(), |waiter, error| woken.extend(waiter.settle(Err(error))));
        let has_output = state.machine.output().has_remaining();
        drop(state);
        self.aside.settle();
        let is_over = self.phase_deadline.is_some_and(|deadline| deadline <= now);
        if is_over {
            self.phase_deadline = None;
        }
        if has_output || is_over {
            // The cancels go out, and the next phase begins, with the next turn.
            self.shared.wake();
        }
        match &self.phase {
            Phase::Connecting(_) if is_over => Err(self.too_late()),
            Phase::Connected(connected) if is_over => {
                Err(connected.broken().cloned().unwrap_or_else(|| self.too_late()))
            }
            Phase::Waiting | Phase::Connecting(_) | Phase::Connected(_) | Phase::Closing(_) => {
                Ok(())
            }
        }
    }

    fn too_late(&self) -> Error {
        let target = match &self.connector {
            Connector::Address(address) => format!(" to {address}"),
            Connector::Nowhere(_) | Connector::Once(_) => String::new(),
        };
        Error::unavailable(format!(
            "no connection{target} within {:?}; raise it with `connect_timeout` on the channel's builder",
            self.connect_timeout
        ))
    }

    fn poll_phase(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        loop {
            match &mut self.phase {
                Phase::Waiting => {
                    if !self.poll_waiting() {
                        return Ok(());
                    }
                }
                Phase::Connecting(attempt) => match attempt.as_mut().poll(cx) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(Ok(transport)) => self.connected(transport),
                    Poll::Ready(Err(error)) => return Err(error),
                },
                Phase::Connected(_) => return self.poll_connected(cx),
                Phase::Closing(_) => return Ok(()),
            }
        }
    }

    /// No handle and no call is left: sends what was written, and ends.
    fn poll_abandoned(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Phase::Closing(closing) = &mut self.phase {
            return closing.as_mut().poll(cx);
        }
        let Phase::Connected(connected) = std::mem::replace(&mut self.phase, Phase::Waiting) else {
            return Poll::Ready(());
        };
        let mut state = self.shared.lock();
        // A socket that is closed with unread bytes, such as the server's hello, takes what was sent before with it.
        let owes_nothing = state.machine.is_open() && state.machine.in_flight() == 0;
        let rest = state.machine.output().take_unsent();
        let link = std::mem::replace(&mut state.link, Link::Down);
        drop(state);
        drop(link);
        if owes_nothing && !rest.has_remaining() && !connected.is_writing() {
            return Poll::Ready(());
        }
        let mut closing: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            // A server that does not close on its side in time is not waited for.
            let _ = tokio::time::timeout(LINGER, connected.close(rest)).await;
        });
        let closed = closing.as_mut().poll(cx);
        self.phase = Phase::Closing(closing);
        closed
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.shared.register(cx.waker());
        let mut state = this.shared.lock();
        state.is_woken = false;
        let is_abandoned = state.is_abandoned;
        drop(state);
        if is_abandoned {
            ready!(this.poll_abandoned(cx));
            return Poll::Ready(());
        }
        // Each round ends one connection, and a further one begins only if somebody waits for it.
        loop {
            match this.poll_phase(cx).and_then(|()| this.poll_timer(cx)) {
                Ok(()) => return Poll::Pending,
                Err(error) => this.lost(&error),
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let error = Error::unavailable("the channel's task ended, with its runtime or by a panic");
        self.shared.lock().ended = Some(error.clone().not_started(true));
        self.lost(&error);
        // Calls that waited for the next connection have been left: there will be none.
        self.lost(&error);
    }
}
