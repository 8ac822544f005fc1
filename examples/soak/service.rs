//! What the soak's server does: each method strains something else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use rpc::{Bytes, Context, Error};

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
}
