//! Connections end when they are idle or old, without a call being lost, and a call lasts no longer than the server lets it.

use std::time::Duration;

use futures_util::future::join_all;
use rpc::{Channel, ChannelState, Code, Server};

use crate::support::{
    Event, Network, Place, ProbeClient, Said, Served, numbers, on_each_network, request,
};

on_each_network!(
    an_idle_connection_is_closed_and_made_anew,
    a_connection_with_a_call_is_not_idle,
    an_old_connection_is_drained_and_replaced,
    an_old_connection_does_not_wait_for_its_calls_for_ever,
    a_timeout_is_clamped_by_the_server,
    calls_over_all_connections_have_a_limit,
    what_the_server_limits_its_errors_name,
    a_connection_may_be_as_old_as_it_likes,
    a_thread_that_outlives_its_connection_still_counts,
);

const SHORT: Duration = Duration::from_millis(40);

async fn an_idle_connection_is_closed_and_made_anew(network: Network) {
    let idle = |server: Server| server.idle_timeout(SHORT);
    let served = Served::with(Place::new(network), idle).await;
    let mut wire = served.introduced().await;
    assert_eq!(wire.hear().await, Said::GoAway { accepted: 0, reason: None });
    assert_eq!(wire.hear().await, Said::Closed);
    let channel = served.channel().await;
    let mut watch = channel.watch();
    let client = ProbeClient::new(channel);
    for number in 0..3 {
        assert_eq!(client.add(number, 1).await.expect("it connects anew"), number + 1);
        while watch.state() == ChannelState::Ready {
            watch.changed().await;
        }
    }
}

