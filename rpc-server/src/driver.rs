//! The task of one connection: it moves the bytes, drives the machine, and polls the handlers.
//!
//! One turn: poll the handlers that were woken, decode and start the calls of what was read, write everything out at once,
//! read again. A call whose handler is ready at once is answered into the write buffer before the next frame is decoded.
//! The turn ends when the transport has nothing more, or when its slice is over (see [`slice`](crate::slice)).
//!
//! Reading stops for one reason only: unsent output above the high-water mark. Nothing else that is waited for can be
//! ended by a frame from this peer alone. The buffers go back to a pool when they are empty, so an idle connection holds none.
//! Dropping the task drops every handler.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use rpc_core::{
    Error, Outcome, Peer, Surroundings, Violation,
    buffer::{WriteBuffer, give_read_buffer, take_read_buffer},
    connection::server::{CallKey, Connection, Event, Overdue, Shape},
    current::Inherited,
    dispatch::Incoming,
    frame::{Frame, FrameCodec, FrameError, take_preface},
    limits::IO_BUFFER,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use tokio_util::{
    codec::Decoder,
    io::{poll_read_buf, poll_write_buf},
};

use crate::{
    end::End,
    handlers::{Ended, Handlers, recycled},
    shared::Shared,
    slice::Slice,
    timer::Timer,
    trace,
    wakes::Wakes,
};

/// The slots of a connection that started no call for so long are freed.
const KEEP_SLOTS: Duration = Duration::from_secs(5);

/// How long a connection that is closed in order waits for the client to close its side, and one that drains for its client to
/// introduce itself.
const LINGER: Duration = Duration::from_secs(1);

/// So many handlers are polled, and what has arrived gets its turn.
const POLLS_AT_ONCE: u32 = 512;

/// So many parts of large messages are sent, and what has arrived gets its turn.
const PARTS_AT_ONCE: u32 = 4;

/// Less room than this in the read buffer is not worth a read.
const LEAST_READ: usize = 1024;

/// Serves one connection to its end; or refuses to, once its client has introduced itself, for the reason in `refusal`.
pub(crate) async fn serve(
    transport: impl AsyncRead + AsyncWrite + Unpin,
    peer: Peer,
    refusal: Option<Error>,
    shared: Arc<Shared>,
    wakes: Arc<Wakes>,
) {
    let surroundings = Arc::new(Surroundings::new(peer));
    let told = trace::Connection::open(surroundings.peer());
    let end = serve_peer(transport, &surroundings, refusal, shared, wakes).await;
    told.end(&end);
}

async fn serve_peer(
    transport: impl AsyncRead + AsyncWrite + Unpin,
    surroundings: &Arc<Surroundings>,
    refusal: Option<Error>,
    shared: Arc<Shared>,
    wakes: Arc<Wakes>,
) -> End {
    let now = Instant::now();
    let mut driver = Driver {
        transport,
        machine: Connection::sharing(
            shared.config,
            Arc::clone(&shared.permits),
            shared.bounds.retirement(now),
        ),
        codec: FrameCodec::new(shared.config.max_message_size),
        input: BytesMut::new(),
        handlers: Handlers::new(
            &shared.router,
            Arc::clone(&shared.permits),
            Arc::clone(surroundings),
            Arc::clone(&wakes),
        ),
        surroundings,
        refusal,
        shared: &shared,
        wakes: &wakes,
        suspicion: 0,
        handshake: Some(now + shared.bounds.handshake_timeout),
        idle: None,
        timer: Timer::default(),
    };
    let end = std::future::poll_fn(|cx| {
        wakes.register(cx.waker());
        driver.turn(cx)
    })
    .await;
    driver.close(end).await
}

