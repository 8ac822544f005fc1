//! What time ends, and how a connection closes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use rpc_core::{Outcome, connection::server::Overdue, frame::FrameError};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use tokio_util::codec::Decoder;

use super::{Driver, KEEP_SLOTS, LINGER, poll_send};
use crate::end::End;

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<'_, T> {
    /// Ends what is due, and sets the timer for what is due next.
    pub(super) fn poll_timer(
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

    pub(super) fn closed(&mut self) -> End {
        match self.codec.decode_eof(&mut self.input) {
            Err(FrameError::Violation(violation)) => End::Violation(violation),
            _ => End::Closed,
        }
    }

    /// Sends what is left, and closes in order where the client may still be sending: it would lose answers that it has not
    /// read if bytes that arrived were thrown away with the socket.
    pub(super) async fn close(&mut self, end: End) -> End {
        // Handlers that are left are dropped before anything is waited for.
        self.handlers.drop_all();
        match &end {
            End::Violation(violation) => self.machine.violated(violation),
            End::Drained | End::Refused => {}
            #[cfg(feature = "tls")]
            End::Tls(_) => return end,
            #[cfg(feature = "auth")]
            End::NoRandomness => return end,
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
