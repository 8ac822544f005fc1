//! Async RPC on Tokio: annotate a trait, implement it, await it from another process.
//!
//! ```
//! use rpc::{CallError, Server};
//!
//! #[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
//! pub enum MathError {
//!     #[error("division by zero")]
//!     DivideByZero,
//! }
//!
//! /// Arithmetic over the network.
//! #[rpc::service]
//! pub trait Calc {
//!     /// Adds two numbers.
//!     async fn add(&self, a: i64, b: i64) -> i64;
//!     /// Divides one number by another.
//!     async fn divide(&self, a: i64, b: i64) -> Result<i64, MathError>;
//! }
//!
//! struct MyCalc;
//!
//! impl Calc for MyCalc {
//!     async fn add(&self, a: i64, b: i64) -> i64 {
//!         a + b
//!     }
//!     async fn divide(&self, a: i64, b: i64) -> Result<i64, MathError> {
//!         a.checked_div(b).ok_or(MathError::DivideByZero)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // One process:
//! let server = Server::bind("tcp://127.0.0.1:0").await?;
//! let address = server.local_addr()?.to_string();
//! tokio::spawn(server.serve(CalcDispatcher::new(MyCalc)));
//!
//! // Another:
//! let calc = CalcClient::connect(&address).await?;
//! assert_eq!(calc.add(2, 3).await?, 5);
//! match calc.divide(1, 0).await {
//!     Err(CallError::App(MathError::DivideByZero)) => {}
//!     other => panic!("{other:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The parts
//!
//! * [`service`](macro@service) turns a trait into a stub (`CalcClient`) and a dispatcher (`CalcDispatcher`). Its page lists what a
//!   method may look like, and every option.
//! * [`Server`] listens and runs dispatchers. [`Server::run_until`] with [`shutdown_signal`] ends it in order.
//! * [`Channel`] is a client's handle to a server; a stub is a typed view of it. [`Channel::builder`] has the options.
//! * [`Call`] is one call: a future with [`timeout`](Call::timeout) and [`metadata`](Call::metadata). [`Channel::call`] makes one by name.
//! * [`Error`] and [`CallError`] say why a call failed; [`Context`] is what a handler may know of its call.
//!
//! # Streams
//!
//! A method that returns `impl Stream<Item = T>` gives its caller a [`Streaming<T>`](Streaming), which is asked for when it is first
//! polled; one that is `async` as well gives a [`StreamCall`], which is awaited first and may fail there. With `Item = Result<T, E>` each item may be
//! an error, which does not end the stream. A parameter `numbers: Streaming<T>` is any `Stream<Item = T> + Send + 'static` at the caller; the call
//! polls it, so it moves on while somebody awaits the answer or the items that come back.
//!
//! ```
//! use rpc::{Stream, StreamExt, Streaming, stream};
//!
//! #[rpc::service]
//! trait Numbers {
//!     fn count(&self, to: u64) -> impl Stream<Item = u64>;
//!     async fn sum(&self, numbers: Streaming<u64>) -> Result<u64, rpc::Error>;
//! }
//!
//! struct Server;
//!
//! impl Numbers for Server {
//!     fn count(&self, to: u64) -> impl Stream<Item = u64> {
//!         stream::iter(0..to)
//!     }
//!     async fn sum(&self, mut numbers: Streaming<u64>) -> Result<u64, rpc::Error> {
//!         let mut sum = 0;
//!         while let Some(number) = numbers.next().await {
//!             sum += number?;
//!         }
//!         Ok(sum)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), rpc::Error> {
//! let client = NumbersClient::local(Server);
//! let mut numbers = client.count(3);
//! while let Some(number) = numbers.next().await {
//!     println!("{}", number?);
//! }
//! assert_eq!(client.sum(stream::iter([1, 2, 3])).await?, 6);
//! # Ok(())
//! # }
//! ```
//!
//! Items flow as they are taken: of each stream at most a [window](Server::stream_window) (256 KiB) is under way or untaken, and of all streams of a
//! connection together another one (16 MiB). So a consumer that stops stops its producer and nobody else. Where a producer must not wait, its
//! method is marked `#[rpc(drop_oldest = N)]`: what finds no room is dropped but for the newest `N` items, and [`Streaming::lost`] counts it. The window
//! also bounds what a stream moves within a round trip: raise it for bulk over long links.
//!
//! The end is explicit. A stream whose connection is lost, or that is cancelled or expires, ends with an error, in its place behind the items that
//! arrived. Dropping a [`Streaming`] drops the stream at the other end. Streams have no timeout unless one is set, and keepalive finds dead peers. A server
//! that drains waits for them up to its `drain_timeout`; [`Context::draining`] tells the handler to come to an end.
//!
//! A message above 128 KiB travels in parts, between which small ones find their place: an answer of 256 MiB does not hold up a ping beside it. It
//! still has to be encoded in one go: 16 MiB of structs take about 17 ms, which the other calls of that connection wait, unless the method is marked
//! `#[rpc(spawn)]`. A stream of small pieces is better. `Bytes` of 16 KiB or more are not copied on the way out; on the way in they are
//! slices of what was read, up to the 128 KiB above which a message travels in parts and is put together. `docs/PERFORMANCE.md` in the repository says what decides the speed of a service.
//!
//! # Without a trait
//!
//! A tool, a script or a gateway calls by name, and a small server registers closures, over the same channel and server. A call gives the
//! tuple of its arguments; a closure's one parameter is that tuple, and a second one, if it wants it, the [`Context`]. Neither end can tell whether
//! there is a trait at the other.
//!
//! ```
//! use rpc::{CallError, Channel, Context, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), rpc::Error> {
//! let server = Server::bind("tcp://127.0.0.1:0")
//!     .await?
//!     .register("Calc.add", |(a, b): (i64, i64)| a + b)
//!     .register("Calc.divide", |(a, b): (i64, i64)| {
//!         a.checked_div(b).ok_or_else(|| "division by zero".to_owned())
//!     })
//!     .register("whoami", |(): (), ctx: &Context| {
//!         let peer = ctx.peer().to_string();
//!         async move { peer }
//!     });
//! let address = server.local_addr()?.to_string();
//! tokio::spawn(server.run());
//!
//! let channel = Channel::connect(&address).await?;
//! let sum: i64 = channel.call("Calc.add", (2, 3)).await?;
//! assert_eq!(sum, 5);
//! let divided = channel.call::<i64>("Calc.divide", (1, 0)).app_error::<String>().await;
//! assert!(matches!(divided, Err(CallError::App(why)) if why == "division by zero"));
//! # Ok(())
//! # }
//! ```
//!
//! What a trait says with attributes, the call says: [`Call::idempotent`], [`Call::app_error`], [`Call::sending`] for a stream that the method takes,
//! [`Channel::notify`] for one-way, [`Channel::stream`] and [`Channel::stream_call`] for streams that come back. [`Named`] passes arguments by name.
//! [`Raw`] is a value in its bytes, for who passes on what he does not understand. [`Methods::register`] says what a closure may return;
//! [`Server::methods`] adds, replaces and removes closures while the server runs. An error of a closure that is only serializable has its value for a
//! message; return `CallError<E>` for its `Display`.
//!
//! # Where handlers run
//!
//! All handlers of a connection are polled in that connection's task: concurrent, not parallel. A call that is ready at once
//! costs no task, queue or allocation. So a handler that computes for long, or blocks its thread, holds up the other calls of
//! its connection: mark it `#[rpc(spawn)]`, and it gets a task of its own; `#[rpc(blocking)]`, and it runs on the pool for blocking
//! work, as a plain `fn`. `#[rpc::service(spawn)]` does the former for a whole trait, [`Server::spawn_handlers`] for a whole server.
//! A client that wants more than one core for its calls opens more than one channel.
//!
//! # When connections fail
//!
//! A channel outlives its connections. A call that was never written waits for the next one, up to
//! [5 s](ChannelBuilder::wait_for_connection) and within its deadline. A call that the server may have run fails with
//! `unavailable`, and its message says so; mark the method `#[rpc(idempotent)]`, and it is sent again instead, under a
//! [budget](ChannelBuilder::retry_budget) and with its number in [`Context::attempt`]. [`Error::is_not_started`] tells the two apart, and
//! [`Channel::watch`] follows the connection. Silent peers are asked whether they are there, from both ends. `docs/RELIABILITY.md` in the
//! repository says for each promise which test tries to break it.
//!
//! # How a server ends
//!
//! [`ShutdownHandle::shutdown`], or the future of [`Server::run_until`], begins a drain: nothing more is accepted, clients are told to
//! go elsewhere, and the accepted calls have [`Server::drain_timeout`] to finish. A client that is idle, says nothing, or stopped in
//! the middle of a message is not waited for. [`ShutdownHandle::abort`] ends the server at once, and so does a second SIGINT or SIGTERM behind
//! one that [`shutdown_signal`] caught. [`Server::state_handle`] tells a health check or a supervisor how far the server is.
//!
//! # What is told
//!
//! With the feature `tracing`, and where a subscriber listens to the target `rpc`:
//!
//! | level | what | fields |
//! |---|---|---|
//! | DEBUG | the span `call`, around each poll of a handler | `method`, `peer`, `attempt` |
//! | DEBUG | one event at the end of each call, in its span | `outcome`, `elapsed_us` |
//! | DEBUG | the same at the client, as the caller saw it | `side` = `client`, `method`, `outcome`, `elapsed_us` |
//! | DEBUG | a connection opened, a connection ended | `peer`, `end` |
//! | WARN | the first poll of a method's handler that took 10 ms | `method`, `spent` |
//! | WARN | a connection could not be accepted | `error`, `pause` |
//!
//! An outcome is `ok`, `app` (the application's own error), `cancelled`, `expired`, `shed` (refused for want of room), `dropped` (with
//! its connection, or its server), or a [`Code`]'s name. A call that did not start, because it was refused, has no span: its event has
//! the fields itself. The warning of a slow poll may also name a method whose thread lost its core for so long.
//!
//! # Testing
//!
//! `CalcClient::local(MyCalc)` is a stub whose server is in the same process, over a pipe in memory. It runs the whole protocol,
//! so what would not survive a socket does not survive it either.
//!
//! # Features
//!
//! All are on by default; each builds alone.
//!
//! | feature | what it adds |
//! |---|---|
//! | `server` | [`Server`], [`Methods`], [`Listener`], [`shutdown_signal`] |
//! | `client` | [`Channel`], [`Call`], and the stubs |
//! | `macros` | [`service`](macro@service) |
//! | `tracing` | spans and events for calls and connections, with the target `rpc` |
//!
//! The protocol is specified in `docs/PROTOCOL.md`, for clients in other languages.

