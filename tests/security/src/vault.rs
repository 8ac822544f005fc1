//! The service of the tests: who calls, bytes and streams there and back, and a call that only ends when its caller goes.

use rpc::{Bytes, Context, Stream, Streaming, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// What a handler knows of its caller's certificate.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Caller {
    pub subject: String,
    pub names: Vec<String>,
    pub fingerprint: [u8; 32],
    pub der: Bytes,
}

#[rpc::service]
pub trait Vault {
    async fn whoami(&self, ctx: &Context) -> Option<Caller>;
    #[rpc(idempotent)]
    async fn find(&self, key: u32) -> u32;
    async fn echo(&self, data: Bytes) -> Bytes;
    fn count(&self, to: u64) -> impl Stream<Item = u64>;
    async fn sum(&self, numbers: Streaming<u64>) -> Result<u64, rpc::Error>;
    async fn hold(&self);
}

/// What becomes of a call that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Started,
    Dropped,
}

pub struct MyVault {
    pub events: mpsc::UnboundedSender<Event>,
}

struct Held<'a>(&'a MyVault);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let _ = self.0.events.send(Event::Dropped);
    }
}

impl Vault for MyVault {
    async fn whoami(&self, ctx: &Context) -> Option<Caller> {
        ctx.certificate().map(|certificate| Caller {
            subject: certificate.subject().to_owned(),
            names: certificate.names().to_vec(),
            fingerprint: certificate.fingerprint(),
            der: certificate.der().clone(),
        })
    }

    async fn find(&self, key: u32) -> u32 {
        key
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        data
    }

    fn count(&self, to: u64) -> impl Stream<Item = u64> {
        stream::iter(0..to)
    }

    async fn sum(&self, mut numbers: Streaming<u64>) -> Result<u64, rpc::Error> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number?;
        }
        Ok(sum)
    }

    async fn hold(&self) {
        let _held = Held(self);
        let _ = self.events.send(Event::Started);
        std::future::pending().await
    }
}
