//! What a client measures in memory: a stream whose consumer stops, streams that are idle, and allocations per item.

use futures_util::StreamExt;
use rpc::{Bytes, Stream, Streaming, stream};

use crate::{ITEM, heap, load::SMALL, service::BenchClient, support::Failure};

/// Bytes of heap that a stream of items of this size holds in this process once its consumer has stopped and its window is full.
pub(crate) async fn stalled(client: BenchClient, size: usize) -> Result<f64, Failure> {
    // What a call leaves behind is there before.
    for _ in 0..3 {
        client.asked().await?;
    }
    let before = heap::live();
    let mut items = client.counted(size);
    items.next().await.ok_or("there is an item")??;
    // The server polls a stream that has room between any two calls, and its answers are behind the items.
    let mut asked = client.asked().await?;
    loop {
        let again = client.asked().await?;
        if again == asked {
            break;
        }
        asked = again;
    }
    let held = heap::live() - before;
    drop(items);
    Ok(held as f64)
}

/// Bytes per stream that is open and idle: of heap at the server, of memory that the system has given the server, and of heap here.
pub(crate) async fn idle(client: BenchClient, count: usize) -> Result<Vec<f64>, Failure> {
    for _ in 0..3 {
        client.heap().await?;
        client.resident().await?;
    }
    let mut streams: Vec<Streaming<u64>> = Vec::with_capacity(count);
    let here = heap::live();
    let resident = client.resident().await?;
    let there = client.heap().await?;
    for _ in 0..count {
        let mut numbers = client.idle();
        numbers.next().await.ok_or("there is a number")??;
        streams.push(numbers);
    }
    let there = client.heap().await? as f64 - there as f64;
    let resident = client.resident().await? as f64 - resident as f64;
    let here = heap::live() as f64 - here as f64;
    Ok([there, resident, here].map(|bytes| bytes / count as f64).to_vec())
}

/// A stream of which the allocations per item are counted.
pub(crate) struct Items {
    /// As it is named on the command line.
    pub(crate) name: &'static str,
    /// As it is named in the table.
    pub(crate) title: &'static str,
    /// The allocations per item that are the user's own data, at the server and at the client.
    pub(crate) own: [f64; 2],
}

pub(crate) const ITEMS: [Items; 6] = [
    Items { name: "numbers-down", title: "`u64`, server stream", own: [0.0, 0.0] },
    Items { name: "small-down", title: "16-byte `Bytes`, server stream", own: [0.0, 1.0] },
    Items { name: "large-down", title: "64 KiB `Bytes`, server stream", own: [0.0, 1.0] },
    Items { name: "numbers-up", title: "`u64`, client stream", own: [0.0, 0.0] },
    Items { name: "small-up", title: "16-byte `Bytes`, client stream", own: [1.0, 0.0] },
    Items { name: "large-up", title: "64 KiB `Bytes`, client stream", own: [1.0, 0.0] },
];

/// Allocations per item at the server and in this process, once it runs steadily.
pub(crate) async fn allocations(client: BenchClient, name: &str) -> Result<Vec<f64>, Failure> {
    const MANY: usize = 200_000;
    const FEW: usize = 10_000;
    let count = if name.starts_with("large") { FEW } else { MANY };
    let mut figures = Vec::new();
    // The first round warms up.
    for _ in 0..2 {
        let there = client.allocations().await?;
        let here = heap::allocations();
        match name {
            "numbers-down" => drain(client.numbers(count as u64)).await?,
            "small-down" => drain(client.download(SMALL, count)).await?,
            "large-down" => drain(client.download(ITEM, count)).await?,
            "numbers-up" => drop(client.sum(stream::iter(0..count as u64)).await?),
            "small-up" => drop(client.upload(copies(SMALL, count)).await?),
            "large-up" => drop(client.upload(copies(ITEM, count)).await?),
            _ => return Err(format!("no items are named {name}").into()),
        }
        let here = heap::allocations() - here;
        let there = client.allocations().await? - there;
        figures = [there, here].map(|asked| asked as f64 / count as f64).to_vec();
    }
    Ok(figures)
}

fn copies(size: usize, count: usize) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::repeat(Bytes::from(vec![7; size])).take(count)
}

async fn drain<T: rpc::Value>(mut items: Streaming<T>) -> Result<(), rpc::Error> {
    while let Some(item) = items.next().await {
        item?;
    }
    Ok(())
}
