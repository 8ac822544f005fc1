//! Overload is refused, not suffered, and a limit's error names the limit, its value and who can raise it.

use std::{sync::Arc, time::Duration};

use futures_util::future::{join_all, try_join_all};
use rpc::{Channel, Code};

use crate::support::{
    Event, Network, Place, ProbeClient, ProbeDispatcher, Said, Served, Wire, numbers,
    on_each_network, request, request_with_metadata, serve, service, within_a_day,
};

on_each_network!(
    a_request_above_the_servers_limit_fails_alone,
    the_server_discards_what_is_too_large,
    an_answer_above_the_clients_limit_fails_alone,
    a_client_waits_for_its_turn,
    a_server_refuses_calls_above_its_limit,
    blocking_handlers_count_until_they_end_though_cancelled,
    metadata_has_a_limit,
    calls_above_high_water_go_out_before_any_answer,
    a_reader_that_is_slow_gets_everything,
    a_connection_above_the_limit_waits_to_be_accepted,
    who_says_nothing_is_shown_out,
);

const LEAST: usize = 64 << 10;

async fn a_request_above_the_servers_limit_fails_alone(network: Network) {
    let limited = |server: rpc::Server| server.max_message_size(LEAST);
    let mut served = Served::with(Place::new(network), limited).await;
    let client = served.client().await;
    let held = tokio::spawn(client.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    let error = client.length(&vec![0; 100_000]).await.expect_err("it is too large");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    let (start, end) = (
        "the request has 100",
        " bytes, more than the 65536 that the server accepts; raise it with `max_message_size` on the server",
    );
    assert!(error.message().starts_with(start) && error.message().ends_with(end), "{error}");
    assert!(error.is_not_started());
    let oneway = client.receive(&vec![0; 100_000]).await.expect_err("it is too large");
    assert_eq!(oneway.kind(), Code::ResourceExhausted);
    assert_eq!(client.length(&vec![0; 65_000]).await.expect("it fits"), 65_000);
    served.state.release(1);
    assert_eq!(held.await.expect("it does not panic").expect("it answers"), 1);
}

async fn the_server_discards_what_is_too_large(network: Network) {
    let limited = |server: rpc::Server| server.max_message_size(LEAST);
    let mut served = Served::with(Place::new(network), limited).await;
    let mut wire = served.introduced().await;
    wire.say(&request(1, "Probe.hold", numbers(&[1]))).await;
    assert_eq!(served.event().await, Event::Started(1));
    let huge = request(2, "Probe.length", |out| out.resize(3 << 20, 0));
    wire.say(&huge).await;
    let message = format!(
        "the request has {} bytes, more than the 65536 that the server accepts; raise it with `max_message_size` on the server",
        huge.len()
    );
    assert_eq!(wire.hear().await, Said::Failure { id: 2, code: 8, message, flags: 1 });
    // A notification has nobody to tell.
    let mut notification = vec![0x93, 2];
    rpc_core::msgpack::write_str(&mut notification, "Probe.receive");
    notification.resize(LEAST + 1, 0);
    wire.say(&notification).await;
    wire.say(&request(3, "Probe.add", numbers(&[1, 2]))).await;
    assert_eq!(wire.hear().await, Said::number(3, 3));
    served.state.release(1);
    assert_eq!(wire.hear().await, Said::number(1, 1));
}

async fn an_answer_above_the_clients_limit_fails_alone(network: Network) {
    let served = serve(network).await;
    let channel = Channel::builder(&served.address).max_message_size(LEAST).connect().await;
    let client = ProbeClient::new(channel.expect("it listens"));
    let error = client.filler(100_000).await.expect_err("it is too large");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    let (start, end) = (
        "the answer has 100",
        " bytes, more than the 65536 that the client accepts; raise it with `max_message_size` on the channel's builder",
    );
    assert!(error.message().starts_with(start) && error.message().ends_with(end), "{error}");
    assert!(!error.is_not_started());
    assert_eq!(client.filler(65_000).await.expect("it fits").len(), 65_000);
    let channel = Channel::builder(&served.address).max_message_size(20 << 20).connect().await;
    let client = ProbeClient::new(channel.expect("it listens"));
    assert_eq!(client.filler(19 << 20).await.expect("it fits").len(), 19 << 20);
}

async fn a_client_waits_for_its_turn(network: Network) {
    let limited = |server: rpc::Server| server.max_calls_per_connection(4);
    let mut served = Served::with(Place::new(network), limited).await;
    // Some of these are sent before the server has said its limit.
    let client = ProbeClient::new(Channel::builder(&served.address).connect_lazy());
    let calls = tokio::spawn(try_join_all((0..60).map(|key| client.hold(key))));
    let (mut running, mut ended) = (Vec::new(), 0);
    while ended < 60 {
        match served.event().await {
            Event::Started(key) => running.push(key),
            Event::Ended(_) => ended += 1,
            other => unreachable!("{other:?}"),
        }
        assert!(running.len() <= 4, "no more run at once than are accepted");
        if running.len() == 4 || running.len() + ended == 60 {
            running.drain(..).for_each(|key| served.state.release(key));
        }
    }
    let answers = calls.await.expect("it does not panic").expect("all are answered");
    assert_eq!(answers, (0..60).collect::<Vec<_>>());
}

async fn a_server_refuses_calls_above_its_limit(network: Network) {
    let limited = |server: rpc::Server| server.max_calls_per_connection(2);
    let mut served = Served::with(Place::new(network), limited).await;
    let mut wire = served.introduced().await;
    for id in [1, 2] {
        wire.say(&request(id, "Probe.hold", numbers(&[id.into()]))).await;
        assert_eq!(served.event().await, Event::Started(id));
    }
    wire.say(&request(3, "Probe.add", numbers(&[1, 2]))).await;
    let message = "more than 2 calls in flight on this connection; raise it with `max_calls_per_connection` on the server";
    assert_eq!(
        wire.hear().await,
        Said::Failure { id: 3, code: 8, message: message.to_owned(), flags: 1 }
    );
    // A cancelled call gives its place back.
    wire.say(&[0x93, 6, 1, 0xc0]).await;
    assert!(matches!(wire.hear().await, Said::Failure { id: 1, code: 1, .. }));
    assert_eq!(served.event().await, Event::Dropped(1));
    wire.say(&request(1, "Probe.add", numbers(&[1, 2]))).await;
    assert_eq!(wire.hear().await, Said::number(1, 3));
}

async fn blocking_handlers_count_until_they_end_though_cancelled(network: Network) {
    const LIMIT: u32 = 4;
    let limited = |server: rpc::Server| server.max_calls_per_connection(LIMIT);
    let mut served = Served::with(Place::new(network), limited).await;
    let mut wire = served.introduced().await;
    let cancel = |id: u8| [0x93, 6, id, 0xc0];
    for key in 0..20_u8 {
        let id = u32::from(key);
        let call = request(id, "Probe.hold_stubbornly", numbers(&[key.into()]));
        if id >= LIMIT {
            // As many are cancelled and run on: there is no room, however often it is asked for.
            for _ in 0..5 {
                wire.say(&call).await;
                wire.say(&cancel(key)).await;
                let said = wire.hear().await;
                assert!(matches!(&said, Said::Failure { code: 8, flags: 1, .. }), "{said:?}");
            }
            assert!(served.events.try_recv().is_err(), "nothing began");
            let oldest = id - LIMIT;
            served.state.release(oldest);
            assert_eq!(served.event().await, Event::Ended(oldest));
            // The connection learns of it from another thread, a little later.
            loop {
                wire.say(&request(id, "Probe.add", numbers(&[1, 2]))).await;
                match wire.hear().await {
                    Said::Failure { code: 8, .. } => {}
                    said => break assert_eq!(said, Said::number(id, 3)),
                }
            }
        }
        wire.say(&call).await;
        assert_eq!(served.event().await, Event::Started(id));
        wire.say(&cancel(key)).await;
        assert!(matches!(wire.hear().await, Said::Failure { code: 1, .. }));
    }
    (16..20).for_each(|key| served.state.release(key));
    assert_eq!(served.sorted_events(4).await, [16, 17, 18, 19].map(Event::Ended));
}

async fn metadata_has_a_limit(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    let long = "x".repeat(9_000);
    let error = client.seen().metadata("long", &long).await.expect_err("it is too large");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    let message = "the metadata has 9027 bytes, more than the 8192 allowed; move large values into the arguments, or raise it with `max_metadata_size` on the channel's builder";
    assert_eq!(error.message(), message);
    assert!(error.is_not_started());
    let fits = client.seen().metadata("long", &long[..8_000]).await.expect("it fits");
    assert_eq!(fits.metadata[0].1.len(), 8_000);

    let mut wire = served.introduced().await;
    wire.say(&request_with_metadata(1, "Probe.hold", 1_000_000, ("long", &long), 1)).await;
    let Said::Failure { id: 1, code: 8, message, flags: 1 } = wire.hear().await else {
        unreachable!("it is refused")
    };
    assert!(message.starts_with("the metadata has 90") && message.contains("8192"), "{message}");
    wire.say(&request(2, &"m".repeat(256), numbers(&[]))).await;
    let message = "the method's name has 256 bytes, more than the 255 allowed".to_owned();
    assert_eq!(wire.hear().await, Said::Failure { id: 2, code: 3, message, flags: 1 });
    wire.say(&request(3, "Probe.add", numbers(&[1, 2]))).await;
    assert_eq!(wire.hear().await, Said::number(3, 3));
    assert!(served.events.try_recv().is_err(), "nothing began");
}

async fn calls_above_high_water_go_out_before_any_answer(network: Network) {
    let served = serve(network).await;
    let client = served.client().await;
    // The third waits for the output to drain, and the other two for the third.
    let data = vec![1; 600 << 10];
    let sizes = join_all((0..3).map(|_| client.meet(&data).timeout(Duration::from_secs(20)))).await;
    for size in sizes {
        assert_eq!(size.expect("all three meet"), data.len());
    }
}

async fn a_reader_that_is_slow_gets_everything(network: Network) {
    const ANSWERS: u32 = 40;
    let served = serve(network).await;
    let mut wire = served.introduced().await;
    // Far more than sockets and high water hold, of which nothing is read at first.
    for id in 0..ANSWERS {
        wire.say(&request(id, "Probe.filler", numbers(&[256 << 10]))).await;
    }
    served.assert_serves().await;
    for id in 0..ANSWERS {
        match wire.hear().await {
            Said::Result { id: answered, payload } => {
                assert_eq!((answered, payload.len()), (id, (256 << 10) + 5));
            }
            other => unreachable!("{other:?}"),
        }
    }
    wire.say(&request(1, "Probe.add", numbers(&[1, 2]))).await;
    assert_eq!(wire.hear().await, Said::number(1, 3));
}

/// Time is paused, so that it passes only when nobody has anything left to do.
#[tokio::test(start_paused = true)]
async fn handlers_rest_while_their_answers_are_not_read() {
    const CALLS: u32 = 100;
    const SIZE: usize = 256 << 10;
    within_a_day(async {
        let (steward, state, mut events) = service();
        let (client, server) = tokio::io::duplex(64 << 10);
        let dispatchers: Vec<Arc<dyn rpc::Dispatcher>> =
            vec![Arc::new(ProbeDispatcher::new(steward))];
        let task = tokio::spawn(rpc::serve_stream(server, dispatchers));
        let mut wire = Wire::new(client);
        wire.introduce().await;
        for id in 0..CALLS {
            wire.say(&request(id, "Probe.hold_filler", numbers(&[id.into(), SIZE as u64]))).await;
        }
        for id in 0..CALLS {
            assert_eq!(events.recv().await, Some(Event::Started(id)));
        }
        (0..CALLS).for_each(|key| state.release(key));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut ended = 0;
        while let Ok(Event::Ended(_)) = events.try_recv() {
            ended += 1;
        }
        // As many as pass the high-water mark, one that is above it, and what the pipe holds.
        let most = rpc::limits::WRITE_HIGH_WATER / SIZE + 2;
        assert!((1..=most).contains(&ended), "{ended} of {CALLS} ended, not {most} at most");
        let mut answered = Vec::new();
        for _ in 0..CALLS {
            match wire.hear().await {
                Said::Result { id, payload } if payload.len() == SIZE + 5 => answered.push(id),
                other => unreachable!("{other:?}"),
            }
        }
        answered.sort_unstable();
        assert_eq!(answered, (0..CALLS).collect::<Vec<_>>());
        wire.say(&request(1, "Probe.add", numbers(&[1, 2]))).await;
        assert_eq!(wire.hear().await, Said::number(1, 3));
        task.abort();
    })
    .await;
}

async fn a_connection_above_the_limit_waits_to_be_accepted(network: Network) {
    let served = Served::with(Place::new(network), |server| server.max_connections(2)).await;
    let (first, _second) = (served.introduced().await, served.introduced().await);
    let mut third = served.wire().await;
    let mut introduced = Box::pin(third.introduce());
    assert!(crate::support::poll_once(&mut introduced).await.is_pending());
    drop(first);
    introduced.await;
}

async fn who_says_nothing_is_shown_out(network: Network) {
    let brief = |server: rpc::Server| server.handshake_timeout(Duration::from_millis(30));
    let served = Served::with(Place::new(network), brief).await;
    let mut silent = served.wire().await;
    assert_eq!(silent.preface().await, None);
    let mut half = served.wire().await;
    half.send(&rpc_core::frame::preface(1, 0)).await;
    half.preface().await.expect("it answers the preface");
    assert_eq!(half.hear().await, Said::Hello);
    assert_eq!(half.hear().await, Said::Closed);
    // Who has introduced itself may say nothing for as long as it likes.
    let mut idle = served.introduced().await;
    assert_eq!(served.wire().await.preface().await, None);
    idle.say(&request(1, "Probe.add", numbers(&[1, 2]))).await;
    assert_eq!(idle.hear().await, Said::number(1, 3));
}