pub use bytes::Bytes;
pub use futures_core::Stream;
pub use futures_util::{StreamExt, stream};
#[cfg(feature = "client")]
pub use rpc_client::{
    Call, Channel, ChannelBuilder, ChannelState, IntoArguments, Named, StateWatch, StreamCall,
};
pub use rpc_core::{
    Address, Backoff, CallError, Certificate, Code, Context, Credentials, Dispatcher, Encode,
    Error, Failure, Metadata, MetadataRef, MetadataValue, Origin, Outcome, Peer, Raw, Streaming,
    Value, Violation, limits,
};
#[cfg(feature = "macros")]
pub use rpc_macros::service;
#[cfg(feature = "server")]
pub use rpc_server::{
    Callable, Listener, MethodDescription, Methods, Parameters, Returned, Server, ServerState,
    ShutdownHandle, StateHandle, serve_stream, shutdown_signal,
};

/// What the generated code uses. Not covered by any promise of stability.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "client")]
    pub use rpc_client::Prepared;
    pub use rpc_core::{
        Answer, Dispatcher, Request, Session,
        description::{Argument, Method, Pace, Run, Service},
        dispatch::slots,
    };

    /// A channel to a service in this process.
    #[cfg(all(feature = "client", feature = "server"))]
    pub fn local(dispatcher: impl Dispatcher) -> rpc_client::Channel {
        let (client, server) = tokio::io::duplex(PIPE_SIZE);
        tokio::spawn(rpc_server::serve_stream(server, vec![std::sync::Arc::new(dispatcher)]));
        rpc_client::Channel::from_stream(client)
    }

    /// Bytes that the pipe of a local channel holds.
    #[cfg(all(feature = "client", feature = "server"))]
    const PIPE_SIZE: usize = 64 << 10;
}

/// Keeps its input where the facade has a client.
#[doc(hidden)]
#[macro_export]
#[cfg(feature = "client")]
macro_rules! __client {
    ($($tokens:tt)*) => { $($tokens)* };
}

/// Keeps its input where the facade has a client.
#[doc(hidden)]
#[macro_export]
#[cfg(not(feature = "client"))]
macro_rules! __client {
    ($($tokens:tt)*) => {};
}

/// Keeps its input where the facade has both ends.
#[doc(hidden)]
#[macro_export]
#[cfg(all(feature = "client", feature = "server"))]
macro_rules! __local {
    ($($tokens:tt)*) => { $($tokens)* };
}

/// Keeps its input where the facade has both ends.
#[doc(hidden)]
#[macro_export]
#[cfg(not(all(feature = "client", feature = "server")))]
macro_rules! __local {
    ($($tokens:tt)*) => {};
}
