//! What a closure may return: a value or a future of one, each a `Result` or not.
//!
//! Which of them it is is told from the type alone, through markers that the compiler finds: an async block is no [`Value`], a value is no
//! `Future`; [`Error`] and [`CallError`] are not serializable, so a `Result` with one of them is no `Value`. A `Result<T, E>` with an `E` that
//! is serializable is one, and is looked into when it is answered: see [`probe`].

use futures_util::future::BoxFuture;
use rpc_core::{Answer, CallError, Error, Failure, Raw, Request, Value, probe};
use serde::Serialize;

use super::name::{of_result, short};

/// How far the call of a closure has come when that returned.
pub enum Running {
    /// To its end.
    Ended(Answer),
    /// It waits.
    Pending(BoxFuture<'static, Answer>),
}

/// What a method that is a closure may return. There is nothing to implement by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by a method",
    label = "must be a value, a `Result` of one, or a future of either that is `Send + 'static`",
    note = "a value implements `serde::Serialize` and `serde::Deserialize`, owns its data and is `Send`",
    note = "the error of a `Result` is `rpc::Error`, `rpc::CallError<E>`, or serializable too",
    note = "a future must not borrow: take out of `ctx` what it needs before `async move`"
)]
pub trait Returned<K> {
    /// Goes on with the call.
    #[doc(hidden)]
    fn run(self, request: Request) -> Running;

    /// The names of the types of its result and of its error.
    #[doc(hidden)]
    fn types() -> (String, Option<String>);
}

/// A value, or a `Result` of one. There is nothing to implement by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a method",
    label = "must be a value that can cross the network, or a `Result` of one",
    note = "a value implements `serde::Serialize` and `serde::Deserialize`, owns its data and is `Send`",
    note = "the error of a `Result` is `rpc::Error`, `rpc::CallError<E>`, or serializable too"
)]
pub trait Ends<K> {
    /// Ends the call.
    #[doc(hidden)]
    fn answer(self, request: Request) -> Answer;

    /// The names of the types of its result and of its error.
    #[doc(hidden)]
    fn types() -> (String, Option<String>);
}

/// Marks a closure whose value is there when it returns.
pub struct Now<K>(K);

/// Marks a closure that returns a future.
pub struct Later<K>(K);

#[diagnostic::do_not_recommend]
impl<T: Ends<K>, K> Returned<Now<K>> for T {
    fn run(self, request: Request) -> Running {
        Running::Ended(self.answer(request))
    }

    fn types() -> (String, Option<String>) {
        <T as Ends<K>>::types()
    }
}

#[diagnostic::do_not_recommend]
impl<F, K> Returned<Later<K>> for F
where
    F: Future<Output: Ends<K>> + Send + 'static,
{
    fn run(self, request: Request) -> Running {
        Running::Pending(Box::pin(async move { self.await.answer(request) }))
    }

    fn types() -> (String, Option<String>) {
        <F::Output as Ends<K>>::types()
    }
}

/// Marks a value that serde knows, a `Result` of such values among them.
pub struct Plain;

#[diagnostic::do_not_recommend]
impl<T: Value + Serialize> Ends<Plain> for T {
    fn answer(self, request: Request) -> Answer {
        if probe::is_result::<T>() { probe::answer(request, &self) } else { request.answer(&self) }
    }

    fn types() -> (String, Option<String>) {
        let whole = short::<T>();
        match of_result(&whole).filter(|_| probe::is_result::<T>()) {
            Some((result, error)) => (result.to_owned(), Some(error.to_owned())),
            None => (whole, None),
        }
    }
}

/// Marks an encoded value.
pub struct Encoded;

#[diagnostic::do_not_recommend]
impl Ends<Encoded> for Raw {
    fn answer(self, request: Request) -> Answer {
        request.answer(&self)
    }

    fn types() -> (String, Option<String>) {
        (short::<Self>(), None)
    }
}

/// Marks a `Result` with the framework's error.
pub struct Flat;

#[diagnostic::do_not_recommend]
impl<T: Value> Ends<Flat> for Result<T, Error> {
    fn answer(self, request: Request) -> Answer {
        match self {
            Ok(value) => request.answer(&value),
            Err(error) => request.fail_with(error),
        }
    }

    fn types() -> (String, Option<String>) {
        (short::<T>(), Some(short::<Error>()))
    }
}

/// Marks a `Result` with either error.
pub struct Either;

#[diagnostic::do_not_recommend]
impl<T: Value, E: Failure> Ends<Either> for Result<T, CallError<E>> {
    fn answer(self, request: Request) -> Answer {
        match self {
            Ok(value) => request.answer(&value),
            Err(CallError::App(error)) => request.fail_with(error),
            Err(CallError::Rpc(error)) => request.fail_with(error),
        }
    }

    fn types() -> (String, Option<String>) {
        (short::<T>(), Some(short::<E>()))
    }
}
