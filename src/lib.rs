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
//! * [`Server`] listens and runs dispatchers. [`Server::run_until`] with [`shutdown_signal`] ends it in order. [`Server::addresses`] and
//!   [`Server::allow_unix_peers`] say who may connect, [`ListenOptions`] who may write to a Unix socket's file.
//! * [`Channel`] is a client's handle to a server; a stub is a typed view of it. [`Channel::builder`] has the options.
//! * [`Call`] is one call: a future with [`timeout`](Call::timeout), [`metadata`](Call::metadata) and [`with_metadata`](Call::with_metadata).
//!   [`Channel::call`] makes one by name.
//! * [`Reflection`] and [`Health`] ask a server what it offers and how it does; [`description`] is that as data.
//! * [`Error`] and [`CallError`] say why a call failed; [`Context`] is what a handler may know of its call.
//!
//! # Beside arguments and results
//!
//! A caller sends key/values along, and a handler sends some back: with its result, its error, or the end of its stream
//! ([`Streaming::response_metadata`]). What all handlers of a server share, such as a pool of connections to a database, is the server's
//! state, which they find by its type. All of it is in the [`Context`].
//!
//! ```
//! use rpc::{Context, Server};
//!
//! #[rpc::service]
//! trait Lookup {
//!     async fn find(&self, ctx: &Context, key: &str) -> Result<u32, rpc::Error>;
//! }
//!
//! struct Db {
//!     node: String,
//! }
//!
//! struct MyLookup;
//!
//! impl Lookup for MyLookup {
//!     async fn find(&self, ctx: &Context, key: &str) -> Result<u32, rpc::Error> {
//!         let db: &Db = ctx.state()?;
//!         ctx.set_response_metadata("node", &db.node);
//!         match ctx.metadata().get("tenant") {
//!             Some("a") => Ok(key.len() as u32),
//!             _ => Err(rpc::Error::permission_denied("tenant \"a\" only")),
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), rpc::Error> {
//! let server = Server::bind("tcp://127.0.0.1:0").await?.state(Db { node: "b".to_owned() });
//! let address = server.local_addr()?.to_string();
//! tokio::spawn(server.serve(LookupDispatcher::new(MyLookup)));
//!
//! let lookup = LookupClient::connect(&address).await?;
//! let (found, metadata) = lookup.find("key").metadata("tenant", "a").with_metadata().await;
//! assert_eq!((found?, metadata.get("node")), (3, Some("b")));
//! let (refused, metadata) = lookup.find("key").with_metadata().await;
//! assert!(refused.is_err() && metadata.get("node") == Some("b"));
//! # Ok(())
//! # }
//! ```
//!
//! Metadata is bounded, in each direction, by 8 KiB ([`Server::max_metadata_size`], [`ChannelBuilder::max_metadata_size`]): a call with more fails, and its
//! error says so.
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
//! A tool or a script calls by name, and a small server registers closures, over the same channel and server. A call gives the
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
//! [`Raw`] is a value in its bytes, for who passes on what he does not understand; who passes on whole services has a [gateway](#gateways). [`Methods::register`] says what a closure may return;
//! [`Server::methods`] adds, replaces and removes closures while the server runs. An error of a closure that is only serializable has its value for a
//! message; return `CallError<E>` for its `Display`.
//!
//! # Gateways
//!
//! A [`Forward`] is a dispatcher that implements a service by sending its calls to other servers: each call's channel comes from a closure that looks at its
//! [`Context`], or there is one for all. Nothing is decoded on the way.
//!
//! ```
//! use rpc::{Channel, Context, Error, Forward, Server};
//!
//! # #[rpc::service]
//! # trait Calc {
//! #     async fn add(&self, a: i64, b: i64) -> i64;
//! # }
//! # struct MyCalc;
//! # impl Calc for MyCalc {
//! #     async fn add(&self, a: i64, b: i64) -> i64 {
//! #         a + b
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! # let server = Server::bind("tcp://127.0.0.1:0").await?;
//! # let upstream = server.local_addr()?.to_string();
//! # tokio::spawn(server.serve(CalcDispatcher::new(MyCalc)));
//! let tenant_a = Channel::connect(&upstream).await?;
//! let route = move |ctx: &Context| match ctx.metadata().get("tenant") {
//!     Some("a") => Ok(tenant_a.clone()),
//!     _ => Err(Error::permission_denied("this tenant is not known")),
//! };
//! let gateway = Server::bind("tcp://127.0.0.1:0").await?;
//! let address = gateway.local_addr()?.to_string();
//! tokio::spawn(gateway.serve(Forward::new(CalcClient::DESCRIPTION, route)));
//!
//! let calc = CalcClient::connect(&address).await?;
//! assert_eq!(calc.add(2, 3).metadata("tenant", "a").await?, 5);
//! assert!(calc.add(2, 3).await.is_err_and(|error| error.is_not_started()));
//! # Ok(())
//! # }
//! ```
//!
//! Deadlines, cancellation, metadata in both directions, typed errors, streams with their back pressure and the truth about whether a call started survive the hop, and
//! a second one; `authorization` passes only where [`Forward::credentials`] says so. What the gateway itself decides are its hooks, its limits and its routes.
//! The example `gateway` routes by tenant.
//!
//! # Where handlers run
//!
//! All handlers of a connection are polled in that connection's task: concurrent, not parallel. A call that is ready at once
//! costs no task, queue or allocation. So a handler that computes for long, or blocks its thread, holds up the other calls of
//! its connection: mark it `#[rpc(spawn)]`, and it gets a task of its own; `#[rpc(blocking)]`, and it runs on the pool for blocking
//! work, as a plain `fn`. `#[rpc::service(spawn)]` does the former for a whole trait, [`Server::spawn_handlers`] for a whole server.
//! A client that wants more than one core for its calls opens more than one channel.
//!
//! # Who may call
//!
//! [`Server::authorize`] takes a hook that is asked about every call before its arguments are decoded. It sees who calls (address, process, certificate,
//! key, bearer token), which method, and what `#[rpc(requires = "admin")]` says that it [requires](description::Method::requires); it refuses, or returns
//! what the handler then finds with [`Context::extension`]. One that has to ask elsewhere is [`Server::authorize_async`]. A server without a hook
//! does not run a service that requires something, and a stranger is not told which services and methods there are. Closures
//! ([`Server::register`]) require nothing: a hook decides about them by name.
//!
//! At the client, [`ChannelBuilder::token`] lets all calls of a channel take a bearer [`Token`] along, which is fetched anew before it expires, or where a server
//! refused it. It is not sent in the clear over a network.
//!
//! ```
//! use rpc::{Channel, Error, Server, Token};
//!
//! # #[rpc::service(requires = "greet")]
//! # trait Greeter {
//! #     async fn greet(&self, ctx: &rpc::Context) -> String;
//! # }
//! # struct MyGreeter;
//! struct User(&'static str);
//!
//! # impl Greeter for MyGreeter {
//! async fn greet(&self, ctx: &rpc::Context) -> String {
//!     ctx.extension::<User>().map_or("hello", |user| user.0).to_owned()
//! }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let server = Server::bind("tcp://127.0.0.1:0").await?.authorize(|ctx, method| {
//!     let user = match ctx.metadata().bearer() {
//!         Some("sesame") => User("hello ali"),
//!         _ => return Err(Error::unauthenticated("send a bearer token")),
//!     };
//!     if method.requires.contains(&"admin") {
//!         return Err(Error::permission_denied("this takes an admin"));
//!     }
//!     Ok(user)
//! });
//! # let address = server.local_addr()?.to_string();
//! # tokio::spawn(server.serve(GreeterDispatcher::new(MyGreeter)));
//!
//! let channel = Channel::builder(&address).token(Token::new("sesame")).connect().await?;
//! assert_eq!(GreeterClient::new(channel).greet().await?, "hello ali");
//! # let stranger = GreeterClient::connect(&address).await?;
//! # assert_eq!(stranger.greet().await.expect_err("it has no token").kind(), rpc::Code::Unauthenticated);
//! # Ok(())
//! # }
//! ```
//!
//! A hook runs in the connection's task, in front of handlers of every kind, under the call's deadline. `CalcClient::local` has none. A handler's own calls do
//! not pass its caller's token on: the channel that they are made on has a source of its own.
//!
//! `docs/SECURITY.md` in the repository says which means there are against whom, what each does not stop, and which to choose.
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
//! # TLS
//!
//! With the feature `tls`, a server whose address is `tls://…` has a certificate, and may want one of its clients:
//!
#![cfg_attr(
    all(feature = "tls", feature = "server", feature = "client", feature = "macros"),
    doc = "```no_run"
)]
#![cfg_attr(
    not(all(feature = "tls", feature = "server", feature = "client", feature = "macros")),
    doc = "```ignore"
)]
//! use rpc::{
//!     Channel, Context, Error, Server,
//!     tls::{ClientTls, ServerTls},
//! };
//!
//! #[rpc::service]
//! trait Vault {
//!     async fn whoami(&self, ctx: &Context) -> Result<String, Error>;
//! }
//!
//! struct MyVault;
//!
//! impl Vault for MyVault {
//!     async fn whoami(&self, ctx: &Context) -> Result<String, Error> {
//!         let certificate = ctx.certificate().ok_or_else(|| Error::unauthenticated("who is it?"))?;
//!         Ok(certificate.subject().to_owned())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! // The server, which serves only clients that have a certificate of the authority in `clients.pem`:
//! let tls = ServerTls::from_pem_files("server.pem", "server.key")?
//!     .client_roots_pem_file("clients.pem")?;
//! let server = Server::bind("tls://0.0.0.0:7443").await?.tls(tls.clone());
//! tokio::spawn(server.serve(VaultDispatcher::new(MyVault)));
//! // When the files have changed, for the connections that come from now on:
//! tls.reload()?;
//!
//! // A client of a server whose certificate is of an authority that the system trusts:
//! let vault = VaultClient::connect("tls://vault.example:7443").await?;
//!
//! // One with a certificate, of a server with an authority of its own:
//! let tls = ClientTls::new()
//!     .roots_pem_file("ca.pem")?
//!     .identity_pem_files("client.pem", "client.key")?;
//! let channel = Channel::builder("tls://vault.internal:7443").tls(tls).connect().await?;
//! println!("{}", VaultClient::new(channel).whoami().await?);
//! # Ok(())
//! # }
//! ```
//!
//! TLS 1.3 is spoken, and 1.2 where both ends are told to allow it. A client always verifies the server's certificate, against the host of the address
//! unless `server_name` is set. A mistake in a certificate fails the call at once, with an error that says which
//! mistake it is and what to do. Sessions are resumed, and none of them outlives a reload. [`Context::certificate`] is what TLS has verified of the
//! caller: its subject, its names, its fingerprint.
//!
//! # Shared keys
//!
//! With the feature `auth`, a server asks its clients for a `Key` that both have: an id, and at least 32 random bytes, such as
//! `openssl rand -hex 32 > worker-7.key` makes. Both ends prove that they have it before a call is sent or read, without sending it.
//!
#![cfg_attr(
    all(feature = "auth", feature = "server", feature = "client", feature = "macros"),
    doc = "```"
)]
#![cfg_attr(
    not(all(feature = "auth", feature = "server", feature = "client", feature = "macros")),
    doc = "```ignore"
)]
//! use rpc::{Channel, Key, Keyring, Server};
//!
//! #[rpc::service]
//! trait Who {
//!     async fn am_i(&self, ctx: &rpc::Context) -> Option<String>;
//! }
//!
//! struct Registry;
//!
//! impl Who for Registry {
//!     async fn am_i(&self, ctx: &rpc::Context) -> Option<String> {
//!         ctx.key_id().map(str::to_owned)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), rpc::Error> {
//! # let secret = [7; 32];
//! let key = Key::new("worker-7", secret)?; // or `Key::from_hex_file("worker-7", "worker-7.key")?`
//! let keys = Keyring::new([key.clone()])?;
//! let server = Server::bind("tcp://127.0.0.1:0").await?.keys(keys.clone());
//! let address = server.local_addr()?.to_string();
//! tokio::spawn(server.serve(WhoDispatcher::new(Registry)));
//!
//! let who = WhoClient::new(Channel::builder(&address).key(key).connect().await?);
//! assert_eq!(who.am_i().await?.as_deref(), Some("worker-7"));
//!
//! // While the server runs: from now on, another key opens connections.
//! keys.replace([Key::new("worker-8", [8; 32])?])?;
//! # Ok(())
//! # }
//! ```
//!
//! A server with one key, or a few that do not change, takes them with `key`. [`Context::key_id`] tells a handler which key it was. A client with another secret, and
//! one with an id that is not known, get the same error; neither they nor a client without a key have a call run. A client
//! with a key never goes on with a server that has not proved it.
//!
//! It says who is at the other end when a connection opens. **It does not encrypt or protect what follows**: over plain TCP it is for networks
//! whose lines nobody taps or alters. Over TLS it is fine anywhere. Section 12 of `docs/PROTOCOL.md` in the repository has the details.
//!
//! # What a server says of itself
//!
//! Every [`Server`] answers two services besides yours, unless [`Server::reflection`] or [`Server::health_service`] turns them off; names that begin
//! with `rpc.` are kept for them. [`serve_stream`] and local clients have neither.
//!
//! [`Reflection`] asks a server what it offers: its services and methods with their arguments, types, defaults, flags and documentation, for tools
//! that do not know its traits (`cargo run --example describe -- tcp://…`). The same of a trait, without a server, is `CalcClient::DESCRIPTION`.
//! With the feature `json`, a test can hold a trait to what was agreed on, and a review sees what changed:
//!
//! ```
//! use rpc::description::ServiceDescription;
//! # #[rpc::service]
//! # trait Calc {
//! #     async fn add(&self, a: i64, b: i64) -> i64;
//! # }
//!
//! let calc = ServiceDescription::from(CalcClient::DESCRIPTION);
//! assert_eq!(calc.methods[0].to_string(), "add(a: i64, b: i64) -> i64");
//! // assert_eq!(calc.to_json(), include_str!("calc.json"));
//! ```
//!
//! [`Health`] asks whether a server, or one of its services, can be given work, once or for each change. A program says so with
//! [`Server::health`]; what it says nothing of is serving. A server that drains is not, from before its listener closes:
//!
//! ```
//! # #[rpc::service]
//! # trait Calc {
//! #     async fn add(&self, a: i64, b: i64) -> i64;
//! # }
//! # struct MyCalc;
//! # impl Calc for MyCalc {
//! #     async fn add(&self, a: i64, b: i64) -> i64 {
//! #         a + b
//! #     }
//! # }
//! use rpc::{Channel, Health, HealthStatus, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), rpc::Error> {
//! let server = Server::bind("tcp://127.0.0.1:0").await?;
//! let (address, health) = (server.local_addr()?.to_string(), server.health());
//! tokio::spawn(server.serve(CalcDispatcher::new(MyCalc)));
//!
//! let mut watch = Health::new(Channel::connect(&address).await?).watch("Calc");
//! assert_eq!(watch.next().await.transpose()?, Some(HealthStatus::Serving));
//! health.set("Calc", HealthStatus::NotServing);
//! assert_eq!(watch.next().await.transpose()?, Some(HealthStatus::NotServing));
//! # Ok(())
//! # }
//! ```
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
//! | DEBUG | a connection was closed at once, and why | `peer` |
//! | WARN | the first poll of a method's handler that took 10 ms | `method`, `spent` |
//! | WARN | the first call of a method whose handler asked for a [state](Context::state) that there is not | `method`, `missing` |
//! | WARN | a connection could not be accepted | `error`, `pause` |
//! | WARN | the rule of [`Server::allow_unix_peers`] panicked | `credentials` |
//!
//! An outcome is `ok`, `app` (the application's own error), `cancelled`, `expired`, `shed` (refused for want of room), `dropped` (with
//! its connection, or its server), or a [`Code`]'s name. A call that was refused before a hook or a handler saw it has no span: its event has
//! the fields itself. The warning of a slow poll may also name a method whose thread lost its core for so long.
//!
//! # Testing
//!
//! `CalcClient::local(MyCalc)` is a stub whose server is in the same process, over a pipe in memory. It runs the whole protocol,
//! so what would not survive a socket does not survive it either. It asks no hooks: [who may call](#who-may-call) is the server's to decide, and there is none.
//! Nor has it [state](Server::state): a service that needs some is tested
//!
//! ```
//! # #[rpc::service]
//! # trait Lookup { async fn find(&self, ctx: &rpc::Context, key: &str) -> Result<u32, rpc::Error>; }
//! # struct Db(u32);
//! # struct MyLookup;
//! # impl Lookup for MyLookup {
//! #     async fn find(&self, ctx: &rpc::Context, _: &str) -> Result<u32, rpc::Error> { Ok(ctx.state::<Db>()?.0) }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), rpc::Error> {
//! use std::sync::Arc;
//!
//! let (near, far) = tokio::io::duplex(64 << 10);
//! let mut state = rpc::TypeMap::new();
//! state.insert(Db(7));
//! tokio::spawn(rpc::serve_stream_with(far, vec![Arc::new(LookupDispatcher::new(MyLookup))], state));
//! let lookup = LookupClient::new(rpc::Channel::from_stream(near));
//! assert_eq!(lookup.find("key").await?, 7);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! The first four are on by default; each builds alone.
//!
//! | feature | what it adds |
//! |---|---|
//! | `server` | [`Server`], [`Methods`], [`Listener`], [`AddressRules`], [`shutdown_signal`] |
//! | `client` | [`Channel`], [`Call`], and the stubs |
//! | `macros` | [`service`](macro@service) |
//! | `tracing` | spans and events for calls and connections, with the target `rpc` |
//! | `tls` | TLS, with rustls and ring: `tls://` addresses and the module `tls`; needs a C compiler |
//! | `tls-aws-lc-rs` | the same, and AWS-LC as a second provider of cryptography |
//! | `json` | [descriptions](description::ServiceDescription) as JSON |
//! | `auth` | shared keys: `Key`, `Keyring`, and `key` on the server and on the channel's builder |
//!
//! The protocol is specified in `docs/PROTOCOL.md`, for clients in other languages.

