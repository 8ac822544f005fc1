//! `spawn_handlers` gives every handler a task of its own; without it, those of a connection share the connection's.

use std::time::Duration;

use rpc::Server;

use crate::support::{Event, Network, Place, Served, on_each_network};

on_each_network!(
    handlers_share_their_connections_task_by_default,
    each_handler_has_a_task_of_its_own_where_the_server_says_so,
    a_spawned_handler_ends_with_its_call_and_panics_alone,
);

#[rpc::service]
trait Whereabouts {
    /// The task that this runs in.
    async fn task(&self) -> String;
    #[rpc(spawn)]
    async fn spawned_task(&self) -> String;
}

struct Service;

fn task() -> String {
    tokio::task::id().to_string()
}

impl Whereabouts for Service {
    async fn task(&self) -> String {
        task()
    }
    async fn spawned_task(&self) -> String {
        task()
    }
}

/// The tasks of three calls on one connection, two of a method and one of a method that is spawned anyway.
async fn tasks(network: Network, spawns: bool) -> [String; 3] {
    let place = Place::new(network);
    let server = Server::bind(place.address()).await.expect("it is free");
    let address = server.local_addr().expect("it is bound").to_string();
    let server = server.spawn_handlers(spawns).add(WhereaboutsDispatcher::new(Service));
    let running = tokio::spawn(server.run());
    let client = WhereaboutsClient::connect(&address).await.expect("it listens");
    let tasks = [
        client.task().await.expect("it answers"),
        client.task().await.expect("it answers"),
        client.spawned_task().await.expect("it answers"),
    ];
    running.abort();
    tasks
}

async fn handlers_share_their_connections_task_by_default(network: Network) {
    let [first, second, spawned] = tasks(network, false).await;
    assert_eq!(first, second);
    assert_ne!(first, spawned);
}

async fn each_handler_has_a_task_of_its_own_where_the_server_says_so(network: Network) {
    let [first, second, spawned] = tasks(network, true).await;
    assert!(first != second && first != spawned && second != spawned);
}

async fn a_spawned_handler_ends_with_its_call_and_panics_alone(network: Network) {
    let spawned = |server: Server| server.spawn_handlers(true);
    let mut served = Served::with(Place::new(network), spawned).await;
    let client = served.client().await;
    assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
    let dropped = tokio::spawn(client.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    dropped.abort();
    assert_eq!(served.event().await, Event::Dropped(1));
    let error = client.panic(false).await.expect_err("it panics");
    assert_eq!(error.message(), "the handler panicked");
    let brief = client.hold_blocking(2).timeout(Duration::from_millis(30));
    assert!(brief.await.expect_err("it takes too long").is_timeout());
}

#[rpc::service]
trait Computing {
    /// Computes until nobody waits any more, without an await.
    #[rpc(spawn)]
    async fn compute(&self, ctx: &rpc::Context);
}

struct Computer(tokio::sync::mpsc::UnboundedSender<&'static str>);

impl Computing for Computer {
    async fn compute(&self, ctx: &rpc::Context) {
        self.0.send("started").expect("the test listens");
        while !ctx.is_cancelled() {
            std::thread::yield_now();
        }
        self.0.send("cancelled").expect("the test listens");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_spawned_handler_can_ask_whether_anybody_waits() {
    crate::support::within(async {
        let (told, mut tells) = tokio::sync::mpsc::unbounded_channel();
        let server = Server::bind("tcp://127.0.0.1:0").await.expect("a port is free");
        let address = server.local_addr().expect("it is bound").to_string();
        let running = tokio::spawn(server.serve(ComputingDispatcher::new(Computer(told))));
        let client = ComputingClient::connect(&address).await.expect("it listens");
        // Dropped, expired, and gone with its connection.
        let dropped = tokio::spawn(client.compute());
        assert_eq!(tells.recv().await, Some("started"));
        dropped.abort();
        assert_eq!(tells.recv().await, Some("cancelled"));
        let brief = client.compute().timeout(Duration::from_millis(50));
        assert!(brief.await.expect_err("it does not end by itself").is_timeout());
        assert_eq!(tells.recv().await, Some("started"));
        assert_eq!(tells.recv().await, Some("cancelled"));
        let call = client.compute();
        let lost = tokio::spawn(async move {
            let _ = call.await;
        });
        assert_eq!(tells.recv().await, Some("started"));
        drop(client);
        lost.abort();
        assert_eq!(tells.recv().await, Some("cancelled"));
        running.abort();
    })
    .await;
}
