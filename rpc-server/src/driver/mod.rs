//! The task of one connection: it moves the bytes, drives the machine, and polls the handlers.
//!
//! One turn: poll the handlers that were woken, decode and start the calls of what was read, write everything out at once,
//! read again. A call whose handler is ready at once is answered into the write buffer before the next frame is decoded.
//! The turn ends when the transport has nothing more, or when its slice is over (see [`slice`](crate::slice)).
//!
//! Reading stops for one reason only: unsent output above the high-water mark. Nothing else that is waited for can be
//! ended by a frame from this peer alone. The buffers go back to a pool when they are empty, so an idle connection holds none.
//! Dropping the task drops every handler.
//!
//! | file | what happens there |
//! |---|---|
//! | this one | turns: reading, polling, writing |
//! | `calls.rs` | what frames and handlers mean for each other |
//! | `ending.rs` | what time ends, and how a connection closes |

mod calls;
mod ending;

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use rpc_core::{
    Error, Surroundings,
    buffer::WriteBuffer,
    connection::server::Connection,
    frame::{Frame, FrameCodec, FrameError, take_preface},
    limits::ASSUMED_MESSAGE_SIZE,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_util::{
    codec::Decoder,
    io::{poll_read_buf, poll_write_buf},
};

use crate::{
    end::End,
    handlers::Handlers,
    opening::Opening,
    shared::Shared,
    slice::{Pace, Slice},
    timer::Timer,
    trace,
    wakes::Wakes,
};

/// The slots of a connection that started no call for so long are freed.
const KEEP_SLOTS: Duration = Duration::from_secs(5);

/// How long a connection that is closed in order waits for the client to close its side, and one that drains for its client to
/// introduce itself.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// So many handlers are polled, and what has arrived gets its turn.
const POLLS_AT_ONCE: u32 = 128;

/// So many parts of large messages are sent, and what has arrived gets its turn.
const PARTS_AT_ONCE: u32 = 4;

/// Serves one connection to its end; or refuses to, once its client has introduced itself, for the reason in `opening`.
pub(crate) async fn serve(
    transport: impl AsyncRead + AsyncWrite + Unpin,
    opening: Opening,
    shared: Arc<Shared>,
    wakes: Arc<Wakes>,
) {
    let Opening { peer, proof, refusal, deadline, has_preface, input } = opening;
    let refusal = refusal.or_else(|| shared.objection(&proof));
    let surroundings = Surroundings::proved(peer, proof).sharing(Arc::clone(&shared.state));
    let surroundings = Arc::new(surroundings);
    let told = trace::Connection::open(surroundings.peer());
    let mut driver = Driver {
        transport,
        machine: Connection::sharing(
            shared.config,
            Arc::clone(&shared.permits),
            shared.bounds.retirement(Instant::now()),
        ),
        // Who has not introduced itself may be nobody who is served: it is not to have large messages kept for it.
        codec: FrameCodec::new(ASSUMED_MESSAGE_SIZE),
        input,
        handlers: Handlers::new(
            &shared.router,
            Arc::clone(&shared.permits),
            Arc::clone(&surroundings),
            Arc::clone(&wakes),
        ),
        surroundings: &surroundings,
        refusal,
        shared: &shared,
        wakes: &wakes,
        last_method: 0,
        pace: Pace::default(),
        handshake: Some(deadline),
        idle: None,
        timer: Timer::default(),
    };
    if has_preface {
        driver.machine.open_behind_preface();
    }
    let end = std::future::poll_fn(|cx| {
        wakes.register(cx.waker());
        driver.turn(cx)
    })
    .await;
    // Boxed: a task is as large as all that it may ever wait for, and this is waited for once.
    let end = Box::pin(driver.close(end)).await;
    told.end(&end);
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
    /// The number of the method that was called last.
    last_method: u32,
    /// How often the next slice is to look at the clock.
    pace: Pace,
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
        let mut slice = Slice::begin(Instant::now(), self.pace);
        let mut has_read_all = false;
        loop {
            let handlers_over = self.poll_handlers(&mut slice);
            let input = match self.poll_input(cx, &mut slice) {
                Ok(input) => input,
                Err(end) => return Poll::Ready(end),
            };
            // Unless it goes on at once, the turn may end here: what was counted is timed.
            if !matches!(input, Input::Read) && slice.has_counted() {
                self.look(&mut slice);
            }
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
        if slice.has_counted() {
            self.look(&mut slice);
        }
        self.pace = slice.pace();
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

    /// Counts a frame, or the poll of a handler; whether the slice is over.
    fn is_over(&mut self, slice: &mut Slice) -> bool {
        slice.count() && self.look(slice)
    }

    /// Looks at the clock, and tells of a handler that was polled for long; whether the slice is over.
    fn look(&mut self, slice: &mut Slice) -> bool {
        let method = self.handlers.take_polled();
        let is_over = slice.look();
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
        self.codec.make_room(&mut self.input);
        match poll_read_buf(Pin::new(&mut self.transport), cx, &mut self.input) {
            Poll::Ready(Ok(0)) => Ok(Input::Closed),
            Poll::Ready(Ok(_)) => {
                self.machine.heard(slice.now().into_std());
                // A large message may be read for long without a frame.
                Ok(if slice.is_over_behind_read() { Input::SliceOver } else { Input::Read })
            }
            // TLS can tell that a client closed the connection without a word; frames say what is complete all the same.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Ok(Input::Closed)
            }
            Poll::Ready(Err(_)) => Err(End::Transport),
            Poll::Pending => {
                self.codec.release(&mut self.input);
                Ok(Input::Empty)
            }
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
}

/// Hands all of `output` to the transport; pending while some is left.
fn poll_send(
    transport: &mut (impl AsyncWrite + Unpin),
    output: &mut WriteBuffer,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while output.has_remaining() {
        if ready!(poll_write(&mut *transport, output, cx))? == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
    }
    Poll::Ready(Ok(()))
}

/// One write. Where all lies in one piece, a plain one: the kernel takes longer over a vectored one.
fn poll_write(
    transport: &mut (impl AsyncWrite + Unpin),
    output: &mut WriteBuffer,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if output.has_segments() {
        return poll_write_buf(Pin::new(transport), cx, output);
    }
    let count = ready!(Pin::new(transport).poll_write(cx, output.chunk()))?;
    output.advance(count);
    Poll::Ready(Ok(count))
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
