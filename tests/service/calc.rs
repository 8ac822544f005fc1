//! A service whose methods take and return streams, and a server of it.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use rpc::{Context, Stream, StreamExt, Streaming, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

#[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum MathError {
    #[error("{0} is too large")]
    TooLarge(u64),
}

#[rpc::service]
pub(crate) trait Calc {
    fn count(&self, to: u64) -> impl Stream<Item = u64>;
    #[rpc(spawn)]
    fn count_elsewhere(&self, to: u64) -> impl Stream<Item = u64> {
        stream::iter(0..to)
    }
    fn words(&self, ctx: &Context, text: &str, tags: &[String]) -> impl Stream<Item = String>;
    fn odd(&self, to: u64) -> impl Stream<Item = Result<u64, MathError>>;
    fn blobs(&self) -> impl Stream<Item = Result<Vec<u8>, rpc::Error>>;
    async fn history(&self, since: u64) -> Result<impl Stream<Item = String>, MathError>;
    async fn fragile(
        &self,
        since: &u64,
    ) -> Result<impl Stream<Item = Result<u64, MathError>>, rpc::Error>;
    async fn sum(&self, numbers: Streaming<i64>) -> Result<i64, rpc::Error>;
    async fn join(
        &self,
        before: &str,
        parts: Streaming<Vec<u8>>,
        #[rpc(default = "!")] after: &str,
    ) -> String;
    async fn first(&self, numbers: Streaming<i64>) -> Option<i64>;
    fn running_sum(&self, numbers: Streaming<i64>) -> impl Stream<Item = i64>;
    async fn scaled(
        &self,
        numbers: Streaming<i64>,
        by: i64,
    ) -> Result<impl Stream<Item = Result<i64, MathError>>, MathError>;
    #[rpc(drop_oldest = 4)]
    fn newest(&self, of: u64) -> impl Stream<Item = u64>;
    #[rpc(drop_oldest = 4, spawn)]
    fn newest_elsewhere(&self, of: u64) -> impl Stream<Item = u64> {
        self.newest(of)
    }
    fn endless(&self) -> impl Stream<Item = u64>;
    #[rpc(spawn)]
    async fn endless_sum(&self, numbers: Streaming<i64>) -> i64;
}

/// Tells when something of a handler's was dropped.
#[derive(Default)]
pub(crate) struct End {
    has_come: AtomicBool,
    came: Notify,
}

impl End {
    pub(crate) async fn reached(&self) {
        while !self.has_come.load(Ordering::SeqCst) {
            self.came.notified().await;
        }
    }
}

pub(crate) struct Guard(pub(crate) Arc<End>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.has_come.store(true, Ordering::SeqCst);
        self.0.came.notify_one();
    }
}

#[derive(Clone, Default)]
pub(crate) struct Server {
    pub(crate) end: Arc<End>,
}

impl Calc for Server {
    fn count(&self, to: u64) -> impl Stream<Item = u64> {
        stream::iter(0..to)
    }

    fn words(&self, ctx: &Context, text: &str, tags: &[String]) -> impl Stream<Item = String> {
        stream::iter(text.split(' '))
            .then(async |word| {
                tokio::task::yield_now().await;
                word
            })
            .map(move |word| format!("{} {word} {}", ctx.method(), tags.len()))
    }

    fn odd(&self, to: u64) -> impl Stream<Item = Result<u64, MathError>> {
        stream::iter(0..to).map(|n| if n % 2 == 1 { Ok(n) } else { Err(MathError::TooLarge(n)) })
    }

    fn blobs(&self) -> impl Stream<Item = Result<Vec<u8>, rpc::Error>> {
        stream::iter([Ok(vec![7; 300_000]), Err(rpc::Error::aborted("torn")), Ok(Vec::new())])
    }

    async fn history(&self, since: u64) -> Result<impl Stream<Item = String>, MathError> {
        if since > 100 {
            return Err(MathError::TooLarge(since));
        }
        Ok(stream::iter(since..since + 2).map(|year| year.to_string()))
    }

    async fn fragile(
        &self,
        since: &u64,
    ) -> Result<impl Stream<Item = Result<u64, MathError>>, rpc::Error> {
        tokio::task::yield_now().await;
        if *since == 0 {
            return Err(rpc::Error::not_found("nothing"));
        }
        Ok(stream::iter([Err(MathError::TooLarge(*since)), Ok(*since)]))
    }

    async fn sum(&self, mut numbers: Streaming<i64>) -> Result<i64, rpc::Error> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number?;
        }
        Ok(sum)
    }

    async fn join(&self, before: &str, mut parts: Streaming<Vec<u8>>, after: &str) -> String {
        let mut all = before.to_owned();
        while let Some(Ok(part)) = parts.next().await {
            all.push_str(&String::from_utf8_lossy(&part));
        }
        all + after
    }

    async fn first(&self, mut numbers: Streaming<i64>) -> Option<i64> {
        numbers.next().await?.ok()
    }

    fn running_sum(&self, numbers: Streaming<i64>) -> impl Stream<Item = i64> {
        numbers.filter_map(async |number| number.ok()).scan(0, |sum, number| {
            *sum += number;
            std::future::ready(Some(*sum))
        })
    }

    async fn scaled(
        &self,
        numbers: Streaming<i64>,
        by: i64,
    ) -> Result<impl Stream<Item = Result<i64, MathError>>, MathError> {
        if by > 10 {
            return Err(MathError::TooLarge(by.unsigned_abs()));
        }
        Ok(numbers.filter_map(async |number| number.ok()).map(move |number| {
            number.checked_mul(by).ok_or(MathError::TooLarge(number.unsigned_abs()))
        }))
    }

    fn newest(&self, of: u64) -> impl Stream<Item = u64> {
        let mut guard = Some(Guard(self.end.clone()));
        stream::iter(0..of).chain(stream::poll_fn(move |_| {
            drop(guard.take());
            Poll::Ready(None)
        }))
    }

    fn endless(&self) -> impl Stream<Item = u64> {
        let guard = Guard(self.end.clone());
        stream::iter(0..).inspect(move |_| {
            let _ = &guard;
        })
    }

    async fn endless_sum(&self, mut numbers: Streaming<i64>) -> i64 {
        let _guard = Guard(self.end.clone());
        while numbers.next().await.is_some() {}
        pending().await
    }
}
