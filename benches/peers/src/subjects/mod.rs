//! What is measured: two echoes, this project, and its peers, one file each.

use futures_util::Stream;
use peers_harness::Subject;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

mod echoes;
mod jsonrpsee;
mod rpc;
mod tarpc;
mod tonic;

/// The bytes of an item of a stream.
const ITEM: usize = 16;

/// Items that wait in a queue at most.
const QUEUED: usize = 128;

/// So many items, and the clock is looked at.
const ITEMS_PER_LOOK: u64 = 256;

/// Items that another task makes, until nobody takes them.
fn queued<T: Clone + Send + 'static>(item: T) -> impl Stream<Item = T> {
    let (sender, items) = mpsc::channel(QUEUED);
    tokio::spawn(async move { while sender.send(item.clone()).await.is_ok() {} });
    ReceiverStream::new(items)
}

/// The subjects that this program is itself, in the order of the tables.
pub(crate) const SUBJECTS: &[Subject] = &[
    echoes::RAW,
    echoes::CODEC,
    rpc::RPC,
    rpc::COMPACT,
    rpc::VEC,
    rpc::SPAWN,
    tarpc::TARPC,
    tonic::TONIC,
    jsonrpsee::JSONRPSEE,
];
