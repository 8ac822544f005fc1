//! A server that ends lets what it accepted finish, refuses the rest as safe to repeat, and waits for nobody for ever.

use std::time::Duration;

use rpc::{Channel, Server};
use tokio::sync::oneshot;

use crate::support::{
    Event, Network, Place, ProbeClient, ProbeDispatcher, Said, Served, numbers, on_each_network,
    request, serve, service,
};

on_each_network!(
    accepted_calls_finish_and_new_ones_are_refused,
    what_is_refused_is_repeated_at_the_next_server,
    a_client_finishes_its_calls_and_then_finds_the_next_server,
    idle_clients_do_not_hold_it_up,
    calls_that_do_not_end_are_dropped_after_the_drain_timeout,
    a_call_that_expires_while_draining_ends_the_drain,
    one_way_calls_finish_too,
    a_signal_ends_it,
    a_dropped_server_ends_at_once,
);

async fn accepted_calls_finish_and_new_ones_are_refused(network: Network) {
    let mut served = serve(network).await;
    let mut wire = served.introduced().await;
    wire.say(&request(1, "Probe.hold", numbers(&[1]))).await;
    wire.say(&request(2, "Probe.hold_spawned", numbers(&[2]))).await;
    assert_eq!(served.sorted_events(2).await, [1, 2].map(Event::Started));
    served.shutdown.shutdown();
    assert_eq!(wire.hear().await, Said::GoAway { accepted: 2, reason: None });
    wire.say(&request(3, "Probe.add", numbers(&[1, 2]))).await;
    let message = "the server is shutting down".to_owned();
    assert_eq!(wire.hear().await, Said::Failure { id: 3, code: 14, message, flags: 1 });
    let error = Channel::connect(&served.address).await.expect_err("it does not listen any more");
    assert!(error.is_unavailable());
    for key in [2, 1] {
        served.state.release(key);
        assert_eq!(wire.hear().await, Said::number(key, key.into()));
    }
    assert_eq!(wire.hear().await, Said::Closed);
    served.task.await.expect("it does not panic").expect("it ended in order");
}

