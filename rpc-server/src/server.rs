//! The server: what it serves, where, within which limits, and how it ends.
//!
//! [`Server`] is its own builder; [`run`](Server::run) consumes it. Running is one future: it accepts, and owns the tasks
//! of its connections, so dropping it ends everything at once. Ending in order is [`run_until`](Server::run_until) or a
//! [`ShutdownHandle`]: no new connections, a go-away to each client, the accepted calls finished, the rest dropped after
//! the drain timeout. No signal handler is installed here.

use std::{future::poll_fn, io, pin::pin, sync::Arc, task::Poll, time::Duration};

use rpc_core::{Address, Dispatcher, Error, Peer, connection::server::Config, limits};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    connections::Connections,
    driver::{Bounds, Shared},
    listener::{Accepted, Listener, pause_after_error},
    router::Router,
};

/// A server that has not started.
///
/// ```no_run
/// # async fn example(dispatcher: impl rpc_core::Dispatcher) -> Result<(), rpc_core::Error> {
/// use rpc_server::Server;
///
/// let server = Server::bind("tcp://127.0.0.1:0").await?;
/// println!("listening on {}", server.local_addr()?);
/// server.add(dispatcher).run().await
/// # }
/// ```
#[must_use = "a server does nothing until it is run"]
pub struct Server {
    listener: Listener,
    dispatchers: Vec<Arc<dyn Dispatcher>>,
    config: Config,
    bounds: Bounds,
    max_connections: usize,
    shutdown: CancellationToken,
}

impl Server {
    /// A server that listens on an address, such as `tcp://127.0.0.1:0` or `unix:///run/calc.sock`.
    ///
    /// Clients can connect from now on; they are served when the server runs.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for what is not an address, `unavailable` where the system refuses.
    pub async fn bind(address: impl AsRef<str>) -> Result<Self, Error> {
        Listener::bind(address).await.map(Self::new)
    }

    /// A server on a listener that is bound already.
    pub fn new(listener: impl Into<Listener>) -> Self {
        Self {
            listener: listener.into(),
            dispatchers: Vec::new(),
            config: Config::default(),
            bounds: Bounds::default(),
            max_connections: limits::MAX_CONNECTIONS,
            shutdown: CancellationToken::new(),
        }
    }

    /// The address to connect to, with the port that the system chose.
    ///
    /// # Errors
    ///
    /// `unavailable` where the system cannot tell.
    pub fn local_addr(&self) -> Result<Address, Error> {
        self.listener.local_addr()
    }

    /// Adds a service.
    #[expect(
        clippy::should_implement_trait,
        reason = "a server is no number, and `add` is what one does with a service"
    )]
    pub fn add(mut self, dispatcher: impl Dispatcher) -> Self {
        self.dispatchers.push(Arc::new(dispatcher));
        self
    }

    /// Sets the largest message that is accepted, in bytes; 16 MiB by default, from 64 KiB to 1 GiB.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.config.max_message_size = bytes;
        self
    }

    /// Sets the largest metadata that a call may carry, in bytes, encoded; 8 KiB by default, at most 32 KiB.
    pub fn max_metadata_size(mut self, bytes: usize) -> Self {
        self.config.max_metadata_size = bytes;
        self
    }

    /// Sets how deep arrays and maps may nest in an argument; 128 levels by default, which is also the most.
    pub fn max_nesting(mut self, levels: u8) -> Self {
        self.config.max_nesting = levels;
        self
    }

    /// Sets how many calls one connection may have in flight; 1,024 by default, at least 1. A client waits for its turn.
    pub fn max_calls_per_connection(mut self, calls: u32) -> Self {
        self.config.max_calls = calls;
        self
    }

    /// Sets how many calls may be in flight over all connections; 65,536 by default, at least 1.
    ///
    /// The excess is refused with `resource_exhausted`, not started, and asked to come back in 50 ms, which clients of this project
    /// do by themselves. Connections on several threads may take as many too many as there are threads. A call whose handler is ready at
    /// its first poll is never in flight.
    pub fn max_calls(mut self, calls: u32) -> Self {
        self.bounds.max_calls = calls;
        self
    }

    /// Sets the longest time that a call may take, whatever its caller asks for; without end by default. A caller that asks for
    /// nothing gets this.
    pub fn max_timeout(mut self, timeout: Duration) -> Self {
        self.config.max_timeout = timeout;
        self
    }

    /// Sets how many bytes may be unsent to a client that reads slowly, before nothing more is read from it and none of its handlers
    /// polled; 1 MiB by default.
    pub fn write_high_water(mut self, bytes: usize) -> Self {
        self.config.write_high_water = bytes;
        self
    }

    /// Sets how long a client may be silent before it is asked whether it is there; 20 s by default. [`Duration::MAX`]: it is never
    /// asked.
    pub fn keepalive_idle(mut self, idle: Duration) -> Self {
        self.config.keepalive_idle = idle;
        self
    }

    /// Sets how long a client may be silent after it was asked, before its connection counts as lost and its handlers are dropped;
    /// 10 s by default. A client that does not read what it was sent is not asked: it is this end that stopped to read.
    pub fn keepalive_timeout(mut self, timeout: Duration) -> Self {
        self.config.keepalive_timeout = timeout;
        self
    }

    /// Sets the least time between the pings of a client; 1 s by default. Clients are told, and obey; one that sends 64 too
    /// many has its connection ended.
    pub fn keepalive_floor(mut self, interval: Duration) -> Self {
        self.config.ping_interval = interval;
        self
    }

    /// Sets how long a connection may be without a call before it is closed, in order; without end by default. Its client makes
    /// another one when it needs one.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.config.idle_timeout = timeout;
        self
    }

    /// Sets how old a connection may become, give or take a tenth, before it is closed in order: its client makes another one, and
    /// so spreads over servers that were added; without end by default. Its calls may take as long as [`drain_timeout`](Self::drain_timeout) says.
    pub fn max_connection_age(mut self, age: Duration) -> Self {
        self.bounds.max_age = Some(age);
        self
    }

    /// Sets how many connections are served at once; 10,000 by default, at least 1. Further ones wait to be accepted.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// Sets how long a new connection may take to introduce itself; 10 s by default.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.bounds.handshake_timeout = timeout.min(limits::MAX_TIMEOUT);
        self
    }

    /// Sets how long the accepted calls may take to finish when the server ends; 30 s by default.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.bounds.drain_timeout = timeout.min(limits::MAX_TIMEOUT);
        self
    }

    /// A handle that ends the server in order, from anywhere.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        ShutdownHandle(self.shutdown.clone())
    }

    /// Adds a service and runs until a [`ShutdownHandle`] ends the server.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    pub async fn serve(self, dispatcher: impl Dispatcher) -> Result<(), Error> {
        self.add(dispatcher).run().await
    }

    /// Runs until a [`ShutdownHandle`] ends the server.
    ///
    /// # Errors
    ///
    /// `already_exists` where two services have one name. A connection that fails, or that cannot be accepted, does not end
    /// the server.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends everything at once: connections are closed and handlers dropped.
    pub async fn run(self) -> Result<(), Error> {
        self.run_until(std::future::pending::<()>()).await
    }

    /// Runs until `signal` completes or a [`ShutdownHandle`] ends the server, then drains.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// That of [`run`](Self::run).
    pub async fn run_until<F: Future>(self, signal: F) -> Result<(), Error> {
        let router = Router::new(self.dispatchers)?;
        let shared = Arc::new(Shared::new(router, self.config.clamped(), self.bounds));
        let mut connections = Connections::new(shared);
        {
            let mut signal = pin!(signal);
            let mut shutdown = pin!(self.shutdown.cancelled());
            let mut accepting =
                pin!(accept(&self.listener, &mut connections, self.max_connections));
            poll_fn(|cx| {
                if signal.as_mut().poll(cx).is_ready() || shutdown.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                let Poll::Pending = accepting.as_mut().poll(cx);
                Poll::Pending
            })
            .await;
        }
        drop(self.listener);
        drain(&mut connections, self.bounds.drain_timeout).await;
        Ok(())
    }
}

