//! One open connection of a channel: its bytes in and out.
//!
//! Answers are handed out under the lock, all that one read brought; whoever is to be woken, and whatever is to be dropped, is
//! put aside until it is released. Callers that were woken together come back together: those of one task before this task
//! runs again, those of many tasks one by one. Where the first flush after a batch finds few of them, flushes are put off by
//! one turn for some batches, and then it is tried again.
//!
//! When writing fails, reading goes on: the answers, and the server's reason, may have arrived already.

use std::{
    io, mem,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use rpc_core::{
    Code, Error, Violation,
    buffer::WriteBuffer,
    connection::client::{Event, LinkId, Outgoing, Outlook},
    frame::{Frame, FrameCodec, FrameError, take_preface},
};
use tokio::time::Instant;
use tokio_util::codec::Decoder;

use crate::{
    dialler::Dialled,
    shared::{Link, Shared, State, Waiter},
    transport::Transport,
};

/// So many batches of answers, and it is tried again whether their callers come back in one task.
const DEFERRALS: u32 = 32;

/// What must wait until the lock is released.
#[derive(Default)]
pub(crate) struct Aside {
    pub(crate) woken: Vec<Waker>,
    dropped: Vec<(Outgoing, Waiter)>,
    pub(crate) spent: Vec<Bytes>,
}

impl Aside {
    /// Wakes and drops it.
    pub(crate) fn settle(&mut self) {
        // What one that panics leaves is woken when the task is dropped.
        self.woken.reverse();
        while let Some(waker) = self.woken.pop() {
            waker.wake();
        }
        self.dropped.clear();
        self.spent.clear();
    }
}

/// Why a connection is over.
pub(crate) struct Ended {
    pub(crate) error: Error,
    pub(crate) outlook: Outlook,
    /// Whether the server certainly read nothing of what was written.
    pub(crate) is_unheard: bool,
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self { error, outlook: Outlook::Open, is_unheard: false }
    }
}

impl From<Violation> for Ended {
    // It would break the same rule again.
    fn from(violation: Violation) -> Self {
        Self { error: violation.into(), outlook: Outlook::Hopeless, is_unheard: false }
    }
}

/// When the output is sent.
enum Flush {
    /// At once, or with the next turn if several calls are in flight.
    Prompt,
    /// With the next turn, which has been asked for.
    Deferred,
    /// Now: this is the turn that it waited for.
    Due,
    /// Never: writing failed.
    Broken(Error),
}

/// An open connection.
pub(crate) struct Connected {
    id: LinkId,
    transport: Transport,
    codec: FrameCodec,
    input: BytesMut,
    /// What is being sent.
    output: WriteBuffer,
    /// Whether `output` is not sent, or sent and not flushed.
    is_writing: bool,
    flush: Flush,
    /// How many batches of answers are still followed by a deferred flush, until it is tried again whether that pays.
    deferrals: u32,
    has_preface: bool,
    /// Whether new calls go elsewhere, because the server goes away.
    is_retired: bool,
    /// Until when reading goes on although writing failed.
    given_up_at: Option<Instant>,
    /// Why the server goes away, if it said so.
    farewell: Option<Error>,
}

/// What one read brought.
pub(crate) enum Read {
    /// Frames, and there may be more.
    More,
    /// Nothing that is there now.
    Empty,
}

impl Connected {
    pub(crate) fn new(id: LinkId, dialled: Dialled, max_message_size: usize) -> Self {
        let Dialled { transport, has_preface } = dialled;
        Self {
            id,
            transport,
            codec: FrameCodec::new(max_message_size),
            input: BytesMut::new(),
            output: WriteBuffer::new(),
            is_writing: false,
            flush: Flush::Prompt,
            deferrals: 0,
            has_preface,
            is_retired: false,
            given_up_at: None,
            farewell: None,
        }
    }

    /// Which of the machine's connections it is.
    pub(crate) fn id(&self) -> LinkId {
        self.id
    }

    /// A turn of the task begins: what was put off until now is due.
    pub(crate) fn begin_turn(&mut self) {
        self.flush = match mem::replace(&mut self.flush, Flush::Prompt) {
            Flush::Deferred => Flush::Due,
            Flush::Prompt | Flush::Due => Flush::Prompt,
            Flush::Broken(error) => Flush::Broken(error),
        };
    }

    /// Why nothing more can be sent, where writing failed.
    pub(crate) fn broken(&self) -> Option<&Error> {
        match &self.flush {
            Flush::Broken(error) => Some(error),
            Flush::Prompt | Flush::Deferred | Flush::Due => None,
        }
    }