/// Shuts a server down whose client has a call at it, and starts the next one at its place.
async fn succeed(
    mut served: Served,
    client: &ProbeClient,
) -> (Served, Served, tokio::task::JoinHandle<Result<u32, rpc::Error>>) {
    let held = tokio::spawn(client.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    // The go-away is heard here, too, when it is sent.
    let mut wire = served.introduced().await;
    served.shutdown.shutdown();
    assert!(matches!(wire.hear().await, Said::GoAway { .. }));
    while Channel::connect(&served.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let Place { network, .. } = served.place;
    let next = Served::at(Place::new(network), &served.address, |server| server).await;
    (served, next, held)
}

async fn what_is_refused_is_repeated_at_the_next_server(network: Network) {
    let served = serve(network).await;
    let client = served.client().await;
    let (served, _next, held) = succeed(served, &client).await;
    // Sent to the old server, before the client knows: refused there, answered by the next.
    let sum = tokio::spawn(client.add(1, 2));
    tokio::task::yield_now().await;
    served.state.release(1);
    assert_eq!(held.await.expect("it does not panic").expect("it was accepted"), 1);
    assert_eq!(sum.await.expect("it does not panic").expect("the next server answers"), 3);
    served.task.await.expect("it does not panic").expect("it ended in order");
}

async fn a_client_finishes_its_calls_and_then_finds_the_next_server(network: Network) {
    let served = serve(network).await;
    let client = served.client().await;
    let (served, _next, held) = succeed(served, &client).await;
    served.state.release(1);
    assert_eq!(held.await.expect("it does not panic").expect("it was accepted"), 1);
    served.task.await.expect("it does not panic").expect("it ended in order");
    assert_eq!(client.add(1, 2).await.expect("the next server answers"), 3);
}

async fn idle_clients_do_not_hold_it_up(network: Network) {
    let served = serve(network).await;
    let idle = served.client().await;
    let mut introduced = served.introduced().await;
    let mut silent = served.wire().await;
    served.shutdown.shutdown();
    served.task.await.expect("it does not panic").expect("it ended in order");
    assert_eq!(introduced.hear().await, Said::GoAway { accepted: 0, reason: None });
    assert_eq!(introduced.hear().await, Said::Closed);
    assert_eq!(silent.preface().await, None);
    let brief = idle.add(1, 2).timeout(Duration::from_millis(10));
    assert!(brief.await.expect_err("it is gone").is_not_started());
}

async fn calls_that_do_not_end_are_dropped_after_the_drain_timeout(network: Network) {
    let brief = |server: Server| server.drain_timeout(Duration::from_millis(30));
    let mut served = Served::with(Place::new(network), brief).await;
    let client = served.client().await;
    let held = tokio::spawn(client.hold(1));
    let spawned = tokio::spawn(client.hold_spawned(2));
    assert_eq!(served.sorted_events(2).await, [1, 2].map(Event::Started));
    served.shutdown.shutdown();
    assert_eq!(served.sorted_events(2).await, [1, 2].map(Event::Dropped));
    for call in [held, spawned] {
        let error = call.await.expect("it does not panic").expect_err("it was dropped");
        assert!(error.is_unavailable() && !error.is_not_started(), "{error:?}");
    }
    served.task.await.expect("it does not panic").expect("it ended");
}

async fn a_call_that_expires_while_draining_ends_the_drain(network: Network) {
    let mut served = serve(network).await;
    let mut wire = served.introduced().await;
    let request = crate::support::request_with_metadata(1, "Probe.hold", 200_000, ("a", "b"), 1);
    wire.say(&request).await;
    assert_eq!(served.event().await, Event::Started(1));
    served.shutdown.shutdown();
    assert_eq!(wire.hear().await, Said::GoAway { accepted: 1, reason: None });
    assert_eq!(served.event().await, Event::Dropped(1));
    assert!(matches!(wire.hear().await, Said::Failure { id: 1, code: 4, .. }));
    assert_eq!(wire.hear().await, Said::Closed);
    let ended = tokio::time::timeout(Duration::from_secs(3), served.task).await;
    ended.expect("at once").expect("it does not panic").expect("it ended in order");
}

async fn one_way_calls_finish_too(network: Network) {
    let mut served = serve(network).await;
    let mut wire = served.introduced().await;
    // A notification of `hold_unanswered(1)`.
    wire.say(b"\x93\x02\xb5Probe.hold_unanswered\x91\x01").await;
    assert_eq!(served.event().await, Event::Started(1));
    served.shutdown.shutdown();
    assert_eq!(wire.hear().await, Said::GoAway { accepted: 1, reason: None });
    served.state.release(1);
    assert_eq!(served.event().await, Event::Ended(1));
    assert_eq!(wire.hear().await, Said::Closed);
    served.task.await.expect("it does not panic").expect("it ended in order");
}

async fn a_signal_ends_it(network: Network) {
    let place = Place::new(network);
    let server = Server::bind(place.address()).await.expect("it is free");
    let address = server.local_addr().expect("it is bound").to_string();
    let (steward, state, mut events) = service();
    let (signal, caught) = oneshot::channel::<()>();
    let task = tokio::spawn(server.add(ProbeDispatcher::new(steward)).run_until(caught));
    let client = ProbeClient::connect(&address).await.expect("it listens");
    let held = tokio::spawn(client.hold(1));
    assert_eq!(events.recv().await, Some(Event::Started(1)));
    signal.send(()).expect("it runs");
    while Channel::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    state.release(1);
    assert_eq!(held.await.expect("it does not panic").expect("it was accepted"), 1);
    task.await.expect("it does not panic").expect("it ended in order");
}

async fn a_dropped_server_ends_at_once(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    let held = tokio::spawn(client.hold(1));
    let spawned = tokio::spawn(client.hold_spawned(2));
    assert_eq!(served.sorted_events(2).await, [1, 2].map(Event::Started));
    served.task.abort();
    assert_eq!(served.sorted_events(2).await, [1, 2].map(Event::Dropped));
    assert!(held.await.expect("it does not panic").expect_err("it is gone").is_unavailable());
    assert!(spawned.await.expect("it does not panic").expect_err("it is gone").is_unavailable());
}

/// More connect than a task takes of its listener in one go.
#[tokio::test]
async fn all_who_queue_at_the_end_are_greeted() {
    crate::support::within(async {
        const QUEUE: u32 = 300;
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("the system has sockets");
        let anywhere: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
        socket.bind(&anywhere.into()).expect("a port is free");
        socket.listen(1_024).expect("it is bound");
        let listener = rpc::Listener::try_from(std::net::TcpListener::from(socket));
        let server = Server::new(listener.expect("it listens"));
        let address = server.local_addr().expect("it is bound").to_string();
        let (steward, _state, _events) = service();
        let server = server.add(ProbeDispatcher::new(steward));
        let mut queue = Vec::new();
        for id in 0..QUEUE {
            let mut wire = crate::support::connect(&address).await;
            wire.send(&rpc_core::frame::preface(1, 0)).await;
            wire.say(&crate::support::hello(0)).await;
            wire.say(&request(id, "Probe.add", numbers(&[1, 2]))).await;
            queue.push((id, wire));
        }
        server.shutdown_handle().shutdown();
        let task = tokio::spawn(server.run());
        for (id, mut wire) in queue {
            wire.preface().await.expect("it is greeted");
            assert_eq!(wire.hear().await, Said::Hello);
            // It learns that its call did not run, if it was not accepted.
            let said = wire.hear_until(|said| *said == Said::Closed).await;
            let is_right = match &said[..] {
                [Said::GoAway { accepted: 0, .. }, Said::Closed]
                | [
                    Said::GoAway { accepted: 0, .. },
                    Said::Failure { flags: 1, .. },
                    Said::Closed,
                ] => true,
                [Said::GoAway { accepted: 1, .. }, answer, Said::Closed]
                | [answer, Said::GoAway { accepted: 1, .. }, Said::Closed] => {
                    *answer == Said::number(id, 3)
                }
                _ => false,
            };
            assert!(is_right, "{said:?}");
        }
        task.await.expect("it does not panic").expect("it ended in order");
    })
    .await;
}
