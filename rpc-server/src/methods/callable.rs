//! Closures that can be methods: with one parameter or two.

use rpc_core::{Context, Error, Request};

use super::{
    parameters::Parameters,
    returned::{Returned, Running},
};

/// A closure or function that can be registered as a method.
///
/// Implemented for all that qualifies; there is nothing to implement by hand. `M` tells the forms apart, and is found by the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be registered as a method",
    label = "must take a tuple, or a tuple and `&Context`, and return what can cross the network",
    note = "write its arguments as one tuple with their types: `|(a, b): (i64, i64)| a + b`, or `|(): (), ctx: &rpc::Context| …`",
    note = "it must be `Fn + Send + Sync + 'static`: `move` what it captures into it, and change what is shared behind a lock"
)]
pub trait Callable<M>: Send + Sync + 'static {
    /// Runs a call up to where it waits.
    #[doc(hidden)]
    fn call(&self, request: Request) -> Running;

    /// The names of the types of its arguments.
    #[doc(hidden)]
    fn arguments() -> Vec<String>;

    /// The names of the types of its result and of its error.
    #[doc(hidden)]
    fn result() -> (String, Option<String>);
}

/// Marks a closure of its arguments.
pub struct OfArguments<A, R, K>(A, R, K);

/// Marks a closure of its arguments and the context.
pub struct OfContext<A, R, K>(A, R, K);

fn refuse(request: Request, error: Error) -> Running {
    Running::Ended(request.refuse(error))
}

#[diagnostic::do_not_recommend]
impl<F, A, R, K> Callable<OfArguments<A, R, K>> for F
where
    F: Fn(A) -> R + Send + Sync + 'static,
    A: Parameters,
    R: Returned<K>,
{
    fn call(&self, request: Request) -> Running {
        match A::take(&request) {
            Ok(arguments) => self(arguments).run(request),
            Err(error) => refuse(request, error),
        }
    }

    fn arguments() -> Vec<String> {
        A::types()
    }

    fn result() -> (String, Option<String>) {
        R::types()
    }
}

#[diagnostic::do_not_recommend]
impl<F, A, R, K> Callable<OfContext<A, R, K>> for F
where
    F: Fn(A, &Context) -> R + Send + Sync + 'static,
    A: Parameters,
    R: Returned<K>,
{
    fn call(&self, request: Request) -> Running {
        match A::take(&request) {
            Ok(arguments) => self(arguments, request.context()).run(request),
            Err(error) => refuse(request, error),
        }
    }

    fn arguments() -> Vec<String> {
        A::types()
    }

    fn result() -> (String, Option<String>) {
        R::types()
    }
}
