//! Nobody holds up a server that ends, and whoever asks knows how far it is.

use std::time::Duration;

use rpc::{Server, ServerState};
use rpc_core::frame::preface;
use tokio::time::Instant;

use crate::support::{
    Event, Network, Place, ProbeDispatcher, Said, Served, numbers, on_each_network, request, serve,
    service,
};

on_each_network!(
    who_says_nothing_does_not_hold_it_up,
    who_does_not_read_holds_it_up_until_the_timeout_only,
    an_abort_ends_it_at_once,
    an_abort_ends_a_drain,
    the_state_can_be_followed,
);

/// Far longer than a test may take.
const LONG: Duration = Duration::from_secs(3600);

async fn who_says_nothing_does_not_hold_it_up(network: Network) {
    let served = Served::with(Place::new(network), |server| server.drain_timeout(LONG)).await;
    let silent = served.wire().await;
    let mut half_a_preface = served.wire().await;
    half_a_preface.send(&preface(1, 0)[..5]).await;
    let mut without_a_hello = served.wire().await;
    without_a_hello.send(&preface(1, 0)).await;
    without_a_hello.preface().await.expect("it answers");
    let mut half_a_frame = served.introduced().await;
    half_a_frame.send(&[0, 0, 0, 40, 0x94, 0]).await;
    let idle = served.introduced().await;
    served.shutdown.shutdown();
    let before = Instant::now();
    // The handshake's time is what a client may take that has begun to introduce itself.
    let ended = tokio::time::timeout(Duration::from_secs(20), served.task).await;
    ended.expect("in time").expect("it does not panic").expect("it ended in order");
    assert!(before.elapsed() < Duration::from_secs(15));
    drop((silent, half_a_preface, without_a_hello, half_a_frame, idle));
}

async fn who_does_not_read_holds_it_up_until_the_timeout_only(network: Network) {
    let brief = |server: Server| server.drain_timeout(Duration::from_millis(100));
    let served = Served::with(Place::new(network), brief).await;
    let mut wire = served.introduced().await;
    for id in 0..40 {
        wire.say(&request(id, "Probe.filler", numbers(&[1 << 20]))).await;
    }
    // The first answer is on its way, and sockets hold a few.
    let Said::Result { id: 0, .. } = wire.hear().await else { unreachable!("it answers") };
    served.shutdown.shutdown();
    let ended = tokio::time::timeout(Duration::from_secs(10), served.task).await;
    ended.expect("in time").expect("it does not panic").expect("it ended");
}

async fn an_abort_ends_it_at_once(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    let held = tokio::spawn(client.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    served.shutdown.abort();
    served.task.await.expect("it does not panic").expect("it ended");
    // It has not ended before its handlers are gone.
    assert_eq!(served.events.try_recv(), Ok(Event::Dropped(1)));
    assert!(held.await.expect("it does not panic").expect_err("it is gone").is_unavailable());
}

async fn an_abort_ends_a_drain(network: Network) {
    let mut served = Served::with(Place::new(network), |server| server.drain_timeout(LONG)).await;
    let mut wire = served.introduced().await;
    wire.say(&request(1, "Probe.hold", numbers(&[1]))).await;
    assert_eq!(served.event().await, Event::Started(1));
    served.shutdown.shutdown();
    assert_eq!(wire.hear().await, Said::GoAway { accepted: 1, reason: None });
    served.shutdown.abort();
    served.task.await.expect("it does not panic").expect("it ended");
    assert_eq!(wire.hear().await, Said::Closed);
}

async fn the_state_can_be_followed(network: Network) {
    let place = Place::new(network);
    let (steward, state, mut events) = service();
    let server = Server::bind(place.address()).await.expect("it is free");
    let address = server.local_addr().expect("it is bound").to_string();
    let mut handle = server.state_handle();
    let shutdown = server.shutdown_handle();
    assert_eq!(handle.state(), ServerState::Starting);
    let task = tokio::spawn(server.serve(ProbeDispatcher::new(steward)));
    assert_eq!(handle.changed().await, ServerState::Ready);
    let client = crate::support::ProbeClient::connect(&address).await.expect("it listens");
    let held = tokio::spawn(client.hold(1));
    assert_eq!(events.recv().await, Some(Event::Started(1)));
    shutdown.shutdown();
    assert_eq!(handle.changed().await, ServerState::Draining);
    state.release(1);
    assert_eq!(handle.changed().await, ServerState::Ended);
    assert_eq!(handle.changed().await, ServerState::Ended);
    assert_eq!(held.await.expect("it does not panic").expect("it was accepted"), 1);
    task.await.expect("it does not panic").expect("it ended in order");
    // A server that never ran has ended with its drop.
    let server = Server::bind("tcp://127.0.0.1:0").await.expect("a port is free");
    let mut handle = server.state_handle();
    drop(server);
    assert_eq!(handle.changed().await, ServerState::Ended);
}
