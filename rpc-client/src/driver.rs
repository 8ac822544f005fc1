//! The task of one channel: it connects when there is something to carry, moves the bytes, and ends what is due.
//!
//! Whether there is to be a connection, how long to pause before it, and what its end means for each call, the machine decides. The
//! task holds the attempt that is under way and the open connections: one that takes the new calls, and those that go
//! away and have calls to finish. In each turn it goes round until nothing changes:
//!
//! ```text
//!   ╭─▶ attempt ──connected──▶ connections: read, hand out, write ──▶ timer ─╮
//!   │      ╰── failed ──────────── lost ─────────────── due ────────────────▶│
//!   ╰──────────────────────────── something changed ◀────────────────────────╯
//! ```
//!
//! The task outlives its connections, as the calls do. One timer serves all deadlines. The task always reads. When it is
//! dropped, with its runtime or by a panic, every call fails at once. A channel without handles and calls is abandoned: what was
//! written is still sent.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Buf;
use futures_util::future::join_all;
use rpc_core::{
    Error,
    connection::client::{Config, Late, LinkId, Outlook, Overdue, Phase},
};
use tokio::time::Instant;

use crate::{
    connected::{Aside, Connected, Ended, Read},
    dialler::{Dialled, Dialler, Undialled},
    shared::{Link, Shared},
    state::{ChannelState, Status},
    timer::Timer,
    trace,
    transport::Transport,
};

/// So many reads, and other tasks get their turn.
const READS_PER_TURN: u32 = 16;

/// How long reading goes on after writing failed, and how long a connection that is closed in order waits for the server.
const LINGER: Duration = Duration::from_secs(1);

/// Where connections come from.
pub(crate) enum Connector {
    /// From a server's address, as often as one is needed.
    Address(Dialler),
    /// From nowhere: the address was wrong.
    Nowhere(Error),
    /// It is there already, and there will be no other.
    Once(Option<Transport>),
}

impl Connector {
    fn attempt(&mut self) -> Attempt {
        match self {
            Self::Address(dialler) => {
                let dialler = dialler.clone();
                Box::pin(async move { dialler.attempt().await })
            }
            Self::Nowhere(error) => {
                Box::pin(std::future::ready(Err(Undialled::hopeless(error.clone()))))
            }
            Self::Once(transport) => {
                let gone = || {
                    Undialled::hopeless(Error::unavailable(
                        "the channel's only connection was lost",
                    ))
                };
                let transport = transport.take().map(Dialled::from);
                Box::pin(std::future::ready(transport.ok_or_else(gone)))
            }
        }
    }

    /// What an attempt that took too long says about the next one.
    fn outlook(&self) -> Outlook {
        match self {
            Self::Address(_) => Outlook::Open,
            Self::Nowhere(_) | Self::Once(_) => Outlook::Hopeless,
        }
    }
}

impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(dialler) => dialler.address.fmt(f),
            Self::Nowhere(_) => f.write_str("an address that is none"),
            Self::Once(_) => f.write_str("a stream"),
        }
    }
}

type Attempt = Pin<Box<dyn Future<Output = Result<Dialled, Undialled>> + Send>>;

