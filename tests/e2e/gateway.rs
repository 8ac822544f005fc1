//! Gateways: what survives the way through one, and through two.

mod answers;
mod metadata;
mod routes;
mod streams;

use rpc::{Channel, Error, Forward, Route, Server};
use tokio::task::JoinHandle;

use crate::support::{FeedClient, Network, Place, ProbeClient, Served, Wire, connect, serve};

/// A server of the probe and of the feed that implements neither.
struct Gateway {
    address: String,
    task: JoinHandle<Result<(), Error>>,
    #[expect(dead_code, reason = "its directory goes with it")]
    place: Place,
}

impl Gateway {
    async fn to(network: Network, route: impl Route + Clone) -> Self {
        Self::with(network, route, |server| server).await
    }

    async fn with(
        network: Network,
        route: impl Route + Clone,
        options: impl FnOnce(Server) -> Server,
    ) -> Self {
        let place = Place::new(network);
        let server = Server::bind(place.address()).await.expect("it is free");
        let address = server.local_addr().expect("it is bound").to_string();
        let server = options(server)
            .add(Forward::new(ProbeClient::DESCRIPTION, route.clone()))
            .add(Forward::new(FeedClient::DESCRIPTION, route));
        Self { address, task: tokio::spawn(server.run()), place }
    }

    async fn channel(&self) -> Channel {
        Channel::connect(&self.address).await.expect("it listens")
    }

    async fn wire(&self) -> Wire {
        let mut wire = connect(&self.address).await;
        wire.introduce().await;
        wire
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A service behind two gateways.
struct Behind {
    served: Served,
    near: Gateway,
    #[expect(dead_code, reason = "it is there to be dropped")]
    far: Gateway,
}

impl Behind {
    async fn two(network: Network) -> Self {
        let served = serve(network).await;
        let far = Gateway::to(network, served.channel().await).await;
        let near = Gateway::to(network, far.channel().await).await;
        Self { served, near, far }
    }

    async fn probe(&self) -> ProbeClient {
        ProbeClient::new(self.near.channel().await)
    }

    async fn feed(&self) -> FeedClient {
        FeedClient::new(self.near.channel().await)
    }
}
