//! The server. An answer is filled from the request where it lies.

use std::{net::TcpListener, rc::Rc};

use capnp::Error;
use capnp_rpc::{RpcSystem, rpc_twoparty_capnp::Side};
use peers_harness::{Failure, SLOW};
use tokio::task::spawn_local;

use crate::{echo_capnp::echo, peer::network};

struct Service;

impl echo::Server for Service {
    async fn ping(
        self: Rc<Self>,
        params: echo::PingParams,
        mut results: echo::PingResults,
    ) -> Result<(), Error> {
        results.get().set_data(params.get()?.get_data()?);
        Ok(())
    }

    async fn blob(
        self: Rc<Self>,
        params: echo::BlobParams,
        mut results: echo::BlobResults,
    ) -> Result<(), Error> {
        results.get().set_data(params.get()?.get_data()?);
        Ok(())
    }

    async fn structs(
        self: Rc<Self>,
        params: echo::StructsParams,
        mut results: echo::StructsResults,
    ) -> Result<(), Error> {
        results.get().set_records(params.get()?.get_records()?)
    }

    async fn slow(self: Rc<Self>, _: echo::SlowParams, _: echo::SlowResults) -> Result<(), Error> {
        tokio::time::sleep(SLOW).await;
        Ok(())
    }
}

pub(crate) async fn serve(listener: TcpListener) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let service: echo::Client = capnp_rpc::new_client(Service);
    loop {
        let (stream, _) = listener.accept().await?;
        let network = network(stream, Side::Server)?;
        spawn_local(RpcSystem::new(Box::new(network), Some(service.clone().client)));
    }
}
