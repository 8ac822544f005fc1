//! What a call holds is let go of when nobody needs it: arguments, answers, items, however slow the other side is.

use std::{sync::Arc, time::Duration};

use rpc::{Bytes, Channel, Server, Stream, StreamExt, Streaming, stream};
use tokio::sync::Semaphore;

use crate::support::{
    Network, Place, ProbeClient, Said, fed, items, numbers, on_each_network, request,
};

on_each_network!(
    the_arguments_of_a_call_that_is_given_up_are_dropped,
    answers_are_not_kept_when_they_are_sent,
    items_are_not_kept_when_they_are_sent,
    items_that_were_not_sent_go_with_their_call,
);

/// Bytes that tell when they are dropped.
struct Told(Vec<u8>, Arc<Semaphore>);

impl AsRef<[u8]> for Told {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.1.add_permits(1);
    }
}

/// So many bytes are written from where they are; and so many in parts.
const SIZE: usize = 40_000;
const LARGE: usize = 200_000;

fn told(drops: &Arc<Semaphore>) -> Bytes {
    told_of(drops, SIZE)
}

fn told_of(drops: &Arc<Semaphore>, size: usize) -> Bytes {
    Bytes::from_owner(Told(vec![7; size], Arc::clone(drops)))
}

async fn dropped(drops: &Semaphore, count: u32) {
    drops.acquire_many(count).await.expect("it is open").forget();
    assert_eq!(drops.available_permits(), 0);
}

async fn the_arguments_of_a_call_that_is_given_up_are_dropped(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let client = ProbeClient::new(Channel::builder(doorway.address()).connect_lazy());
    let drops = Arc::new(Semaphore::new(0));
    let cancelled = tokio::spawn(client.echo(told(&drops)));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    wire.hear_request("Probe.echo").await;
    assert_eq!(drops.available_permits(), 0, "it may be sent again");
    cancelled.abort();
    assert!(matches!(wire.hear().await, Said::Cancel { .. }));
    dropped(&drops, 1).await;
    let expired = client.echo(told(&drops)).timeout(Duration::from_millis(50));
    assert!(expired.await.expect_err("nobody answers").is_timeout());
    wire.hear_request("Probe.echo").await;
    dropped(&drops, 1).await;
    // The server has answered neither, and the connection goes on.
    assert!(matches!(wire.hear().await, Said::Cancel { .. }));
    wire.say(&items::ping(1)).await;
    assert_eq!(wire.hear().await, Said::Pong(1));
}

#[rpc::service]
trait Giving {
    async fn one(&self, size: usize) -> Bytes;
    #[rpc(spawn)]
    async fn one_spawned(&self, size: usize) -> Bytes;
    fn many(&self, count: u64, size: usize) -> impl Stream<Item = Bytes>;
    async fn none(&self, items: Streaming<Bytes>);
}

struct Giver(Arc<Semaphore>);

impl Giving for Giver {
    async fn one(&self, size: usize) -> Bytes {
        told_of(&self.0, size)
    }
    async fn one_spawned(&self, size: usize) -> Bytes {
        told_of(&self.0, size)
    }
    fn many(&self, count: u64, size: usize) -> impl Stream<Item = Bytes> {
        stream::iter(0..count).map(move |_| told_of(&self.0, size)).chain(stream::pending())
    }
    async fn none(&self, items: Streaming<Bytes>) {
        let _items = items;
        std::future::pending().await
    }
}

async fn giver(network: Network) -> (Place, String, Arc<Semaphore>) {
    let place = Place::new(network);
    let drops = Arc::new(Semaphore::new(0));
    let server = Server::bind(place.address()).await.expect("it is free");
    let address = server.local_addr().expect("it is bound").to_string();
    tokio::spawn(server.serve(GivingDispatcher::new(Giver(Arc::clone(&drops)))));
    (place, address, drops)
}

async fn answers_are_not_kept_when_they_are_sent(network: Network) {
    let (_place, address, drops) = giver(network).await;
    let client = GivingClient::connect(&address).await.expect("it listens");
    for size in [SIZE, LARGE] {
        for call in [client.one(size), client.one_spawned(size)] {
            assert_eq!(call.await.expect("it answers").len(), size);
            dropped(&drops, 1).await;
        }
    }
}

async fn items_are_not_kept_when_they_are_sent(network: Network) {
    let (_place, address, drops) = giver(network).await;
    let client = GivingClient::connect(&address).await.expect("it listens");
    for size in [SIZE, LARGE] {
        let mut many = client.many(100, size);
        for _ in 0..100 {
            assert_eq!(many.next().await.expect("there is one").expect("it arrives").len(), size);
        }
        dropped(&drops, 100).await;
    }
}

async fn items_that_were_not_sent_go_with_their_call(network: Network) {
    let (_place, address, drops) = giver(network).await;
    // A client that gives no credit.
    let mut wire = crate::support::connect(&address).await;
    let hello = crate::support::hello_with(&[(1, 1 << 20), (2, 60_000), (6, 1 << 20)]);
    wire.introduce_with(&hello).await;
    wire.say(&request(1, "Giving.many", numbers(&[100, SIZE as u64]))).await;
    assert!(matches!(wire.hear().await, Said::Item { .. }));
    dropped(&drops, 1).await;
    wire.say(&items::cancel(1)).await;
    assert!(matches!(wire.hear().await, Said::Failure { code: 1, .. }));
    // The one in the outlet.
    dropped(&drops, 1).await;
    // The client's own, of which some found no room.
    let client = GivingClient::connect(&address).await.expect("it listens");
    let (sender, blobs) = fed();
    for _ in 0..20 {
        sender.send(told(&drops)).expect("it is taken");
    }
    let call = tokio::spawn(client.none(blobs));
    let sent = u32::try_from(rpc::limits::STREAM_WINDOW / SIZE).expect("it is small");
    drops.acquire_many(sent).await.expect("it is open").forget();
    call.abort();
    dropped(&drops, 20 - sent).await;
}
