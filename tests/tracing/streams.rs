//! However a stream ends, and whichever side ends it, its end is told exactly once on each.

use std::sync::Arc;

use rpc::{Stream, StreamExt, Streaming, serve_stream, stream};
use tracing::Level;

use crate::{
    log::{Told, own_log},
    wire::{Said, Wire, numbers, request},
};

#[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[error("mine")]
struct Mine;

#[rpc::service]
trait Flows {
    fn complete(&self) -> impl Stream<Item = Result<u64, Mine>>;
    #[rpc(spawn)]
    fn complete_spawned(&self) -> impl Stream<Item = u64>;
    async fn app(&self) -> Result<impl Stream<Item = u64>, Mine>;
    fn panics(&self) -> impl Stream<Item = u64>;
    fn cancelled(&self) -> impl Stream<Item = u64>;
    #[rpc(spawn)]
    fn cancelled_spawned(&self) -> impl Stream<Item = u64>;
    fn expired(&self) -> impl Stream<Item = u64>;
    fn dropped(&self) -> impl Stream<Item = u64>;
    async fn summed(&self, numbers: Streaming<u64>) -> u64;
    async fn given_up(&self, numbers: Streaming<u64>) -> u64;
    async fn failed(&self, numbers: Streaming<u64>) -> Result<u64, Mine>;
}

struct Service;

/// A number, and then nothing more.
fn endless() -> impl Stream<Item = u64> {
    stream::iter([1]).chain(stream::pending())
}

impl Flows for Service {
    fn complete(&self) -> impl Stream<Item = Result<u64, Mine>> {
        // An item that is an error is no end.
        stream::iter([Ok(1), Err(Mine), Ok(2)])
    }
    fn complete_spawned(&self) -> impl Stream<Item = u64> {
        stream::iter(0..1_000)
    }
    async fn app(&self) -> Result<impl Stream<Item = u64>, Mine> {
        Err::<stream::Empty<u64>, _>(Mine)
    }
    fn panics(&self) -> impl Stream<Item = u64> {
        stream::iter(0..2).inspect(|number| assert!(*number == 0, "on purpose"))
    }
    fn cancelled(&self) -> impl Stream<Item = u64> {
        endless()
    }
    fn cancelled_spawned(&self) -> impl Stream<Item = u64> {
        endless()
    }
    fn expired(&self) -> impl Stream<Item = u64> {
        endless()
    }
    fn dropped(&self) -> impl Stream<Item = u64> {
        endless()
    }
    async fn summed(&self, numbers: Streaming<u64>) -> u64 {
        numbers.fold(0, async |sum, number| sum + number.unwrap_or(0)).await
    }
    async fn given_up(&self, numbers: Streaming<u64>) -> u64 {
        numbers.count().await as u64
    }
    async fn failed(&self, _: Streaming<u64>) -> Result<u64, Mine> {
        Err(Mine)
    }
}

/// The ends that one side told, one a line, in order.
fn ends(told: &[Told], of_client: bool) -> Vec<String> {
    let mut lines: Vec<_> = told
        .iter()
        .filter(|told| told.fields.contains_key("side") == of_client)
        .filter_map(|Told { fields, span, .. }| {
            let method = span.get("method").or(fields.get("method"))?;
            Some(format!("{} {}", method.strip_prefix("Flows.")?, fields.get("outcome")?))
        })
        .collect();
    lines.sort_unstable();
    lines
}

#[tokio::test(start_paused = true)]
async fn each_stream_ends_once_at_either_side() {
    let (log, _guard) = own_log(Level::DEBUG);
    let client = FlowsClient::local(Service);
    assert_eq!(client.complete().count().await, 3);
    assert_eq!(client.complete_spawned().count().await, 1_000);
    assert!(client.app().await.is_err());
    assert_eq!(client.panics().count().await, 2);
    for mut endless in [client.cancelled(), client.cancelled_spawned()] {
        endless.next().await.expect("there is one").expect("it arrives");
        drop(endless);
    }
    let brief = client.expired().timeout(std::time::Duration::from_secs(1));
    assert_eq!(brief.count().await, 2);
    assert_eq!(client.summed(stream::iter(0..10)).await.expect("it answers"), 45);
    let given_up = tokio::spawn(client.given_up(stream::pending()));
    client.failed(stream::pending()).await.expect_err("the application's own");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    given_up.abort();
    // One that is not polled is no call.
    drop(client.dropped());
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let told = log.told();
    let expected = [
        "app app",
        "cancelled cancelled",
        "cancelled_spawned cancelled",
        "complete ok",
        "complete_spawned ok",
        "expired expired",
        "failed app",
        "given_up cancelled",
        "panics internal",
        "summed ok",
    ];
    assert_eq!(ends(&told, true), expected);
    // The server may hear of the client's cancel before its own timer fires.
    let at_server: Vec<_> = ends(&told, false)
        .into_iter()
        .map(|line| line.replace("expired cancelled", "expired expired"))
        .collect();
    assert_eq!(at_server, expected);
}

#[tokio::test]
async fn streams_that_go_with_their_connection_are_told_as_dropped() {
    let (log, _guard) = own_log(Level::DEBUG);
    let (client, server) = tokio::io::duplex(1 << 20);
    let serving = tokio::spawn(serve_stream(server, vec![Arc::new(FlowsDispatcher::new(Service))]));
    let mut wire = Wire::new(client);
    wire.introduce_with(&crate::wire::hello_with(&[(2, 1 << 16), (6, 1 << 16)])).await;
    for (id, method) in (1..).zip(["dropped", "cancelled_spawned", "given_up"]) {
        wire.say(&request(id, &format!("Flows.{method}"), numbers(&[]))).await;
        if id < 3 {
            assert_eq!(wire.hear().await, Said::item(id, 1));
        }
    }
    wire.say(&request(9, "Flows.complete_spawned", numbers(&[]))).await;
    let said = wire.hear_until(|said| matches!(said, Said::Result { .. })).await;
    assert_eq!(said.last(), Some(&Said::complete(9)));
    drop(wire);
    serving.await.expect("it does not panic").expect("it is closed");
    let expected =
        ["cancelled_spawned dropped", "complete_spawned ok", "dropped dropped", "given_up dropped"];
    assert_eq!(ends(&log.told(), false), expected);
}
