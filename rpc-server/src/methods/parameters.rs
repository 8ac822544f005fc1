//! The arguments of a closure: a tuple of values, decoded in order.

use rpc_core::{Error, Request, Value};

use super::name::short;

/// The one parameter of a closure that is a method: the tuple of its arguments, up to eight.
///
/// Implemented for all that qualifies; there is nothing to implement by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the parameter of a method",
    label = "must be a tuple of up to eight values that can cross the network",
    note = "write `|(a, b): (i64, String)| …`, `|(a,): (i64,)| …` for one argument, `|(): ()| …` for none",
    note = "what the arguments borrow is gone when they are decoded: take `String` for `&str`, `Vec<u8>` for `&[u8]`"
)]
pub trait Parameters: Sized {
    /// Takes them from a call.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, which names the position.
    #[doc(hidden)]
    fn take(request: &Request) -> Result<Self, Error>;

    /// The names of their types.
    #[doc(hidden)]
    fn types() -> Vec<String>;
}

macro_rules! tuples {
    ($($($type:ident)*;)*) => {$(
        impl<$($type: Value),*> Parameters for ($($type,)*) {
            fn take(request: &Request) -> Result<Self, Error> {
                let mut _arguments = request.arguments();
                Ok(($($type::decode(_arguments.take_unnamed())?,)*))
            }

            fn types() -> Vec<String> {
                vec![$(short::<$type>()),*]
            }
        }
    )*};
}

tuples! {
    ;
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}
