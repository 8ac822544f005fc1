//! The `#[service]` attribute of `rpc`.
//!
//! A program uses it through the facade, as `#[rpc::service]`. One trait goes in; the trait itself, a stub and a
//! dispatcher come out:
//!
//! ```text
//!   tokens ──parse──▶ ast::Service ──emit──▶ trait + stub + dispatcher + description
//!               ╰──▶ errors::Errors ───────▶ one compile_error! each, in front of them
//! ```
//!
//! `parse` goes on after an error and leaves out what is wrong with one method alone, so `emit` need not know of
//! mistakes: what it gets is good, or is marked and kept for those who use it.

mod ast;
mod check;
mod emit;
mod errors;
#[cfg(test)]
mod golden;
mod options;
mod parse;
mod print;
mod text;

use proc_macro2::TokenStream;

use errors::Errors;

/// Makes a trait a service: what it declares can be called from another process.
///
/// ```
/// /// Arithmetic over the network.
/// #[rpc::service]
/// pub trait Calc {
///     /// Adds two numbers.
///     async fn add(&self, a: i64, b: i64) -> i64;
/// }
///
/// struct Server;
///
/// impl Calc for Server {
///     async fn add(&self, a: i64, b: i64) -> i64 {
///         a + b
///     }
/// }
///
/// async fn three(calc: CalcClient) -> Result<i64, rpc::Error> {
///     calc.add(1, 2).await
/// }
/// # let _ = (CalcDispatcher::new(Server), three);
/// ```
///
/// # What it makes
///
/// * The trait, `Calc`, with `Send + Sync + 'static` as supertraits. Its methods return `Send` futures; an
///   implementation writes plain `async fn`, without an attribute.
/// * The stub, `CalcClient`: the same methods, which return a `Call`, or what a stream is reached through. It has `new(channel)`, `connect(address)`,
///   `local(service)` and `channel()`, can be cloned and shared, and carries the trait's documentation. (`local` needs
///   both ends, so it is there where the facade has the features `client` and `server`; the stub where it has
///   `client`.) `CalcClient::DESCRIPTION` is the service as data; the dispatcher's `description()` is the same.
/// * The dispatcher, `CalcDispatcher<S>`: what a server is given, made with `new(service)` or
///   `from_arc(service)`.
///
/// The three have the trait's visibility. The service's name on the wire is the trait's; a method is called
/// `Calc.add` there.
///
/// # Methods
///
/// A method is `async fn` with `&self`, or a plain `fn` that returns a [stream](#streams). What an argument can be:
///
/// | parameter | at the caller | at the server |
/// |---|---|---|
/// | `a: T` | moved in | decoded |
/// | `a: &T` | borrowed, until the call is made | decoded, and lent to the handler |
/// | `a: &[T]` | the same | decoded into a `Vec<T>`, and lent |
/// | `a: &str`, `a: &[u8]` | the same | borrowed from what was received, without a copy |
/// | `a: Streaming<T>` | any `Stream<Item = T> + Send + 'static` | a stream of `Result<T, rpc::Error>` |
/// | `ctx: &Context` | not there | the context of the call |
///
/// `T` is any type that implements `serde::Serialize` and `serde::de::DeserializeOwned`, owns its data and is `Send`.
/// `Option<Option<_>>` and `Option<()>` are refused, because `Some(None)` and `Some(())` would arrive as `None`.
///
/// A method that returns `T` gives its caller `Result<T, rpc::Error>`. One that returns `Result<T, E>` gives
/// `Result<T, rpc::CallError<E>>`, where `E` is serializable and implements `Display`; with `rpc::Error` as `E` it
/// is `Result<T, rpc::Error>`. Both types of the `Result` must be written: an alias hides the error.
///
/// A method may have a default body, which stands in where an implementation leaves the method out.
///
/// # Streams
///
/// A method may return a stream of items in place of one result. What its caller gets, where `T` is the type of the items:
///
/// | method | at the caller |
/// |---|---|
/// | `fn f(&self) -> impl Stream<Item = T>` | `Streaming<T>`, a stream of `Result<T, rpc::Error>` |
/// | `async fn f(&self) -> impl Stream<Item = T>` | `StreamCall<T>`, a future of `Result<Streaming<T>, rpc::Error>` |
/// | `async fn f(&self) -> Result<impl Stream<Item = T>, E>` | `StreamCall<T, E>`, a future of `Result<Streaming<T>, rpc::CallError<E>>` |
///
/// The plain `fn` is sent when its stream is first polled. The other two can do something, and fail, before there is a stream. With
/// `Item = Result<T, E>` each item may be an error, which does not end the stream: the caller gets `Streaming<T, E>`, whose items are
/// `Result<T, rpc::CallError<E>>`. Both errors are flat where they are `rpc::Error`, as those of other methods. The stream is `Send`, which an implementation need not say, and may borrow `&self`, the
/// arguments and the context.
///
/// A parameter `Streaming<T>` is a stream that the caller sends. There is one at most, at any place; it is not among the arguments that are
/// numbered on the wire. What its method returns, one result or a stream, may come before its end.
///
/// Both streams flow as they are taken: who takes no items stops the producer, and nobody else. Where the producer of the items that are
/// returned must not wait, `#[rpc(drop_oldest = 16)]` keeps the newest 16 items of those that were not sent, and
/// `Streaming::lost` tells the caller how many it missed.
///
/// Dropping a stream at one end drops it at the other. A method with a stream is neither `oneway` nor `blocking`, and one that takes a stream
/// is not `idempotent`.
///
/// ```
/// use rpc::{CallError, Stream, StreamExt, Streaming, stream};
///
/// #[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
/// #[error("nothing is left of {0}")]
/// pub struct Forgotten(u64);
///
/// #[rpc::service]
/// pub trait Calc {
///     fn count(&self, to: u64) -> impl Stream<Item = u64>;
///     async fn history(&self, since: u64) -> Result<impl Stream<Item = String>, Forgotten>;
///     async fn sum(&self, numbers: Streaming<i64>) -> Result<i64, rpc::Error>;
///     fn running_sum(&self, numbers: Streaming<i64>) -> impl Stream<Item = i64>;
///     #[rpc(drop_oldest = 16)]
///     fn prices(&self) -> impl Stream<Item = f64>;
/// }
///
/// struct Server;
///
/// impl Calc for Server {
///     fn count(&self, to: u64) -> impl Stream<Item = u64> {
///         stream::iter(0..to)
///     }
///     async fn history(&self, since: u64) -> Result<impl Stream<Item = String>, Forgotten> {
///         if since < 1970 {
///             return Err(Forgotten(since));
///         }
///         Ok(stream::iter(since..2000).map(|year| format!("{year} was a year")))
///     }
///     async fn sum(&self, mut numbers: Streaming<i64>) -> Result<i64, rpc::Error> {
///         let mut sum = 0;
///         while let Some(number) = numbers.next().await {
///             sum += number?;
///         }
///         Ok(sum)
///     }
///     fn running_sum(&self, numbers: Streaming<i64>) -> impl Stream<Item = i64> {
///         numbers.filter_map(async |number| number.ok()).scan(0, |sum, number| {
///             *sum += number;
///             std::future::ready(Some(*sum))
///         })
///     }
///     fn prices(&self) -> impl Stream<Item = f64> {
///         stream::repeat(1.5).take(3)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let calc = CalcClient::local(Server);
/// let mut count = calc.count(3);
/// let mut seen = 0;
/// while let Some(number) = count.next().await {
///     assert_eq!(number?, seen);
///     seen += 1;
/// }
/// match calc.history(1066).await {
///     Err(CallError::App(Forgotten(year))) => assert_eq!(year, 1066),
///     other => panic!("{other:?}"),
/// }
/// let mut history = calc.history(1999).await?;
/// assert_eq!(history.next().await.transpose()?.as_deref(), Some("1999 was a year"));
/// assert_eq!(calc.sum(stream::iter([1, 2, 3])).await?, 6);
/// let sums: Vec<_> = calc.running_sum(stream::iter([1, 2, 3])).collect().await;
/// assert_eq!(sums.into_iter().collect::<Result<Vec<_>, _>>()?, [1, 3, 6]);
/// # Ok(())
/// # }
/// ```
///
/// # Options of the service
///
/// | option | meaning |
/// |---|---|
/// | `name = "calc.v2"` | the service's name on the wire, in place of the trait's |
/// | `crate = path` | where the facade is, in place of `::rpc`: for who renames or re-exports it |
/// | `spawn` | every method runs in a task of its own |
/// | `requires = "…"` | what the callers of every method need, as on a [method](#options-of-a-method) |
///
/// ```
/// mod vendor {
///     pub use rpc as wire;
/// }
///
/// #[vendor::wire::service(name = "calc.v2", crate = vendor::wire, spawn)]
/// pub trait Calc {
///     async fn add(&self, a: i64, b: i64) -> i64;
/// }
/// # fn main() {}
/// ```
///
/// # Options of a method
///
/// They stand in `#[rpc(…)]` on the method.
///
/// | option | meaning |
/// |---|---|
/// | `name = "plus"` | the method's name on the wire |
/// | `oneway` | no answer comes back, so the method returns nothing |
/// | `idempotent` | the call may be repeated where it is not known whether it ran |
/// | `spawn` | the handler runs in a task of its own, and so beside the others of its connection |
/// | `blocking` | the handler is a plain `fn` that runs on the pool for blocking work |
/// | `drop_oldest = 16` | the producer of the [stream](#streams) that is returned does not wait: so many unsent items are kept, the newest |
/// | `requires = "admin"` | what a caller needs; of several things, `requires("read", "write")` |
///
/// Without `spawn` and `blocking` a handler runs inside of its connection's task: the handlers of one connection
/// take turns on one core, so a handler that computes for long holds the others up.
///
/// What a method requires is data, without a meaning of its own: it stands in the method's description, where the hook that a server was given with
/// `Server::authorize` reads it, and decides. The method's requirements come behind those of its service. A server without such a hook does not
/// run a service that requires something.
///
/// # Options of a parameter
///
/// | option | meaning |
/// |---|---|
/// | `#[rpc(default)]` | a caller may leave the argument out: it is then its type's `Default`, or empty |
/// | `#[rpc(default = expression)]` | the same, with a value of your own, computed at each such call |
/// | `#[rpc(context)]` | the parameter is the context, where its type has another name than `Context` |
///
/// Only trailing arguments can be left out. The expression has the parameter's type; for `&T` it is a `T`, for `&[T]`
/// a `Vec<T>`.
///
/// ```
/// #[rpc::service]
/// pub trait Search {
///     #[rpc(name = "search", idempotent)]
///     async fn find(&self, ctx: &rpc::Context, key: &str, #[rpc(default = 10)] limit: u32) -> Vec<String>;
///     #[rpc(oneway)]
///     async fn log(&self, line: &str);
///     #[rpc(blocking)]
///     fn checksum(&self, data: &[u8]) -> u64;
///     #[rpc(requires = "admin")]
///     async fn forget(&self, key: &str);
/// }
/// # fn main() {}
/// ```
///
/// # Generic services
///
/// A trait may have type and constant parameters, supertraits and `where` clauses; a method may not. Where values of a
/// parameter cross the network, it says so with serde's traits:
///
/// ```
/// use serde::{Serialize, de::DeserializeOwned};
///
/// #[rpc::service]
/// pub trait Store<V: Serialize + DeserializeOwned + Send + 'static> {
///     async fn get(&self, key: &str) -> Option<V>;
/// }
/// # fn main() {}
/// ```
///
/// # Conditions
///
/// `#[cfg(…)]` on a method takes it away on both sides. Two methods may share a name when each has its own condition.
///
/// # Looking at the expansion
///
/// With `RPC_EXPAND=Calc` (or `RPC_EXPAND=1` for every trait) in the environment, the expansion is printed to standard
/// error while the crate is compiled. Cargo does not know of the variable, so touch a file of the crate first:
///
/// ```text
/// touch src/lib.rs && RPC_EXPAND=Calc cargo check --quiet 2>&1 | rustfmt --edition 2024
/// ```
#[proc_macro_attribute]
pub fn service(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(arguments.into(), item.into()).into()
}

