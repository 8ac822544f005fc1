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
/// * The stub, `CalcClient`: the same methods, which return a `Call`. It has `new(channel)`, `connect(address)`,
///   `local(service)` and `channel()`, can be cloned and shared, and carries the trait's documentation. (`local` needs
///   both ends, so it is there where the facade has the features `client` and `server`; the stub where it has
///   `client`.)
/// * The dispatcher, `CalcDispatcher<S>`: what a server is given, made with `new(service)` or
///   `from_arc(service)`.
///
/// The three have the trait's visibility. The service's name on the wire is the trait's; a method is called
/// `Calc.add` there.
///
/// # Methods
///
/// A method is `async fn` with `&self`. What an argument can be:
///
/// | parameter | at the caller | at the server |
/// |---|---|---|
/// | `a: T` | moved in | decoded |
/// | `a: &T` | borrowed, until the call is made | decoded, and lent to the handler |
/// | `a: &[T]` | the same | decoded into a `Vec<T>`, and lent |
/// | `a: &str`, `a: &[u8]` | the same | borrowed from what was received, without a copy |
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
/// # Options of the service
///
/// | option | meaning |
/// |---|---|
/// | `name = "calc.v2"` | the service's name on the wire, in place of the trait's |
/// | `crate = path` | where the facade is, in place of `::rpc`: for who renames or re-exports it |
/// | `spawn` | every method runs in a task of its own |
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
///
/// Without `spawn` and `blocking` a handler runs inside of its connection's task: the handlers of one connection
/// take turns on one core, so a handler that computes for long holds the others up.
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
/// }
///
/// fn main() {
///     let _ = OlderDispatcher::new(Server);
///     let _ = |older: OlderClient| older.find("", &[1]);
/// }
/// ```
#[cfg(doctest)]
struct Editions;
