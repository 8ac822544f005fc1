//! The server: what it serves, where, within which limits, and how it ends.
//!
//! [`Server`] is its own builder; [`run`](Server::run) consumes it. Running is one future: it accepts, and owns the tasks
//! of its connections, so dropping it ends everything at once. Ending in order is [`run_until`](Server::run_until) or a
//! [`ShutdownHandle`]: no new connections, a go-away to each client, the accepted calls finished, the rest dropped after
//! the drain timeout. No signal handler is installed here.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

#[cfg(feature = "tls")]
use rpc_core::tls::ServerTls;
use rpc_core::{
    Address, Context, Credentials, Dispatcher, Error, Peer, TypeMap, connection::server::Config,
    description::Method, limits,
};

use crate::{
    accept::{accept, accept_rest, drain},
    address_rules::AddressRules,
    admission::Admission,
    builtin::{Builtins, HealthHandle},
    connections::Connections,
    directory::Directory,
    hooks::Hooks,
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
    hooks: Hooks,
    methods: Methods,
    /// Why a method could not be registered.
    unregistered: Option<Error>,
    config: Config,
    bounds: Bounds,
    max_connections: usize,
    admission: Admission,
    tcp: TcpOptions,
    #[cfg(feature = "tls")]
    tls: Option<ServerTls>,
    spawns: bool,
    builtins: Builtins,
    shutdown: ShutdownHandle,
    state: StateTeller,
    #[cfg(feature = "auth")]
    pub(crate) keys: crate::keys::Asked,
    /// What the handlers share, and the type of which a second value was given.
    values: TypeMap,
    given_twice: Option<&'static str>,
}