/// The attribute, over tokens that a test can make.
fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let errors = Errors::default();
    let code = match parse::service(arguments, item.clone(), &errors) {
        Some(service) => {
            let code = emit::service(&service);
            print::on_request(&service.item.ident.to_string(), &code);
            code
        }
        // What is not a trait stays what it is.
        None => item,
    };
    let mut tokens = errors.into_tokens();
    tokens.extend(code);
    tokens
}

/// A user's crate may be of an older edition.
///
/// ```edition2021
/// #![deny(warnings)]
///
/// /// A service of an older crate.
/// #[rpc::service]
/// pub trait Older {
///     async fn find(&self, key: &str, #[rpc(default)] gen: &[u64], ctx: &rpc::Context) -> Result<Vec<u64>, rpc::Error>;
///     #[rpc(blocking)]
///     fn hash(&self, data: &[u8]) -> u64;
///     async fn hello(&self, name: String) -> String {
///         format!("hello {name}")
///     }
///     fn lines(&self, text: &str, ctx: &rpc::Context) -> impl rpc::Stream<Item = Result<String, rpc::Error>>;
///     async fn since(&self, gen: &u64, all: rpc::Streaming<u64>) -> Result<impl rpc::Stream<Item = u64>, rpc::Error>;
/// }
///
/// struct Server;
///
/// impl Older for Server {
///     async fn find(&self, _: &str, gen: &[u64], _: &rpc::Context) -> Result<Vec<u64>, rpc::Error> {
///         Ok(gen.to_vec())
///     }
///
///     fn hash(&self, data: &[u8]) -> u64 {
///         data.len() as u64
///     }
///
///     fn lines(&self, text: &str, _: &rpc::Context) -> impl rpc::Stream<Item = Result<String, rpc::Error>> {
///         rpc::StreamExt::map(rpc::stream::iter(text.lines()), |line| Ok(line.to_owned()))
///     }
///
///     async fn since(&self, gen: &u64, _: rpc::Streaming<u64>) -> Result<impl rpc::Stream<Item = u64>, rpc::Error> {
///         Ok(rpc::stream::iter(*gen..))
///     }
/// }
///
/// fn main() {
///     let _ = OlderDispatcher::new(Server);
///     let _ = |older: OlderClient| older.find("", &[1]);
/// }
/// ```
#[cfg(doctest)]
struct Editions;