    /// Where writing failed, what has arrived is still read, but only for so long.
    pub(crate) fn linger_if_broken(&mut self, linger: Duration) {
        if self.broken().is_some() {
            self.given_up_at.get_or_insert_with(|| Instant::now() + linger);
        }
    }

    /// Until when reading goes on although writing failed.
    pub(crate) fn given_up_at(&self) -> Option<Instant> {
        self.given_up_at
    }

    /// How many of the connection's bytes were handed to the transport.
    pub(crate) fn written(&self, state: &mut State) -> u64 {
        if self.is_writing {
            self.output.position()
        } else {
            state.machine.output(self.id).position()
        }
    }

    /// Reads once and hands out the answers.
    ///
    /// # Errors
    ///
    /// Why the connection is over.
    pub(crate) fn poll_input(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        aside: &mut Aside,
    ) -> Result<Read, Ended> {
        self.codec.make_room(&mut self.input);
        match self.transport.poll_read(cx, &mut self.input) {
            Poll::Pending => {
                self.codec.release(&mut self.input);
                return Ok(Read::Empty);
            }
            Poll::Ready(Ok(0)) => return Err(self.closed().into()),
            Poll::Ready(Ok(_)) => {}
            // TLS can tell that a server closed the connection without a word; frames say what is complete all the same.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.closed().into());
            }
            Poll::Ready(Err(error)) => return Err(self.failed(error)),
        }
        if !self.has_preface {
            match take_preface(&mut self.input).map_err(Ended::from)? {
                Some(_) => self.has_preface = true,
                None => return Ok(Read::More),
            }
        }
        let now = Instant::now().into_std();
        let mut state = shared.lock();
        state.machine.heard(self.id, now);
        let received = self.receive(&mut state, now, aside);
        let mut retired = None;
        if !self.is_retired && state.machine.active() != Some(self.id) {
            self.is_retired = true;
            retired = Some(mem::replace(&mut state.link, Link::Down));
        }
        if !aside.woken.is_empty() {
            state.batch = aside.woken.len();
            state.submitted = 0;
        }
        if state.batch > 1 && self.deferrals > 0 {
            // Their callers come back one by one.
            self.deferrals -= 1;
            self.defer(cx, &mut state);
        }
        match &received {
            Ok(()) => state.transmit(now, &mut aside.woken),
            Err(violation) => state.machine.violated(self.id, violation),
        }
        let is_finished = state.machine.is_finished(self.id);
        aside.spent.append(&mut state.machine.take_spent());
        drop(state);
        drop(retired);
        aside.settle();
        if let Err(violation) = received {
            // The server is told what it did wrong, as far as it takes it at once.
            self.flush = Flush::Due;
            self.poll_flush(cx, shared, aside);
            return Err(violation.into());
        }
        if is_finished { Err(self.closed().into()) } else { Ok(Read::More) }
    }

    /// Takes the frames that were read, under the lock.
    fn receive(
        &mut self,
        state: &mut State,
        now: std::time::Instant,
        aside: &mut Aside,
    ) -> Result<(), Violation> {
        loop {
            let mut frame = match self.codec.decode(&mut self.input) {
                Ok(Some(frame)) => frame,
                Err(FrameError::Violation(violation)) => return Err(violation),
                // The codec itself does no I/O.
                Ok(None) | Err(_) => return Ok(()),
            };
            match state.machine.receive(self.id, &mut frame, now)? {
                Event::None => {}
                Event::Answered(waiter, outcome) => aside.woken.extend(waiter.settle(outcome)),
                Event::AnsweredWith(waiter, outcome, metadata) => {
                    aside.woken.extend(waiter.settle_with(outcome, metadata));
                }
                Event::Gone(outgoing, waiter) => aside.dropped.push((outgoing, waiter)),
                Event::Item { waiter, item, cost } => {
                    let (woken, body) = waiter.push(item, cost);
                    aside.woken.extend(woken);
                    if let Some(body) = body {
                        self.codec.recycle(body);
                    }
                }
                Event::LostItems { waiter, count, cost } => {
                    aside.woken.extend(waiter.push_lost(count, cost));
                }
                Event::Begun(waiter) => aside.woken.extend(waiter.begin()),
                Event::Stopped(waiter) => aside.woken.extend(waiter.stop()),
                Event::Writable(waiter) => aside.woken.extend(waiter.notify()),
                Event::Room => {
                    let woken = &mut aside.woken;
                    state.machine.unblock(self.id, |waiter| woken.extend(waiter.notify()));
                }
                Event::GoAway(reason) => self.farewell = reason,
            }
            if let Frame::Whole(body) = frame {
                self.codec.recycle(body);
            }
        }
    }

    /// Puts the flush off until the next turn, and asks for that turn. Until then nobody need wake this task.
    fn defer(&mut self, cx: &mut Context<'_>, state: &mut State) {
        if let Flush::Prompt | Flush::Due = self.flush {
            self.flush = Flush::Deferred;
            state.is_woken = true;
            // Behind the callers that are ready to run.
            cx.waker().wake_by_ref();
        }
    }

    /// Sends what there is to send, and then what that made room for.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>, shared: &Shared, aside: &mut Aside) {
        while self.broken().is_none() && (self.is_writing || self.take_output(cx, shared, aside)) {
            self.is_writing = true;
            match self.transport.poll_write(cx, &mut self.output) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {
                    self.is_writing = false;
                    self.output.release();
                }
                Poll::Ready(Err(error)) => self.flush = Flush::Broken(lost(error)),
            }
        }
    }

    /// Takes what the machine wants sent; whether that is anything, and its time has come.
    fn take_output(&mut self, cx: &mut Context<'_>, shared: &Shared, aside: &mut Aside) -> bool {
        let mut state = shared.lock();
        if state.machine.has_queued() {
            state.transmit(Instant::now().into_std(), &mut aside.woken);
        }
        let has_output =
            state.machine.output(self.id).has_remaining() || state.machine.next_part(self.id);
        aside.spent.append(&mut state.machine.take_spent());
        let woken = &mut aside.woken;
        if self.is_retired {
            // Nobody else writes here, and nobody comes back with more.
            if has_output {
                state.machine.output(self.id).move_to(&mut self.output);
            }
            state.machine.unblock(self.id, |waiter| woken.extend(waiter.notify()));
            return has_output;
        }
        if has_output && state.submitted > 0 && state.submitted * 2 < state.batch {
            // The first of several callers is back: it pays to wait for the others, for a while.
            self.deferrals = DEFERRALS;
        }
        let is_put_off = match self.flush {
            Flush::Prompt => {
                has_output && state.machine.in_flight(self.id) > 1 && self.deferrals > 0
            }
            Flush::Deferred => has_output,
            Flush::Due | Flush::Broken(_) => false,
        };
        if is_put_off {
            self.defer(cx, &mut state);
        }
        let link = mem::replace(&mut state.link, Link::Down);
        let (Link::Idle(writer) | Link::Writing(writer)) = link else {
            return false;
        };
        let is_taken = has_output && !is_put_off;
        if is_taken {
            state.machine.output(self.id).move_to(&mut self.output);
            state.link = Link::Writing(writer);
        } else {
            if !has_output {
                state.machine.output(self.id).release();
            }
            state.link = Link::Idle(writer);
        }
        // What was taken, or given up by a call, is room for the items of others.
        state.machine.unblock(self.id, |waiter| woken.extend(waiter.notify()));
        is_taken
    }

    /// Reading failed.
    fn failed(&self, error: io::Error) -> Ended {
        // A server judges a certificate when the client's handshake is over already.
        #[cfg(feature = "tls")]
        if !self.has_preface
            && let Some(error) = rpc_core::tls::refused_by_server(&error)
        {
            return Ended { error, outlook: Outlook::Hopeless, is_unheard: true };
        }
        lost(error).into()
    }

    /// Why the server closed the connection.
    fn closed(&mut self) -> Error {
        if let Some(reason) = self.farewell.take() {
            let message = format!("the server closed the connection: {}", reason.message());
            // Who is not let in at all does not wait for a server that is there.
            let code = match reason.kind() {
                kind @ (Code::Unauthenticated | Code::PermissionDenied) => kind,
                _ => Code::Unavailable,
            };
            return Error::new(code, message).with_source(reason);
        }
        if !self.has_preface {
            return Error::unavailable(
                "the server closed the connection before it introduced itself; does it speak this protocol?",
            );
        }
        if let Flush::Broken(error) = &self.flush {
            return error.clone();
        }
        if self.codec.decode_eof(&mut self.input).is_err() {
            let message = format!("the connection was lost: {}", Violation::Truncated);
            return Error::unavailable(message);
        }
        Error::unavailable("the server closed the connection")
    }

    /// Whether bytes that were taken are not sent.
    pub(crate) fn is_writing(&self) -> bool {
        self.is_writing
    }

    /// Sends what is left, `rest` last, and closes in order.
    pub(crate) async fn close(self, rest: WriteBuffer) {
        self.transport.close([self.output, rest]).await;
    }
}

pub(crate) fn lost(error: io::Error) -> Error {
    Error::unavailable(format!("the connection was lost: {error}")).with_source(error)
}
