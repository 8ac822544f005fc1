//! The end of a server, from outside: how it is asked for, and how far it is.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// Ends a running server: in order, so that its `run` returns when it has drained, or at once.
///
/// ```no_run
/// # async fn example(server: rpc_server::Server) -> Result<(), Box<dyn std::error::Error>> {
/// let shutdown = server.shutdown_handle();
/// let running = tokio::spawn(server.run());
/// shutdown.shutdown();
/// running.await??;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ShutdownHandle {
    pub(crate) drain: CancellationToken,
    pub(crate) abort: CancellationToken,
}

impl ShutdownHandle {
    /// Begins the end in order: no further connections, and the accepted calls finish within the
    /// [drain timeout](crate::Server::drain_timeout). Further calls change nothing.
    pub fn shutdown(&self) {
        self.drain.cancel();
    }

    /// Ends the server at once, whether or not it drains: connections are closed, and handlers dropped.
    pub fn abort(&self) {
        self.abort.cancel();
    }
}

/// How far a server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerState {
    /// It listens and does not run: clients connect, and wait to be served.
    #[default]
    Starting,
    /// It accepts connections and serves calls.
    Ready,
    /// It accepts nothing more, and finishes the calls that it has accepted.
    Draining,
    /// It is over.
    Ended,
}

/// Follows the state of a server, for a health check or a supervisor; from [`Server::state_handle`](crate::Server::state_handle).
///
/// ```no_run
/// # async fn example(server: rpc_server::Server) {
/// use rpc_server::ServerState;
///
/// let mut state = server.state_handle();
/// tokio::spawn(server.run());
/// while state.changed().await != ServerState::Ended {
///     println!("the server is {:?}", state.state());
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StateHandle {
    state: watch::Receiver<ServerState>,
    /// What [`changed`](Self::changed) has told.
    told: ServerState,
}

impl StateHandle {
    pub(crate) fn new(state: watch::Receiver<ServerState>) -> Self {
        let told = *state.borrow();
        Self { state, told }
    }

    /// The state now.
    pub fn state(&self) -> ServerState {
        *self.state.borrow()
    }

    /// Waits until the state is another than the one that this told last, or that it had at first, and returns it.
    /// [`ServerState::Ended`] is the last, and told as often as one asks.
    ///
    /// # Cancel safety
    ///
    /// No change is lost when the future is dropped.
    pub async fn changed(&mut self) -> ServerState {
        loop {
            let now = *self.state.borrow_and_update();
            if now != self.told || now == ServerState::Ended {
                self.told = now;
                return now;
            }
            if self.state.changed().await.is_err() {
                self.told = ServerState::Ended;
                return ServerState::Ended;
            }
        }
    }
}

/// Tells the state of a server; when it is dropped, the server has ended.
#[derive(Debug)]
pub(crate) struct StateTeller(watch::Sender<ServerState>);

impl Default for StateTeller {
    fn default() -> Self {
        Self(watch::Sender::new(ServerState::Starting))
    }
}

impl StateTeller {
    pub(crate) fn tell(&self, state: ServerState) {
        self.0.send_replace(state);
    }

    pub(crate) fn handle(&self) -> StateHandle {
        StateHandle::new(self.0.subscribe())
    }
}

impl Drop for StateTeller {
    fn drop(&mut self) {
        self.tell(ServerState::Ended);
    }
}

/// Whether [`shutdown_signal`] has caught a signal in this process.
static HAS_SIGNALLED: AtomicBool = AtomicBool::new(false);

/// Completes at Ctrl-C (SIGINT) or SIGTERM: `server.run_until(rpc::shutdown_signal())`.
///
/// ```no_run
/// # async fn example(server: rpc_server::Server) -> Result<(), rpc_core::Error> {
/// server.run_until(rpc_server::shutdown_signal()).await
/// # }
/// ```
///
/// The signals are caught from the first poll on, for the rest of the process. A second one ends servers that drain since the first at
/// once.
///
/// # Panics
///
/// Where the system does not let the process catch signals.
pub async fn shutdown_signal() {
    Signals::listen().caught().await;
    HAS_SIGNALLED.store(true, Ordering::Release);
}

/// Completes at a further signal, if there was one already. It is listened for from now on, not from the first poll.
pub(crate) fn second_signal() -> impl Future<Output = ()> {
    let signals = HAS_SIGNALLED.load(Ordering::Acquire).then(Signals::listen);
    async {
        match signals {
            Some(signals) => signals.caught().await,
            None => std::future::pending().await,
        }
    }
}

/// The signals that end a server.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens to the signals that come from now on.
    fn listen() -> Self {
        Self {
            interrupt: signal(SignalKind::interrupt()).expect("SIGINT can be caught"),
            terminate: signal(SignalKind::terminate()).expect("SIGTERM can be caught"),
        }
    }

    /// Waits for either.
    async fn caught(mut self) {
        poll_fn(|cx| {
            let either =
                self.interrupt.poll_recv(cx).is_ready() || self.terminate.poll_recv(cx).is_ready();
            if either { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
