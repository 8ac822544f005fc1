//! Flow: a consumer that stops costs its window and nothing else, and who must not wait drops what is old.

use std::time::Duration;

use rpc::{Bytes, Channel, Code, Server, StreamExt, stream};

use crate::support::{
    Event, FeedClient, Network, Place, ProbeClient, Said, Served, fed, hello_with, items, numbers,
    on_each_network, poll_once, request, serve,
};

on_each_network!(
    a_consumer_that_stops_stops_its_producer_at_the_window,
    a_handler_that_does_not_read_stops_its_client_at_the_window,
    stalled_streams_hold_nothing_else_up,
    stalled_uploads_hold_nothing_else_up,
    the_connections_window_bounds_all_streams_together,
    who_stalls_and_goes_gives_its_room_back,
    a_window_that_is_announced_is_kept_to,
    the_connections_window_is_credited_apart,
    an_upload_keeps_to_the_servers_windows,
    a_producer_that_must_not_wait_drops_what_is_old,
    an_item_above_the_clients_limit_is_an_error_in_its_place,
    an_item_above_the_servers_limit_fails_the_upload,
    an_item_above_the_servers_limit_from_a_rude_client_is_a_violation,
    an_item_without_room_is_a_violation,
);

const ITEM: usize = 1_000;

/// An item that goes out alone, however many there are.
const ALONE: usize = 5_000;

/// Items of [`ITEM`] bytes that make up so many bytes, each with its head.
fn items_in(bytes: usize) -> u64 {
    u64::try_from(bytes / (ITEM + 8)).expect("it is small")
}

/// A server and a client with these windows at both ends.
async fn narrow(network: Network, stream: usize, connection: usize) -> (Served, Channel) {
    let narrow = |server: Server| server.stream_window(stream).connection_window(connection);
    let served = Served::with(Place::new(network), narrow).await;
    let builder = Channel::builder(&served.address).stream_window(stream);
    let channel = builder.connection_window(connection).connect().await.expect("it listens");
    (served, channel)
}

/// So many calls on the connection, each behind the last: whatever else moves on by itself has done so.
async fn settle(channel: &Channel) {
    let probe = ProbeClient::new(channel.clone());
    for number in 0..50 {
        assert_eq!(probe.add(number, 1).await.expect("it answers"), number + 1);
    }
}

async fn a_consumer_that_stops_stops_its_producer_at_the_window(network: Network) {
    const WINDOW: usize = 64 << 10;
    let (mut served, channel) = narrow(network, WINDOW, 1 << 20).await;
    let client = FeedClient::new(channel.clone());
    for (key, mut blobs) in [(1, client.endless(1, ITEM)), (2, client.endless_spawned(2, ITEM))] {
        blobs.next().await.expect("there is one").expect("it arrives");
        assert_eq!(served.event().await, Event::Started(key));
        served.state.counted(key, items_in(WINDOW)).await;
        settle(&channel).await;
        // What the window holds, what was taken at once with the first, one in the outlet and one in hand.
        let made = served.state.count(key);
        let most = items_in(WINDOW) + items_in(rpc::limits::ITEM_BLOCK) + 10;
        assert!(made <= most, "{made} items were made, of {most}");
        // It goes on where it was.
        for _ in 0..1_000 {
            blobs.next().await.expect("there is one").expect("it arrives");
        }
        served.state.counted(key, 1_000).await;
        drop(blobs);
        assert_eq!(served.event().await, Event::Dropped(key));
    }
}

async fn a_handler_that_does_not_read_stops_its_client_at_the_window(network: Network) {
    const WINDOW: usize = 64 << 10;
    let (mut served, channel) = narrow(network, WINDOW, 1 << 20).await;
    let client = FeedClient::new(channel.clone());
    for (key, spawned) in [(1, false), (3, true)] {
        let blobs = served.state.endless(key + 1, ITEM).take(5_000);
        assert_eq!(served.event().await, Event::Started(key + 1));
        let count = if spawned {
            tokio::spawn(client.stall_spawned(key, blobs))
        } else {
            tokio::spawn(client.stall(key, blobs))
        };
        assert_eq!(served.event().await, Event::Started(key));
        served.state.counted(key + 1, items_in(WINDOW)).await;
        settle(&channel).await;
        let made = served.state.count(key + 1);
        let most = items_in(WINDOW) + 10;
        assert!(made <= most, "{made} items were made, of {most}");
        served.state.release(key);
        assert_eq!(count.await.expect("it does not panic").expect("it answers"), 5_000);
        assert_eq!(served.sorted_events(2).await, [Event::Ended(key), Event::Dropped(key + 1)]);
    }
}

