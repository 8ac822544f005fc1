//! Async RPC.
pub use bytes::Bytes;
#[cfg(feature = "client")]
pub use rpc_client::{Call, Channel, ChannelBuilder};
pub use rpc_core::{
    Address, CallError, Code, Context, Dispatcher, Error, Failure, Metadata, MetadataRef,
    MetadataValue, Origin, Peer, Value, Violation, limits,
};
#[cfg(feature = "macros")]
pub use rpc_macros::service;
#[cfg(feature = "server")]
pub use rpc_server::{Listener, Server, ShutdownHandle, serve_stream, shutdown_signal};

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
