//! tarpc: bincode over its TCP transport, set up as its own example service is.

use std::{future::ready, net::TcpListener, sync::Arc};

use bytes::Bytes;
use futures_util::StreamExt;
use peers_harness::{BLOB, Client, Failure, Kind, PING, Record, SLOW, Subject, records};
use tarpc::{
    client::Config,
    context::{Context, current},
    serde_transport::tcp,
    server::{BaseChannel, Channel},
    tokio_serde::formats::Bincode,
};

pub(super) const TARPC: Subject = Subject::of::<Peer>(
    "tarpc",
    &[Kind::Ping, Kind::Blob, Kind::Structs, Kind::Mixed],
    |listener| Box::pin(serve(listener)),
);

/// Bytes are `Bytes`, which bincode copies as a whole; it would take a `Vec<u8>` byte by byte.
#[tarpc::service]
trait Echo {
    async fn ping(data: Bytes) -> Bytes;
    async fn blob(data: Bytes) -> Bytes;
    async fn structs(records: Vec<Record>) -> Vec<Record>;
    async fn slow();
}

#[derive(Clone)]
struct Service;

impl Echo for Service {
    async fn ping(self, _: Context, data: Bytes) -> Bytes {
        data
    }

    async fn blob(self, _: Context, data: Bytes) -> Bytes {
        data
    }

    async fn structs(self, _: Context, records: Vec<Record>) -> Vec<Record> {
        records
    }

    async fn slow(self, _: Context) {
        tokio::time::sleep(SLOW).await;
    }
}

async fn serve(listener: TcpListener) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut incoming = tcp::listen_on(listener, Bincode::default).await?;
    incoming.config_mut().max_frame_length(usize::MAX);
    let mut transports = incoming.filter_map(|accepted| ready(accepted.ok()));
    while let Some(transport) = transports.next().await {
        transport.get_ref().set_nodelay(true)?;
        let handlers = BaseChannel::with_defaults(transport).execute(Service.serve());
        tokio::spawn(handlers.for_each(async |handler| {
            tokio::spawn(handler);
        }));
    }
    Ok(())
}

#[derive(Clone)]
struct Peer {
    echo: EchoClient,
    blob: Bytes,
    records: Arc<Vec<Record>>,
}

impl Client for Peer {
    async fn connect(address: &str, _: usize) -> Result<Self, Failure> {
        let mut connecting = tcp::connect(address, Bincode::default);
        connecting.config_mut().max_frame_length(usize::MAX);
        let transport = connecting.await?;
        transport.get_ref().set_nodelay(true)?;
        Ok(Self {
            // As it comes, 100 calls may wait to be sent and 1,000 be in flight: more than there are.
            echo: EchoClient::new(Config::default(), transport).spawn(),
            blob: vec![7; BLOB].into(),
            records: Arc::new(records()),
        })
    }

    async fn ping(&self) -> Result<(), Failure> {
        let answer = self.echo.ping(current(), Bytes::from_static(&PING)).await?;
        assert_eq!(*answer, PING);
        Ok(())
    }

    async fn blob(&self) -> Result<(), Failure> {
        let answer = self.echo.blob(current(), self.blob.clone()).await?;
        assert_eq!(answer.len(), BLOB);
        Ok(())
    }

    async fn structs(&self) -> Result<(), Failure> {
        let answer = self.echo.structs(current(), self.records.to_vec()).await?;
        assert_eq!(answer.len(), self.records.len());
        Ok(())
    }

    async fn slow(&self) -> Result<(), Failure> {
        Ok(self.echo.slow(current()).await?)
    }
}
