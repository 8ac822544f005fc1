//! What the soak's server does: each method strains something else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use rpc::{Bytes, Context, Error, Stream, StreamExt, Streaming, stream};

/// The application's own error.
#[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[error("number {0} is not liked")]
pub(crate) struct Disliked(pub(crate) u64);

#[rpc::service]
pub(crate) trait Soak {
    async fn quick(&self, number: u64) -> u64;
    #[rpc(idempotent)]
    async fn find(&self, number: u64) -> u64;
    async fn slow(&self, number: u64, micros: u64) -> u64;
    async fn never(&self) -> u64;
    #[rpc(spawn)]
    async fn spawned(&self, number: u64, micros: u64) -> u64;
    #[rpc(blocking)]
    fn blocking(&self, number: u64, micros: u64) -> u64;
    #[rpc(oneway)]
    async fn note(&self, number: u64);
    async fn dislike(&self, number: u64) -> Result<u64, Disliked>;
    async fn forbid(&self, number: u64) -> Result<u64, Error>;
    async fn panic(&self, at_once: bool) -> u64;
    async fn large(&self, data: Bytes, size: usize) -> Bytes;
    async fn tenant(&self, ctx: &Context) -> Result<String, Error>;
    /// So many items of this size, each behind its number.
    fn feed(&self, count: u64, size: usize) -> impl Stream<Item = (u64, Bytes)>;
    #[rpc(spawn)]
    fn feed_spawned(&self, count: u64, size: usize) -> impl Stream<Item = (u64, Bytes)>;
    /// Numbers without end, of which those that are not taken in time are dropped.
    #[rpc(drop_oldest = 64)]
    fn newest(&self) -> impl Stream<Item = u64>;
    /// Counts items and bytes; of `most` items, and no more.
    async fn gather(&self, items: Streaming<Bytes>, most: u64) -> Result<(u64, u64), Error>;
    #[rpc(spawn)]
    async fn gather_spawned(&self, items: Streaming<Bytes>, most: u64)
    -> Result<(u64, u64), Error>;
    /// Twice each number.
    fn double(&self, numbers: Streaming<u64>) -> impl Stream<Item = Result<u64, Error>>;
}

/// The service; `running` counts its handlers.
pub(crate) struct Service {
    pub(crate) running: Arc<AtomicI64>,
}

/// A handler that has begun and was not dropped.
struct Running<'a>(&'a AtomicI64);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Service {
    fn begin(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::AcqRel);
        Running(&self.running)
    }

    fn items(&self, count: u64, size: usize) -> impl Stream<Item = (u64, Bytes)> {
        let running = self.begin();
        stream::iter(0..count).map(move |number| {
            let _ = &running;
            (number, Bytes::from(vec![7; size]))
        })
    }

    async fn take(&self, mut items: Streaming<Bytes>, most: u64) -> Result<(u64, u64), Error> {
        let _running = self.begin();
        let (mut count, mut bytes) = (0, 0);
        while count < most
            && let Some(item) = items.next().await
        {
            count += 1;
            bytes += item?.len() as u64;
        }
        Ok((count, bytes))
    }
}

impl Soak for Service {
    async fn quick(&self, number: u64) -> u64 {
        let _running = self.begin();
        number
    }

    async fn find(&self, number: u64) -> u64 {
        let _running = self.begin();
        tokio::task::yield_now().await;
        number
    }

    async fn slow(&self, number: u64, micros: u64) -> u64 {
        let _running = self.begin();
        tokio::time::sleep(Duration::from_micros(micros)).await;
        number
    }

    async fn never(&self) -> u64 {
        let _running = self.begin();
        std::future::pending().await
    }

    async fn spawned(&self, number: u64, micros: u64) -> u64 {
        let _running = self.begin();
        tokio::time::sleep(Duration::from_micros(micros)).await;
        number
    }

    fn blocking(&self, number: u64, micros: u64) -> u64 {
        let _running = self.begin();
        std::thread::sleep(Duration::from_micros(micros));
        number
    }

    async fn note(&self, _number: u64) {
        let _running = self.begin();
        tokio::task::yield_now().await;
    }

    async fn dislike(&self, number: u64) -> Result<u64, Disliked> {
        let _running = self.begin();
        Err(Disliked(number))
    }

    async fn forbid(&self, number: u64) -> Result<u64, Error> {
        let _running = self.begin();
        Err(Error::permission_denied(format!("number {number} is not allowed")))
    }

    async fn panic(&self, at_once: bool) -> u64 {
        let _running = self.begin();
        if !at_once {
            tokio::task::yield_now().await;
        }
        // A panic like any other, but for the hook that would print it.
        std::panic::resume_unwind(Box::new("this handler panics on purpose"));
    }

    async fn large(&self, data: Bytes, size: usize) -> Bytes {
        let _running = self.begin();
        Bytes::from(vec![data.first().copied().unwrap_or_default(); size])
    }

    async fn tenant(&self, ctx: &Context) -> Result<String, Error> {
        let _running = self.begin();
        let tenant = ctx.metadata().get("tenant");
        tenant.map(str::to_owned).ok_or_else(|| Error::failed_precondition("no tenant"))
    }

    fn feed(&self, count: u64, size: usize) -> impl Stream<Item = (u64, Bytes)> {
        self.items(count, size)
    }

    fn feed_spawned(&self, count: u64, size: usize) -> impl Stream<Item = (u64, Bytes)> {
        self.items(count, size)
    }

    fn newest(&self) -> impl Stream<Item = u64> {
        let running = self.begin();
        stream::iter(0..).then(move |number| {
            let _ = &running;
            async move {
                tokio::task::yield_now().await;
                if number % 100 == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                number
            }
        })
    }

    async fn gather(&self, items: Streaming<Bytes>, most: u64) -> Result<(u64, u64), Error> {
        self.take(items, most).await
    }

    async fn gather_spawned(
        &self,
        items: Streaming<Bytes>,
        most: u64,
    ) -> Result<(u64, u64), Error> {
        self.take(items, most).await
    }

    fn double(&self, numbers: Streaming<u64>) -> impl Stream<Item = Result<u64, Error>> {
        let running = self.begin();
        numbers.map(move |number| {
            let _ = &running;
            number.map(|number| number.wrapping_mul(2))
        })
    }
}
