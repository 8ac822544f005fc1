//! This project: as it comes, and with one thing set otherwise each.

use std::{net::TcpListener, sync::Arc};

use peers_harness::{
    BLOB, Client, Failure, Items, Kind, PING, Record, SLOW, Subject, Until, records,
};
use rpc::{Bytes, Channel, Listener, Server, Stream, stream};

use super::{ITEM, ITEMS_PER_LOOK, queued};

/// `Bytes` and named structs, handlers in their connection's task.
pub(super) const RPC: Subject =
    Subject::of::<Plain>("rpc", &Kind::ALL, |listener| Box::pin(serve(listener, false)));

/// Structs without the names of their fields.
pub(super) const COMPACT: Subject =
    Subject::of::<Compact>("rpc-compact", &[Kind::Structs, Kind::Mixed], RPC.serve);

/// Blobs as `Vec<u8>`.
pub(super) const VEC: Subject = Subject::of::<Copied>("rpc-vec", &[Kind::Blob], RPC.serve);

/// Each handler on a task of its own.
pub(super) const SPAWN: Subject = Subject::of::<Plain>(
    "rpc-spawn",
    &[Kind::Ping, Kind::Blob, Kind::Structs, Kind::Mixed],
    |listener| Box::pin(serve(listener, true)),
);

#[rpc::service]
trait Echo {
    async fn ping(&self, data: &[u8]) -> Vec<u8>;
    async fn blob(&self, data: Bytes) -> Bytes;
    async fn copied(&self, data: Vec<u8>) -> Vec<u8>;
    async fn structs(&self, records: Vec<Record>) -> Vec<Record>;
    async fn slow(&self);
    fn items(&self) -> impl Stream<Item = Bytes>;
    fn queued_items(&self) -> impl Stream<Item = Bytes>;
}

struct Service;

impl Echo for Service {
    async fn ping(&self, data: &[u8]) -> Vec<u8> {
        data.to_vec()
    }

    async fn blob(&self, data: Bytes) -> Bytes {
        data
    }

    async fn copied(&self, data: Vec<u8>) -> Vec<u8> {
        data
    }

    async fn structs(&self, records: Vec<Record>) -> Vec<Record> {
        records
    }

    async fn slow(&self) {
        tokio::time::sleep(SLOW).await;
    }

    fn items(&self) -> impl Stream<Item = Bytes> {
        stream::repeat(Bytes::from(vec![7; ITEM]))
    }

    fn queued_items(&self) -> impl Stream<Item = Bytes> {
        queued(Bytes::from(vec![7; ITEM]))
    }
}

async fn serve(listener: TcpListener, spawns: bool) -> Result<(), Failure> {
    let server = Server::new(Listener::try_from(listener)?).max_connections(50_000);
    Ok(server.spawn_handlers(spawns).serve(EchoDispatcher::new(Service)).await?)
}

/// The client as it comes.
#[derive(Clone)]
struct Plain {
    echo: EchoClient,
    blob: Bytes,
    records: Arc<Vec<Record>>,
}

impl Plain {
    fn over(channel: Channel) -> Self {
        let records = Arc::new(records());
        Self { echo: EchoClient::new(channel), blob: vec![7; BLOB].into(), records }
    }
}

impl Client for Plain {
    async fn connect(address: &str, _: usize) -> Result<Self, Failure> {
        Ok(Self::over(Channel::connect(format!("tcp://{address}")).await?))
    }

    async fn ping(&self) -> Result<(), Failure> {
        let answer = self.echo.ping(&PING).await?;
        assert_eq!(answer, PING);
        Ok(())
    }

    async fn blob(&self) -> Result<(), Failure> {
        let answer = self.echo.blob(self.blob.clone()).await?;
        assert_eq!(answer.len(), BLOB);
        Ok(())
    }

    async fn structs(&self) -> Result<(), Failure> {
        let answer = self.echo.structs(self.records.to_vec()).await?;
        assert_eq!(answer.len(), self.records.len());
        Ok(())
    }

    async fn slow(&self) -> Result<(), Failure> {
        Ok(self.echo.slow().await?)
    }

    async fn items(&self, items: Items, until: Until) -> Result<u64, Failure> {
        let mut items = match items {
            Items::AtOnce => self.echo.items(),
            Items::Queued => self.echo.queued_items(),
        };
        let mut count = 0;
        while let Some(item) = items.next().await {
            assert_eq!(item?.len(), ITEM);
            count += 1;
            if until.is_over(count, ITEMS_PER_LOOK) {
                return Ok(count);
            }
        }
        Err("the stream has no end".into())
    }
}

/// The client of a channel with compact structs.
#[derive(Clone)]
struct Compact(Plain);

impl Client for Compact {
    async fn connect(address: &str, _: usize) -> Result<Self, Failure> {
        let builder = Channel::builder(format!("tcp://{address}")).compact_structs();
        Ok(Self(Plain::over(builder.connect().await?)))
    }

    async fn ping(&self) -> Result<(), Failure> {
        self.0.ping().await
    }

    async fn structs(&self) -> Result<(), Failure> {
        self.0.structs().await
    }

    async fn slow(&self) -> Result<(), Failure> {
        self.0.slow().await
    }
}

/// The client whose blobs are `Vec<u8>`.
#[derive(Clone)]
struct Copied(Plain);

impl Client for Copied {
    async fn connect(address: &str, window: usize) -> Result<Self, Failure> {
        Ok(Self(Plain::connect(address, window).await?))
    }

    async fn ping(&self) -> Result<(), Failure> {
        self.0.ping().await
    }

    async fn blob(&self) -> Result<(), Failure> {
        let answer = self.0.echo.copied(self.0.blob.to_vec()).await?;
        assert_eq!(answer.len(), BLOB);
        Ok(())
    }
}
