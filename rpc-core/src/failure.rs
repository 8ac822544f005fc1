//! Which types may stand as `E` in a method that returns `Result<T, E>`, and how they cross the network.
//!
//! Two kinds do: [`Error`] itself, which stays flat (`Result<T, rpc::Error>` on both sides), and any type of
//! the application that serde can carry and that can be displayed, which the caller gets as
//! [`CallError::App`]. The display text travels beside the encoded value, so that logs and other languages
//! have a message (PROTOCOL 6.4).

use std::fmt::Display;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    CallError, Code, Error,
    value::{Encoded, Encoder, Structs, Value},
};

/// An error that a remote method may return: [`Error`], or a serializable type with [`Display`].
///
/// Implemented for every type that qualifies; there is nothing to implement by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a remote method",
    label = "must implement `Serialize`, `Deserialize` and `Display`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for `{Self}`, and implement `std::fmt::Display` (or derive `thiserror::Error`)"
)]
pub trait Failure: Sized {
    /// What the caller gets in `Err`: [`Error`] for itself, `CallError<E>` for an application's `E`.
    type Caller: From<Error>;

    /// The error as it goes over the wire.
    #[doc(hidden)]
    fn into_error(self, structs: Structs) -> Error;

    /// The error as the caller gets it.
    #[doc(hidden)]
    fn from_error(error: Error) -> Self::Caller;
}

impl Failure for Error {
    type Caller = Self;

    fn into_error(self, _: Structs) -> Error {
        // A handler may pass on an error that it got from a call of its own. That call may not have
        // started; this one has.
        self.not_started(false)
    }

    fn from_error(error: Error) -> Self {
        error
    }
}

#[diagnostic::do_not_recommend]
impl<E: Serialize + DeserializeOwned + Display + Send + 'static> Failure for E {
    type Caller = CallError<E>;

    fn into_error(self, structs: Structs) -> Error {
        let message = self.to_string();
        let mut encoder = Encoder::new(structs);
        match <E as Value>::encode(&self, &mut encoder) {
            Ok(()) => Error::unknown(message).with_details(encoder.into_bytes(), true),
            Err(error) => Error::internal(format!(
                "the method's error cannot be encoded: {}",
                error.message()
            )),
        }
    }

    fn from_error(error: Error) -> CallError<E> {
        if !error.is_application() {
            return CallError::Rpc(error);
        }
        let empty = Bytes::new();
        let details = error.details().unwrap_or(&empty);
        match <E as Value>::decode(Encoded::whole("error", details)) {
            Ok(application) => CallError::App(application),
            Err(mismatch) => CallError::Rpc(
                Error::new(
                    Code::Unknown,
                    format!(
                        "{} (its details do not decode: {})",
                        error.message(),
                        mismatch.message()
                    ),
                )
                .from_remote(),
            ),
        }
    }
}

#[cfg(test)]
mod tests;
