//! A call looks like a local one: typed arguments, typed results, typed errors, whatever their size and number.

use std::collections::HashSet;

use futures_util::{StreamExt, stream::FuturesUnordered};
use rpc::{Bytes, CallError, Channel, Code, Origin};

use crate::support::{
    Event, MathError, Network, Place, Point, ProbeClient, Served, on_each_network, serve,
};

on_each_network!(
    results_and_errors_have_their_types,
    arguments_may_be_borrowed,
    bytes_of_every_size_survive,
    megabytes_travel_both_ways_at_once,
    a_thousand_calls_are_answered_in_any_order,
    structs_cross_compact_too,
);

async fn results_and_errors_have_their_types(network: Network) {
    let served = serve(network).await;
    let client = served.client().await;
    assert_eq!(client.add(i64::MAX, -1).await.expect("it answers"), i64::MAX - 1);
    assert_eq!(client.divide(7, 2).await.expect("it answers"), 3);
    let error = client.divide(1, 0).await.expect_err("it divides by zero");
    assert_eq!(error.to_string(), "division by zero");
    assert_eq!(error.app(), Some(&MathError::DivideByZero));
    match client.divide(2_000, 1).await {
        Err(CallError::App(error)) => {
            assert_eq!(error, MathError::TooLarge { value: 2_000, limit: 1_000 });
        }
        other => unreachable!("{other:?}"),
    }
    let error = client.refuse("not today").await.expect_err("it refuses");
    assert_eq!((error.kind(), error.message()), (Code::FailedPrecondition, "not today"));
    assert_eq!(error.origin(), Origin::Remote);
    assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(7)));
    assert!(!error.is_not_started() && !error.is_retryable());
}

async fn arguments_may_be_borrowed(network: Network) {
    let served = serve(network).await;
    let client = served.client().await;
    let call = {
        let (name, tags) = ("Ada".to_owned(), ["one".to_owned(), "two".to_owned()]);
        let call = client.greet(&name, &tags, &Point { x: 1, y: 2, label: None });
        tokio::spawn(call)
    };
    let greeting = call.await.expect("it does not panic").expect("it answers");
    assert_eq!(greeting, "hello Ada, one and two at 1/2");
}

async fn bytes_of_every_size_survive(network: Network) {
    let served = serve(network).await;
    let client = served.client().await;
    // Around the sizes at which a payload is copied, sliced, a segment of its own, or takes several reads.
    let edges = [0, 1, 31, 256, 4 << 10, 8 << 10, 16 << 10, 64 << 10, 128 << 10, 1 << 20];
    for size in edges.into_iter().flat_map(|edge: usize| [edge.saturating_sub(40), edge, edge + 1])
    {
        let data: Vec<u8> = (0..size).map(|index| (index % 251).to_le_bytes()[0]).collect();
        let bytes = Bytes::from(data.clone());
        assert_eq!(client.echo(bytes.clone()).await.expect("it answers"), bytes, "{size} bytes");
        assert_eq!(client.length(&data).await.expect("it answers"), size);
        let mut reversed = client.reverse(data.clone()).await.expect("it answers");
        reversed.reverse();
        assert!(reversed == data, "{size} bytes");
    }
}

async fn megabytes_travel_both_ways_at_once(network: Network) {
    let served = serve(network).await;
    let client = served.client().await;
    let mut echoes: FuturesUnordered<_> = (0_u8..6)
        .map(|number| {
            let data = Bytes::from(vec![number; 5 << 20]);
            let call = client.echo(data.clone());
            async move { assert!(call.await.expect("it answers") == data) }
        })
        .collect();
    let mut small = 0;
    while echoes.next().await.is_some() {
        // A small call gets through beside them.
        small += client.add(1, 0).await.expect("it answers");
    }
    assert_eq!(small, 6);
}

async fn a_thousand_calls_are_answered_in_any_order(network: Network) {
    const CALLS: u32 = 1_000;
    let mut served = serve(network).await;
    let client = served.client().await;
    let mut calls: FuturesUnordered<_> = (0..CALLS)
        .map(|key| {
            let call = if key % 10 == 0 { client.hold_spawned(key) } else { client.hold(key) };
            async move { (key, call.await) }
        })
        .collect();
    let mut started = HashSet::new();
    while started.len() < CALLS as usize {
        tokio::select! {
            event = served.event() => assert!(matches!(event, Event::Started(key) if started.insert(key))),
            ended = calls.next() => unreachable!("{ended:?} was not released"),
        }
    }
    for key in (0..CALLS).rev() {
        served.state.release(key);
        let (ended, answer) = calls.next().await.expect("it is left");
        assert_eq!((ended, answer.expect("it answers")), (key, key));
    }
}

async fn structs_cross_compact_too(network: Network) {
    let served = Served::with(Place::new(network), |server| server).await;
    let compact = Channel::builder(&served.address).compact_structs().connect().await;
    let compact = ProbeClient::new(compact.expect("it listens"));
    let points =
        vec![Point { x: 1, y: -2, label: Some("a".to_owned()) }, Point { x: 3, y: 4, label: None }];
    for client in [compact, served.client().await] {
        let mirrored = client.mirror(points.clone()).await.expect("it answers");
        assert_eq!((mirrored[0].x, mirrored[0].label.as_deref()), (-2, Some("a")));
        assert_eq!(client.mirror(mirrored).await.expect("it answers"), points);
        let error = client.divide(2_000, 1).await.expect_err("it is too large");
        assert_eq!(error.app(), Some(&MathError::TooLarge { value: 2_000, limit: 1_000 }));
        assert_eq!(client.seen().await.expect("it answers").attempt, 1);
    }
}
