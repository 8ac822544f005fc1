//! Async RPC.
pub use bytes::Bytes;
#[cfg(feature = "client")]
pub use rpc_client::{Call, Channel};
pub use rpc_core::{CallError, Code, Context, Error, Failure, Metadata, Peer, Value};

/// What the generated code uses. Not covered by any promise of stability.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "client")]
    pub use rpc_client::Prepared;
    pub use rpc_core::{
        Answer, Dispatcher, Request, Session,
        description::{Argument, Method, Run, Service},
        dispatch::slots,
    };

    /// A channel to a service in this process.
    #[cfg(all(feature = "client", feature = "server"))]
    pub fn local(_: impl Dispatcher) -> rpc_client::Channel {
        unimplemented!()
    }
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
