//! The client.

use std::rc::Rc;

use capnp_rpc::{RpcSystem, rpc_twoparty_capnp::Side, twoparty::VatNetwork};
use futures_util::io::{AsyncReadExt, BufReader, BufWriter, ReadHalf};
use peers_harness::{BLOB, Failure, PING, Record, SLOW_EVERY, Until, records};
use tokio::{
    net::TcpStream,
    task::{JoinSet, spawn_local},
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use crate::echo_capnp::echo;

/// One connection; its clones share it.
#[derive(Clone)]
pub(crate) struct Peer {
    echo: echo::Client,
    data: Rc<Data>,
}

struct Data {
    blob: Vec<u8>,
    records: Vec<Record>,
}

impl Peer {
    pub(crate) async fn connect(address: &str) -> Result<Self, Failure> {
        let network = network(TcpStream::connect(address).await?, Side::Client)?;
        let mut system = RpcSystem::new(Box::new(network), None);
        let echo: echo::Client = system.bootstrap(Side::Server);
        spawn_local(system);
        let data = Data { blob: vec![7; BLOB], records: records() };
        let peer = Self { echo, data: data.into() };
        // The capability is a promise until the server has answered.
        peer.ping().await?;
        Ok(peer)
    }

    pub(crate) async fn ping(&self) -> Result<(), Failure> {
        let mut request = self.echo.ping_request();
        request.get().set_data(&PING);
        let answer = request.send().promise.await?;
        assert_eq!(answer.get()?.get_data()?, PING);
        Ok(())
    }

    pub(crate) async fn blob(&self) -> Result<(), Failure> {
        let mut request = self.echo.blob_request();
        request.get().set_data(&self.data.blob);
        let answer = request.send().promise.await?;
        assert_eq!(answer.get()?.get_data()?.len(), BLOB);
        Ok(())
    }

    pub(crate) async fn structs(&self) -> Result<(), Failure> {
        let records = &self.data.records;
        let mut request = self.echo.structs_request();
        let mut list = request.get().init_records(records.len() as u32);
        for (index, record) in (0..).zip(records) {
            let mut to = list.reborrow().get(index);
            to.set_id(record.id);
            to.set_name(&*record.name);
            to.set_score(record.score);
            to.set_city(&*record.city);
            to.set_street(&*record.street);
            to.set_note(&*record.note);
        }
        let answer = request.send().promise.await?;
        assert_eq!(answer.get()?.get_records()?.len() as usize, records.len());
        Ok(())
    }

    /// The slow calls have tasks of their own, and are given up in the end.
    pub(crate) async fn mixed(&self, until: Until) -> Result<u64, Failure> {
        let mut slow = JoinSet::<Result<(), Failure>>::new();
        let mut count = 0;
        loop {
            self.structs().await?;
            count += 1;
            if until.is_over(count, 1) {
                return Ok(count);
            }
            if count.is_multiple_of(SLOW_EVERY) {
                let call = self.echo.slow_request().send().promise;
                slow.spawn_local(async move {
                    call.await?;
                    Ok(())
                });
            }
            while let Some(ended) = slow.try_join_next() {
                ended??;
            }
        }
    }
}

/// One side of a connection. Both ways are buffered, which its documentation advises.
pub(crate) fn network(
    stream: TcpStream,
    side: Side,
) -> Result<VatNetwork<BufReader<ReadHalf<Compat<TcpStream>>>>, Failure> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.compat().split();
    Ok(VatNetwork::new(BufReader::new(reader), BufWriter::new(writer), side, Default::default()))
}
