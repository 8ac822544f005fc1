//! The client of a framework, as the loads see it.

use std::future::Future;

use crate::{Failure, Until};

/// One connection; its clones share it. Each call checks that the answer is its argument.
pub trait Client: Clone + Send + Sync + 'static {
    /// Connects to the server at this host and port, where up to `window` calls will be in flight.
    fn connect(address: &str, window: usize) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// Sends [`PING`](crate::PING) there and back.
    fn ping(&self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Sends [`BLOB`](crate::BLOB) bytes there and back.
    fn blob(&self) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Err("it moves no blobs here".into()) }
    }

    /// Sends [`records`](crate::records) there and back.
    fn structs(&self) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Err("it moves no structs here".into()) }
    }

    /// Makes a call that takes [`SLOW`](crate::SLOW) at the server.
    fn slow(&self) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Err("it has no slow calls here".into()) }
    }

    /// Takes the items of one stream until it is time; how many there were.
    fn items(
        &self,
        _items: Items,
        _until: Until,
    ) -> impl Future<Output = Result<u64, Failure>> + Send {
        async { Err("it does not stream here".into()) }
    }
}

/// How the items of a stream come at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Items {
    /// The next one is there whenever it is asked for.
    AtOnce,
    /// Another task makes them, and sends them through a queue.
    Queued,
}
