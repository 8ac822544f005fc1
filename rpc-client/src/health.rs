//! The client of `rpc.Health`: asks a server how it does, once or for as long as it lasts.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use rpc_core::{
    Error, HealthStatus, Streaming,
    builtin::health::{CHECK, SERVICE, WATCH},
};

use crate::{call::Call, channel::Channel};

/// Asks a server how it and its services do.
///
/// Servers of this project answer unless they were told not to; others say `unimplemented`.
///
/// ```no_run
/// # async fn example(channel: rpc_client::Channel) -> Result<(), rpc_core::Error> {
/// use rpc_client::Health;
///
/// let health = Health::new(channel);
/// println!("Calc is {}", health.check("Calc").await?);
/// let mut watch = health.watch("Calc");
/// while let Some(status) = watch.next().await {
///     println!("Calc is {} now", status?);
/// }
/// println!("the server has ended");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Health {
    channel: Channel,
}

impl Health {
    /// Asks over this channel.
    pub fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// How the service of this name does, or with an empty name the server as a whole. `not_found` where the server does not know it.
    pub fn check(&self, service: &str) -> Call<HealthStatus> {
        let mut request = self.channel.prepare("rpc.Health.check", &SERVICE.methods[CHECK]);
        request.encoder().str(service);
        request.call()
    }

    /// Follows the service of this name, or with an empty name the server as a whole.
    pub fn watch(&self, service: &str) -> HealthWatch {
        let mut request = self.channel.prepare("rpc.Health.watch", &SERVICE.methods[WATCH]);
        request.encoder().str(service);
        HealthWatch { statuses: request.streaming(), told: None, end: None }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("channel", &self.channel).finish()
    }
}

/// Follows how a service does: its status now, and then each one that is another.
///
/// One who looks rarely is told the latest status, not those that came before it. [`HealthStatus::Unknown`] is a service that the server does not
/// know, or not yet. When the server drains, the last status is that it is not serving, and the stream ends. It ends with an error where the
/// connection is lost: whoever wants to know more asks again, which connects anew.
///
/// # Cancel safety
///
/// Dropping it ends the watch at the server.
#[must_use = "nothing is watched until it is polled"]
pub struct HealthWatch {
    statuses: Streaming<HealthStatus>,
    told: Option<HealthStatus>,
    /// What ended the stream, behind a status that was to be told first.
    end: Option<Option<Error>>,
}

impl HealthWatch {
    /// The next status; `None` when the server has ended.
    ///
    /// # Cancel safety
    ///
    /// No change is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<HealthStatus, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for HealthWatch {
    type Item = Result<HealthStatus, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(end) = &mut self.end {
            return Poll::Ready(end.take().map(Err));
        }
        let (mut latest, mut has_all) = (None, false);
        for _ in 0..TAKEN_AT_ONCE {
            match Pin::new(&mut self.statuses).poll_next(cx) {
                Poll::Ready(Some(Ok(status))) => latest = Some(status),
                Poll::Ready(Some(Err(error))) => {
                    self.end = Some(Some(error));
                    break;
                }
                Poll::Ready(None) => {
                    self.end = Some(None);
                    break;
                }
                Poll::Pending => {
                    has_all = true;
                    break;
                }
            }
        }
        match latest {
            Some(status) if self.told != Some(status) => {
                self.told = Some(status);
                Poll::Ready(Some(Ok(status)))
            }
            _ => match &mut self.end {
                Some(end) => Poll::Ready(end.take().map(Err)),
                None => {
                    if !has_all {
                        cx.waker().wake_by_ref();
                    }
                    Poll::Pending
                }
            },
        }
    }
}

/// So many statuses are passed over, and others get their turn: a server may send them without end.
const TAKEN_AT_ONCE: u32 = 128;

impl fmt::Debug for HealthWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthWatch").field("told", &self.told).finish_non_exhaustive()
    }
}
