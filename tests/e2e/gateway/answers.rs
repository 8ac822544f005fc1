//! Calls with one answer, behind two gateways.

use std::time::Duration;

use rpc::{Bytes, CallError, Channel, Code, Error, Server};
use tokio::runtime::Builder;

use super::{Behind, Gateway};
use crate::support::{
    Event, MathError, Network, Place, Point, ProbeClient, Said, Served, numbers, on_each_network,
    poll_once, request, serve,
};

on_each_network!(
    deadline_metadata_cancellation_and_typed_errors_cross_two,
    arguments_and_results_cross_as_they_are,
    large_payloads_cross_both_ways,
    an_expired_call_ends_at_the_server,
    a_gateway_clamps_what_it_is_asked_for,
    a_caller_that_is_gone_cancels,
    attempts_are_counted_on,
    one_way_calls_cross,
    a_server_that_is_killed_may_have_run_the_call,
    a_server_that_drains_finishes_its_calls,
    a_server_that_is_not_there_has_not_started_it,
    what_a_server_refused_has_not_started,
    where_handlers_run_is_the_servers_business,
);

async fn deadline_metadata_cancellation_and_typed_errors_cross_two(network: Network) {
    let mut behind = Behind::two(network).await;
    let probe = behind.probe().await;
    // Less than the channels' own timeout, and more.
    for seconds in [20, 100] {
        let timeout = Duration::from_secs(seconds);
        let call = probe.seen().timeout(timeout).metadata("tenant", "a").metadata("trace", "7");
        let seen = call.await.expect("it answers");
        let left = seen.time_left.expect("it has a deadline");
        assert!(left < timeout && left > timeout - Duration::from_secs(15), "{left:?}");
        assert_eq!(seen.method, "Probe.seen");
        let sent = [("tenant", "a"), ("trace", "7")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(seen.metadata, sent);
        assert_eq!(seen.attempt, 1);
    }
    let mut held = probe.hold(1);
    assert!(poll_once(&mut held).await.is_pending());
    assert_eq!(behind.served.event().await, Event::Started(1));
    drop(held);
    assert_eq!(behind.served.event().await, Event::Dropped(1));
    match probe.divide(1, 0).await {
        Err(CallError::App(MathError::DivideByZero)) => {}
        other => unreachable!("{other:?}"),
    }
    let error = probe.divide(2_000, 1).await.expect_err("it is too large");
    assert_eq!(error.app(), Some(&MathError::TooLarge { value: 2_000, limit: 1_000 }));
    let error = probe.refuse("not now").await.expect_err("it refuses");
    assert_eq!((error.kind(), error.message()), (Code::FailedPrecondition, "not now"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(!error.is_not_started() && !error.is_application());
}

async fn arguments_and_results_cross_as_they_are(network: Network) {
    let behind = Behind::two(network).await;
    let probe = behind.probe().await;
    let at = Point { x: 1, y: -2, label: None };
    let greeting = probe.greet("bob", &["one".to_owned(), "two".to_owned()], &at);
    assert_eq!(greeting.await.expect("it answers"), "hello bob, one and two at 1/-2");
    assert_eq!(probe.reverse(vec![1, 2, 3]).await.expect("it answers"), [3, 2, 1]);
    // What the service would refuse, and what it does not have.
    let channel = probe.channel();
    let error = channel.call::<i64>("Probe.add", (1,)).await.expect_err("there are two");
    assert_eq!(error.message(), "missing argument \"b\"");
    assert!(error.is_not_started());
    let error = channel.call::<i64>("Probe.addd", (1, 2)).await.expect_err("there is none");
    assert_eq!(error.kind(), Code::Unimplemented);
    let panicked = probe.panic(false).await.expect_err("it panics");
    assert_eq!((panicked.kind(), panicked.message()), (Code::Internal, "the handler panicked"));
}

async fn large_payloads_cross_both_ways(network: Network) {
    let behind = Behind::two(network).await;
    let probe = behind.probe().await;
    for size in [100_000, 1 << 20, (16 << 20) - 200] {
        let data: Bytes = (0..size).map(|n| u8::try_from(n % 251).expect("it is small")).collect();
        assert!(probe.echo(data.clone()).await.expect("it answers") == data, "{size} bytes");
    }
    let error = probe.echo(Bytes::from(vec![0; 17 << 20])).await.expect_err("it is too large");
    assert_eq!(error.kind(), Code::ResourceExhausted);
}

async fn an_expired_call_ends_at_the_server(network: Network) {
    let mut behind = Behind::two(network).await;
    let probe = behind.probe().await;
    let held = tokio::spawn(probe.hold(1).timeout(Duration::from_millis(300)));
    assert_eq!(behind.served.event().await, Event::Started(1));
    assert_eq!(behind.served.event().await, Event::Dropped(1));
    assert!(held.await.expect("it does not panic").expect_err("it expires").is_timeout());
}

async fn a_gateway_clamps_what_it_is_asked_for(network: Network) {
    let served = serve(network).await;
    let clamps = |server: Server| server.max_timeout(Duration::from_secs(10));
    let gateway = Gateway::with(network, served.channel().await, clamps).await;
    let probe = ProbeClient::new(gateway.channel().await);
    let seen = probe.seen().timeout(Duration::from_secs(100)).await.expect("it answers");
    let left = seen.time_left.expect("it has a deadline");
    assert!(left < Duration::from_secs(10) && left > Duration::from_secs(1), "{left:?}");
}

async fn a_caller_that_is_gone_cancels(network: Network) {
    let mut behind = Behind::two(network).await;
    let mut wire = behind.near.wire().await;
    wire.say(&request(1, "Probe.hold", numbers(&[1]))).await;
    assert_eq!(behind.served.event().await, Event::Started(1));
    drop(wire);
    assert_eq!(behind.served.event().await, Event::Dropped(1));
}

async fn attempts_are_counted_on(network: Network) {
    let mut behind = Behind::two(network).await;
    let mut wire = behind.near.wire().await;
    // With metadata, in which number 1 is the attempt (PROTOCOL 7.2).
    let rest = |out: &mut Vec<u8>| out.extend([0x81, 1, 3, 0x91, 1]);
    let mut message = request(1, "Probe.find", rest);
    message[..2].copy_from_slice(&[0x95, 3]);
    wire.say(&message).await;
    assert_eq!(behind.served.event().await, Event::Noted("attempt 3".to_owned()));
    assert_eq!(behind.served.event().await, Event::Started(1));
    behind.served.state.release(1);
    let Said::Result { id: 1, .. } = wire.hear().await else { unreachable!("it answers") };
}

async fn one_way_calls_cross(network: Network) {
    let mut behind = Behind::two(network).await;
    let probe = behind.probe().await;
    probe.note("a line").await.expect("it is accepted");
    assert_eq!(behind.served.event().await, Event::Noted("a line".to_owned()));
    probe.receive(&vec![7; 1 << 20]).await.expect("it is accepted");
    assert_eq!(behind.served.event().await, Event::Received(1 << 20));
    // One that would answer, called without wanting to know.
    probe.channel().notify("Probe.note_sum", (2, 3)).await.expect("it is accepted");
    assert_eq!(behind.served.event().await, Event::Noted("2 + 3".to_owned()));
}

async fn a_server_that_is_killed_may_have_run_the_call(network: Network) {
    let mut behind = Behind::two(network).await;
    let probe = behind.probe().await;
    let held = tokio::spawn(probe.hold(1));
    assert_eq!(behind.served.event().await, Event::Started(1));
    behind.served.task.abort();
    let error = held.await.expect("it does not panic").expect_err("it is gone");
    assert!(error.is_unavailable() && !error.is_not_started(), "{error:?}");
    // The far one has found it; the near one passes it on.
    assert!(error.message().starts_with("at the gateway: "), "{error}");
    assert_eq!(error.message().matches("at the gateway").count(), 1, "{error}");
}

async fn a_server_that_drains_finishes_its_calls(network: Network) {
    let mut behind = Behind::two(network).await;
    let probe = behind.probe().await;
    let held = tokio::spawn(probe.hold(1));
    assert_eq!(behind.served.event().await, Event::Started(1));
    behind.served.shutdown.shutdown();
    behind.served.state.release(1);
    assert_eq!(held.await.expect("it does not panic").expect("it answers"), 1);
    behind.served.task.await.expect("it does not panic").expect("it ended in order");
}

async fn a_server_that_is_not_there_has_not_started_it(network: Network) {
    let served = serve(network).await;
    let (place, address) = served.kill().await;
    let builder = Channel::builder(&address).wait_for_connection(Duration::ZERO).max_attempts(1);
    let gateway = Gateway::to(network, builder.connect_lazy()).await;
    let channel = Channel::builder(&gateway.address).max_attempts(1).connect().await;
    let probe = ProbeClient::new(channel.expect("it listens"));
    let error = probe.add(1, 2).await.expect_err("there is nobody");
    assert!(error.is_unavailable() && error.is_not_started(), "{error:?}");
    assert!(error.message().starts_with("at the gateway: cannot connect to "), "{error}");
    drop(place);
}

async fn what_a_server_refused_has_not_started(network: Network) {
    let refuse = |server: Server| {
        server.authorize(|ctx, _| match ctx.metadata().get("tenant") {
            Some("a") => Ok(()),
            _ => Err(Error::resource_exhausted("full").with_retry_after(Duration::from_secs(60))),
        })
    };
    let served = Served::with(Place::new(network), refuse).await;
    let gateway = Gateway::to(network, served.channel().await).await;
    let channel = gateway.channel().await;
    let error = ProbeClient::new(channel.clone()).add(1, 2).timeout(Duration::from_secs(20));
    let error = error.await.expect_err("it is full");
    assert_eq!((error.kind(), error.message()), (Code::ResourceExhausted, "full"));
    assert!(error.is_not_started() && error.is_retryable());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    let sum = ProbeClient::new(channel.metadata("tenant", "a")).add(1, 2).await;
    assert_eq!(sum.expect("it answers"), 3);
}

/// A gateway whose runtime has one thread for blocking work passes on many calls of a blocking method.
async fn where_handlers_run_is_the_servers_business(network: Network) {
    let mut served = serve(network).await;
    let upstream = served.address.clone();
    let (sender, address) = tokio::sync::oneshot::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().max_blocking_threads(1).enable_all().build();
        runtime.expect("it starts").block_on(async move {
            let channel = Channel::connect(&upstream).await.expect("it listens");
            let gateway = Gateway::to(Network::Tcp, channel).await;
            sender.send(gateway.address.clone()).expect("the test waits");
            let _ = stopped.await;
        });
    });
    let address = address.await.expect("it is there");
    let probe = ProbeClient::connect(&address).await.expect("it listens");
    let held: Vec<_> = (0..4).map(|key| tokio::spawn(probe.hold_stubbornly(key))).collect();
    let spawned = tokio::spawn(probe.hold_spawned(4));
    let started: Vec<_> = (0..5).map(Event::Started).collect();
    assert_eq!(served.sorted_events(5).await, started);
    (0..5).for_each(|key| served.state.release(key));
    for (key, held) in (0..).zip(held) {
        assert_eq!(held.await.expect("it does not panic").expect("it answers"), key);
    }
    assert_eq!(spawned.await.expect("it does not panic").expect("it answers"), 4);
    drop(stop);
    thread.join().expect("it ends");
}
