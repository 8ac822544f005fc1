//! Cancellation reaches the work: whoever stops waiting stops the handler, and nothing is left of it.

use futures_util::future::join_all;

use crate::support::{Event, Network, Place, Served, numbers, on_each_network, request, serve};

on_each_network!(
    a_dropped_call_stops_its_handler,
    a_dropped_client_stops_all_its_handlers,
    a_lost_connection_stops_its_handlers,
    a_cancelled_handler_stops_the_calls_it_makes,
    a_call_that_was_not_polled_never_happened,
    a_call_that_waits_for_its_turn_is_dropped_silently,
    a_storm_of_cancels_leaves_nothing_behind,
    a_cancel_may_cross_the_answer,
);

async fn a_dropped_call_stops_its_handler(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    let others = tokio::spawn(client.hold(100));
    assert_eq!(served.event().await, Event::Started(100));
    for (key, call) in
        [(1, client.hold(1)), (2, client.hold_spawned(2)), (3, client.hold_blocking(3))]
    {
        let call = tokio::spawn(call);
        assert_eq!(served.event().await, Event::Started(key));
        call.abort();
        let end = if key == 3 { Event::Cancelled(key) } else { Event::Dropped(key) };
        assert_eq!(served.event().await, end);
    }
    let watched = tokio::spawn(client.watch(4));
    assert_eq!(served.event().await, Event::Started(4));
    watched.abort();
    assert_eq!(served.event().await, Event::Cancelled(4));
    served.state.release(100);
    assert_eq!(others.await.expect("it was not cancelled").expect("it answers"), 100);
}

/// Starts a call of each kind, with the keys 1 to 5.
async fn start_each(served: &mut Served) -> tokio::task::JoinSet<()> {
    let client = served.client().await;
    let mut calls = tokio::task::JoinSet::new();
    for call in [client.hold(1), client.hold_spawned(2), client.hold_blocking(3)] {
        calls.spawn(async move {
            let _ = call.await;
        });
    }
    let call = client.watch(4);
    calls.spawn(async move {
        let _ = call.await;
    });
    client.hold_unanswered(5).await.expect("it is accepted");
    assert_eq!(served.sorted_events(5).await, [1, 2, 3, 4, 5].map(Event::Started));
    calls
}

fn each_end() -> [Event; 5] {
    [
        Event::Dropped(1),
        Event::Dropped(2),
        Event::Dropped(5),
        Event::Cancelled(3),
        Event::Cancelled(4),
    ]
}

async fn a_dropped_client_stops_all_its_handlers(network: Network) {
    let mut served = serve(network).await;
    let calls = start_each(&mut served).await;
    drop(calls);
    assert_eq!(served.sorted_events(5).await, each_end());
    served.assert_serves().await;
}

async fn a_lost_connection_stops_its_handlers(network: Network) {
    let mut served = serve(network).await;
    let mut wire = served.introduced().await;
    let methods = ["hold", "hold_spawned", "hold_blocking", "watch", "hold"];
    for (id, method) in (1..).zip(methods) {
        wire.say(&request(id, &format!("Probe.{method}"), numbers(&[id.into()]))).await;
    }
    assert_eq!(served.sorted_events(5).await, [1, 2, 3, 4, 5].map(Event::Started));
    drop(wire);
    assert_eq!(served.sorted_events(5).await, each_end());
    served.assert_serves().await;
}

async fn a_cancelled_handler_stops_the_calls_it_makes(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    served.state.upstream.set(served.client().await).expect("it is set once");
    let call = tokio::spawn(client.relay_hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    call.abort();
    assert_eq!(served.event().await, Event::Dropped(1));
}

async fn a_call_that_was_not_polled_never_happened(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    drop(client.hold(1));
    drop(client.hold_unanswered(2));
    assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
    assert!(served.events.try_recv().is_err(), "nothing began");
}

async fn a_call_that_waits_for_its_turn_is_dropped_silently(network: Network) {
    let limited = |server: rpc::Server| server.max_calls_per_connection(1);
    let mut served = Served::with(Place::new(network), limited).await;
    let client = served.client().await;
    let first = tokio::spawn(client.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    let mut waiting = Box::pin(client.hold(2));
    assert!(crate::support::poll_once(&mut waiting).await.is_pending());
    let third = tokio::spawn(client.hold(3));
    tokio::task::yield_now().await;
    drop(waiting);
    served.state.release(1);
    assert_eq!(first.await.expect("it does not panic").expect("it answers"), 1);
    assert_eq!(served.event().await, Event::Ended(1));
    assert_eq!(served.event().await, Event::Started(3));
    served.state.release(3);
    assert_eq!(third.await.expect("it does not panic").expect("it answers"), 3);
}

async fn a_storm_of_cancels_leaves_nothing_behind(network: Network) {
    let limited = |server: rpc::Server| server.max_calls_per_connection(8);
    let mut served = Served::with(Place::new(network), limited).await;
    let client = served.client().await;
    for round in 0..50 {
        // More than are accepted at once, dropped wherever they are.
        let mut calls: Vec<_> = (0..20)
            .map(|key| {
                Box::pin(if round % 2 == 0 { client.hold(key) } else { client.hold_spawned(key) })
            })
            .collect();
        for call in &mut calls {
            assert!(crate::support::poll_once(call).await.is_pending());
        }
        drop(calls);
        if round % 3 == 0 {
            client.note("between").await.expect("it is accepted");
        }
    }
    assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
    while served.events.try_recv().is_ok() {}
    // All places are there again.
    let calls: Vec<_> = (100..108).map(|key| tokio::spawn(client.hold(key))).collect();
    let mut started = 0;
    while started < 8 {
        // A spawned handler that was aborted may say so only now.
        started += u32::from(matches!(served.event().await, Event::Started(100..)));
    }
    (100..108).for_each(|key| served.state.release(key));
    for answer in join_all(calls).await {
        answer.expect("it does not panic").expect("it answers");
    }
}

async fn a_cancel_may_cross_the_answer(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    for key in 0..300 {
        let call = tokio::spawn(client.hold(key));
        while served.event().await != Event::Started(key) {}
        served.state.release(key);
        if key % 2 == 0 {
            tokio::task::yield_now().await;
        }
        call.abort();
    }
    assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
}
