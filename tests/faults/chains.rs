//! Three services in a row: what ends the call at the first is observed at the third.

use std::time::Duration;

use crate::support::{Event, Network, Served, serve, within};

/// Three services, each of which asks the next.
async fn chain(network: Network) -> [Served; 3] {
    let services = [serve(network).await, serve(network).await, serve(network).await];
    for pair in services.windows(2) {
        assert!(pair[0].state.upstream.set(pair[1].client().await).is_ok());
    }
    services
}

#[tokio::test]
async fn a_call_dropped_at_the_first_stops_the_handler_at_the_third() {
    within(async {
        for network in [Network::Tcp, Network::Unix] {
            let [first, _second, mut third] = chain(network).await;
            let client = first.client().await;
            for (key, call) in [(1, client.relay_twice(1)), (2, client.relay_twice_spawned(2))] {
                let call = tokio::spawn(call);
                assert_eq!(third.event().await, Event::Started(key));
                call.abort();
                assert_eq!(third.event().await, Event::Dropped(key));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_deadline_at_the_first_stops_the_handler_at_the_third() {
    within(async {
        let [first, _second, mut third] = chain(Network::Tcp).await;
        let client = first.client().await;
        let brief = Duration::from_millis(60);
        let error = client.relay_twice(1).timeout(brief).await.expect_err("it takes too long");
        assert!(error.is_timeout(), "{error}");
        assert_eq!(third.event().await, Event::Started(1));
        assert_eq!(third.event().await, Event::Dropped(1));
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_at_the_first_stops_the_handler_at_the_third() {
    within(async {
        let [first, _second, mut third] = chain(Network::Tcp).await;
        let client = first.client().await;
        let call = tokio::spawn(client.relay_twice(1));
        assert_eq!(third.event().await, Event::Started(1));
        first.kill().await;
        assert_eq!(third.event().await, Event::Dropped(1));
        call.await.expect("it does not panic").expect_err("its server is gone");
    })
    .await;
}
