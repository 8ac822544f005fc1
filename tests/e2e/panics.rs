//! A panic in a handler ends its own call; its connection and all other calls go on.

use rpc::Code;

use crate::support::{Event, Network, numbers, on_each_network, request, serve};

on_each_network!(
    a_panic_is_its_calls_error,
    a_panic_in_a_cancelled_handlers_drop_stays_there,
    a_panic_while_a_connection_ends_spares_the_other_handlers,
);

async fn a_panic_is_its_calls_error(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    let held = tokio::spawn(client.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    for _ in 0..2 {
        let ends = [
            client.panic(true).await,
            client.panic(false).await,
            client.panic_spawned(true).await,
            client.panic_spawned(false).await,
            client.panic_blocking().await,
            client.panic_twice().await,
        ];
        for end in ends {
            let error = end.expect_err("it panics");
            assert_eq!((error.kind(), error.message()), (Code::Internal, "the handler panicked"));
            assert!(!error.is_not_started());
        }
    }
    served.state.release(1);
    assert_eq!(held.await.expect("it does not panic").expect("it answers"), 1);
}

async fn a_panic_in_a_cancelled_handlers_drop_stays_there(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    let held = tokio::spawn(client.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    let call = tokio::spawn(client.panic_when_dropped(2));
    assert_eq!(served.event().await, Event::Started(2));
    call.abort();
    assert_eq!(served.event().await, Event::Dropped(2));
    // The same slot again.
    let call = tokio::spawn(client.panic_when_dropped(3));
    assert_eq!(served.event().await, Event::Started(3));
    served.state.release(3);
    call.await.expect("it does not panic").expect("it answers");
    served.state.release(1);
    assert_eq!(held.await.expect("it does not panic").expect("it answers"), 1);
}

async fn a_panic_while_a_connection_ends_spares_the_other_handlers(network: Network) {
    let mut served = serve(network).await;
    let mut wire = served.introduced().await;
    for id in 1..=9 {
        let method = if id % 3 == 0 { "Probe.panic_when_dropped" } else { "Probe.hold" };
        wire.say(&request(id, method, numbers(&[id.into()]))).await;
        assert_eq!(served.event().await, Event::Started(id));
    }
    drop(wire);
    let keys: Vec<_> = (1..=9).map(Event::Dropped).collect();
    assert_eq!(served.sorted_events(9).await, keys);
    served.assert_serves().await;
}