async fn stalled_streams_hold_nothing_else_up(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    let mut stalled = Vec::new();
    for key in 0..50 {
        let mut blobs = client.endless(key, ITEM);
        blobs.next().await.expect("there is one").expect("it arrives");
        assert_eq!(served.event().await, Event::Started(key));
        stalled.push(blobs);
    }
    let least = items_in(rpc::limits::STREAM_WINDOW);
    for key in 0..50 {
        served.state.counted(key, least).await;
    }
    settle(client.channel()).await;
    let numbers: Vec<_> =
        client.count(50_000).map(|number| number.expect("it arrives")).collect().await;
    assert_eq!(numbers, (0..50_000).collect::<Vec<_>>());
    assert_eq!(client.sum(stream::iter(0..50_000)).await.expect("it answers"), 1_249_975_000);
    let most = least + items_in(rpc::limits::ITEM_BLOCK) + 10;
    for key in 0..50 {
        let made = served.state.count(key);
        assert!(made <= most, "{made} items of {key} were made, of {most}");
    }
    drop(stalled);
    let dropped: Vec<_> = (0..50).map(Event::Dropped).collect();
    assert_eq!(served.sorted_events(50).await, dropped);
}

async fn stalled_uploads_hold_nothing_else_up(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    let mut stalled = Vec::new();
    for key in 0..50 {
        let blobs = served.state.endless(100 + key, ITEM);
        assert_eq!(served.event().await, Event::Started(100 + key));
        stalled.push(tokio::spawn(client.stall(key, blobs)));
        assert_eq!(served.event().await, Event::Started(key));
    }
    for key in 100..150 {
        served.state.counted(key, items_in(rpc::limits::STREAM_WINDOW)).await;
    }
    settle(client.channel()).await;
    assert_eq!(client.sum(stream::iter(0..50_000)).await.expect("it answers"), 1_249_975_000);
    let doubled = client.doubled(stream::iter(0..50_000)).count().await;
    assert_eq!(doubled, 50_000);
    stalled.iter().for_each(tokio::task::JoinHandle::abort);
    let dropped: Vec<_> = (0..50).chain(100..150).map(Event::Dropped).collect();
    assert_eq!(served.sorted_events(100).await, dropped);
}

async fn the_connections_window_bounds_all_streams_together(network: Network) {
    const WINDOW: usize = 128 << 10;
    let (mut served, channel) = narrow(network, 64 << 10, WINDOW).await;
    let client = FeedClient::new(channel.clone());
    let mut stalled = Vec::new();
    for key in 0..20 {
        let mut blobs = client.endless(key, ITEM);
        assert!(poll_once(&mut Box::pin(blobs.next())).await.is_pending());
        assert_eq!(served.event().await, Event::Started(key));
        stalled.push(blobs);
    }
    settle(&channel).await;
    let made: u64 = (0..20).map(|key| served.state.count(key)).sum();
    // Each has those of one message in its outlet, and one in hand.
    let (least, most) = (items_in(WINDOW), items_in(WINDOW) + 6 * 20);
    assert!((least..=most).contains(&made), "{made} items were made, of {least} to {most}");
    // Who goes leaves room, and those who take get on.
    let others = stalled.split_off(10);
    drop(stalled);
    let dropped: Vec<_> = (0..10).map(Event::Dropped).collect();
    assert_eq!(served.sorted_events(10).await, dropped);
    let takers = others.into_iter().map(async |mut blobs| {
        for _ in 0..200 {
            blobs.next().await.expect("there is one").expect("it arrives");
        }
    });
    futures_util::future::join_all(takers).await;
}

