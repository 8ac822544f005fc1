//! The task of one channel: it connects when there is something to carry, moves the bytes, and hands out answers.
//!
//! ```text
//!   Waiting ──a call or a wish──▶ Connecting ──connected──▶ Connected
//!      ▲                              │                         │
//!      ╰───────────failed─────────────┴──────────lost───────────╯
//! ```
//!
//! The task outlives its connections, as the calls do. One timer serves all deadlines. A flush is put off by one turn when
//! several calls are in flight, so that their callers, who were woken together, share it. The task always reads. When it is
//! dropped, with its runtime or by a panic, every call fails at once.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use rpc_core::{
    Address, Error, Violation,
    buffer::{WriteBuffer, give_read_buffer, take_read_buffer},
    connection::client::{Event, Outgoing},
    frame::{Frame, FrameCodec, FrameError, take_preface},
    limits::IO_BUFFER,
};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::codec::Decoder;

use crate::{
    shared::{Link, Shared, State, Status, Waiter},
    transport::Transport,
};

/// Less room than this in the read buffer is not worth a read.
const LEAST_READ: usize = 1024;

/// So many reads, and other tasks get their turn.
const READS_PER_TURN: u32 = 16;

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

type Attempt = Pin<Box<dyn Future<Output = Result<Transport, Error>> + Send>>;

enum Phase {
    Waiting,
    Connecting(Attempt),
    Connected(Box<Connected>),
}

/// One open connection.
struct Connected {
    transport: Transport,
    codec: FrameCodec,
    input: BytesMut,
    /// What is being sent.
    output: WriteBuffer,
    has_preface: bool,
    /// Whether the output waits for the next turn, which has been asked for.
    is_deferred: bool,
    /// Whether this is the turn that it waited for.
    is_due: bool,
    /// Why the server goes away, if it said so.
    farewell: Option<Error>,
}

