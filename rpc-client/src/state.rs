//! How far a channel is with its connection, for a program that wants to know.

use rpc_core::{Error, connection::client::Phase};
use tokio::sync::watch;

/// How far a channel is with its connection.
///
/// ```text
///   Idle ──▶ Connecting ──▶ Ready      a connection that is lost, or goes away, leads back to Idle or Waiting;
///              ▲     │                 the next call, or the end of the pause, begins the next attempt
///              ╰─ Waiting              Closed: the channel's runtime is gone
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChannelState {
    /// There is no connection, and nobody asked for one: the next call makes one.
    #[default]
    Idle,
    /// One is being made: the name is looked up, the socket connects, the server introduces itself.
    Connecting,
    /// The server has introduced itself, and takes calls.
    Ready,
    /// The last attempt failed, or the last connection served no call; a pause passes before the next attempt.
    Waiting,
    /// The channel's task is gone, with its runtime. Every call fails.
    Closed,
}

impl From<Phase> for ChannelState {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Idle => Self::Idle,
            Phase::Connecting => Self::Connecting,
            Phase::Ready => Self::Ready,
            Phase::Pausing => Self::Waiting,
        }
    }
}

/// What the channel's task publishes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    pub(crate) state: ChannelState,
    /// How many attempts to connect have failed, or connections ended, and why the last one did.
    pub(crate) failures: u64,
    pub(crate) error: Option<Error>,
}

/// Follows the state of a channel; from [`Channel::watch`](crate::Channel::watch).
///
/// It does not keep the channel's connection open.
#[derive(Clone, Debug)]
pub struct StateWatch {
    status: watch::Receiver<Status>,
    /// What [`changed`](Self::changed) has told.
    told: ChannelState,
}

impl StateWatch {
    pub(crate) fn new(status: watch::Receiver<Status>) -> Self {
        let told = status.borrow().state;
        Self { status, told }
    }

    /// The state now.
    pub fn state(&self) -> ChannelState {
        self.status.borrow().state
    }

    /// Why the last attempt to connect failed, or the last connection was lost, until the next one is there.
    pub fn last_error(&self) -> Option<Error> {
        self.status.borrow().error.clone()
    }

    /// Waits until the state is another than the one that this told last, or that it had at first, and returns it. States that
    /// pass meanwhile may be missed. [`ChannelState::Closed`] is the last, and told as often as one asks.
    ///
    /// # Cancel safety
    ///
    /// No change is lost when the future is dropped.
    pub async fn changed(&mut self) -> ChannelState {
        loop {
            let now = self.status.borrow_and_update().state;
            if now != self.told || now == ChannelState::Closed {
                self.told = now;
                return now;
            }
            if self.status.changed().await.is_err() {
                self.told = ChannelState::Closed;
                return ChannelState::Closed;
            }
        }
    }

    /// Waits until the channel is in this state, which may be now; `false` when it never will be, because the channel is gone.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped and asked for again at any time.
    pub async fn reached(&mut self, state: ChannelState) -> bool {
        let is_over =
            |status: &Status| status.state == state || status.state == ChannelState::Closed;
        self.status.wait_for(is_over).await.is_ok_and(|status| status.state == state)
    }
}
