//! Streams through two gateways: items, ends, errors and windows.

use std::time::Duration;

use rpc::{
    Bytes, CallError, Channel, Error, Server, StreamExt,
    limits::{ITEM_BLOCK, ITEM_RUN},
    stream,
};

use super::{Behind, Gateway};
use crate::support::{
    Event, FeedClient, MathError, Network, Place, ProbeClient, Served, fed, on_each_network,
    poll_once, serve,
};

on_each_network!(
    items_come_in_order_and_end,
    a_gateway_may_spawn,
    errors_keep_their_places,
    a_stream_that_is_awaited_begins,
    uploads_arrive,
    streams_go_both_ways,
    a_caller_that_stops_stops_the_producer,
    a_handler_that_stops_stops_the_caller,
    what_was_dropped_is_counted,
    dropping_either_side_drops_the_other,
    a_server_that_is_killed_ends_its_streams_with_an_error,
);

async fn items_come_in_order_and_end(network: Network) {
    let behind = Behind::two(network).await;
    let feed = behind.feed().await;
    for numbers in [feed.count(20_000), feed.count_spawned(20_000)] {
        let numbers: Vec<_> = numbers.map(|number| number.expect("it arrives")).collect().await;
        assert_eq!(numbers, (0..20_000).collect::<Vec<_>>());
    }
    let sizes = vec![0, 1, 5_000, 100_000, 3, 1 << 20, 17, 2 << 20];
    let blobs = feed.blobs(sizes.clone()).map(|blob| blob.expect("it arrives").len());
    assert_eq!(blobs.collect::<Vec<_>>().await, sizes);
    assert!(feed.count(0).next().await.is_none());
}

/// Where it is asked to, it has a task for each call, and the streams go between the two.
async fn a_gateway_may_spawn(network: Network) {
    let mut served = serve(network).await;
    let spawns = |server: Server| server.spawn_handlers(true);
    let gateway = Gateway::with(network, served.channel().await, spawns).await;
    let feed = FeedClient::new(gateway.channel().await);
    let numbers: Vec<_> =
        feed.count(20_000).map(|number| number.expect("it arrives")).collect().await;
    assert_eq!(numbers, (0..20_000).collect::<Vec<_>>());
    assert_eq!(feed.sum(stream::iter(0..20_000)).await.expect("it answers"), 199_990_000);
    let doubled = feed.doubled(stream::iter(0..1_000)).collect::<Vec<_>>().await;
    assert_eq!(doubled.len(), 1_000);
    let mut later = feed.later(1, 2);
    assert!(poll_once(&mut later).await.is_pending());
    assert_eq!(served.event().await, Event::Started(1));
    served.state.release(1);
    assert_eq!(later.await.expect("it begins").collect::<Vec<_>>().await.len(), 2);
    assert_eq!(served.event().await, Event::Ended(1));
    let mut held = feed.hold_feed(2);
    held.next().await.expect("there is one").expect("it arrives");
    drop(held);
    assert_eq!(served.sorted_events(2).await, [Event::Started(2), Event::Dropped(2)]);
}

async fn errors_keep_their_places(network: Network) {
    let behind = Behind::two(network).await;
    let feed = behind.feed().await;
    let odd: Vec<_> = feed.odd(100).collect().await;
    for (number, item) in (0..).zip(&odd) {
        match item {
            Ok(odd) => assert!(*odd == number && number % 2 == 1),
            Err(CallError::App(MathError::DivideByZero)) => assert_eq!(number % 2, 0),
            Err(other) => unreachable!("{other}"),
        }
    }
    assert_eq!(odd.len(), 100);
    let flat: Vec<_> = feed.odd_flat(4).collect().await;
    assert_eq!(flat[2].as_ref().expect_err("it is even").message(), "division by zero");
    let behind_items: Vec<_> = feed.panic_behind(3).collect().await;
    assert_eq!(behind_items.len(), 4);
    assert_eq!(behind_items[3].as_ref().expect_err("it panics").message(), "the handler panicked");
}

