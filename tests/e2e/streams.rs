//! Streams in every direction: what is sent arrives, in order, whole, and with its end.

use futures_util::future::join_all;
use rpc::{Bytes, CallError, Channel, Code, StreamExt, stream};

use crate::support::{
    Event, FeedClient, Feeder, MathError, Network, Place, Served, on_each_network, serve, service,
    within,
};

on_each_network!(
    a_server_streams,
    a_client_streams,
    both_stream,
    a_stream_may_be_awaited,
    a_method_may_fail_before_its_stream,
    an_item_that_is_an_error_does_not_end_its_stream,
    order_is_kept_over_100_000_items,
    streams_may_be_empty,
    items_have_any_size,
    items_above_the_window_pass_one_by_one,
    many_streams_run_side_by_side,
    streams_run_where_handlers_are_spawned,
    a_stream_that_was_not_polled_never_happened,
    metadata_go_along,
);

async fn a_server_streams(network: Network) {
    let served = serve(network).await;
    let client = served.feed().await;
    for mut numbers in [client.count(5), client.count_spawned(5)] {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number.expect("it arrives");
        }
        assert_eq!(sum, 10);
        // The end stays the end.
        assert!(numbers.next().await.is_none());
        assert_eq!(numbers.lost(), 0);
    }
}

async fn a_client_streams(network: Network) {
    let served = serve(network).await;
    let client = served.feed().await;
    assert_eq!(client.sum(stream::iter(1..=10)).await.expect("it answers"), 55);
    assert_eq!(client.sum_spawned(stream::iter(1..=10)).await.expect("it answers"), 55);
    // One that takes its time.
    let slow = stream::iter(1..=10).then(async |number| {
        tokio::task::yield_now().await;
        number
    });
    assert_eq!(client.sum(slow).await.expect("it answers"), 55);
    let mixed = stream::iter([Ok(1), Err(MathError::DivideByZero), Ok(2)]);
    assert_eq!(client.mixed(mixed).await.expect("it answers"), [false, true, false]);
}

async fn both_stream(network: Network) {
    let served = serve(network).await;
    let client = served.feed().await;
    for spawned in [false, true] {
        let (sender, numbers) = crate::support::fed();
        let mut doubled =
            if spawned { client.doubled_spawned(numbers) } else { client.doubled(numbers) };
        // One after the other, each with what came before.
        for number in 0..100 {
            sender.send(number).expect("it is taken");
            assert_eq!(
                doubled.next().await.expect("there is one").expect("it arrives"),
                2 * number
            );
        }
        drop(sender);
        assert!(doubled.next().await.is_none());
    }
}

async fn a_stream_may_be_awaited(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    let mut later = Box::pin(client.later(1, 3));
    assert!(crate::support::poll_once(&mut later).await.is_pending());
    assert_eq!(served.event().await, Event::Started(1));
    assert!(crate::support::poll_once(&mut later).await.is_pending());
    served.state.release(1);
    let numbers: Vec<_> = later.await.expect("it begins").map(Result::unwrap).collect().await;
    assert_eq!(numbers, [0, 1, 2]);
    assert_eq!(served.event().await, Event::Ended(1));
}

async fn a_method_may_fail_before_its_stream(network: Network) {
    let served = serve(network).await;
    let client = served.feed().await;
    let numbers = client.since(5).await.expect("it begins");
    assert_eq!(numbers.map(Result::unwrap).collect::<Vec<_>>().await, [5, 6, 7]);
    match client.since(2_000).await {
        Err(CallError::App(error)) => {
            assert_eq!(error, MathError::TooLarge { value: 2_000, limit: 1_000 });
        }
        other => unreachable!("{other:?}"),
    }
}

async fn an_item_that_is_an_error_does_not_end_its_stream(network: Network) {
    let served = serve(network).await;
    let client = served.feed().await;
    let odd: Vec<_> = client.odd(4).collect().await;
    assert!(
        matches!(
            &odd[..],
            [
                Err(CallError::App(MathError::DivideByZero)),
                Ok(1),
                Err(CallError::App(MathError::DivideByZero)),
                Ok(3)
            ]
        ),
        "{odd:?}"
    );
    let flat: Vec<_> = client.odd_flat(4).collect().await;
    let kinds: Vec<_> = flat.into_iter().map(|odd| odd.map_err(|error| error.kind())).collect();
    assert_eq!(kinds, [Err(Code::Aborted), Ok(1), Err(Code::Aborted), Ok(3)]);
}

