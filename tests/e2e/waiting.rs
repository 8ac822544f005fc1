//! A call that finds no connection waits for one: as long as it may, and no longer.

use std::time::{Duration, Instant};

use rpc::{Backoff, Channel, ChannelState, Code};

use crate::support::{Network, Place, ProbeClient, Served, on_each_network, response, serve};

on_each_network!(
    a_call_waits_for_a_server_that_is_not_there_yet,
    a_call_that_waits_in_vain_says_for_what,
    a_call_that_waits_for_nothing_fails_with_the_first_attempt,
    a_deadline_ends_the_wait_and_names_the_last_attempt,
    what_was_never_written_goes_out_on_the_next_connection,
    another_protocol_is_not_waited_for,
    the_state_can_be_watched,
);

/// An address where nobody listens now.
async fn deserted(place: &Place) -> String {
    place.listen().await.address()
}

async fn a_call_waits_for_a_server_that_is_not_there_yet(network: Network) {
    let place = Place::new(network);
    let address = deserted(&place).await;
    let channel = Channel::builder(&address).connect_lazy();
    let mut watch = channel.watch();
    let client = ProbeClient::new(channel);
    let sum = tokio::spawn(client.add(1, 2));
    assert!(watch.reached(ChannelState::Waiting).await, "the first attempt fails");
    if let Some(path) = place.path() {
        std::fs::remove_file(path).expect("the listener by hand has left its file");
    }
    let _served = Served::at(place, &address, |server| server).await;
    assert_eq!(sum.await.expect("it does not panic").expect("it was served"), 3);
}

async fn a_call_that_waits_in_vain_says_for_what(network: Network) {
    let place = Place::new(network);
    let address = deserted(&place).await;
    let wait = Duration::from_millis(40);
    let channel = Channel::builder(&address).wait_for_connection(wait).connect_lazy();
    let client = ProbeClient::new(channel);
    for _ in 0..2 {
        let before = Instant::now();
        let error = client.add(1, 2).await.expect_err("nobody listens");
        assert!(before.elapsed() >= wait);
        assert_eq!(error.kind(), Code::Unavailable);
        assert!(error.is_not_started() && error.is_retryable());
        let start = format!("cannot connect to {address}: ");
        let end = "; the call waited 40ms for a connection, as `wait_for_connection` on the channel's builder lets it";
        assert!(error.message().starts_with(&start) && error.message().ends_with(end), "{error}");
    }
}

async fn a_call_that_waits_for_nothing_fails_with_the_first_attempt(network: Network) {
    let place = Place::new(network);
    let address = deserted(&place).await;
    let pause = Backoff::new(Duration::from_secs(3600), 1.0, Duration::from_secs(3600));
    let builder = Channel::builder(&address).wait_for_connection(Duration::ZERO);
    let client = ProbeClient::new(builder.reconnect_backoff(pause).connect_lazy());
    // The second one finds that the next attempt is an hour away.
    for _ in 0..2 {
        let error = client.add(1, 2).await.expect_err("nobody listens");
        let start = format!("cannot connect to {address}: ");
        assert!(error.message().starts_with(&start), "{error}");
        assert!(!error.message().contains("waited"), "{error}");
        assert!(error.is_not_started());
    }
}

async fn a_deadline_ends_the_wait_and_names_the_last_attempt(network: Network) {
    let place = Place::new(network);
    let address = deserted(&place).await;
    let client = ProbeClient::new(Channel::builder(&address).connect_lazy());
    let error = client.add(1, 2).timeout(Duration::from_millis(40)).await;
    let error = error.expect_err("nobody listens");
    assert!(error.is_timeout() && error.is_not_started());
    let text = format!(
        "the deadline passed while the call waited for a connection; the last attempt: cannot connect to {address}: "
    );
    assert!(error.message().starts_with(&text), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

async fn what_was_never_written_goes_out_on_the_next_connection(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let client = ProbeClient::new(Channel::builder(doorway.address()).connect_lazy());
    // More than sockets hold, of which the server reads nearly nothing: the end of the queue was never written.
    let data = vec![1; 600 << 10];
    let calls: Vec<_> = (0..40).map(|_| tokio::spawn(client.length(&data))).collect();
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    wire.hear_request("Probe.length").await;
    drop(wire);
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let mut again = 0;
    while again < 2 {
        let (id, attempt) = wire.hear_attempt("Probe.length").await;
        assert_eq!(attempt, 1, "of which no byte left was not sent before");
        wire.say(&response(id, 5)).await;
        again += 1;
    }
    let finish = tokio::spawn(async move {
        while let crate::support::Said::Request { id, .. } = wire.hear().await {
            wire.say(&response(id, 5)).await;
        }
    });
    let (mut answered, mut lost) = (0, 0);
    for call in calls {
        match call.await.expect("it does not panic") {
            Ok(length) => {
                assert_eq!(length, 5);
                answered += 1;
            }
            Err(error) => {
                assert!(error.is_unavailable() && !error.is_not_started(), "{error:?}");
                assert!(error.message().ends_with("; the server may have run the call"), "{error}");
                lost += 1;
            }
        }
    }
    assert!(answered >= 2 && lost >= 1, "{answered} answered, {lost} lost");
    finish.abort();
}

async fn another_protocol_is_not_waited_for(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let client = ProbeClient::new(Channel::builder(doorway.address()).connect_lazy());
    let sum = tokio::spawn(client.add(1, 2));
    let mut wire = doorway.accept().await;
    wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let error = sum.await.expect("it does not panic").expect_err("it speaks HTTP");
    assert_eq!(error.kind(), Code::Internal);
    assert!(error.is_not_started() || error.message().contains("may have run"), "{error}");
}

async fn the_state_can_be_watched(network: Network) {
    let served = serve(network).await;
    // A pause that outlives the test.
    let pause = Backoff::new(Duration::from_secs(3600), 1.0, Duration::from_secs(3600));
    let channel = Channel::builder(&served.address).reconnect_backoff(pause).connect_lazy();
    let mut watch = channel.watch();
    assert_eq!((channel.state(), watch.state()), (ChannelState::Idle, ChannelState::Idle));
    let client = ProbeClient::new(channel.clone());
    client.add(1, 2).await.expect("it listens");
    assert!(watch.reached(ChannelState::Ready).await);
    assert_eq!(channel.state(), ChannelState::Ready);
    assert!(watch.last_error().is_none());
    let (_place, _) = served.kill().await;
    while watch.state() == ChannelState::Ready {
        watch.changed().await;
    }
    assert!(watch.last_error().is_some_and(|error| error.is_unavailable()));
    client.add(1, 2).timeout(Duration::from_millis(20)).await.expect_err("nobody listens");
    assert!(watch.reached(ChannelState::Waiting).await);
    drop((client, channel));
    while watch.changed().await != ChannelState::Closed {}
    assert_eq!(watch.changed().await, ChannelState::Closed);
}

#[test]
fn a_watch_learns_that_the_runtime_is_gone() {
    let runtime = || tokio::runtime::Runtime::new().expect("the system has threads");
    let first = runtime();
    let channel = first.block_on(async {
        Channel::builder("tcp://127.0.0.1:1").wait_for_connection(Duration::ZERO).connect_lazy()
    });
    let mut watch = channel.watch();
    drop(first);
    runtime().block_on(crate::support::within(async {
        assert!(!watch.reached(ChannelState::Ready).await);
        assert!(watch.reached(ChannelState::Closed).await);
        assert_eq!(channel.state(), ChannelState::Closed);
    }));
}