async fn a_stream_that_is_awaited_begins(network: Network) {
    let mut behind = Behind::two(network).await;
    let feed = behind.feed().await;
    let error = feed.since(2_000).await.expect_err("it is too large");
    assert_eq!(error.app(), Some(&MathError::TooLarge { value: 2_000, limit: 1_000 }));
    let numbers: Vec<_> = feed.since(7).await.expect("it begins").collect().await;
    assert_eq!(numbers.into_iter().map(Result::unwrap_or_default).collect::<Vec<_>>(), [7, 8, 9]);
    let mut later = feed.later(1, 2);
    assert!(poll_once(&mut later).await.is_pending());
    assert_eq!(behind.served.event().await, Event::Started(1));
    behind.served.state.release(1);
    let numbers = later.await.expect("it begins");
    assert_eq!(numbers.collect::<Vec<_>>().await.len(), 2);
}

async fn uploads_arrive(network: Network) {
    let mut behind = Behind::two(network).await;
    let feed = behind.feed().await;
    assert_eq!(feed.sum(stream::iter(0..20_000)).await.expect("it answers"), 199_990_000);
    assert_eq!(feed.sum_spawned(stream::iter(0..100)).await.expect("it answers"), 4_950);
    let sizes = vec![0, 1, 5_000, 100_000, 3, 1 << 20];
    let blobs = sizes.clone().into_iter().map(|size| Bytes::from(vec![7; size]));
    assert_eq!(feed.sizes(stream::iter(blobs)).await.expect("it answers"), sizes);
    // The handler has enough.
    let endless = behind.served.state.endless(1, 1_000);
    assert_eq!(behind.served.event().await, Event::Started(1));
    assert_eq!(feed.first(endless, 3).await.expect("it answers"), 3_000);
    assert_eq!(behind.served.event().await, Event::Dropped(1));
    let endless = behind.served.state.endless(2, 1_000);
    assert_eq!(behind.served.event().await, Event::Started(2));
    let tasted = tokio::spawn(feed.taste(3, endless, 5));
    assert_eq!(behind.served.sorted_events(2).await, [Event::Started(3), Event::Dropped(2)]);
    behind.served.state.release(3);
    assert_eq!(tasted.await.expect("it does not panic").expect("it answers"), 3);
}

async fn streams_go_both_ways(network: Network) {
    let behind = Behind::two(network).await;
    let feed = behind.feed().await;
    let (sender, numbers) = fed();
    let mut doubled = feed.doubled(numbers);
    for number in 0..200 {
        sender.send(number).expect("it is taken");
        assert_eq!(doubled.next().await.expect("it answers").expect("each"), 2 * number);
    }
    drop(sender);
    assert!(doubled.next().await.is_none());
}

const ITEM: usize = 1_000;
const WINDOW: usize = 64 << 10;

/// Items of [`ITEM`] bytes that make up so many bytes, each with its head.
fn items_in(bytes: usize) -> u64 {
    u64::try_from(bytes / (ITEM + 8)).expect("it is small")
}

/// A service behind two gateways, with small windows everywhere, and a channel to it.
async fn narrow(network: Network) -> (Served, [Gateway; 2], Channel) {
    let options = |server: Server| server.stream_window(WINDOW).connection_window(1 << 20);
    let connect = async |address: &str| {
        let builder = Channel::builder(address).stream_window(WINDOW).connection_window(1 << 20);
        builder.connect().await.expect("it listens")
    };
    let served = Served::with(Place::new(network), options).await;
    let far = Gateway::with(network, connect(&served.address).await, options).await;
    let near = Gateway::with(network, connect(&far.address).await, options).await;
    let channel = connect(&near.address).await;
    (served, [far, near], channel)
}

/// So many calls behind each other: whatever else moves on by itself has done so.
async fn settle(channel: &Channel) {
    let probe = ProbeClient::new(channel.clone());
    for number in 0..100 {
        assert_eq!(probe.add(number, 1).await.expect("it answers"), number + 1);
    }
}

/// Asserts that the producer of this key has come to rest, with no more made than there is room for.
async fn assert_rests(served: &Served, key: u32, channel: &Channel) {
    served.state.counted(key, items_in(WINDOW)).await;
    loop {
        let before = served.state.count(key);
        settle(channel).await;
        if served.state.count(key) == before {
            break;
        }
    }
    // On each hop what the window holds, what was taken at once, one run in the outlet and some in hand.
    let of_hop = items_in(WINDOW) + items_in(ITEM_BLOCK) + items_in(ITEM_RUN) + 10;
    let made = served.state.count(key);
    assert!(made <= 3 * of_hop, "{made} items were made, of {}", 3 * of_hop);
}

