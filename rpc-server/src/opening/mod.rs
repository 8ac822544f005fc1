//! How a connection opens: from the accepted socket to the task that serves it.
//!
//! ```text
//!   accepted ──▶ its address may connect ──▶ TLS ──▶ shared key ──▶ preface, hello ──▶ calls
//!                (connections.rs)            (tls.rs)  (challenge.rs)   (driver)
//! ```
//!
//! What must come is to come before one deadline, that of the handshake, and sooner where the server drains.

#[cfg(feature = "auth")]
mod challenge;
#[cfg(feature = "auth")]
pub(crate) mod keys;
#[cfg(feature = "tls")]
pub(crate) mod tls;

#[cfg(any(feature = "auth", feature = "tls"))]
use std::{future::poll_fn, io, pin::pin, task::Poll};

use bytes::BytesMut;
use rpc_core::{Error, Peer, Proof};
#[cfg(any(feature = "auth", feature = "tls"))]
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

#[cfg(feature = "auth")]
pub(crate) use self::challenge::serve;
#[cfg(not(feature = "auth"))]
pub(crate) use crate::driver::serve;
#[cfg(any(feature = "auth", feature = "tls"))]
use crate::{driver::LINGER, end::End, shared::Shared, timer::Timer, wakes::Wakes};

/// What is known of a connection before its client has introduced itself.
pub(crate) struct Opening {
    pub(crate) peer: Peer,
    /// What the client has proved.
    pub(crate) proof: Proof,
    /// Why nobody is served here; the client is told, once it has introduced itself.
    pub(crate) refusal: Option<Error>,
    /// Until when the client must have introduced itself.
    pub(crate) deadline: Instant,
    /// Whether the prefaces have been exchanged.
    pub(crate) has_preface: bool,
    /// What was read and not used.
    pub(crate) input: BytesMut,
}

impl Opening {
    /// That of a connection of which nothing was read.
    pub(crate) fn new(peer: Peer, refusal: Option<Error>, deadline: Instant) -> Self {
        Self {
            peer,
            proof: Proof::default(),
            refusal,
            deadline,
            has_preface: false,
            input: BytesMut::new(),
        }
    }

    /// Does what comes in front of the hellos, until the deadline, which a drain brings nearer.
    ///
    /// # Errors
    ///
    /// The end of a connection whose client took too long.
    #[cfg(any(feature = "auth", feature = "tls"))]
    pub(crate) async fn in_time<F: Future>(
        &mut self,
        doing: F,
        shared: &Shared,
        wakes: &Wakes,
    ) -> Result<F::Output, End> {
        let mut doing = pin!(doing);
        let mut timer = Timer::default();
        let mut is_draining = false;
        poll_fn(|cx| {
            wakes.register(cx.waker());
            if !is_draining && shared.is_draining() {
                is_draining = true;
                self.deadline = self.deadline.min(Instant::now() + LINGER);
            }
            if let Poll::Ready(done) = doing.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            timer.poll(Some(self.deadline), cx).map(|()| Err(End::Handshake))
        })
        .await
    }
}

/// Closes this side, and reads what the client still sends, so many bytes at most, until it closes the other: it would lose what it was told
/// if bytes that arrive were thrown away with the socket.
#[cfg(any(feature = "auth", feature = "tls"))]
async fn part(mut transport: impl AsyncRead + AsyncWrite + Unpin, most: u64) -> io::Result<()> {
    transport.shutdown().await?;
    let mut rest = transport.take(most);
    let mut discarded = [0; 1024];
    while rest.read(&mut discarded).await? > 0 {}
    Ok(())
}
