//! The arguments of a call by name: a tuple, or one value that holds them all.
//!
//! A tuple is encoded as a stub encodes its parameters: an array of values in order (PROTOCOL 5.1). An error names the position of the
//! argument, as a stub's names the argument.

use rpc_core::{Encode, Error, Raw, Structs, msgpack, value::Encoder};
use serde::Serialize;

/// What stands for the arguments of a call by name: a tuple of up to eight, [`Named`] around a map or a struct, or [`Raw`].
///
/// Implemented for all that qualifies; there is nothing to implement by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the arguments of a call",
    label = "must be a tuple of up to eight serializable values, `rpc::Named(…)` or `rpc::Raw`",
    note = "write `(value,)` for one argument, `()` for none"
)]
pub trait IntoArguments {
    /// Appends them.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, which says which one cannot be encoded.
    #[doc(hidden)]
    fn append_to(&self, encoder: &mut Encoder) -> Result<(), Error>;
}

macro_rules! tuples {
    ($($count:literal: $($argument:ident $position:tt),*;)*) => {$(
        impl<$($argument: Encode),*> IntoArguments for ($($argument,)*) {
            fn append_to(&self, encoder: &mut Encoder) -> Result<(), Error> {
                msgpack::write_array_len(encoder.buffer(), $count);
                $(self.$position.append(encoder).map_err(|error| unsendable($position + 1, &error))?;)*
                Ok(())
            }
        }
    )*};
}

tuples! {
    0: ;
    1: A 0;
    2: A 0, B 1;
    3: A 0, B 1, C 2;
    4: A 0, B 1, C 2, D 3;
    5: A 0, B 1, C 2, D 3, E 4;
    6: A 0, B 1, C 2, D 3, E 4, F 5;
    7: A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
}

fn unsendable(position: usize, error: &Error) -> Error {
    Error::invalid_argument(format!("argument {position} cannot be encoded: {}", error.message()))
}

/// Arguments by name: a struct, or a map whose keys are strings.
///
/// ```no_run
/// # async fn example(channel: rpc_client::Channel) -> Result<(), rpc_core::Error> {
/// use std::collections::BTreeMap;
///
/// use rpc_client::Named;
///
/// let sum: i64 = channel.call("Calc.add", Named(BTreeMap::from([("a", 2), ("b", 3)]))).await?;
/// # Ok(())
/// # }
/// ```
///
/// The method finds its parameters by name, and ignores what has none; a closure at the server has no names, and refuses a map. Inside of a
/// map serde decides how values are written: bytes are a `Bytes` there, not a `Vec<u8>`.
#[derive(Clone, Copy, Debug)]
pub struct Named<T>(
    /// The map, or the struct.
    pub T,
);

impl<T: Serialize> IntoArguments for Named<T> {
    fn append_to(&self, encoder: &mut Encoder) -> Result<(), Error> {
        // A struct is a map here, also on a channel that writes structs as arrays.
        encoder.serialize_with(&self.0, Structs::Named).map_err(|error| {
            let why = error.message();
            Error::invalid_argument(format!("the named arguments cannot be encoded: {why}"))
        })?;
        if msgpack::Reader::new(encoder.buffer()).at_map() {
            Ok(())
        } else {
            Err(Error::invalid_argument(format!(
                "named arguments must be a map or a struct with named fields, which `{}` is not",
                std::any::type_name::<T>()
            )))
        }
    }
}

#[diagnostic::do_not_recommend]
impl IntoArguments for Raw {
    fn append_to(&self, encoder: &mut Encoder) -> Result<(), Error> {
        let reader = msgpack::Reader::new(self.as_slice());
        if !reader.at_map() && reader.clone().array_len().is_err() {
            return Err(Error::invalid_argument(
                "raw arguments must be one encoded array, or one map from name to value",
            ));
        }
        self.append(encoder)
    }
}