/// Accepts for ever.
async fn accept(
    listener: &Listener,
    connections: &mut Connections,
    max_connections: usize,
) -> std::convert::Infallible {
    let mut pause = Duration::ZERO;
    loop {
        let accepted = {
            let mut accepting = pin!(listener.accept());
            poll_fn(|cx| {
                // Tasks that ended are let go of, and their places with them.
                while let Poll::Ready(Some(())) = connections.poll_ended(cx) {}
                if connections.len() < max_connections {
                    accepting.as_mut().poll(cx)
                } else {
                    Poll::Pending
                }
            })
            .await
        };
        match accepted {
            Ok(Accepted::Tcp(stream, address)) => connections.spawn(stream, Peer::Tcp(address)),
            Ok(Accepted::Unix(stream)) => connections.spawn(stream, Peer::Unix),
            // The connection was gone before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(_) => {
                pause = pause_after_error(pause);
                tokio::time::sleep(pause).await;
                continue;
            }
        }
        pause = Duration::ZERO;
    }
}

/// Lets the connections finish, until the timeout.
async fn drain(connections: &mut Connections, timeout: Duration) {
    connections.drain();
    let deadline = Instant::now() + timeout;
    let ended = poll_fn(|cx| {
        while let Poll::Ready(ended) = connections.poll_ended(cx) {
            if ended.is_none() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    });
    // What is left is dropped with `connections`.
    let _ = tokio::time::timeout_at(deadline, ended).await;
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let services: Vec<_> = self.dispatchers.iter().map(|d| d.description().name).collect();
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("services", &services)
            .finish_non_exhaustive()
    }
}

/// Ends a running server in order: it drains, and its `run` returns.
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
#[derive(Clone, Debug)]
pub struct ShutdownHandle(CancellationToken);

impl ShutdownHandle {
    /// Begins the end. Further calls change nothing.
    pub fn shutdown(&self) {
        self.0.cancel();
    }
}

/// Completes at Ctrl-C (SIGINT) or SIGTERM: `server.run_until(rpc::shutdown_signal())`.
///
/// ```no_run
/// # async fn example(server: rpc_server::Server) -> Result<(), rpc_core::Error> {
/// server.run_until(rpc_server::shutdown_signal()).await
/// # }
/// ```
///
/// The signals are caught from the first poll on, for the rest of the process.
///
/// # Panics
///
/// Where the system does not let the process catch signals.
pub async fn shutdown_signal() {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be caught");
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be caught");
    poll_fn(|cx| {
        let either = interrupt.poll_recv(cx).is_ready() || terminate.poll_recv(cx).is_ready();
        if either { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Serves these services on a transport that the program brings, such as a pipe, until it is closed.
///
/// # Errors
///
/// `already_exists` where two services have one name.
///
/// # Cancel safety
///
/// Dropping the future closes the connection and drops its handlers.
pub async fn serve_stream(
    transport: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    dispatchers: Vec<Arc<dyn Dispatcher>>,
) -> Result<(), Error> {
    let router = Router::new(dispatchers)?;
    let shared = Arc::new(Shared::new(router, Config::default(), Bounds::default()));
    crate::driver::serve(transport, Peer::Local, shared, Arc::default()).await;
    Ok(())
}
