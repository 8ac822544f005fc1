//! A server that runs in a task of its own, serves a [`Probe`](super::Probe) and a feed, and is gone with its handle.

use std::sync::Arc;

use rpc::{Channel, Error, Server, ShutdownHandle};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    Event, FeedClient, Network, Place, ProbeClient, ProbeDispatcher, State, Wire, feeder,
    hello_with, place, service,
};

pub(crate) struct Served {
    pub(crate) place: Place,
    pub(crate) address: String,
    pub(crate) shutdown: ShutdownHandle,
    pub(crate) task: JoinHandle<Result<(), Error>>,
    pub(crate) state: Arc<State>,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
}

/// Serves with the defaults.
pub(crate) async fn serve(network: Network) -> Served {
    Served::with(Place::new(network), |server| server).await
}

impl Served {
    /// Serves at a place, with options.
    pub(crate) async fn with(place: Place, options: impl FnOnce(Server) -> Server) -> Self {
        let address = place.address();
        Self::at(place, &address, options).await
    }

    /// Serves at an address.
    pub(crate) async fn at(
        place: Place,
        address: &str,
        options: impl FnOnce(Server) -> Server,
    ) -> Self {
        let (steward, state, events) = service();
        let server = Server::bind(address).await.expect("it is free");
        let address = server.local_addr().expect("it is bound").to_string();
        let server = options(server).add(ProbeDispatcher::new(steward)).add(feeder(&state));
        let shutdown = server.shutdown_handle();
        let task = tokio::spawn(server.run());
        Self { place, address, shutdown, task, state, events }
    }

    /// A stub with a connection of its own.
    pub(crate) async fn client(&self) -> ProbeClient {
        ProbeClient::new(self.channel().await)
    }

    /// A stub of the streams with a connection of its own.
    pub(crate) async fn feed(&self) -> FeedClient {
        FeedClient::new(self.channel().await)
    }

    pub(crate) async fn channel(&self) -> Channel {
        Channel::connect(&self.address).await.expect("it listens")
    }

    /// A connection to speak by hand, on which nothing was said.
    pub(crate) async fn wire(&self) -> Wire {
        place::connect(&self.address).await
    }

    /// A connection to speak by hand, behind both hellos.
    pub(crate) async fn introduced(&self) -> Wire {
        let mut wire = self.wire().await;
        wire.introduce().await;
        wire
    }

    /// The same for a client that takes items: so many bytes of a stream's, and of all streams'.
    pub(crate) async fn introduced_with_windows(&self, stream: u64, connection: u64) -> Wire {
        let mut wire = self.wire().await;
        let hello = hello_with(&[(1, 16 << 20), (2, stream), (6, connection)]);
        wire.introduce_with(&hello).await;
        wire
    }

    /// The next thing that a handler reports.
    pub(crate) async fn event(&mut self) -> Event {
        self.events.recv().await.expect("the service lives")
    }

    /// The next `count` things that handlers report, in order of their keys.
    pub(crate) async fn sorted_events(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..count {
            events.push(self.event().await);
        }
        events.sort();
        events
    }

    /// Ends the server and all its connections at once, and gives the place back for another one.
    pub(crate) async fn kill(self) -> (Place, String) {
        self.task.abort();
        assert!(self.task.await.expect_err("it ran").is_cancelled());
        (self.place, self.address)
    }

    /// Asserts that the server still serves, on a new connection.
    pub(crate) async fn assert_serves(&self) {
        assert_eq!(self.client().await.add(20, 22).await.expect("it answers"), 42);
    }
}
