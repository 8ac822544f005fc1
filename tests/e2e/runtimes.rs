//! A channel may be used from any runtime; when its own is gone, its calls end.

use std::{sync::mpsc, thread};

use rpc::{Channel, Error};
use tokio::{runtime, sync::oneshot};

use crate::support::{Network, Place, ProbeClient, Said, go_away, on_each_network, response};

on_each_network!(
    calls_end_with_the_runtime_of_their_channel,
    calls_end_though_the_server_was_about_to_go_away,
);

/// A channel whose task runs on a thread of its own, until the sender is used.
fn abroad(address: String) -> (ProbeClient, oneshot::Sender<()>, thread::JoinHandle<()>) {
    let (channel, made) = mpsc::channel();
    let (end, ended) = oneshot::channel();
    let thread = thread::spawn(move || {
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().expect("it starts");
        runtime.block_on(async {
            channel.send(Channel::builder(address).connect_lazy()).expect("it is awaited");
            // Either way it is over.
            let _ = ended.await;
        });
    });
    (ProbeClient::new(made.recv().expect("it is made")), end, thread)
}

fn assert_gone(outcome: Result<i64, Error>) {
    let error = outcome.expect_err("its runtime is gone");
    assert!(error.is_unavailable(), "{error:?}");
    let reason = "the channel's task ended, with its runtime or by a panic";
    assert!(error.message().starts_with(reason), "{error}");
}

async fn calls_end_with_the_runtime_of_their_channel(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let (client, end, thread) = abroad(doorway.address());
    let sum = tokio::spawn(client.add(1, 2));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let id = wire.hear_request("Probe.add").await;
    wire.say(&response(id, 3)).await;
    assert_eq!(sum.await.expect("it does not panic").expect("it answers"), 3);
    let lost = tokio::spawn(client.add(1, 2));
    wire.hear_request("Probe.add").await;
    end.send(()).expect("it runs");
    assert_gone(lost.await.expect("it does not panic"));
    thread.join().expect("it does not panic");
    let late = client.add(1, 2).await;
    assert!(late.as_ref().is_err_and(Error::is_not_started));
    assert_gone(late);
}

async fn calls_end_though_the_server_was_about_to_go_away(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let (client, end, thread) = abroad(doorway.address());
    let first = tokio::spawn(client.add(1, 2));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    wire.hear_request("Probe.add").await;
    let second = tokio::spawn(client.add(3, 4));
    wire.hear_request("Probe.add").await;
    // One call is accepted; the second is behind it, and a third waits for the next connection.
    wire.say(&go_away(1, None)).await;
    wire.say(&[0x93, 11, 1, 0xc0]).await;
    assert_eq!(wire.hear().await, Said::Pong(1));
    let mut third = Box::pin(client.add(5, 6));
    assert!(crate::support::poll_once(&mut third).await.is_pending());
    end.send(()).expect("it runs");
    thread.join().expect("it does not panic");
    for outcome in [first.await, second.await, Ok(third.await)] {
        assert_gone(outcome.expect("it does not panic"));
    }
}