async fn order_is_kept_over_100_000_items(network: Network) {
    const ITEMS: u64 = 100_000;
    let served = serve(network).await;
    let client = served.feed().await;
    let mut expected = 0;
    let mut numbers = client.count(ITEMS);
    while let Some(number) = numbers.next().await {
        assert_eq!(number.expect("it arrives"), expected);
        expected += 1;
    }
    assert_eq!(expected, ITEMS);
    let mut doubled = client.doubled(stream::iter(0..ITEMS));
    for number in 0..ITEMS {
        assert_eq!(doubled.next().await.expect("there is one").expect("it arrives"), 2 * number);
    }
    assert!(doubled.next().await.is_none());
}

async fn streams_may_be_empty(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    assert!(client.count(0).next().await.is_none());
    assert_eq!(client.sum(stream::empty()).await.expect("it answers"), 0);
    assert!(client.doubled(stream::empty()).next().await.is_none());
    let later = tokio::spawn(client.later(1, 0));
    assert_eq!(served.event().await, Event::Started(1));
    served.state.release(1);
    let mut none = later.await.expect("it does not panic").expect("it begins");
    assert!(none.next().await.is_none());
    // Items may be empty, too.
    let sizes = client.sizes(stream::iter(vec![Bytes::new(); 1_000])).await;
    assert_eq!(sizes.expect("it answers"), vec![0; 1_000]);
}

/// From nothing to a mebibyte, around each size at which something changes: blocks, copies, segments, parts, the window.
fn sizes() -> Vec<usize> {
    let steps: [usize; 10] =
        [0, 1, 255, 4 << 10, 8 << 10, 16 << 10, 64 << 10, 128 << 10, 256 << 10, 1 << 20];
    let mut sizes: Vec<_> = steps
        .into_iter()
        .flat_map(|size| [size.saturating_sub(40), size.saturating_sub(1), size, size + 1])
        .collect();
    // Large and small by turns.
    let mut others = sizes.clone();
    others.reverse();
    sizes = sizes.into_iter().zip(others).flat_map(|(one, other)| [one, other]).collect();
    sizes
}

fn blobs(sizes: &[usize]) -> impl futures_util::Stream<Item = Bytes> + Send + use<> {
    stream::iter(sizes.to_vec()).map(|size| Bytes::from(vec![7; size]))
}

async fn items_have_any_size(network: Network) {
    let served = serve(network).await;
    let client = served.feed().await;
    let sizes = sizes();
    let mut arrived = Vec::new();
    let mut blobs_down = client.blobs(sizes.clone());
    while let Some(blob) = blobs_down.next().await {
        let blob = blob.expect("it arrives");
        assert!(blob.iter().all(|byte| *byte == 7));
        arrived.push(blob.len());
    }
    assert_eq!(arrived, sizes);
    assert_eq!(client.sizes(blobs(&sizes)).await.expect("it answers"), sizes);
}

async fn items_above_the_window_pass_one_by_one(network: Network) {
    // Above half of a window, and above all of it, at both ends.
    for (window, size) in [(64 << 10, 40 << 10), (64 << 10, 300 << 10), (0, 1 << 20), (1, 100)] {
        let narrow = |server: rpc::Server| server.stream_window(window).connection_window(window);
        let served = Served::with(Place::new(network), narrow).await;
        let builder = Channel::builder(&served.address).stream_window(window);
        let channel = builder.connection_window(window).connect().await.expect("it listens");
        let client = FeedClient::new(channel);
        let sizes = vec![size; 10];
        let streams =
            [client.blobs(sizes.clone()), client.blobs(sizes.clone())].map(async |blobs| {
                blobs.map(|blob| blob.expect("it arrives").len()).collect::<Vec<_>>().await
            });
        let (down, up) =
            tokio::join!(join_all(streams), join_all([0, 1].map(|_| client.sizes(blobs(&sizes)))));
        assert_eq!(down, [sizes.clone(), sizes.clone()]);
        for arrived in up {
            assert_eq!(arrived.expect("it answers"), sizes);
        }
    }
}