async fn who_stalls_and_goes_gives_its_room_back(network: Network) {
    // The connection's window is full of items that nobody took, or was going to be filled by one that is not sent to its end.
    let narrow = |server: Server| server.parts_ahead(64 << 10);
    let mut served = Served::with(Place::new(network), narrow).await;
    let mut wire = served.introduced_with_windows(1 << 20, 256 << 10).await;
    let large =
        request(1, "Feed.blobs", |out| out.extend_from_slice(&[0x91, 0x91, 0xce, 0, 16, 0, 0]));
    wire.say(&large).await;
    let Said::Part { state: 1, .. } = wire.hear_frame().await else {
        unreachable!("it is a mebibyte")
    };
    wire.say(&request(2, "Feed.hold_feed", numbers(&[2]))).await;
    wire.say(&items::ping(1)).await;
    // As much as may be ahead.
    while wire.hear_frame().await != Said::Pong(1) {}
    // It waits for room, which comes although not a byte of what took it is credited.
    wire.say(&items::cancel(1)).await;
    let mut heard = Vec::new();
    while heard.len() < 3 {
        match wire.hear_frame().await {
            // It was on its way when the cancel came.
            Said::Part { state: 1, .. } => {}
            said => heard.push(said),
        }
    }
    assert!(heard.contains(&Said::Part { state: 2, size: 0 }), "{heard:?}");
    assert!(heard.contains(&Said::item(2, 2)), "{heard:?}");
    assert!(heard.iter().any(|said| matches!(said, Said::Failure { id: 1, code: 1, .. })));
    assert_eq!(served.event().await, Event::Started(2));
}

async fn a_window_that_is_announced_is_kept_to(network: Network) {
    let mut served = serve(network).await;
    let mut wire = served.introduced_with_windows(5 * ALONE as u64, 1 << 20).await;
    let endless = request(1, "Feed.endless", numbers(&[1, ALONE as u64]));
    wire.say(&endless).await;
    assert_eq!(served.event().await, Event::Started(1));
    // An item's message: array, type, id, nil, and the bytes with their head.
    let size = 4 + 3 + ALONE as u64;
    for _ in 0..4 {
        assert!(matches!(wire.hear().await, Said::Item { id: 1, .. }));
    }
    wire.say(&items::ping(1)).await;
    assert_eq!(wire.hear().await, Said::Pong(1));
    wire.say(&items::credit(1, 2 * size)).await;
    for _ in 0..2 {
        assert!(matches!(wire.hear().await, Said::Item { id: 1, .. }));
    }
    wire.say(&items::ping(2)).await;
    assert_eq!(wire.hear().await, Said::Pong(2));
    // Credit for more than is outstanding is a violation.
    wire.say(&items::credit(1, 4 * size + 1)).await;
    let said = wire.hear_until(|said| matches!(said, Said::GoAway { .. })).await;
    let Some(Said::GoAway { reason: Some(reason), .. }) = said.last() else {
        unreachable!("{said:?}")
    };
    assert!(reason.contains("PROTOCOL 10.7"), "{reason}");
    assert_eq!(served.event().await, Event::Dropped(1));
}

async fn the_connections_window_is_credited_apart(network: Network) {
    let served = serve(network).await;
    let mut wire = served.introduced_with_windows(1 << 20, 5 * ALONE as u64).await;
    let sizes = |out: &mut Vec<u8>| {
        // One argument: six times 5,000.
        out.extend_from_slice(&[0x91, 0x96]);
        for _ in 0..6 {
            out.extend_from_slice(&[0xcd, 0x13, 0x88]);
        }
    };
    let size = 4 + 3 + ALONE as u64;
    for id in [1, 2] {
        wire.say(&request(id, "Feed.blobs", sizes)).await;
    }
    // What one of them may send, the other may not.
    let (mut items_of, mut outstanding, mut ended) = ([0, 0, 0], 0, 0);
    while ended < 2 {
        match wire.hear().await {
            Said::Item { id, .. } => {
                items_of[id as usize] += 1;
                outstanding += 1;
            }
            said => {
                assert!([1, 2].map(Said::complete).contains(&said), "{said:?}");
                ended += 1;
            }
        }
        assert!(outstanding <= 4, "{outstanding} items at once");
        if outstanding == 4 {
            // As soon as there is no more to come, and not before.
            wire.say(&items::ping(1)).await;
            let said = wire.hear_until(|said| *said == Said::Pong(1)).await;
            ended += said.len() - 1;
            assert!(said.iter().all(|said| !matches!(said, Said::Item { .. })), "{said:?}");
            wire.say(&items::connection_credit(4 * size)).await;
            outstanding = 0;
        }
    }
    assert_eq!(items_of, [0, 6, 6]);
}

