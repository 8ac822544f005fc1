//! The benchmark's service, and the process that serves it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rpc::{Bytes, Server, Stream, StreamExt, Streaming, stream};

use crate::{
    MESSAGE_HEAD, WINDOW_OF_CONNECTION, heap,
    support::{Failure, inherited_listener},
};

/// Streams both ways, and what is asked about them.
#[rpc::service]
pub(crate) trait Bench {
    /// Answers at once.
    async fn ping(&self, data: &[u8]) -> Vec<u8>;
    /// The large answer, which was made when the server began.
    async fn answer(&self) -> Bytes;
    /// So many items, all of them the same bytes.
    fn download(&self, size: usize, items: usize) -> impl Stream<Item = Bytes>;
    /// The same without an end; the items that were asked for are counted.
    fn counted(&self, size: usize) -> impl Stream<Item = Bytes>;
    /// How many items of [`counted`](Self::counted) were asked for.
    async fn asked(&self) -> u64;
    /// So many numbers.
    fn numbers(&self, count: u64) -> impl Stream<Item = u64>;
    /// One number, and nothing more.
    fn idle(&self) -> impl Stream<Item = u64>;
    /// The bytes of all items.
    async fn upload(&self, data: Streaming<Bytes>) -> Result<u64, rpc::Error>;
    /// The sum of all items.
    async fn sum(&self, numbers: Streaming<u64>) -> Result<u64, rpc::Error>;
    /// How many times the server's process has asked for memory.
    async fn allocations(&self) -> u64;
    /// The bytes that it holds.
    async fn heap(&self) -> u64;
    /// The bytes that the system has given it.
    async fn resident(&self) -> Result<u64, rpc::Error>;
}

struct Source {
    answer: Bytes,
    asked: Arc<AtomicU64>,
}

impl Bench for Source {
    async fn ping(&self, data: &[u8]) -> Vec<u8> {
        data.to_vec()
    }

    async fn answer(&self) -> Bytes {
        self.answer.clone()
    }

    fn download(&self, size: usize, items: usize) -> impl Stream<Item = Bytes> {
        stream::repeat(Bytes::from(vec![7; size])).take(items)
    }

    fn counted(&self, size: usize) -> impl Stream<Item = Bytes> {
        let asked = Arc::clone(&self.asked);
        stream::repeat(Bytes::from(vec![7; size])).inspect(move |_| {
            asked.fetch_add(1, Ordering::Relaxed);
        })
    }

    async fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn numbers(&self, count: u64) -> impl Stream<Item = u64> {
        stream::iter(0..count)
    }

    fn idle(&self) -> impl Stream<Item = u64> {
        stream::iter([7]).chain(stream::pending())
    }

    async fn upload(&self, mut data: Streaming<Bytes>) -> Result<u64, rpc::Error> {
        let mut bytes = 0;
        while let Some(item) = data.next().await {
            bytes += item?.len() as u64;
        }
        Ok(bytes)
    }

    async fn sum(&self, mut numbers: Streaming<u64>) -> Result<u64, rpc::Error> {
        let mut sum = 0_u64;
        while let Some(number) = numbers.next().await {
            sum = sum.wrapping_add(number?);
        }
        Ok(sum)
    }

    async fn allocations(&self) -> u64 {
        heap::allocations()
    }

    async fn heap(&self) -> u64 {
        heap::live()
    }

    async fn resident(&self) -> Result<u64, rpc::Error> {
        heap::resident().map_err(|failure| rpc::Error::internal(failure.to_string()))
    }
}

/// Serves on the listener that is the process's standard input, until the process is killed.
pub(crate) async fn serve(window: usize, answer: usize) -> Result<(), Failure> {
    let source = Source { answer: Bytes::from(vec![7; answer]), asked: Arc::default() };
    let server = Server::new(rpc::Listener::try_from(inherited_listener()?)?)
        .stream_window(window)
        .connection_window(WINDOW_OF_CONNECTION.max(window))
        .max_message_size(rpc::limits::MAX_MESSAGE_SIZE.max(answer + MESSAGE_HEAD));
    Ok(server.serve(BenchDispatcher::new(source)).await?)
}