/// The task.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    connector: Connector,
    config: Config,
    attempt: Option<Attempt>,
    connections: Vec<Connected>,
    /// The end, once the channel is abandoned.
    closing: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    timer: Timer,
    aside: Aside,
    status: Status,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, connector: Connector, config: Config) -> Self {
        Self {
            shared,
            connector,
            config,
            attempt: None,
            connections: Vec::new(),
            closing: None,
            timer: Timer::default(),
            aside: Aside::default(),
            status: Status::default(),
        }
    }

    /// Begins an attempt to connect, if one is wanted, and polls it; whether it ended.
    fn poll_attempt(&mut self, cx: &mut Context<'_>) -> bool {
        if self.attempt.is_none() {
            let mut state = self.shared.lock();
            if let Some(id) = state.machine.surplus() {
                drop(state);
                let error = "the connection was given up for another: nobody waits for its calls";
                self.lost(self.index(id), &Ended::from(Error::unavailable(error)));
                return true;
            }
            if !state.machine.wants_connection() {
                return false;
            }
            state.machine.dialling(Instant::now().into_std());
            drop(state);
            self.attempt = Some(self.connector.attempt());
        }
        let Some(attempt) = &mut self.attempt else {
            return false;
        };
        match attempt.as_mut().poll(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(dialled)) => self.connected(dialled),
            Poll::Ready(Err(undialled)) => self.failed(&undialled),
        }
        true
    }

    fn connected(&mut self, dialled: Dialled) {
        self.attempt = None;
        let mut state = self.shared.lock();
        let now = Instant::now().into_std();
        let id = if dialled.has_preface {
            state.machine.connected_behind_preface(now)
        } else {
            state.machine.connected(now)
        };
        let link = Link::Idle(dialled.transport.direct_writer());
        let before = std::mem::replace(&mut state.link, link);
        drop(state);
        drop(before);
        self.connections.push(Connected::new(id, dialled, self.config.max_message_size));
    }

    /// The attempt to connect failed.
    fn failed(&mut self, Undialled { error, outlook }: &Undialled) {
        self.attempt = None;
        let now = Instant::now().into_std();
        let woken = &mut self.aside.woken;
        let mut state = self.shared.lock();
        state.machine.failed(error, *outlook, now, |waiter, error| {
            woken.extend(waiter.settle(Err(error)));
        });
        drop(state);
        self.aside.settle();
        self.note_failure(error);
    }

    /// A connection is over.
    fn lost(&mut self, index: usize, ended: &Ended) {
        let connected = self.connections.swap_remove(index);
        let id = connected.id();
        let now = Instant::now().into_std();
        let woken = &mut self.aside.woken;
        let mut state = self.shared.lock();
        let was_active = state.machine.active() == Some(id);
        let is_orderly = state.machine.is_finished(id);
        let written = if ended.is_unheard { 0 } else { connected.written(&mut state) };
        let remains =
            state.machine.lost(id, &ended.error, written, ended.outlook, now, |waiter, error| {
                woken.extend(waiter.settle(Err(error)));
            });
        let link = was_active.then(|| std::mem::replace(&mut state.link, Link::Down));
        // That a connection which went away is closed behind its last answer is no failure, where another one serves.
        let is_no_failure = is_orderly && !was_active && state.machine.phase() == Phase::Ready;
        drop(state);
        drop((remains, link, connected));
        self.aside.settle();
        if !is_no_failure {
            self.note_failure(&ended.error);
        }
    }

    fn note_failure(&mut self, error: &Error) {
        self.status.failures += 1;
        self.status.error = Some(error.clone());
    }

    /// Moves bytes until there is nothing to move; whether a connection ended.
    fn poll_connections(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_changed = false;
        let mut index = 0;
        while index < self.connections.len() {
            match self.poll_connection(index, cx) {
                Ok(()) => index += 1,
                Err(ended) => {
                    self.lost(index, &ended);
                    has_changed = true;
                }
            }
        }
        if self.connections.len() > 1 {
            // An answer on one may have let a call go out on another.
            for connected in &mut self.connections {
                connected.poll_flush(cx, &self.shared, &mut self.aside);
                connected.linger_if_broken(LINGER);
            }
            self.aside.settle();
        }
        has_changed
    }

    fn poll_connection(&mut self, index: usize, cx: &mut Context<'_>) -> Result<(), Ended> {
        let connected = &mut self.connections[index];
        connected.begin_turn();
        for _ in 0..READS_PER_TURN {
            let read = connected.poll_input(cx, &self.shared, &mut self.aside)?;
            connected.poll_flush(cx, &self.shared, &mut self.aside);
            self.aside.settle();
            connected.linger_if_broken(LINGER);
            if let Read::Empty = read {
                return Ok(());
            }
        }
        let _ = std::pin::pin!(tokio::task::yield_now()).poll(cx);
        Ok(())
    }

    /// Ends what is due, and sets the timer for what is due next; whether anything was.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let mut state = self.shared.lock();
        let machine = state.machine.next_deadline().map(Instant::from_std);
        let given_up = self.connections.iter().filter_map(Connected::given_up_at);
        let next = machine.into_iter().chain(given_up).min();
        state.sleeping_until = next.map(Instant::into_std);
        drop(state);
        if self.timer.poll(next, cx).is_pending() {
            return false;
        }
        self.expire(Instant::now());
        true
    }

    fn expire(&mut self, now: Instant) {
        loop {
            let woken = &mut self.aside.woken;
            let mut state = self.shared.lock();
            let overdue = state.machine.expire(now.into_std(), |waiter, error| {
                woken.extend(waiter.settle(Err(error)));
            });
            self.aside.spent.append(&mut state.machine.take_spent());
            drop(state);
            self.aside.settle();
            match overdue {
                None => break,
                Some(Overdue::Attempt) => {
                    let (error, outlook) = (self.too_late(), self.connector.outlook());
                    self.failed(&Undialled { error, outlook });
                }
                Some(Overdue::Connection(id, late)) => {
                    let error = match late {
                        Late::Hello => self.too_late(),
                        Late::Silent => self.silent(),
                    };
                    self.lost(self.index(id), &Ended::from(error));
                }
            }
        }
        let is_over = |connected: &Connected| connected.given_up_at().is_some_and(|at| at <= now);
        while let Some(index) = self.connections.iter().position(is_over) {
            let broken = self.connections[index].broken().cloned();
            let error = broken.unwrap_or_else(|| Error::unavailable("the connection was lost"));
            self.lost(index, &Ended::from(error));
        }
    }

    fn index(&self, id: LinkId) -> usize {
        let index = self.connections.iter().position(|connected| connected.id() == id);
        index.expect("the machine's connections are those of the task")
    }

    fn too_late(&self) -> Error {
        let target = match &self.connector {
            Connector::Address(dialler) => format!(" to {}", dialler.address),
            Connector::Nowhere(_) | Connector::Once(_) => String::new(),
        };
        Error::unavailable(format!(
            "no connection{target} within {:?}; raise it with `connect_timeout` on the channel's builder",
            self.config.connect_timeout
        ))
    }

    fn silent(&self) -> Error {
        Error::unavailable(format!(
            "the connection was lost: the server was silent for {:?}, and for {:?} more when it was asked whether it is there; `keepalive_idle` and `keepalive_timeout` on the channel's builder set these",
            self.config.keepalive_idle, self.config.keepalive_timeout
        ))
    }

    /// Tells who watches how far the connection is.
    fn publish(&mut self) {
        let state = ChannelState::from(self.shared.lock().machine.phase());
        if state == ChannelState::Ready && self.status.state != ChannelState::Ready {
            self.status.error = None;
        }
        let before = self.shared.status.borrow();
        let is_known = before.state == state && before.failures == self.status.failures;
        drop(before);
        if self.status.state != state {
            trace::state_changed(&self.connector, state, self.status.error.as_ref());
        }
        self.status.state = state;
        if !is_known {
            self.shared.status.send_replace(self.status.clone());
        }
    }

    /// No handle and no call is left: sends what was written, and ends.
    fn poll_abandoned(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(closing) = &mut self.closing {
            return closing.as_mut().poll(cx);
        }
        let mut farewells = Vec::new();
        for connected in self.connections.drain(..) {
            let id = connected.id();
            let mut state = self.shared.lock();
            // A socket that is closed with unread bytes, such as the server's hello, takes what was sent before with it.
            let owes_nothing = state.machine.owes_nothing(id);
            state.machine.finish_parts(id);
            let rest = state.machine.output(id).take_unsent();
            let link = std::mem::replace(&mut state.link, Link::Down);
            drop(state);
            drop(link);
            if !owes_nothing || rest.has_remaining() || connected.is_writing() {
                farewells.push(connected.close(rest));
            }
        }
        if farewells.is_empty() {
            return Poll::Ready(());
        }
        let closing = self.closing.insert(Box::pin(async move {
            // A server that does not close on its side in time is not waited for.
            let _ = tokio::time::timeout(LINGER, join_all(farewells)).await;
        }));
        closing.as_mut().poll(cx)
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
        // Each round ends something, and what begins anew after a failure does so after a pause.
        loop {
            let mut has_changed = this.poll_attempt(cx);
            has_changed |= this.poll_connections(cx);
            has_changed |= this.poll_timer(cx);
            // What was read may have asked for another connection.
            if !has_changed && !this.shared.lock().machine.wants_connection() {
                break;
            }
        }
        this.publish();
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let error = Error::unavailable("the channel's task ended, with its runtime or by a panic");
        let woken = &mut self.aside.woken;
        let mut state = self.shared.lock();
        state.ended = Some(error.clone().not_started(true));
        // The runtime, and its clock, may be gone.
        let now = std::time::Instant::now();
        let remains =
            state.machine.end(&error, now, |waiter, error| woken.extend(waiter.settle(Err(error))));
        let link = std::mem::replace(&mut state.link, Link::Down);
        drop(state);
        drop((remains, link));
        self.aside.settle();
        self.status.state = ChannelState::Closed;
        self.status.error = Some(error);
        self.shared.status.send_replace(self.status.clone());
    }
}
