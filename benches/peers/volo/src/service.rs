//! The server.

use std::net::TcpListener;

use peers_harness::{Failure, SLOW};
use pilota::Bytes;
use volo::net::incoming::DefaultIncoming;
use volo_thrift::ServerError;

use crate::echo::{Echo, EchoServer, Record};

struct Service;

impl Echo for Service {
    async fn ping(&self, data: Bytes) -> Result<Bytes, ServerError> {
        Ok(data)
    }

    async fn blob(&self, data: Bytes) -> Result<Bytes, ServerError> {
        Ok(data)
    }

    async fn structs(&self, records: Vec<Record>) -> Result<Vec<Record>, ServerError> {
        Ok(records)
    }

    async fn slow(&self) -> Result<(), ServerError> {
        tokio::time::sleep(SLOW).await;
        Ok(())
    }
}

pub(crate) async fn serve(listener: TcpListener, multiplex: bool) -> Result<(), Failure> {
    let incoming = DefaultIncoming::from(tokio::net::TcpListener::from_std(listener)?);
    EchoServer::new(Service).multiplex(multiplex).run(incoming).await
}
