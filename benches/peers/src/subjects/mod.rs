//! What is measured: this project and its peers, one file each.

use std::{future::Future, net::TcpListener, pin::Pin, time::Duration};

use futures_util::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::support::Failure;

mod rpc;
mod tonic;

/// The bytes of an item.
const ITEM: usize = 16;

/// So many items, and the clock is looked at.
const ITEMS_PER_LOOK: u64 = 256;

/// How the items of a stream come at the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The next one is there whenever it is asked for.
    AtOnce,
    /// Another task makes them, and sends them through a queue.
    Queued,
}

/// Items that another task makes, until nobody takes them.
fn queued<T: Clone + Send + 'static>(item: T) -> impl Stream<Item = T> {
    let (sender, items) = mpsc::channel(QUEUED);
    tokio::spawn(async move { while sender.send(item.clone()).await.is_ok() {} });
    ReceiverStream::new(items)
}

/// Items that wait in the queue at most.
const QUEUED: usize = 128;

type Doing<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// One framework.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// Serves until the process is killed.
    pub(crate) serve: fn(TcpListener) -> Doing<()>,
    /// Items per second of one stream from the server at this host and port.
    pub(crate) items: fn(String, Pace, Duration) -> Doing<f64>,
}

/// This project first.
pub(crate) const SUBJECTS: [Subject; 2] = [
    Subject {
        name: "rpc",
        serve: |listener| Box::pin(rpc::serve(listener)),
        items: |address, pace, duration| Box::pin(rpc::items(address, pace, duration)),
    },
    Subject {
        name: "tonic",
        serve: |listener| Box::pin(tonic::serve(listener)),
        items: |address, pace, duration| Box::pin(tonic::items(address, pace, duration)),
    },
];
