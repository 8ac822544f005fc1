//! The client.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use peers_harness::{BLOB, Client, Failure, PING, records};
use pilota::Bytes;
use volo_thrift::transport::pool::Config;

use crate::echo::{EchoClient, EchoClientBuilder, Record};

/// So long a connection stays in the pool: as it comes it is 15 s, and some idle for longer.
const KEPT: Duration = Duration::from_secs(3600);

/// A client with a pool of its own, or with one connection that all calls share.
#[derive(Clone)]
pub(crate) struct Peer<const MULTIPLEX: bool> {
    echo: EchoClient,
    blob: Bytes,
    records: Arc<Vec<Record>>,
}

impl<const MULTIPLEX: bool> Client for Peer<MULTIPLEX> {
    async fn connect(address: &str, window: usize) -> Result<Self, Failure> {
        let echo = EchoClientBuilder::new("echo")
            .address(address.parse::<SocketAddr>()?)
            .pool_config(Config::default().timeout(KEPT))
            .multiplex(MULTIPLEX)
            .build();
        let records = records().into_iter().map(Record::from).collect();
        let peer = Self { echo, blob: vec![7; BLOB].into(), records: Arc::new(records) };
        // It connects when it must: as many calls at once open as many connections as there will be.
        try_join_all((0..window).map(|_| peer.ping())).await?;
        Ok(peer)
    }

    async fn ping(&self) -> Result<(), Failure> {
        let answer = self.echo.ping(Bytes::from_static(&PING)).await?;
        assert_eq!(*answer, PING);
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
}

impl From<peers_harness::Record> for Record {
    fn from(record: peers_harness::Record) -> Self {
        let peers_harness::Record { id, name, score, city, street, note } = record;
        Self {
            id: id as i64,
            name: name.into(),
            score,
            city: city.into(),
            street: street.into(),
            note: note.into(),
        }
    }
}
