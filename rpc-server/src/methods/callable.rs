//! Closures that can be methods: with one parameter or two.
//!
//! What they take and return is asked for apart from that, by who registers them, so that the compiler says which of it is wrong.

use rpc_core::{Context, Request};

use super::{
    parameters::Parameters,
    returned::{Returned, Running},
};

/// A closure or function that can be registered as a method.
///
/// Implemented for all that qualifies; there is nothing to implement by hand. `M` tells the forms apart, and is found by the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be registered as a method",
    label = "must take the tuple of its arguments, or that and `&Context`",
    note = "write its arguments as one tuple with their types: `|(a, b): (i64, i64)| a + b`, or `|(): (), ctx: &rpc::Context| …`",
    note = "it must be `Fn + Send + Sync + 'static`: `move` what it captures into it, and change what is shared behind a lock"
)]
pub trait Callable<M>: Send + Sync + 'static {
    /// The tuple of its arguments.
    type Arguments;
    /// What it returns.
    type Output;

    /// Calls it.
    #[doc(hidden)]
    fn call(&self, arguments: Self::Arguments, context: &Context) -> Self::Output;
}

/// Marks a closure of its arguments.
pub struct OfArguments<A, R>(A, R);

/// Marks a closure of its arguments and the context.
pub struct OfContext<A, R>(A, R);

impl<F, A, R> Callable<OfArguments<A, R>> for F
where
    F: Fn(A) -> R + Send + Sync + 'static,
{
    type Arguments = A;
    type Output = R;

    fn call(&self, arguments: A, _: &Context) -> R {
        self(arguments)
    }
}

impl<F, A, R> Callable<OfContext<A, R>> for F
where
    F: Fn(A, &Context) -> R + Send + Sync + 'static,
{
    type Arguments = A;
    type Output = R;

    fn call(&self, arguments: A, context: &Context) -> R {
        self(arguments, context)
    }
}

/// Runs a call up to where it waits.
pub(super) fn run<M, K, C>(callable: &C, request: Request) -> Running
where
    C: Callable<M, Arguments: Parameters, Output: Returned<K>>,
{
    match C::Arguments::take(&request) {
        Ok(arguments) => callable.call(arguments, request.context()).run(request),
        Err(error) => Running::Ended(request.refuse(error)),
    }
}
