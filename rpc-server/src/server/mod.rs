//! The server: what it serves, where, within which limits, and how it ends.
//!
//! [`Server`] is its own builder; [`run`](Server::run) consumes it. Running is one future: it accepts, and owns the tasks
//! of its connections, so dropping it ends everything at once. Ending in order is [`run_until`](Server::run_until) or a
//! [`ShutdownHandle`]: no new connections, a go-away to each client, the accepted calls finished, the rest dropped after
//! the drain timeout. No signal handler is installed here.
//!
//! | file | what is set there |
//! |---|---|
//! | `limits.rs` | what the server allows, and how long it waits |
//! | `security.rs` | who may connect, and who may call what |

mod limits;
mod security;
mod stream;

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

#[cfg(feature = "tls")]
use rpc_core::tls::ServerTls;
use rpc_core::{
    Address, Dispatcher, Error, TypeMap, connection::server::Config, limits::MAX_CONNECTIONS,
};

pub use self::stream::{serve_stream, serve_stream_with};
use crate::{
    accept::{accept, accept_rest, drain},
    admission::Admission,
    builtin::{Builtins, HealthHandle},
    connections::Connections,
    directory::Directory,
    hooks::Hooks,
    listener::{Listener, TcpOptions},
    methods::{Callable, Methods, Parameters, Returned},
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
    keys: crate::opening::keys::Asked,
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
            max_connections: MAX_CONNECTIONS,
            admission: Admission::default(),
            tcp: TcpOptions::default(),
            #[cfg(feature = "tls")]
            tls: None,
            spawns: false,
            builtins: Builtins::default(),
            shutdown: ShutdownHandle::default(),
            state: StateTeller::default(),
            #[cfg(feature = "auth")]
            keys: crate::opening::keys::Asked::default(),
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

    /// Runs the handlers of every method in a task of its own, as `#[rpc(spawn)]` does for one; off by default.
    ///
    /// For services whose handlers compute: those of one connection then share all cores, and none holds up the others. It costs
    /// each call a task and an allocation. Blocking methods stay where they are.
    pub fn spawn_handlers(mut self, spawns: bool) -> Self {
        self.spawns = spawns;
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
    /// `failed_precondition` where a method [requires](rpc_core::description::Method::requires) something and there is no hook of [`authorize`](Self::authorize) that would
    /// check it; `invalid_argument` where a service has a name that begins with `rpc.`, and where `tls` is missing on a `tls://` address, or set on a
    /// Unix socket, and where [`allow_unix_peers`](Self::allow_unix_peers) is set on TCP; and what was wrong with a method that was [registered](Self::register). A connection that fails, or that cannot be accepted, does
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
        self.admission.check(listener.is_unix())?;
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