async fn an_upload_keeps_to_the_servers_windows(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let client = FeedClient::new(Channel::builder(doorway.address()).connect_lazy());
    let (sender, blobs) = fed();
    for _ in 0..20 {
        sender.send(Bytes::from(vec![7; ALONE])).expect("it is taken");
    }
    drop(sender);
    let sizes = tokio::spawn(client.sizes(blobs));
    let mut wire = doorway.accept().await;
    let hello = hello_with(&[(0, 8), (1, 16 << 20), (2, 5 * ALONE as u64), (6, 1 << 20)]);
    wire.greet(&hello).await;
    let id = wire.hear_request("Feed.sizes").await;
    for _ in 0..4 {
        assert!(matches!(wire.hear().await, Said::Item { .. }));
    }
    for round in 0..4 {
        wire.say(&items::ping(round)).await;
        assert_eq!(wire.hear().await, Said::Pong(round));
        wire.say(&items::credit(id, 4 * (4 + 3 + ALONE as u64))).await;
        for _ in 0..4 {
            assert!(matches!(wire.hear().await, Said::Item { .. }));
        }
    }
    assert_eq!(wire.hear().await, Said::End { id });
    // An empty list.
    wire.say(&[0x94, 1, u8::try_from(id).expect("it is small"), 0xc0, 0x90]).await;
    assert!(sizes.await.expect("it does not panic").expect("it answers").is_empty());
}

async fn a_producer_that_must_not_wait_drops_what_is_old(network: Network) {
    const WINDOW: usize = 64 << 10;
    const ITEMS: u64 = 1_000;
    let (mut served, channel) = narrow(network, WINDOW, 1 << 20).await;
    let client = FeedClient::new(channel.clone());
    let mut newest = client.newest(1, ITEMS, ITEM);
    let (first, _) = newest.next().await.expect("there is one").expect("it arrives");
    assert_eq!((first, newest.lost()), (0, 0));
    // The producer runs to its end although nobody takes the rest.
    served.state.counted(1, ITEMS).await;
    assert_eq!(served.event().await, Event::Started(1));
    served.state.release(1);
    let (mut numbers, mut gaps) = (vec![first], 0);
    while let Some(item) = newest.next().await {
        let (number, blob) = item.expect("it arrives");
        assert_eq!(blob.len(), ITEM);
        let before = numbers.last().expect("there is a first");
        gaps += number - before - 1;
        // The count stands where the items are missing.
        assert_eq!(newest.lost(), gaps, "in front of {number}");
        numbers.push(number);
    }
    assert!(gaps > 0, "nothing was lost");
    // While there was room, nothing was.
    let kept = numbers.windows(2).take_while(|pair| pair[1] == pair[0] + 1).count() as u64;
    assert!(kept >= items_in(WINDOW) - 2, "{kept} in front of the first gap: {numbers:?}");
    assert_eq!(numbers.len() as u64 + newest.lost(), ITEMS);
    // The newest are there.
    let last: Vec<_> = (ITEMS - 8..ITEMS).collect();
    assert!(numbers.ends_with(&last), "{numbers:?}");
}