async fn a_connection_with_a_call_is_not_idle(network: Network) {
    let idle = |server: Server| server.idle_timeout(SHORT);
    let mut served = Served::with(Place::new(network), idle).await;
    let client = served.client().await;
    let held = tokio::spawn(client.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    // Another connection comes and goes meanwhile.
    let mut wire = served.introduced().await;
    assert_eq!(wire.hear().await, Said::GoAway { accepted: 0, reason: None });
    served.state.release(1);
    assert_eq!(held.await.expect("it does not panic").expect("its connection stayed"), 1);
}

async fn an_old_connection_is_drained_and_replaced(network: Network) {
    let old = |server: Server| server.max_connection_age(SHORT);
    let mut served = Served::with(Place::new(network), old).await;
    let channel = served.channel().await;
    let mut watch = channel.watch();
    let client = ProbeClient::new(channel);
    let held = tokio::spawn(client.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    for number in 0..5 {
        while watch.state() == ChannelState::Ready {
            watch.changed().await;
        }
        // The slow call stays where it is, and does not hold these up.
        assert_eq!(client.add(number, 1).await.expect("another connection"), number + 1);
    }
    assert!(!held.is_finished());
    served.state.release(1);
    assert_eq!(held.await.expect("it does not panic").expect("it was finished"), 1);
}

async fn an_old_connection_does_not_wait_for_its_calls_for_ever(network: Network) {
    let old = |server: Server| server.max_connection_age(SHORT).drain_timeout(SHORT);
    let mut served = Served::with(Place::new(network), old).await;
    let mut wire = served.introduced().await;
    wire.say(&request(1, "Probe.hold", numbers(&[1]))).await;
    assert_eq!(served.event().await, Event::Started(1));
    assert_eq!(wire.hear().await, Said::GoAway { accepted: 1, reason: None });
    assert_eq!(served.event().await, Event::Dropped(1));
    assert_eq!(wire.hear().await, Said::Closed);
}

async fn a_timeout_is_clamped_by_the_server(network: Network) {
    let brief = |server: Server| server.max_timeout(SHORT);
    let mut served = Served::with(Place::new(network), brief).await;
    let client = served.client().await;
    for timeout in [Duration::from_secs(20), Duration::from_secs(1 << 40)] {
        let seen = client.seen().timeout(timeout).await.expect("it answers");
        assert!(seen.time_left.is_some_and(|left| left <= SHORT), "{seen:?}");
    }
    let error = client.hold(1).await.expect_err("it takes too long");
    assert_eq!(served.event().await, Event::Started(1));
    assert_eq!(served.event().await, Event::Dropped(1));
    assert!(error.is_timeout() && !error.is_not_started());
    assert_eq!(error.message(), "the deadline passed while the handler ran");
    // A shorter one is its caller's.
    let seen = client.seen().timeout(SHORT / 2).await.expect("it answers");
    assert!(seen.time_left.is_some_and(|left| left <= SHORT / 2), "{seen:?}");
}

async fn calls_over_all_connections_have_a_limit(network: Network) {
    let limited = |server: Server| server.max_calls(2);
    let mut served = Served::with(Place::new(network), limited).await;
    let mut first = served.introduced().await;
    let mut second = served.introduced().await;
    first.say(&request(1, "Probe.hold", numbers(&[1]))).await;
    assert_eq!(served.event().await, Event::Started(1));
    second.say(&request(2, "Probe.hold", numbers(&[2]))).await;
    assert_eq!(served.event().await, Event::Started(2));
    for wire in [&mut first, &mut second] {
        wire.say(&request(3, "Probe.hold", numbers(&[3]))).await;
        let message =
            "more than 2 calls in flight on this server; raise it with `max_calls` on the server";
        assert_eq!(
            wire.hear().await,
            Said::Failure { id: 3, code: 8, message: message.to_owned(), flags: 1 }
        );
    }
    // A client comes back by itself until there is room.
    let client = served.client().await;
    let waits = tokio::spawn(client.hold(4));
    served.state.release(1);
    assert_eq!(first.hear().await, Said::number(1, 1));
    assert_eq!(served.event().await, Event::Ended(1));
    assert_eq!(served.event().await, Event::Started(4));
    served.state.release(4);
    assert_eq!(waits.await.expect("it does not panic").expect("there was room"), 4);
    // A lost connection gives its permits back.
    assert_eq!(served.event().await, Event::Ended(4));
    drop(second);
    assert_eq!(served.event().await, Event::Dropped(2));
    let calls: Vec<_> = [5, 6].map(|key| tokio::spawn(client.hold(key))).into();
    assert_eq!(served.sorted_events(2).await, [5, 6].map(Event::Started));
    [5, 6].into_iter().for_each(|key| served.state.release(key));
    for call in join_all(calls).await {
        call.expect("it does not panic").expect("there was room");
    }
}

async fn what_the_server_limits_its_errors_name(network: Network) {
    let strict = |server: Server| server.max_metadata_size(100).max_nesting(1);
    let served = Served::with(Place::new(network), strict).await;
    let client = served.client().await;
    let error = client.seen().metadata("long", &"x".repeat(200)).await.expect_err("too large");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    let text = "bytes, more than the 100 allowed; move large values into the arguments, or raise it with `max_metadata_size` on the server";
    assert!(error.message().ends_with(text), "{error}");
    assert!(error.is_not_started());
    let error = client.mirror(Vec::new()).await.map(|_| ());
    error.expect("an empty list is one level");
    let point = crate::support::Point { x: 1, y: 2, label: None };
    let error = client.mirror(vec![point]).await.expect_err("a list of maps is two levels");
    assert_eq!(error.kind(), Code::InvalidArgument);
    let text = "arrays and maps nest deeper than 1 levels, as `max_nesting` of the receiver allows";
    assert!(error.message().ends_with(text), "{error}");
    // A channel has limits of its own.
    let builder = Channel::builder(&served.address).max_metadata_size(50).max_nesting(1);
    let client = ProbeClient::new(builder.connect().await.expect("it listens"));
    let error = client.seen().metadata("long", &"x".repeat(60)).await.expect_err("too large");
    assert!(
        error.message().ends_with("raise it with `max_metadata_size` on the channel's builder")
    );
    let error = client.seen().await.expect_err("its answer is a map with a list");
    assert_eq!(error.kind(), Code::Internal);
    assert!(error.message().contains("nest deeper than 1 levels"), "{error}");
}

async fn a_connection_may_be_as_old_as_it_likes(network: Network) {
    let ageless = |server: Server| {
        server
            .max_connection_age(Duration::MAX)
            .idle_timeout(Duration::MAX)
            .drain_timeout(Duration::MAX)
    };
    let mut served = Served::with(Place::new(network), ageless).await;
    let client = served.client().await;
    let held = tokio::spawn(client.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
    served.state.release(1);
    assert_eq!(held.await.expect("it does not panic").expect("it answers"), 1);
    served.shutdown.shutdown();
    served.task.await.expect("it does not panic").expect("it ended in order");
}

async fn a_thread_that_outlives_its_connection_still_counts(network: Network) {
    let limited = |server: Server| server.max_calls(1);
    let mut served = Served::with(Place::new(network), limited).await;
    let mut first = served.introduced().await;
    first.say(&request(1, "Probe.hold_stubbornly", numbers(&[1]))).await;
    assert_eq!(served.event().await, Event::Started(1));
    drop(first);
    // As long as it runs there is no room, whichever connection asks, and however the server has noticed that one is gone.
    let mut second = served.introduced().await;
    for id in 0..50 {
        second.say(&request(id, "Probe.add", numbers(&[1, 2]))).await;
        let said = second.hear().await;
        assert!(matches!(said, Said::Failure { code: 8, flags: 1, .. }), "{said:?}");
        tokio::task::yield_now().await;
    }
    served.state.release(1);
    assert_eq!(served.event().await, Event::Ended(1));
    loop {
        second.say(&request(99, "Probe.add", numbers(&[1, 2]))).await;
        match second.hear().await {
            Said::Failure { code: 8, .. } => tokio::task::yield_now().await,
            said => break assert_eq!(said, Said::number(99, 3)),
        }
    }
}