impl Server {
    /// A server that listens on an address, such as `tcp://127.0.0.1:0` or `unix:///run/calc.sock`; or `tls://0.0.0.0:7443`, for which `tls`
    /// must be set.
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
            hooks: Hooks::default(),
            methods: Methods::default(),
            unregistered: None,
            config: Config::default(),
            bounds: Bounds::default(),
            max_connections: limits::MAX_CONNECTIONS,
            admission: Admission::default(),
            tcp: TcpOptions::default(),
            #[cfg(feature = "tls")]
            tls: None,
            spawns: false,
            builtins: Builtins::default(),
            shutdown: ShutdownHandle::default(),
            state: StateTeller::default(),
            #[cfg(feature = "auth")]
            keys: crate::keys::Asked::default(),
            values: TypeMap::new(),
            given_twice: None,
        }
    }

    /// The address to connect to, with the port that the system chose.
    ///
    /// # Errors
    ///
    /// `unavailable` where the system cannot tell.
    pub fn local_addr(&self) -> Result<Address, Error> {
        let address = self.listener.local_addr()?;
        #[cfg(feature = "tls")]
        if let (Some(_), Address::Tcp(host)) = (&self.tls, &address) {
            return Ok(Address::Tls(host.clone()));
        }
        Ok(address)
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

    /// Adds a hook that is asked about every call before its arguments are decoded: it admits the call, or refuses it with an error.
    ///
    /// It sees what is known of the call, which is who calls ([`Context::peer`], [`Context::certificate`], [`Context::key_id`],
    /// [`bearer`](rpc_core::MetadataRef::bearer) and the rest of [`Context::metadata`]) and what for ([`Context::method`], and the method's description
    /// with what it [`requires`](Method::requires)). What it returns becomes an [extension](Context::extension) of the call's context, for the
    /// handler and the hooks behind it; `()` is nothing to attach, and a second value of one type takes the place of the first. Hooks are
    /// asked in the order in which they were added, until one refuses.
    ///
    /// Refuse with [`Error::unauthenticated`] whom you do not know, and with [`Error::permission_denied`] who may not. The caller gets that error, marked as
    /// [not started](Error::is_not_started). A panic of a hook ends its call with `internal`.
    ///
    /// The hook is asked about methods that do not exist, too, with a description without a name: only who is admitted is told what there is.
    /// So it is about [closures](Self::register), which cannot require anything: a hook that goes by what a method requires lets every closure be
    /// called by everybody whom it knows. Decide about those by their names ([`Context::method`]).
    /// It runs in the task of its connection, under the call's deadline, and must not block: see [`authorize_async`](Self::authorize_async).
    /// Services in one process (`CalcClient::local`, [`serve_stream`]) have no hooks.
    ///
    /// ```
    /// # fn example(server: rpc_server::Server) -> rpc_server::Server {
    /// use rpc_core::Error;
    ///
    /// struct User(&'static str);
    ///
    /// server.authorize(|ctx, method| match ctx.metadata().bearer() {
    ///     // A real one keeps hashes, and compares them in constant time.
    ///     Some("sesame") => Ok(User("ali")),
    ///     Some("guest") if method.requires.is_empty() => Ok(User("guest")),
    ///     Some("guest") => Err(Error::permission_denied("guests may not do this")),
    ///     _ => Err(Error::unauthenticated("send a bearer token")),
    /// })
    /// # }
    /// ```
    pub fn authorize<T: Send + Sync + 'static>(
        mut self,
        hook: impl Fn(&Context, &'static Method) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.add(hook);
        self
    }

    /// Adds a hook that may wait, for a database or another server; for the rest it is as that of [`authorize`](Self::authorize), and asked in its turn
    /// among all of them.
    ///
    /// Its future owns what it needs, so it takes that out of the context first. It is dropped when the call is cancelled, expires, or loses its
    /// connection, and counts as in flight. The call's arguments, and the items of a stream that its caller sends, wait meanwhile, undecoded and within
    /// the stream's window.
    ///
    /// ```
    /// # async fn look_up(token: &str) -> Result<String, rpc_core::Error> { Ok(token.to_owned()) }
    /// # fn example(server: rpc_server::Server) -> rpc_server::Server {
    /// use rpc_core::Error;
    ///
    /// struct User(String);
    ///
    /// server.authorize_async(|ctx, _| {
    ///     let token = ctx.metadata().bearer().map(str::to_owned);
    ///     async move {
    ///         let token = token.ok_or_else(|| Error::unauthenticated("send a bearer token"))?;
    ///         Ok(User(look_up(&token).await?))
    ///     }
    /// })
    /// # }
    /// ```
    pub fn authorize_async<T, F>(
        mut self,
        hook: impl Fn(&Context, &'static Method) -> F + Send + Sync + 'static,
    ) -> Self
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.hooks.add_async(hook);
        self
    }

    /// Gives the handlers of all services a value that they share, such as a pool of connections: [`Context::state`](rpc_core::Context::state) finds it by its
    /// type. One value of each type: wrap the second one in a type of its own.
    ///
    /// What one service alone needs is better a field of the type that implements it.
    ///
    /// ```no_run
    /// # async fn example(dispatcher: impl rpc_core::Dispatcher) -> Result<(), rpc_core::Error> {
    /// # #[derive(Default)]
    /// # struct Db;
    /// use rpc_server::Server;
    ///
    /// // In a handler: `let db: &Db = ctx.state()?;`
    /// Server::bind("tcp://127.0.0.1:0").await?.state(Db::default()).serve(dispatcher).await
    /// # }
    /// ```
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        if self.values.insert(value).is_some() {
            self.given_twice.get_or_insert(std::any::type_name::<T>());
        }
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

    /// Sets the largest metadata that a call may carry, and its response, in bytes, encoded; 8 KiB by default, at most 32 KiB.
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
        self.admission.max_per_address = Some(connections.max(1));
        self
    }

    /// Sets which addresses may connect over TCP; all of them by default. Unix sockets have no address.
    ///
    /// They are asked about before anything is read. A connection that is denied is closed without a word and counts nowhere; at its client, calls
    /// fail with `unavailable`. The rules are shared: [`AddressRules::replace`] on a clone changes them while the server runs, for the next connections.
    pub fn addresses(mut self, rules: AddressRules) -> Self {
        self.admission.addresses = rules;
        self
    }

    /// Sets who may connect to a Unix socket, besides what the permissions of its file say
    /// (see [`ListenOptions::unix_mode`](crate::ListenOptions::unix_mode)); by default whoever those let. TCP has no credentials.
    ///
    /// The rule is asked once for each connection, where connections are accepted: it must not block. Where it says no, or panics, the client is told
    /// `permission_denied`, and none of its calls runs.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), rpc_core::Error> {
    /// # use rpc_server::Server;
    /// // The superuser, and the members of one group whose primary group it is.
    /// let server = Server::bind("unix:///run/calc/socket").await?;
    /// let server = server.allow_unix_peers(|peer| peer.uid == 0 || peer.gid == 2_000);
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow_unix_peers(
        mut self,
        rule: impl Fn(&Credentials) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.admission.unix_peers = Some(Box::new(rule));
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

    /// Speaks TLS with every client, with this certificate, on TCP, whether or not the address said `tls://`. A handshake has the time that
    /// [`handshake_timeout`](Self::handshake_timeout) gives the whole introduction.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
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

    /// Sets whether strangers may ask what the server offers (`rpc.Reflection`); on by default.
    pub fn reflection(mut self, answers: bool) -> Self {
        self.builtins.without_reflection = !answers;
        self
    }

    /// Sets whether strangers may ask how the server does (`rpc.Health`); on by default.
    pub fn health_service(mut self, answers: bool) -> Self {
        self.builtins.without_health = !answers;
        self
    }

    /// A handle that says how the server and its services do, for `rpc.Health`.
    pub fn health(&self) -> HealthHandle {
        self.builtins.health.clone()
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
    /// `already_exists` where two services have one name, two keys one id, or two values of the [`state`](Self::state) one type;
    /// `failed_precondition` where a method [requires](Method::requires) something and there is no hook of [`authorize`](Self::authorize) that would
    /// check it; `invalid_argument` where a service has a name that begins with `rpc.`, and where `tls` is missing on a `tls://` address, or set on a
    /// Unix socket; and what was wrong with a method that was [registered](Self::register). A connection that fails, or that cannot be accepted, does
    /// not end the server.
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
        let Self {
            mut listener,
            dispatchers,
            hooks,
            config,
            bounds,
            builtins,
            shutdown,
            state,
            ..
        } = self;
        listener.set_options(self.tcp);
        #[cfg(feature = "tls")]
        listener.set_tls(self.tls.is_some())?;
        if let Some(error) = self.unregistered {
            return Err(error);
        }
        if let Some(name) = self.given_twice {
            return Err(Error::already_exists(format!(
                "two values of the type `{name}` were given to `Server::state`; wrap one of them in a type of its own"
            )));
        }
        hooks.check(&dispatchers)?;
        let services = dispatchers.iter().map(|dispatcher| dispatcher.description()).collect();
        let directory = Arc::new(Directory::new(services, builtins.services(), self.methods));
        let own = builtins.dispatchers(&directory);
        let router = Router::new(dispatchers, own, directory, self.spawns, hooks)?;
        let shared = Shared::new(router, config.clamped(), bounds, self.values);
        #[cfg(feature = "auth")]
        let shared = shared.asking_for(self.keys.begin()?);
        let mut connections = Connections::new(Arc::new(shared), self.admission);
        #[cfg(feature = "tls")]
        connections.secure(self.tls);
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
        // Whoever sends work here is to look elsewhere before connections are refused.
        builtins.health.drain();
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

/// Serves these services on a transport that the program brings, such as a pipe, until it is closed. Nothing else: what a [`Server`] answers by
/// itself, about what it offers and how it does, there is nobody to ask here who does not know it.
///
/// Who is at its other end is the program's own affair: there are no hooks as of [`Server::authorize`], and what methods require is not checked.
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
    serve_stream_with(transport, dispatchers, TypeMap::new()).await
}

/// The same, with what [`Server::state`] would give the handlers. For tests without a socket, whose client is a channel over the pipe's other end.
///
/// # Errors
///
/// Those of [`serve_stream`].
///
/// # Cancel safety
///
/// That of [`serve_stream`].
pub async fn serve_stream_with(
    transport: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    dispatchers: Vec<Arc<dyn Dispatcher>>,
    state: TypeMap,
) -> Result<(), Error> {
    let services = dispatchers.iter().map(|dispatcher| dispatcher.description()).collect();
    let directory = Arc::new(Directory::new(services, Vec::new(), Methods::default()));
    let router = Router::new(dispatchers, Vec::new(), directory, false, Hooks::default())?;
    let shared = Arc::new(Shared::new(router, Config::default(), Bounds::default(), state));
    let deadline = tokio::time::Instant::now() + shared.bounds.handshake_timeout;
    let opening = Opening::new(Peer::Local, None, deadline);
    crate::driver::serve(transport, opening, shared, Arc::default()).await;
    Ok(())
}