/// The task.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    connector: Connector,
    max_message_size: usize,
    connect_timeout: Duration,
    phase: Phase,
    /// Until when the attempt to connect, or the server's hello, may take.
    connect_deadline: Option<Instant>,
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
    /// Who is to be woken once the lock is released, and what is to be dropped then.
    woken: Vec<Waker>,
    dropped: Vec<(Outgoing, Waiter)>,
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
            connect_deadline: None,
            timer: None,
            woken: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// Wakes and drops what was put aside under the lock.
    fn settle(&mut self) {
        for waker in self.woken.drain(..) {
            waker.wake();
        }
        self.dropped.clear();
    }

    /// The connection, or the attempt to make one, is over.
    fn lost(&mut self, error: &Error) {
        self.phase = Phase::Waiting;
        self.connect_deadline = None;
        let mut state = self.shared.lock();
        let woken = &mut self.woken;
        let remains =
            state.machine.lost(error, |waiter, error| woken.extend(waiter.settle(Err(error))));
        let link = std::mem::replace(&mut state.link, Link::Down);
        state.status = Status::Failed(error.clone());
        state.is_wanted = false;
        woken.append(&mut state.watchers);
        drop(state);
        drop((remains, link));
        self.settle();
    }

    /// Whether a connection is needed; begins one if so.
    fn poll_waiting(&mut self) -> bool {
        {
            let mut state = self.shared.lock();
            if !state.is_wanted && !state.machine.has_queued() {
                return false;
            }
            state.status = Status::Connecting;
        }
        self.connect_deadline = Some(Instant::now() + self.connect_timeout);
        self.phase = match &mut self.connector {
            Connector::Address(address) => {
                let address = address.clone();
                Phase::Connecting(Box::pin(async move { Transport::connect(&address).await }))
            }
            Connector::Nowhere(error) => {
                Phase::Connecting(Box::pin(std::future::ready(Err(error.clone()))))
            }
            Connector::Once(transport) => {
                let attempt = transport
                    .take()
                    .ok_or_else(|| Error::unavailable("the channel's only connection was lost"));
                Phase::Connecting(Box::pin(std::future::ready(attempt)))
            }
        };
        true
    }

    fn connected(&mut self, transport: Transport) {
        {
            let mut state = self.shared.lock();
            state.machine.connected();
            state.link = Link::Idle(transport.direct_writer());
            state.transmit(std::time::Instant::now(), &mut self.woken);
        }
        self.settle();
        self.phase = Phase::Connected(Box::new(Connected {
            transport,
            codec: FrameCodec::new(self.max_message_size),
            input: BytesMut::new(),
            output: WriteBuffer::new(),
            has_preface: false,
            is_deferred: false,
            is_due: false,
            farewell: None,
        }));
    }

    /// Moves bytes until there is nothing to move.
    ///
    /// # Errors
    ///
    /// Why the connection is over.
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if let Phase::Connected(connected) = &mut self.phase {
            connected.is_due = std::mem::take(&mut connected.is_deferred);
        }
        for _ in 0..READS_PER_TURN {
            let has_read = self.poll_input(cx)?;
            let Phase::Connected(connected) = &mut self.phase else {
                return Ok(());
            };
            connected.poll_flush(cx, &self.shared)?;
            if !has_read {
                return Ok(());
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Reads once and hands out the answers; whether there may be more.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        let Phase::Connected(connected) = &mut self.phase else {
            return Ok(false);
        };
        let Connected { transport, codec, input, has_preface, farewell, .. } = &mut **connected;
        if input.capacity() == 0 {
            *input = take_read_buffer();
        } else if input.capacity() - input.len() < LEAST_READ {
            input.reserve(IO_BUFFER);
        }
        match transport.poll_read(cx, input) {
            Poll::Pending => {
                if input.is_empty() {
                    give_read_buffer(std::mem::take(input));
                }
                return Ok(false);
            }
            Poll::Ready(Ok(0)) => return Err(connected.closed()),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => {
                return Err(Error::unavailable(format!("the connection was lost: {error}"))
                    .with_source(error));
            }
        }
        if !*has_preface {
            match take_preface(input)? {
                Some(_) => *has_preface = true,
                None => return Ok(true),
            }
        }
        let now = std::time::Instant::now();
        let mut state = self.shared.lock();
        let was_open = state.machine.is_open();
        let violation = loop {
            let mut frame = match codec.decode(input) {
                Ok(Some(frame)) => frame,
                Ok(None) => break None,
                Err(FrameError::Violation(violation)) => break Some(violation),
                Err(error) => return Err(Error::internal(error.to_string())),
            };
            match state.machine.receive(&mut frame) {
                Ok(Event::None) => {}
                Ok(Event::Answered(waiter, outcome)) => self.woken.extend(waiter.settle(outcome)),
                Ok(Event::Gone(outgoing, waiter)) => self.dropped.push((outgoing, waiter)),
                Ok(Event::GoAway(reason)) => *farewell = reason,
                Err(violation) => break Some(violation),
            }
            if let Frame::Whole(body) = frame {
                codec.recycle(body);
            }
        };
        if !was_open && state.machine.is_open() {
            self.connect_deadline = None;
            state.status = Status::Open;
            self.woken.append(&mut state.watchers);
        }
        state.transmit(now, &mut self.woken);
        state.batch = self.woken.len();
        if state.batch > 1 {
            // Their callers come back together.
            connected.defer(cx, &mut state);
        }
        let is_finished = state.machine.is_finished();
        if let Some(violation) = &violation {
            state.machine.violated(violation);
        }
        drop(state);
        self.settle();
        match violation {
            Some(violation) => Err(self.violated(violation, cx)),
            None if is_finished => Err(self.farewell()),
            None => Ok(true),
        }
    }

    /// Tells the server what it did wrong, as far as it takes it at once.
    fn violated(&mut self, violation: Violation, cx: &mut Context<'_>) -> Error {
        if let Phase::Connected(connected) = &mut self.phase {
            connected.is_due = true;
            let _ = connected.poll_flush(cx, &self.shared);
        }
        violation.into()
    }

    fn farewell(&mut self) -> Error {
        match &mut self.phase {
            Phase::Connected(connected) => connected.closed(),
            Phase::Waiting | Phase::Connecting(_) => closed(None),
        }
    }

    /// Ends the calls that are due, and sets the timer for those that are due next.
    ///
    /// # Errors
    ///
    /// Connecting took too long.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        loop {
            let next = {
                let mut state = self.shared.lock();
                let next = state.machine.next_deadline().map(Instant::from_std);
                let next = next.into_iter().chain(self.connect_deadline).min();
                state.sleeping_until = next.map(Instant::into_std);
                next
            };
            let Some(next) = next else {
                return Ok(());
            };
            match &mut self.timer {
                Some((set, sleep)) if *set <= next && !sleep.is_elapsed() => return Ok(()),
                Some((set, sleep)) => {
                    *set = next;
                    sleep.as_mut().reset(next);
                }
                None => self.timer = Some((next, Box::pin(sleep_until(next)))),
            }
            if let Some((_, sleep)) = &mut self.timer
                && sleep.as_mut().poll(cx).is_pending()
            {
                return Ok(());
            }
            self.expire()?;
        }
    }

    fn expire(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let woken = &mut self.woken;
        let mut state = self.shared.lock();
        state
            .machine
            .expire(now.into_std(), |waiter, error| woken.extend(waiter.settle(Err(error))));
        let has_output = state.machine.output().has_remaining();
        drop(state);
        self.settle();
        if has_output {
            // The cancels go out with the next turn.
            self.shared.wake();
        }
        if self.connect_deadline.is_some_and(|deadline| deadline <= now) {
            return Err(Error::unavailable(format!(
                "no connection within {:?}; raise it with `connect_timeout` on the channel's builder",
                self.connect_timeout
            )));
        }
        Ok(())
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
            }
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.shared.register(cx.waker());
        {
            let mut state = this.shared.lock();
            state.woken_at = None;
            if state.is_abandoned {
                return Poll::Ready(());
            }
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
    }
}

