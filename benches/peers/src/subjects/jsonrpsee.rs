//! jsonrpsee: JSON-RPC 2.0 over a WebSocket, with the traits of its macro.

use std::{net::TcpListener, sync::Arc};

use jsonrpsee::{
    core::{RpcResult, async_trait},
    proc_macros::rpc,
    server::{Server, ServerConfig},
    ws_client::{WsClient, WsClientBuilder},
};
use peers_harness::{BLOB, Client, Failure, Kind, PING, Record, SLOW, Subject, records};

pub(super) const JSONRPSEE: Subject = Subject::of::<Peer>(
    "jsonrpsee",
    &[Kind::Ping, Kind::Blob, Kind::Structs, Kind::Mixed],
    |listener| Box::pin(serve(listener)),
);

/// As it comes, it takes 100.
const CONNECTIONS: u32 = 50_000;

/// JSON has bytes as an array of numbers.
#[rpc(server, client)]
trait Echo {
    #[method(name = "ping")]
    async fn ping(&self, data: Vec<u8>) -> RpcResult<Vec<u8>>;

    #[method(name = "blob")]
    async fn blob(&self, data: Vec<u8>) -> RpcResult<Vec<u8>>;

    #[method(name = "structs")]
    async fn structs(&self, records: Vec<Record>) -> RpcResult<Vec<Record>>;

    #[method(name = "slow")]
    async fn slow(&self) -> RpcResult<()>;
}

struct Service;

#[async_trait]
impl EchoServer for Service {
    async fn ping(&self, data: Vec<u8>) -> RpcResult<Vec<u8>> {
        Ok(data)
    }

    async fn blob(&self, data: Vec<u8>) -> RpcResult<Vec<u8>> {
        Ok(data)
    }

    async fn structs(&self, records: Vec<Record>) -> RpcResult<Vec<Record>> {
        Ok(records)
    }

    async fn slow(&self) -> RpcResult<()> {
        tokio::time::sleep(SLOW).await;
        Ok(())
    }
}

async fn serve(listener: TcpListener) -> Result<(), Failure> {
    let config = ServerConfig::builder().max_connections(CONNECTIONS).ws_only().build();
    let server = Server::builder().set_config(config).build_from_tcp(listener)?;
    server.start(Service.into_rpc()).stopped().await;
    Ok(())
}

#[derive(Clone)]
struct Peer {
    echo: Arc<WsClient>,
    blob: Arc<Vec<u8>>,
    records: Arc<Vec<Record>>,
}

impl Client for Peer {
    async fn connect(address: &str, _: usize) -> Result<Self, Failure> {
        Ok(Self {
            // As it comes, it has up to 256 calls in flight, in messages of up to 10 MiB: more than there are.
            echo: Arc::new(WsClientBuilder::default().build(format!("ws://{address}")).await?),
            blob: Arc::new(vec![7; BLOB]),
            records: Arc::new(records()),
        })
    }

    async fn ping(&self) -> Result<(), Failure> {
        let answer = EchoClient::ping(&*self.echo, PING.to_vec()).await?;
        assert_eq!(answer, PING);
        Ok(())
    }

    async fn blob(&self) -> Result<(), Failure> {
        let answer = EchoClient::blob(&*self.echo, self.blob.to_vec()).await?;
        assert_eq!(answer.len(), BLOB);
        Ok(())
    }

    async fn structs(&self) -> Result<(), Failure> {
        let answer = EchoClient::structs(&*self.echo, self.records.to_vec()).await?;
        assert_eq!(answer.len(), self.records.len());
        Ok(())
    }

    async fn slow(&self) -> Result<(), Failure> {
        Ok(EchoClient::slow(&*self.echo).await?)
    }
}