async fn many_streams_run_side_by_side(network: Network) {
    let served = serve(network).await;
    let client = served.feed().await;
    let mut tasks = tokio::task::JoinSet::new();
    for length in 0..200 {
        let client = client.clone();
        tasks.spawn(async move {
            let numbers: Vec<_> =
                client.count(length).map(|number| number.expect("it arrives")).collect().await;
            assert_eq!(numbers, (0..length).collect::<Vec<_>>());
            let sum = i64::try_from(length * (length + 1) / 2).expect("it is small");
            let upload = stream::iter(0..=i64::try_from(length).expect("it is small"));
            assert_eq!(client.sum(upload).await.expect("it answers"), sum);
        });
    }
    tasks.join_all().await;
}

async fn streams_run_where_handlers_are_spawned(network: Network) {
    let spawned = |server: rpc::Server| server.spawn_handlers(true);
    let mut served = Served::with(Place::new(network), spawned).await;
    let client = served.feed().await;
    let numbers: Vec<_> =
        client.count(50_000).map(|number| number.expect("it arrives")).collect().await;
    assert_eq!(numbers, (0..50_000).collect::<Vec<_>>());
    assert_eq!(client.sum(stream::iter(0..50_000)).await.expect("it answers"), 1_249_975_000);
    let doubled: Vec<_> = client
        .doubled(stream::iter(0..50_000))
        .map(|number| number.expect("it arrives"))
        .collect()
        .await;
    assert_eq!(doubled, (0..50_000).map(|number| 2 * number).collect::<Vec<_>>());
    let sizes = sizes();
    assert_eq!(client.sizes(blobs(&sizes)).await.expect("it answers"), sizes);
    let mut held = client.hold_feed(1);
    assert_eq!(held.next().await.expect("there is one").expect("it arrives"), 1);
    assert_eq!(served.event().await, Event::Started(1));
    drop(held);
    assert_eq!(served.event().await, Event::Dropped(1));
}

async fn a_stream_that_was_not_polled_never_happened(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    drop(client.endless(1, 10));
    drop(client.later(2, 10));
    let (sender, items) = crate::support::fed();
    drop(client.taste(3, items, 0));
    assert!(sender.send(Bytes::new()).is_err(), "its stream went with it");
    served.assert_serves().await;
    assert!(served.events.try_recv().is_err(), "nothing began");
}

async fn metadata_go_along(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    let mut found = client.find_feed(1).metadata("tenant", "a");
    let next = tokio::spawn(async move { found.next().await });
    assert_eq!(served.event().await, Event::Noted("attempt 1".to_owned()));
    assert_eq!(served.event().await, Event::Started(1));
    served.state.release(1);
    assert_eq!(next.await.expect("it does not panic").expect("it arrives").expect("it is one"), 1);
    let error = client.count(1).metadata("long", &"x".repeat(9_000)).next().await;
    let error = error.expect("it says so").expect_err("it is too large");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    assert!(error.is_not_started());
}

#[tokio::test]
async fn a_local_client_streams_too() {
    within(async {
        let (_steward, state, _events) = service();
        let client = FeedClient::local(Feeder::new(&state));
        assert_eq!(client.sum(stream::iter(1..=10)).await.expect("it answers"), 55);
        let doubled: Vec<_> = client
            .doubled(stream::iter(0..10_000))
            .map(|number| number.expect("it arrives"))
            .collect()
            .await;
        assert_eq!(doubled, (0..10_000).map(|number| 2 * number).collect::<Vec<_>>());
        let sizes = sizes();
        let arrived: Vec<_> =
            client.blobs(sizes.clone()).map(|blob| blob.expect("it arrives").len()).collect().await;
        assert_eq!(arrived, sizes);
    })
    .await;
}