async fn an_item_above_the_clients_limit_is_an_error_in_its_place(network: Network) {
    let served = serve(network).await;
    let channel = Channel::builder(&served.address).max_message_size(100_000).connect().await;
    let client = FeedClient::new(channel.expect("it listens"));
    let blobs: Vec<_> = client.blobs(vec![10, 100_000, 20, 1 << 20, 30]).collect().await;
    let mut sizes = Vec::new();
    for blob in blobs {
        match blob {
            Ok(blob) => sizes.push(Some(blob.len())),
            Err(error) => {
                assert_eq!(error.kind(), Code::ResourceExhausted);
                let end = "more than the 100000 that its receiver accepts; raise it with `max_message_size` there, or send smaller items";
                assert!(error.message().ends_with(end), "{error}");
                sizes.push(None);
            }
        }
    }
    assert_eq!(sizes, [Some(10), None, Some(20), None, Some(30)]);
    settle(client.channel()).await;
}

async fn an_item_above_the_servers_limit_fails_the_upload(network: Network) {
    let limited = |server: Server| server.max_message_size(100_000);
    let mut served = Served::with(Place::new(network), limited).await;
    let client = served.feed().await;
    let (sender, blobs) = fed();
    for size in [10, 100_000, 20] {
        sender.send(Bytes::from(vec![7; size])).expect("it is taken");
    }
    let error = client.observe(1, blobs).await.expect_err("it is too large");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    let end = "more than the 100000 that the server accepts; raise it with `max_message_size` on the server, or send smaller items";
    assert!(error.message().ends_with(end), "{error}");
    assert!(sender.is_closed());
    // Its handler saw no end.
    assert_eq!(served.event().await, Event::Started(1));
    assert_eq!(served.event().await, Event::Dropped(1));
    settle(client.channel()).await;
}

async fn an_item_above_the_servers_limit_from_a_rude_client_is_a_violation(network: Network) {
    let limited = |server: Server| server.max_message_size(100_000);
    let mut served = Served::with(Place::new(network), limited).await;
    let mut wire = served.introduced().await;
    wire.say(&request(1, "Feed.observe", numbers(&[1]))).await;
    assert_eq!(served.event().await, Event::Started(1));
    wire.say(&items::blob(1, 100)).await;
    served.state.counted(1, 1).await;
    wire.say(&items::blob(1, 100_000)).await;
    let Said::GoAway { reason: Some(reason), .. } = wire.hear().await else {
        unreachable!("it is too large")
    };
    assert!(reason.contains("PROTOCOL 2.4"), "{reason}");
    // The stream that it cut short saw no end.
    assert_eq!(served.event().await, Event::Dropped(1));
}

async fn an_item_without_room_is_a_violation(network: Network) {
    let narrow = |server: Server| server.stream_window(4_000);
    let mut served = Served::with(Place::new(network), narrow).await;
    let mut wire = served.introduced().await;
    wire.say(&request(1, "Feed.stall", numbers(&[1]))).await;
    assert_eq!(served.event().await, Event::Started(1));
    for _ in 0..4 {
        wire.say(&items::blob(1, ITEM)).await;
    }
    let Said::GoAway { reason: Some(reason), .. } = wire.hear().await else {
        unreachable!("it has no room")
    };
    assert!(reason.contains("PROTOCOL 10.6"), "{reason}");
    assert_eq!(served.event().await, Event::Dropped(1));
}

/// A producer that is slower than its consumer loses nothing, and the setters stand in the documentation.
#[tokio::test(start_paused = true)]
async fn a_consumer_that_rests_for_hours_finds_what_was_kept() {
    crate::support::within_a_day(async {
        let (_steward, state, mut events) = crate::support::service();
        let client = FeedClient::local(crate::support::Feeder::new(&state));
        let mut blobs = client.endless(1, ITEM);
        for round in 0..5 {
            for _ in 0..1_000 {
                blobs.next().await.expect("there is one").expect("it arrives");
            }
            tokio::time::sleep(Duration::from_secs(3600)).await;
            let (made, taken) = (state.count(1), 1_000 * (round + 1));
            let most = taken + items_in(rpc::limits::STREAM_WINDOW + rpc::limits::ITEM_BLOCK) + 10;
            assert!((taken..=most).contains(&made), "{made} of {taken} to {most}");
        }
        assert_eq!(events.recv().await, Some(Event::Started(1)));
        drop(blobs);
        assert_eq!(events.recv().await, Some(Event::Dropped(1)));
    })
    .await;
}