struct Driver<'a, T> {
    transport: T,
    machine: Connection,
    codec: FrameCodec,
    input: BytesMut,
    handlers: Handlers<'a>,
    surroundings: &'a Surroundings,
    /// Why nobody is served here.
    refusal: Option<Error>,
    shared: &'a Shared,
    wakes: &'a Wakes,
    /// How closely the next slice is to look for polls that take long.
    suspicion: u32,
    /// Until when preface and hello must have come; `None` once they have.
    handshake: Option<Instant>,
    /// When to look again whether the slots are used, and how many calls had been started.
    idle: Option<(Instant, u64)>,
    timer: Timer,
}

/// Why a turn stopped to read.
enum Input {
    /// Frames were handled; there may be more, read or not.
    Read,
    /// Nothing can be read now.
    Empty,
    /// Too much output is unsent.
    HighWater,
    /// The slice is over.
    SliceOver,
    /// The client closed its side.
    Closed,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<'_, T> {
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let mut slice = Slice::begin(Instant::now(), self.suspicion);
        let mut has_read_all = false;
        loop {
            let handlers_over = self.poll_handlers(&mut slice);
            let input = match self.poll_input(cx, &mut slice) {
                Ok(input) => input,
                Err(end) => return Poll::Ready(end),
            };
            if self.shared.is_draining() {
                // A client that is about to introduce itself, with calls behind, is told to go elsewhere; one that
                // takes its time is not waited for.
                let latest = slice.now() + LINGER;
                self.handshake = self.handshake.map(|deadline| deadline.min(latest));
                self.machine.go_away();
                self.surroundings.drain();
            }
            // What a call that is over did not send leaves room for others.
            self.move_ready();
            let flushed = self.poll_flush(cx);
            if let Poll::Ready(Err(_)) = flushed {
                return Poll::Ready(End::Transport);
            }
            let has_parts = flushed.is_ready() && self.machine.has_parts();
            if self.machine.is_finished() {
                let is_refused = self.refusal.is_some();
                return Poll::Ready(if is_refused { End::Refused } else { End::Drained });
            }
            match input {
                Input::Closed => return Poll::Ready(self.closed()),
                Input::SliceOver => {
                    yield_turn(cx);
                    break;
                }
                _ if handlers_over || has_parts || slice.has_ended() => {
                    yield_turn(cx);
                    break;
                }
                Input::Read => {}
                Input::Empty if self.handlers.has_listed() && !self.is_above_high_water() => {}
                // What was below the mark again after the flush may be read on.
                Input::HighWater if !self.is_above_high_water() => {}
                Input::Empty => {
                    has_read_all = true;
                    break;
                }
                Input::HighWater => break,
            }
        }
        self.suspicion = slice.suspicion();
        self.poll_timer(cx, slice.now(), has_read_all)
    }

    /// Whether so much is unsent that nothing is read, and no handler polled.
    fn is_above_high_water(&mut self) -> bool {
        self.machine.unsent() >= self.machine.high_water()
    }

    /// Polls the handlers that were woken; whether the slice ended meanwhile. Those that are left when the output is above
    /// high water stay listed, and are polled when it has drained; so do those that are left when many were polled, for streams that always
    /// have another item must not keep what arrives waiting.
    fn poll_handlers(&mut self, slice: &mut Slice) -> bool {
        for _ in 0..POLLS_AT_ONCE {
            if self.is_above_high_water() {
                break;
            }
            let Some((slot, key, ended)) = self.handlers.poll_woken() else {
                break;
            };
            match (key, ended) {
                (Some(key), Poll::Ready(ended)) => self.ended(slot, key, ended, true),
                (Some(key), Poll::Pending) => self.move_items(slot, key),
                (None, Poll::Ready(_)) => {
                    self.machine.leftover_ended();
                    self.handlers.recycle(slot, None);
                }
                (None, Poll::Pending) => {}
            }
            if self.is_over(slice) {
                return true;
            }
        }
        false
    }

    /// Sends what the stream in `slot` has next, if there is room, and notes what its handler has taken.
    fn move_items(&mut self, slot: u32, key: CallKey) {
        let machine = &mut self.machine;
        self.handlers.offer(slot, |content, lost| machine.send(key, content, lost));
        let arrivals = self.handlers.arrivals(slot);
        if arrivals.taken > 0 {
            self.machine.took(key, arrivals.taken);
        }
        if arrivals.is_dropped {
            self.machine.stop_items(key);
        }
    }

    /// There is room again: the streams whose items found none are asked again.
    fn move_ready(&mut self) {
        while let Some(slot) = self.machine.next_ready() {
            if let Some(key) = self.handlers.call(slot) {
                self.move_items(slot, key);
            }
        }
    }

    /// Counts a frame, or the poll of a handler; whether the slice is over.
    fn is_over(&mut self, slice: &mut Slice) -> bool {
        let method = self.handlers.take_polled();
        let is_over = slice.is_over();
        if let Some(spent) = slice.take_long_poll()
            && let Some(method) = method
        {
            self.handlers.hold_up(method, spent);
        }
        is_over
    }

    fn poll_input(&mut self, cx: &mut Context<'_>, slice: &mut Slice) -> Result<Input, End> {
        if self.machine.awaits_preface()
            && let Some(version) = take_preface(&mut self.input).map_err(End::Violation)?
        {
            self.machine.open(version);
        }
        while !self.machine.awaits_preface() {
            if self.is_above_high_water() {
                return Ok(Input::HighWater);
            }
            let Some(mut frame) = self.codec.decode(&mut self.input).map_err(end)? else {
                break;
            };
            self.receive(&mut frame, slice.now()).map_err(End::Violation)?;
            if let Frame::Whole(body) = frame {
                self.codec.recycle(body);
            }
            if self.is_over(slice) {
                return Ok(Input::SliceOver);
            }
            if slice.is_flush_due() {
                return Ok(Input::Read);
            }
        }
        if self.input.capacity() == 0 {
            self.input = take_read_buffer();
        } else if self.input.capacity() - self.input.len() < LEAST_READ {
            self.input.reserve(IO_BUFFER);
        }
        match poll_read_buf(Pin::new(&mut self.transport), cx, &mut self.input) {
            Poll::Ready(Ok(0)) => Ok(Input::Closed),
            Poll::Ready(Ok(_)) => {
                self.machine.heard(slice.now().into_std());
                // A large message may be read for long without a frame.
                Ok(if slice.is_over_behind_read() { Input::SliceOver } else { Input::Read })
            }
            Poll::Ready(Err(_)) => Err(End::Transport),
            Poll::Pending => {
                if self.input.is_empty() {
                    give_read_buffer(std::mem::take(&mut self.input));
                }
                Ok(Input::Empty)
            }
        }
    }

    fn receive(&mut self, frame: &mut Frame, now: Instant) -> Result<(), Violation> {
        match self.machine.receive(frame, now.into_std())? {
            Event::None | Event::GoAway(_) => {}
            Event::Call(key, incoming) => self.start(key, incoming),
            Event::Item { handle, item, cost } => {
                if let Some(body) = self.handlers.push(handle, item, cost) {
                    self.codec.recycle(body);
                }
            }
            Event::EndOfItems { handle, end } => self.handlers.end_of_items(handle, end),
            Event::Room => self.move_ready(),
            Event::Refused { method, error } => {
                let name = match (frame, method) {
                    (Frame::Whole(body), Some(span)) => {
                        body.as_slice().get(span.start as usize..span.end as usize)
                    }
                    _ => None,
                };
                trace::refused(name, self.surroundings.peer(), &error);
            }
            Event::Cancel { handle } => {
                if !self.handlers.cancel(handle, Outcome::Cancelled) {
                    self.machine.left_over();
                }
            }
        }
        if self.handshake.is_some() && self.machine.is_open() {
            self.handshake = None;
            if let Some(error) = &self.refusal {
                self.machine.refuse_client(error);
            }
        }
        Ok(())
    }

    fn start(&mut self, key: CallKey, incoming: Incoming) {
        let Some(number) = self.shared.router.find(incoming.method()) else {
            let error = self.shared.router.unknown(incoming.method()).not_started(true);
            trace::refused(Some(incoming.method()), self.surroundings.peer(), &error);
            self.machine.answer(key, Err(&error));
            self.codec.recycle(incoming.into_body());
            return;
        };
        let deadline = incoming.deadline();
        let route = self.shared.router.route(number);
        let is_streaming = route.is_streaming();
        if is_streaming && key.is_notification() {
            // Items need the id of a request.
            let error = Error::invalid_argument("a method that streams cannot be called one-way");
            trace::refused(Some(incoming.method()), self.surroundings.peer(), &error);
            self.codec.recycle(incoming.into_body());
            return;
        }
        let slot = self.handlers.free_slot(number);
        if is_streaming {
            self.machine.pending(key, slot, deadline);
            self.machine.streams(key, slot, Shape { takes: route.takes });
        }
        match self.handlers.start(slot, number, incoming, self.machine.item_run()) {
            Poll::Ready(ended) => self.ended(slot, key, ended, is_streaming),
            Poll::Pending => {
                self.handlers.keep(slot, key, Inherited::new(deadline));
                if is_streaming {
                    self.move_items(slot, key);
                } else {
                    self.machine.pending(key, slot, deadline);
                }
            }
        }
    }

    /// Answers a call whose handler ended, and makes its slot free.
    fn ended(&mut self, slot: u32, key: CallKey, ended: Ended, was_pending: bool) {
        let mut blank = None;
        match ended {
            Ended::Answer(mut answer) => {
                let outcome = answer.outcome().err().map_or(Outcome::Ok, Outcome::from);
                let instead = self.answer(key, answer.outcome(), was_pending);
                self.handlers.note(slot, instead.as_ref().map_or(outcome, Outcome::from));
                if let Some((record, body)) = recycled(answer) {
                    self.codec.recycle(body);
                    blank = Some(record);
                }
            }
            Ended::Panic(error) => {
                // The items that came before are not lost with it.
                let machine = &mut self.machine;
                self.handlers.offer(slot, |content, lost| machine.send(key, content, lost));
                self.handlers.note(slot, Outcome::from(&error));
                self.answer(key, Err(&error), was_pending);
            }
        }
        self.handlers.recycle(slot, blank);
    }

    /// Answers a call; with what instead, where the answer was too large.
    fn answer(
        &mut self,
        key: CallKey,
        outcome: Result<&mut rpc_core::value::Encoder, &Error>,
        was_pending: bool,
    ) -> Option<Error> {
        if was_pending {
            self.machine.finish(key, outcome)
        } else {
            self.machine.answer(key, outcome)
        }
    }

    /// Sends what there is to send; pending while some is left. A large message goes out part by part, behind all that is small.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(poll_send(&mut self.transport, self.machine.output(), cx))?;
        for _ in 0..PARTS_AT_ONCE {
            if !self.machine.next_part() {
                break;
            }
            ready!(poll_send(&mut self.transport, self.machine.output(), cx))?;
        }
        self.machine.output().release();
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    /// Ends what is due, and sets the timer for what is due next.
    fn poll_timer(
        &mut self,
        cx: &mut Context<'_>,
        mut now: Instant,
        has_read_all: bool,
    ) -> Poll<End> {
        loop {
            if self.handshake.is_some_and(|deadline| deadline <= now) {
                return Poll::Ready(End::Handshake);
            }
            if !has_read_all || self.is_above_high_water() {
                // It is this end that does not read: the client may have said that it is there.
                self.machine.heard(now.into_std());
            }
            if let Some(end) = self.expire(now) {
                return Poll::Ready(end);
            }
            self.free_idle_slots(now);
            let expiry = self.machine.next_deadline().map(Instant::from_std);
            let idle = self.idle.map(|(when, _)| when);
            let next = [self.handshake, expiry, idle].into_iter().flatten().min();
            ready!(self.timer.poll(next, cx));
            now = Instant::now();
        }
    }

    /// Does what is due; why the connection is over, if it is.
    fn expire(&mut self, now: Instant) -> Option<End> {
        let handlers = &mut self.handlers;
        let before = self.machine.output().end();
        let mut leftovers = 0;
        let overdue = self.machine.expire(now.into_std(), |slot| {
            leftovers += usize::from(!handlers.cancel(slot, Outcome::Expired));
        });
        for _ in 0..leftovers {
            self.machine.left_over();
        }
        // What was written goes out with the next turn. Output that the peer does not take waits for the peer, not for a turn.
        if self.machine.output().end() > before {
            self.wakes.wake_task();
        }
        if self.machine.is_draining() {
            self.surroundings.drain();
        }
        overdue.map(|overdue| match overdue {
            Overdue::Silent => End::Silent,
            Overdue::Drain => End::Overtime,
        })
    }

    /// Frees the slots of a connection that has started no call for a while.
    fn free_idle_slots(&mut self, now: Instant) {
        let started = self.handlers.started();
        match self.idle {
            None if self.handlers.has_slots() => self.idle = Some((now + KEEP_SLOTS, started)),
            Some((when, before)) if when <= now => {
                if before == started && self.machine.in_flight() == 0 {
                    self.handlers.free_slots();
                    self.codec.free_buffers();
                    self.machine.shrink();
                    self.idle = None;
                } else {
                    self.idle = Some((now + KEEP_SLOTS, started));
                }
            }
            _ => {}
        }
    }

    fn closed(&mut self) -> End {
        match self.codec.decode_eof(&mut self.input) {
            Err(FrameError::Violation(violation)) => End::Violation(violation),
            _ => End::Closed,
        }
    }

    /// Sends what is left, and closes in order where the client may still be sending: it would lose answers that it has not
    /// read if bytes that arrived were thrown away with the socket.
    async fn close(mut self, end: End) -> End {
        // Handlers that are left are dropped before anything is waited for.
        drop(self.handlers);
        match &end {
            End::Violation(violation) => self.machine.violated(violation),
            End::Drained | End::Refused => {}
            End::Closed | End::Handshake | End::Transport | End::Silent | End::Overtime => {
                return end;
            }
        }
        self.machine.finish_parts();
        let output = self.machine.output();
        let transport = &mut self.transport;
        let farewell = std::future::poll_fn(|cx| {
            ready!(poll_send(transport, output, cx))?;
            ready!(Pin::new(&mut *transport).poll_shutdown(cx))?;
            let mut discarded = [0; 1024];
            loop {
                let mut buffer = ReadBuf::new(&mut discarded);
                ready!(Pin::new(&mut *transport).poll_read(cx, &mut buffer))?;
                if buffer.filled().is_empty() {
                    return Poll::Ready(io::Result::Ok(()));
                }
            }
        });
        // A client that does not close on its side in time is not waited for.
        let _ = tokio::time::timeout(LINGER, farewell).await;
        end
    }
}

/// Hands all of `output` to the transport; pending while some is left.
fn poll_send(
    transport: &mut (impl AsyncWrite + Unpin),
    output: &mut WriteBuffer,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while output.has_remaining() {
        if ready!(poll_write_buf(Pin::new(&mut *transport), cx, output))? == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
    }
    Poll::Ready(Ok(()))
}

fn end(error: FrameError) -> End {
    match error {
        FrameError::Violation(violation) => End::Violation(violation),
        _ => End::Transport,
    }
}

/// Lets other tasks run, and this one again after them and after the runtime has looked for I/O.
///
/// Waking the own waker instead would starve the I/O driver: victims then wait 20 times longer.
fn yield_turn(cx: &mut Context<'_>) {
    let mut fresh = std::pin::pin!(tokio::task::yield_now());
    let _ = fresh.as_mut().poll(cx);
}