async fn a_caller_that_stops_stops_the_producer(network: Network) {
    let (mut served, _gateways, channel) = narrow(network).await;
    let feed = FeedClient::new(channel.clone());
    for (key, mut blobs) in [(1, feed.endless(1, ITEM)), (2, feed.endless_spawned(2, ITEM))] {
        blobs.next().await.expect("there is one").expect("it arrives");
        assert_eq!(served.event().await, Event::Started(key));
        assert_rests(&served, key, &channel).await;
        for _ in 0..1_000 {
            blobs.next().await.expect("there is one").expect("it arrives");
        }
        served.state.counted(key, 1_000).await;
        drop(blobs);
        assert_eq!(served.event().await, Event::Dropped(key));
    }
}

async fn a_handler_that_stops_stops_the_caller(network: Network) {
    let (mut served, _gateways, channel) = narrow(network).await;
    let feed = FeedClient::new(channel.clone());
    let blobs = served.state.endless(2, ITEM).take(5_000);
    assert_eq!(served.event().await, Event::Started(2));
    let count = tokio::spawn(feed.stall(1, blobs));
    assert_eq!(served.event().await, Event::Started(1));
    assert_rests(&served, 2, &channel).await;
    served.state.release(1);
    assert_eq!(count.await.expect("it does not panic").expect("it answers"), 5_000);
    assert_eq!(served.sorted_events(2).await, [Event::Ended(1), Event::Dropped(2)]);
}

async fn what_was_dropped_is_counted(network: Network) {
    const MADE: u64 = 2_000;
    let (mut served, _gateways, channel) = narrow(network).await;
    let feed = FeedClient::new(channel.clone());
    let mut newest = feed.newest(1, MADE, ITEM);
    let (first, _) = newest.next().await.expect("there is one").expect("it arrives");
    assert_eq!(first, 0);
    // All are made while nobody takes any.
    served.state.counted(1, MADE).await;
    assert_eq!(served.event().await, Event::Started(1));
    served.state.release(1);
    let (mut taken, mut lost, mut expected) = (1, 0, 1);
    while let Some(item) = newest.next().await {
        let (number, _) = item.expect("it arrives");
        // Each gap is as wide as the count says, and stands where it was.
        expected += newest.lost() - lost;
        lost = newest.lost();
        assert_eq!(number, expected);
        (taken, expected) = (taken + 1, expected + 1);
    }
    assert!(lost > 0, "the windows held all {MADE}");
    assert_eq!(taken + newest.lost(), MADE);
    assert_eq!(served.event().await, Event::Ended(1));
}

async fn dropping_either_side_drops_the_other(network: Network) {
    let mut behind = Behind::two(network).await;
    let feed = behind.feed().await;
    let mut held = feed.hold_feed(1);
    assert_eq!(held.next().await.expect("there is one").expect("it arrives"), 1);
    assert_eq!(behind.served.event().await, Event::Started(1));
    drop(held);
    assert_eq!(behind.served.event().await, Event::Dropped(1));
    // A caller that gives up its upload is not taken for one that has ended it.
    let (sender, items) = fed::<Bytes>();
    let observed = tokio::spawn(feed.observe(2, items));
    sender.send(Bytes::from_static(b"x")).expect("it is taken");
    behind.served.state.counted(2, 1).await;
    observed.abort();
    assert_eq!(behind.served.event().await, Event::Started(2));
    assert_eq!(behind.served.event().await, Event::Dropped(2));
    // Time that was asked for holds for the stream as a whole.
    let held: Vec<_> = feed.hold_feed(3).timeout(Duration::from_millis(300)).collect().await;
    assert!(held[1].as_ref().is_err_and(Error::is_timeout));
    assert_eq!(behind.served.sorted_events(2).await, [Event::Started(3), Event::Dropped(3)]);
    // Without it there is none, and the server learns of that.
    let left = feed.time_left().next().await.expect("there is one").expect("it arrives");
    assert!(left.is_none_or(|left| left > Duration::from_secs(3600)), "{left:?}");
}

async fn a_server_that_is_killed_ends_its_streams_with_an_error(network: Network) {
    let mut behind = Behind::two(network).await;
    let feed = behind.feed().await;
    let mut held = feed.hold_feed(1);
    assert_eq!(held.next().await.expect("there is one").expect("it arrives"), 1);
    assert_eq!(behind.served.event().await, Event::Started(1));
    behind.served.task.abort();
    let error = held.next().await.expect("it ends").expect_err("with an error");
    assert!(error.is_unavailable() && !error.is_not_started(), "{error:?}");
}