#[cfg(all(feature = "client", feature = "server"))]
mod forward;

pub use bytes::Bytes;
pub use futures_core::Stream;
pub use futures_util::{StreamExt, stream};

#[cfg(all(feature = "client", feature = "server"))]
pub use self::forward::{Forward, Route};
#[cfg(feature = "client")]
pub use rpc_client::{
    Call, Channel, ChannelBuilder, ChannelState, Health, HealthWatch, IntoArguments, Named,
    Reflection, StateWatch, StreamCall, Token, TokenSource, WithMetadata,
};
#[cfg(feature = "auth")]
pub use rpc_core::auth::{Key, Keyring};
pub use rpc_core::{
    Address, Backoff, CallError, Certificate, Code, Context, Credentials, Dispatcher, Encode,
    Error, Failure, HealthStatus, Metadata, MetadataRef, MetadataValue, Origin, Outcome, Peer, Raw,
    Streaming, TypeMap, Value, Violation, description, limits,
};
#[cfg(feature = "macros")]
pub use rpc_macros::service;
#[cfg(feature = "server")]
pub use rpc_server::{
    AddressRules, Callable, HealthHandle, ListenOptions, Listener, Methods, Parameters, Returned,
    Server, ServerState, ShutdownHandle, StateHandle, serve_stream, serve_stream_with,
    shutdown_signal,
};

/// TLS at both ends: certificates, and who trusts whom.
///
/// `tls` on a [`Server`] takes a [`ServerTls`](tls::ServerTls), `tls` on a [`ChannelBuilder`] a [`ClientTls`](tls::ClientTls).
#[cfg(feature = "tls")]
pub mod tls {
    pub use rpc_core::tls::{ClientTls, Provider, ServerTls};
}

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
