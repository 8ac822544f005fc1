//! No address takes all the connections, and who is one too many is told.

use std::time::Duration;

use rpc::{Channel, Server};
use rpc_core::frame::preface;

use crate::support::{
    Event, Network, Place, ProbeClient, Said, Served, hello, numbers, request, within,
};

async fn served(limit: usize) -> Served {
    let limited = |server: Server| server.max_connections_per_address(limit);
    Served::with(Place::new(Network::Tcp), limited).await
}

const REASON: &str = "more than 2 connections from 127.0.0.1; raise it with `max_connections_per_address` on the server";

#[tokio::test]
async fn one_connection_too_many_is_told_and_closed() {
    within(async {
        let mut served = served(2).await;
        let mut first = served.introduced().await;
        let _second = served.introduced().await;
        let mut third = served.introduced().await;
        let reason = Some(REASON.to_owned());
        assert_eq!(third.hear().await, Said::GoAway { accepted: 0, reason });
        assert_eq!(third.hear().await, Said::Closed);
        // The others are served as before, and a place that is left can be taken.
        first.say(&request(1, "Probe.hold", numbers(&[1]))).await;
        assert_eq!(served.event().await, Event::Started(1));
        drop(first);
        assert_eq!(served.event().await, Event::Dropped(1));
        served.assert_serves().await;
    })
    .await;
}

#[tokio::test]
async fn an_eager_client_learns_why_it_is_not_served() {
    within(async {
        let served = served(2).await;
        let _first = served.introduced().await;
        let _second = served.introduced().await;
        let client = match Channel::connect(&served.address).await {
            // The reason came behind the hello.
            Ok(channel) => ProbeClient::new(channel),
            Err(error) => return assert!(error.message().contains(REASON), "{error}"),
        };
        let brief = client.add(1, 2).timeout(Duration::from_millis(200));
        let error = brief.await.expect_err("there is no place");
        assert!(error.message().contains(REASON), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_client_comes_back_when_there_is_a_place() {
    within(async {
        let served = served(2).await;
        let first = served.introduced().await;
        let _second = served.introduced().await;
        let client = ProbeClient::new(Channel::builder(&served.address).connect_lazy());
        let mut sum = Box::pin(client.add(1, 2));
        // It has tried at least once, and been told.
        let mut watch = client.channel().watch();
        tokio::select! {
            sum = &mut sum => unreachable!("{sum:?}: there is no place"),
            is_waiting = watch.reached(rpc::ChannelState::Waiting) => assert!(is_waiting),
        }
        drop(first);
        assert_eq!(sum.await.expect("there is a place now"), 3);
    })
    .await;
}

/// So many connections are told at once that they are too many.
const FAREWELLS: usize = 64;

#[tokio::test]
async fn those_who_do_not_hear_why_are_not_waited_for() {
    within(async {
        let served = served(2).await;
        let _first = served.introduced().await;
        let _second = served.introduced().await;
        // Connections are accepted in the order in which they are made. These would be told if they introduced themselves.
        let mut listless = Vec::new();
        for _ in 0..FAREWELLS {
            listless.push(served.wire().await);
        }
        let mut turned_away = served.wire().await;
        assert_eq!(turned_away.preface().await, None);
        // As soon as one of them is gone, the next one is told again.
        drop(listless.pop());
        loop {
            let mut next = served.wire().await;
            next.send(&preface(1, 0)).await;
            next.say(&hello(0)).await;
            if next.preface().await.is_some() {
                assert_eq!(next.hear().await, Said::Hello);
                let reason = Some(REASON.to_owned());
                assert_eq!(next.hear().await, Said::GoAway { accepted: 0, reason });
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn unix_sockets_have_no_address_to_count() {
    within(async {
        let limited = |server: Server| server.max_connections_per_address(1);
        let served = Served::with(Place::new(Network::Unix), limited).await;
        let _first = served.introduced().await;
        let _second = served.introduced().await;
        served.assert_serves().await;
    })
    .await;
}
