//! Behind the handshake all is as without TLS: large messages, streams, cancellation, connections that are lost.

use rpc::{Bytes, Channel, StreamExt, stream};
use rpc_security_tests::{
    authority::Authority,
    vault::{Event, VaultClient},
};

use crate::{Served, server_tls, trusting, within};

async fn world() -> (Authority, Served) {
    let authority = Authority::new("the authority");
    let served = Served::new(server_tls(&authority.server())).await;
    (authority, served)
}

#[tokio::test]
async fn large_messages_go_there_and_back() {
    let (authority, served) = world().await;
    let client = served.client(&trusting(&authority)).await;
    let size = (16 << 20) - 64;
    let data: Bytes = (0..size).map(|index| u8::try_from(index % 251).expect("it fits")).collect();
    let (answer, small) =
        within(async { tokio::join!(client.echo(data.clone()), client.find(7)) }).await;
    assert!(answer.expect("it answers") == data);
    assert_eq!(small.expect("it answers"), 7);
}

#[tokio::test]
async fn streams_go_both_ways() {
    let (authority, served) = world().await;
    let client = served.client(&trusting(&authority)).await;
    let mut numbers = client.count(100_000);
    let mut expected = 0;
    while let Some(number) = within(numbers.next()).await {
        assert_eq!(number.expect("it goes on"), expected);
        expected += 1;
    }
    assert_eq!(expected, 100_000);
    let sum = within(client.sum(stream::iter(0..100_000))).await.expect("it answers");
    assert_eq!(sum, 4_999_950_000);
}

#[tokio::test]
async fn cancellation_reaches_the_handler() {
    let (authority, mut served) = world().await;
    let client = served.client(&trusting(&authority)).await;
    let held = tokio::spawn(client.hold());
    assert_eq!(served.event().await, Event::Started);
    held.abort();
    assert_eq!(served.event().await, Event::Dropped);
    assert_eq!(client.find(7).await.expect("it answers"), 7);
}

#[tokio::test]
async fn many_calls_share_a_connection() {
    let (authority, served) = world().await;
    let client = served.client(&trusting(&authority)).await;
    let calls = (0..1000).map(|key| client.find(key));
    let answers = within(stream::iter(calls).buffered(100).collect::<Vec<_>>()).await;
    for (key, answer) in (0..).zip(answers) {
        assert_eq!(answer.expect("it answers"), key);
    }
}

#[tokio::test]
async fn a_lost_connection_is_made_again() {
    let (authority, served) = world().await;
    let client = served.client(&trusting(&authority)).await;
    client.find(1).await.expect("it answers");
    let address = served.address.clone();
    served.task.abort();
    assert!(within(served.task).await.expect_err("it ran").is_cancelled());
    let tls = server_tls(&authority.server());
    let _again = Served::at(&address, |server| server.tls(tls)).await;
    // The call finds the old connection, or none: it may be repeated, and waits for the new one.
    assert_eq!(within(client.find(2)).await.expect("it answers"), 2);
}

#[tokio::test]
async fn a_server_that_ends_at_once_has_closed_the_connection() {
    let (authority, mut served) = world().await;
    let client = served.client(&trusting(&authority)).await;
    let held = tokio::spawn(client.hold());
    assert_eq!(served.event().await, Event::Started);
    served.shutdown.abort();
    // TLS has no farewell then, which is no news to who reads it.
    let error = within(held).await.expect("it does not panic").expect_err("its server is gone");
    let text = "the server closed the connection; the server may have run the call";
    assert_eq!(error.message(), text);
}

#[tokio::test]
async fn a_server_drains_in_order() {
    let (authority, mut served) = world().await;
    let client = served.client(&trusting(&authority)).await;
    let held = tokio::spawn(client.hold());
    assert_eq!(served.event().await, Event::Started);
    served.shutdown.shutdown();
    held.abort();
    within(served.task).await.expect("it does not panic").expect("it has drained");
}

#[tokio::test]
async fn a_client_that_goes_without_a_word_has_gone() {
    let (authority, mut served) = world().await;
    let (address, tls) = (served.address.clone(), trusting(&authority));
    let (told, asked) = tokio::sync::oneshot::channel::<()>();
    let client = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("it starts").block_on(async {
            let channel = Channel::builder(address).tls(tls).connect().await;
            let client = VaultClient::new(channel.expect("it listens"));
            tokio::spawn(client.hold());
            asked.await
        })
        // The runtime is dropped, and with it the socket, without a farewell.
    });
    assert_eq!(served.event().await, Event::Started);
    drop(told);
    assert_eq!(served.event().await, Event::Dropped);
    client.join().expect("it does not panic").expect_err("nothing was sent");
}
