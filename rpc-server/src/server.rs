//! The server: what it serves, where, within which limits, and how it ends.
//!
//! [`Server`] is its own builder; [`run`](Server::run) consumes it. Running is one future: it accepts, and owns the tasks
//! of its connections, so dropping it ends everything at once. Ending in order is [`run_until`](Server::run_until) or a
//! [`ShutdownHandle`]: no new connections, a go-away to each client, the accepted calls finished, the rest dropped after
//! the drain timeout. No signal handler is installed here.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use rpc_core::{Address, Dispatcher, Error, Peer, connection::server::Config, limits};

use crate::{
    accept::{accept, accept_rest, drain},
    connections::Connections,
    listener::{Listener, TcpOptions},
    methods::{Callable, Methods, Parameters, Returned},
    opening::Opening,
    router::Router,
    shared::{Bounds, Shared},
    shutdown::{ServerState, ShutdownHandle, StateHandle, StateTeller, second_signal},
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
    methods: Methods,
    /// Why a method could not be registered.
    unregistered: Option<Error>,
    config: Config,
    bounds: Bounds,
    max_connections: usize,
    max_connections_per_address: Option<usize>,
    tcp: TcpOptions,
    spawns: bool,
    shutdown: ShutdownHandle,
    state: StateTeller,
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
            methods: Methods::default(),
            unregistered: None,
            config: Config::default(),
            bounds: Bounds::default(),
            max_connections: limits::MAX_CONNECTIONS,
            max_connections_per_address: None,
            tcp: TcpOptions::default(),
            spawns: false,
            shutdown: ShutdownHandle::default(),
            state: StateTeller::default(),
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
        // Whether a closure is in it already is said when the server runs.
        let _ = self.methods.reserve(dispatcher.description().name);
        self.dispatchers.push(Arc::new(dispatcher));
        self
    }

    /// Adds a method that is a closure, as [`Methods::register`] says. What is wrong with its name ends [`run`](Self::run) at once.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), rpc_core::Error> {
    /// use rpc_server::Server;
    ///
    /// let server = Server::bind("tcp://127.0.0.1:7000").await?;
    /// server.register("Calc.add", |(a, b): (i64, i64)| a + b).run().await
    /// # }
    /// ```
    pub fn register<M, K, C>(mut self, name: impl Into<String>, method: C) -> Self
    where
        C: Callable<M, Arguments: Parameters, Output: Returned<K>>,
    {
        if let Err(error) = self.methods.register(name, method) {
            self.unregistered.get_or_insert(error);
        }
        self
    }

    /// A handle to the methods that are closures, which adds, replaces and removes them while the server runs.
    pub fn methods(&self) -> Methods {
        self.methods.clone()
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

    /// Sets how many bytes of a stream's items may be under way or untaken; 256 KiB by default, at most 1 GiB.
    ///
    /// It bounds what a stream costs whose consumer stops, and what it can move within a round trip. An item larger than half of it
    /// passes all the same.
    pub fn stream_window(mut self, bytes: usize) -> Self {
        self.config.stream_window = bytes;
        self
    }

    /// Sets the same for all streams of a connection together; 16 MiB by default, at most 1 GiB.
    pub fn connection_window(mut self, bytes: usize) -> Self {
        self.config.connection_window = bytes;
        self
    }

    /// Sets how many bytes of large messages are sent ahead of what the other end has read; 2 MiB by default.
    ///
    /// What is small waits behind them: 2 ms at 1 GB/s. A large message moves at most so many within a round trip.
    pub fn parts_ahead(mut self, bytes: usize) -> Self {
        self.config.parts_ahead = bytes;
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

    /// Sets how long a connection may be without a call before it is closed, in order, within twice this time; without end by default. Its
    /// client makes another one when it needs one.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.config.idle_timeout = timeout;
        self
    }

    /// Sets how old a connection may become, give or take a tenth, before it is closed in order: its client makes another one, and
    /// so spreads over servers that were added; without end by default. Its calls may take as long as [`drain_timeout`](Self::drain_timeout) says.
    pub fn max_connection_age(mut self, age: Duration) -> Self {
        self.bounds.max_age = Some(age.min(limits::MAX_TIMEOUT));
        self
    }

    /// Sets how many connections are served at once; 10,000 by default, at least 1. Further ones wait to be accepted.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// Sets how many connections one address may have, or, of IPv6, one network of 64 bits, which is what a site or a customer has; without a
    /// limit of its own by default, because many clients may stand behind one address. At least 1. Further ones are told so and closed;
    /// clients of this project try again a little later. Unix sockets have no address.
    pub fn max_connections_per_address(mut self, connections: usize) -> Self {
        self.max_connections_per_address = Some(connections.max(1));
        self
    }

    /// Lets the system's own TCP ask a silent client, after this idle time and in this interval; off by default, because the
    /// connection's own pings do more: they notice a process that hangs, not only a machine that is gone.
    pub fn tcp_keepalive(mut self, idle: Duration) -> Self {
        let (shortest, longest) = limits::TCP_KEEPALIVE.into_inner();
        self.tcp.keepalive = Some(idle.clamp(shortest, longest));
        self
    }

    /// Sets whether TCP sends small pieces at once (`TCP_NODELAY`); on by default.
    pub fn tcp_nodelay(mut self, nodelay: bool) -> Self {
        self.tcp.nodelay = nodelay;
        self
    }

    /// Runs the handlers of every method in a task of its own, as `#[rpc(spawn)]` does for one; off by default.
    ///
    /// For services whose handlers compute: those of one connection then share all cores, and none holds up the others. It costs
    /// each call a task and an allocation. Blocking methods stay where they are.
    pub fn spawn_handlers(mut self, spawns: bool) -> Self {
        self.spawns = spawns;
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

    /// A handle that ends the server, in order or at once, from anywhere.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.shutdown.clone()
    }

    /// A handle that tells how far the server is: starting, ready, draining, ended.
    pub fn state_handle(&self) -> StateHandle {
        self.state.handle()
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
    /// `already_exists` where two services have one name, and what was wrong with a method that was [registered](Self::register). A connection
    /// that fails, or that cannot be accepted, does not end the server.
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
        let Self { mut listener, dispatchers, methods, config, bounds, shutdown, state, .. } = self;
        if let Some(error) = self.unregistered {
            return Err(error);
        }
        listener.set_options(self.tcp);
        let router = Router::new(dispatchers, methods, self.spawns)?;
        let shared = Arc::new(Shared::new(router, config.clamped(), bounds));
        let mut connections = Connections::new(shared, self.max_connections_per_address);
        let mut abort = pin!(shutdown.abort.cancelled());
        state.tell(ServerState::Ready);
        let is_aborted = {
            let mut signal = pin!(signal);
            let mut drain = pin!(shutdown.drain.cancelled());
            let mut accepting = pin!(accept(&listener, &mut connections, self.max_connections));
            poll_fn(|cx| {
                if abort.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(true);
                }
                if signal.as_mut().poll(cx).is_ready() || drain.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(false);
                }
                let Poll::Pending = accepting.as_mut().poll(cx);
                Poll::Pending
            })
            .await
        };
        // Listened for before anybody can know that the first one was caught: the second may come at once.
        let second_signal = second_signal();
        state.tell(ServerState::Draining);
        if !is_aborted {
            accept_rest(&listener, &mut connections, self.max_connections);
        }
        drop(listener);
        if !is_aborted {
            let mut draining = pin!(drain(&mut connections, bounds.drain_timeout, second_signal));
            poll_fn(|cx| {
                if abort.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                draining.as_mut().poll(cx)
            })
            .await;
        }
        // What is left is dropped before the server says that it has ended: dropping the tasks would only ask them to end.
        connections.end().await;
        Ok(())
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let services: Vec<_> = self.dispatchers.iter().map(|d| d.description().name).collect();
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("services", &services)
            .field("methods", &self.methods)
            .finish_non_exhaustive()
    }
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
    let router = Router::new(dispatchers, Methods::default(), false)?;
    let shared = Arc::new(Shared::new(router, Config::default(), Bounds::default()));
    let deadline = tokio::time::Instant::now() + shared.bounds.handshake_timeout;
    let opening = Opening::new(Peer::Local, None, deadline);
    crate::driver::serve(transport, opening, shared, Arc::default()).await;
    Ok(())
}