impl Connected {
    /// Puts the flush off until the next turn, and asks for that turn. Until then nobody need wake this task.
    fn defer(&mut self, cx: &mut Context<'_>, state: &mut State) {
        if !self.is_deferred {
            self.is_deferred = true;
            state.woken_at = Some(std::time::Instant::now());
            // Behind the callers that are ready to run. Waking the own waker would call another worker to steal this task.
            let _ = std::pin::pin!(tokio::task::yield_now()).poll(cx);
        }
    }

    /// Sends what there is to send.
    fn poll_flush(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Result<(), Error> {
        loop {
            if !self.output.has_remaining() {
                let mut state = shared.lock();
                let link = std::mem::replace(&mut state.link, Link::Down);
                let (Link::Idle(writer) | Link::Writing(writer)) = link else {
                    return Ok(());
                };
                if !state.machine.output().has_remaining() {
                    state.machine.output().release();
                    state.link = Link::Idle(writer);
                    return Ok(());
                }
                if state.machine.in_flight() > 1 && !self.is_due {
                    state.link = Link::Idle(writer);
                    self.defer(cx, &mut state);
                    return Ok(());
                }
                std::mem::swap(state.machine.output(), &mut self.output);
                state.link = Link::Writing(writer);
            }
            match self.transport.poll_write(cx, &mut self.output) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(())) => self.output.release(),
                Poll::Ready(Err(error)) => {
                    return Err(Error::unavailable(format!("the connection was lost: {error}"))
                        .with_source(error));
                }
            }
        }
    }

    /// Why the server closed the connection.
    fn closed(&mut self) -> Error {
        if self.farewell.is_none()
            && self.has_preface
            && self.codec.decode_eof(&mut self.input).is_err()
        {
            return Error::unavailable(format!(
                "the connection was lost: {}",
                Violation::Truncated
            ));
        }
        if !self.has_preface {
            return Error::unavailable(
                "the server closed the connection before it introduced itself; does it speak this protocol?",
            );
        }
        closed(self.farewell.take())
    }
}

fn closed(reason: Option<Error>) -> Error {
    match reason {
        Some(reason) => {
            Error::unavailable(format!("the server closed the connection: {}", reason.message()))
                .with_source(reason)
        }
        None => Error::unavailable("the server closed the connection"),
    }
}
