//! What a client measures in time: bytes, items and pings a second, and how long single pings take.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream::FuturesUnordered};
use rpc::{Bytes, stream};
use tokio::{runtime::Handle, sync::mpsc, task::JoinSet};

use crate::{ITEM, service::BenchClient, support::Failure};

/// The bytes of a ping, and of a small item.
pub(crate) const SMALL: usize = 16;

const IN_FLIGHT: usize = 64;

/// Between two pings that are timed.
const PAUSE: Duration = Duration::from_micros(200);

/// Bytes per second of a stream from the server.
pub(crate) async fn download(client: BenchClient, bytes: u64) -> Result<f64, Failure> {
    let start = Instant::now();
    let mut items = client.download(ITEM, usize::try_from(bytes / ITEM as u64)?);
    let mut received = 0;
    while let Some(item) = items.next().await {
        received += item?.len() as u64;
    }
    assert_eq!(received, bytes, "all of it has come");
    Ok(bytes as f64 / start.elapsed().as_secs_f64())
}

/// Bytes per second of a stream to the server.
pub(crate) async fn upload(client: BenchClient, bytes: u64) -> Result<f64, Failure> {
    let item = Bytes::from(vec![7; ITEM]);
    let items = stream::repeat(item).take(usize::try_from(bytes / ITEM as u64)?);
    let start = Instant::now();
    let received = client.upload(items).await?;
    assert_eq!(received, bytes, "all of it has arrived");
    Ok(bytes as f64 / start.elapsed().as_secs_f64())
}

/// Small items per second of one stream from the server.
pub(crate) async fn items(client: BenchClient, duration: Duration) -> Result<f64, Failure> {
    let start = Instant::now();
    let mut items = client.download(SMALL, usize::MAX);
    let mut count = 0_u64;
    while let Some(item) = items.next().await {
        assert_eq!(item?.len(), SMALL, "the item is whole");
        count += 1;
        if count.is_multiple_of(256) && start.elapsed() >= duration {
            break;
        }
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// Pings per second with 64 in flight, from one task.
pub(crate) async fn pings_of_one_task(
    client: BenchClient,
    duration: Duration,
) -> Result<f64, Failure> {
    let start = Instant::now();
    let mut calls: FuturesUnordered<_> = (0..IN_FLIGHT).map(|_| client.ping(&[7; SMALL])).collect();
    let mut count = 0_u64;
    while let Some(answer) = calls.next().await {
        assert_eq!(answer?.len(), SMALL, "the answer is the argument");
        count += 1;
        if count.is_multiple_of(16) && start.elapsed() >= duration {
            break;
        }
        calls.push(client.ping(&[7; SMALL]));
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// Pings per second with 64 in flight, from 64 tasks.
pub(crate) async fn pings_of_tasks(
    client: BenchClient,
    duration: Duration,
) -> Result<f64, Failure> {
    let start = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let client = client.clone();
        callers.spawn(async move {
            let mut count = 0_u64;
            while !count.is_multiple_of(16) || start.elapsed() < duration {
                let answer = client.ping(&[7; SMALL]).await?;
                assert_eq!(answer.len(), SMALL, "the answer is the argument");
                count += 1;
            }
            Ok::<_, rpc::Error>(count)
        });
    }
    let mut count = 0;
    while let Some(outcome) = callers.join_next().await {
        count += outcome??;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// How long single pings took, and what else the connection carried.
pub(crate) struct Times {
    /// Nanoseconds, in ascending order.
    sorted: Vec<u64>,
    /// Large answers that arrived meanwhile.
    answers: u64,
}

impl Times {
    /// 50th and 99th percentile and maximum in milliseconds, pings, and large answers.
    pub(crate) fn figures(&self) -> Vec<f64> {
        let last = self.sorted.len() - 1;
        let at = |percent: usize| self.sorted[(last * percent).div_ceil(100)] as f64 / 1e6;
        vec![at(50), at(99), at(100), self.sorted.len() as f64, self.answers as f64]
    }
}

/// Pings, one every 200 µs or when the last one is back; alone, or beside a large answer that is asked for again and again.
///
/// They come from a thread of their own, so that also the time that the client's own runtime takes to look at them counts.
pub(crate) async fn pings(
    client: BenchClient,
    duration: Duration,
    is_alone: bool,
) -> Result<Times, Failure> {
    // Freeing an answer takes the system a while: that is for another thread too.
    let (answers, mut received) = mpsc::channel::<Bytes>(1);
    let freeing = std::thread::spawn(move || {
        let mut count = 0;
        while received.blocking_recv().is_some() {
            count += 1;
        }
        count
    });
    let mut asking = JoinSet::new();
    if !is_alone {
        // The first one makes the memory that the others use again.
        answers.send(client.answer().await?).await?;
        let client = client.clone();
        asking.spawn(async move {
            loop {
                answers.send(client.answer().await?).await?;
            }
            #[expect(unreachable_code, reason = "it gives the block its type")]
            Ok::<(), Failure>(())
        });
    } else {
        drop(answers);
    }
    let runtime = Handle::current();
    let pinging = tokio::task::spawn_blocking(move || {
        let mut times = Vec::new();
        let start = Instant::now();
        while start.elapsed() < duration {
            let before = Instant::now();
            runtime.block_on(client.ping(&[7; SMALL]))?;
            let spent = before.elapsed();
            times.push(u64::try_from(spent.as_nanos())?);
            std::thread::sleep(PAUSE.saturating_sub(spent));
        }
        Ok::<_, Failure>(times)
    });
    let mut sorted = pinging.await??;
    sorted.sort_unstable();
    if let Some(failed) = asking.try_join_next() {
        failed??;
    }
    asking.shutdown().await;
    let answers = freeing.join().map_err(|_| "freeing answers panicked")?;
    Ok(Times { sorted, answers })
}
