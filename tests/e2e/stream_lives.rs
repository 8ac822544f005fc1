//! How long streams live: deadlines, silence, servers that end, connections that go away, panics, and what is repeated.

use std::time::Duration;

use rpc::{Backoff, Bytes, Channel, ChannelState, Code, Server, StreamExt, stream};

use crate::support::{
    Event, FeedClient, Feeder, Network, Place, ProbeClient, Said, Served, fed, go_away, items,
    numbers, on_each_network, poll_once, refusal, request, response, serve, service, within_a_day,
};

on_each_network!(
    a_timeout_covers_the_whole_and_stops_both_sides,
    an_awaited_stream_must_begin_within_the_channels_timeout,
    a_handlers_deadline_holds_for_the_streams_it_asks_for,
    a_drain_waits_for_streams,
    a_drain_ends_streams_that_listen_for_it,
    a_drain_forces_what_is_left_at_its_deadline,
    uploads_finish_while_the_server_drains,
    new_calls_go_elsewhere_beside_a_stream,
    a_stream_goes_on_over_an_old_connection,
    a_panic_in_a_stream_is_that_calls_error,
    a_panic_in_what_is_sent_is_the_callers,
    a_panic_in_a_destructor_harms_nobody,
    streams_forward_through_three_servers,
    uploads_forward_through_two_servers,
    a_stream_of_which_nothing_came_is_repeated,
    a_stream_of_which_an_item_came_is_not,
    an_upload_of_which_an_item_went_out_is_not,
    a_stream_that_was_not_started_is_always_repeated,
);

const SHORT: Duration = Duration::from_millis(60);

async fn a_timeout_covers_the_whole_and_stops_both_sides(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    // Silent, and busy.
    for (key, busy) in [(1, false), (2, true)] {
        let error = if busy {
            let mut blobs = client.endless(key, 1_000).timeout(SHORT);
            loop {
                if let Err(error) = blobs.next().await.expect("the end is told") {
                    assert!(blobs.next().await.is_none());
                    break error;
                }
            }
        } else {
            let mut held = client.hold_feed(key).timeout(SHORT);
            assert_eq!(held.next().await.expect("there is one").expect("it arrives"), key);
            held.next().await.expect("the end is told").expect_err("nobody releases it")
        };
        assert!(error.is_timeout() && !error.is_not_started(), "{error:?}");
        assert_eq!(served.event().await, Event::Started(key));
        assert_eq!(served.event().await, Event::Dropped(key));
    }
    let (sender, blobs) = fed();
    sender.send(Bytes::from_static(b"one")).expect("it is taken");
    let error = client.observe(3, blobs).timeout(SHORT).await.expect_err("it has no end");
    assert!(error.is_timeout(), "{error}");
    assert!(sender.is_closed());
    assert_eq!(served.event().await, Event::Started(3));
    assert_eq!(served.event().await, Event::Dropped(3));
    // An awaited one, whose timeout goes on when it has begun.
    let mut later = Box::pin(client.later(4, 1_000_000_000).timeout(SHORT * 4));
    assert!(poll_once(&mut later).await.is_pending());
    assert_eq!(served.event().await, Event::Started(4));
    served.state.release(4);
    let mut numbers = later.await.expect("it begins");
    let error = loop {
        if let Err(error) = numbers.next().await.expect("the end is told") {
            break error;
        }
    };
    assert!(error.is_timeout(), "{error}");
}

async fn an_awaited_stream_must_begin_within_the_channels_timeout(network: Network) {
    let mut served = serve(network).await;
    let brief = Channel::builder(&served.address).timeout(SHORT * 5).connect().await;
    let client = FeedClient::new(brief.expect("it listens"));
    let error = client.later(1, 3).await.expect_err("nobody releases it");
    assert!(error.is_timeout(), "{error}");
    assert_eq!(served.sorted_events(2).await, [Event::Started(1), Event::Dropped(1)]);
    // Also where a handler asks that has no deadline itself.
    let upstream = ProbeClient::new(client.channel().clone());
    served.state.upstream.set(upstream).expect("it is set once");
    let error = client.relay_later(9).next().await.expect("it says so");
    assert!(error.expect_err("nobody releases it").is_timeout());
    assert_eq!(served.sorted_events(2).await, [Event::Started(9), Event::Dropped(9)]);
    // It bounds the beginning, and neither what comes then, nor streams that are not awaited.
    let (from, mut since) = tokio::join!(client.since(1), async {
        let mut held = client.hold_feed(2);
        held.next().await.expect("there is one").expect("it arrives");
        held
    });
    let mut from = from.expect("it begins");
    let next = tokio::spawn(async move { since.next().await });
    assert_eq!(served.event().await, Event::Started(2));
    tokio::time::sleep(SHORT * 7).await;
    assert_eq!(from.next().await.expect("there is one").expect("it arrives"), 1);
    served.state.release(2);
    assert_eq!(next.await.expect("it does not panic").expect("it goes on").expect("one"), 2);
}

async fn a_handlers_deadline_holds_for_the_streams_it_asks_for(network: Network) {
    let served = serve(network).await;
    let client = served.feed().await;
    served.state.upstream.set(served.client().await).expect("it is set once");
    let first = |mut lefts: rpc::Streaming<Option<Duration>>| async move {
        lefts.next().await.expect("there is one").expect("it arrives")
    };
    assert_eq!(first(client.time_left()).await, None, "there is no default");
    assert_eq!(first(client.relay_time_left()).await, None);
    let timeout = Duration::from_secs(500);
    for lefts in [client.time_left(), client.relay_time_left()] {
        let left = first(lefts.timeout(timeout)).await.expect("it has one");
        assert!(left <= timeout && left > timeout / 2, "{left:?}");
    }
}

async fn a_drain_waits_for_streams(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    let mut held = client.hold_feed(1);
    assert_eq!(held.next().await.expect("there is one").expect("it arrives"), 1);
    let mut endless = client.endless(2, 10);
    endless.next().await.expect("there is one").expect("it arrives");
    let next = tokio::spawn(async move { (held.next().await, held.next().await) });
    assert_eq!(served.sorted_events(2).await, [1, 2].map(Event::Started));
    served.shutdown.shutdown();
    let mut watch = client.channel().watch();
    while watch.state() == ChannelState::Ready {
        watch.changed().await;
    }
    for _ in 0..100_000 {
        endless.next().await.expect("it goes on").expect("it arrives");
    }
    drop(endless);
    assert_eq!(served.event().await, Event::Dropped(2));
    assert!(!served.task.is_finished());
    served.state.release(1);
    let (last, end) = next.await.expect("it does not panic");
    assert_eq!(last.expect("it goes on").expect("it arrives"), 1);
    assert!(end.is_none(), "{end:?}");
    served.task.await.expect("it does not panic").expect("it ended in order");
}

async fn a_drain_ends_streams_that_listen_for_it(network: Network) {
    for spawns in [false, true] {
        let spawning = |server: Server| server.spawn_handlers(spawns);
        let mut served = Served::with(Place::new(network), spawning).await;
        let client = served.feed().await;
        let mut listening = client.until_draining(1);
        assert_eq!(listening.next().await.expect("there is one").expect("it arrives"), 1);
        assert_eq!(served.event().await, Event::Started(1));
        let rest = tokio::spawn(async move { (listening.next().await, listening.next().await) });
        served.shutdown.shutdown();
        let (last, end) = rest.await.expect("it does not panic");
        assert_eq!(last.expect("it is told").expect("it arrives"), 1);
        assert!(end.is_none(), "it ends cleanly: {end:?}");
        served.task.await.expect("it does not panic").expect("it ended in order");
    }
    // A connection that is old tells its handlers, too.
    let old = |server: Server| server.max_connection_age(SHORT);
    let served = Served::with(Place::new(network), old).await;
    let mut listening = served.feed().await.until_draining(1);
    for _ in 0..2 {
        assert_eq!(listening.next().await.expect("there is one").expect("it arrives"), 1);
    }
    assert!(listening.next().await.is_none());
}

async fn a_drain_forces_what_is_left_at_its_deadline(network: Network) {
    let brief = |server: Server| server.drain_timeout(SHORT);
    let mut served = Served::with(Place::new(network), brief).await;
    let client = served.feed().await;
    let mut held = client.hold_feed(1);
    held.next().await.expect("there is one").expect("it arrives");
    let mut silent = client.hold_feed_spawned(2);
    silent.next().await.expect("there is one").expect("it arrives");
    let (sender, blobs) = fed::<Bytes>();
    let upload = tokio::spawn(client.observe(3, blobs));
    let rests = [held, silent].map(|mut held| tokio::spawn(async move { held.next().await }));
    assert_eq!(served.sorted_events(3).await, [1, 2, 3].map(Event::Started));
    served.shutdown.shutdown();
    for rest in rests {
        let end = rest.await.expect("it does not panic").expect("the end is told");
        assert!(end.expect_err("it was forced").is_unavailable());
    }
    let error = upload.await.expect("it does not panic").expect_err("it was forced");
    assert!(error.is_unavailable(), "{error}");
    assert!(sender.is_closed());
    assert_eq!(served.sorted_events(3).await, [1, 2, 3].map(Event::Dropped));
    served.task.await.expect("it does not panic").expect("it ended");
}

async fn uploads_finish_while_the_server_drains(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    let (sender, blobs) = fed();
    let upload = tokio::spawn(client.observe(1, blobs));
    sender.send(Bytes::from_static(b"one")).expect("it is taken");
    assert_eq!(served.event().await, Event::Started(1));
    served.state.counted(1, 1).await;
    served.shutdown.shutdown();
    let mut watch = client.channel().watch();
    while watch.state() == ChannelState::Ready {
        watch.changed().await;
    }
    // More than its window.
    for _ in 0..1_000 {
        sender.send(Bytes::from(vec![7; 1_000])).expect("it is taken");
    }
    drop(sender);
    assert_eq!(upload.await.expect("it does not panic").expect("it answers"), 1_001);
    assert_eq!(served.event().await, Event::Noted("1: complete".to_owned()));
    served.task.await.expect("it does not panic").expect("it ended in order");
}

async fn new_calls_go_elsewhere_beside_a_stream(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let channel = Channel::builder(doorway.address()).connect_lazy();
    let mut watch = channel.watch();
    let (client, probe) = (FeedClient::new(channel.clone()), ProbeClient::new(channel));
    let mut count = client.count(3);
    let stream = tokio::spawn(async move {
        let mut numbers = Vec::new();
        while let Some(number) = count.next().await {
            numbers.push(number.expect("it arrives"));
        }
        numbers
    });
    let mut old = doorway.accept().await;
    old.welcome().await;
    let id = old.hear_request("Feed.count").await;
    old.say(&items::item(id, 0)).await;
    assert!(watch.reached(ChannelState::Ready).await);
    old.say(&go_away(1, None)).await;
    while watch.state() == ChannelState::Ready {
        watch.changed().await;
    }
    // A call finds another connection at once.
    let sum = tokio::spawn(async move { probe.add(1, 2).await });
    let mut new = doorway.accept().await;
    new.welcome().await;
    let new_id = new.hear_request("Probe.add").await;
    new.say(&response(new_id, 3)).await;
    assert_eq!(sum.await.expect("it does not panic").expect("it answers"), 3);
    for number in [1, 2] {
        old.say(&items::item(id, number)).await;
    }
    old.say(&items::complete(id)).await;
    assert_eq!(stream.await.expect("it does not panic"), [0, 1, 2]);
    let said = old.hear_until(|said| *said == Said::Closed).await;
    assert!(said.iter().all(|said| matches!(said, Said::Credit { .. } | Said::Closed)), "{said:?}");
}

async fn a_stream_goes_on_over_an_old_connection(network: Network) {
    let old = |server: Server| server.max_connection_age(SHORT);
    let served = Served::with(Place::new(network), old).await;
    let client = served.feed().await;
    let mut endless = client.endless(1, 1_000);
    let mut watch = client.channel().watch();
    endless.next().await.expect("there is one").expect("it arrives");
    for round in 0..3 {
        while watch.state() == ChannelState::Ready {
            watch.changed().await;
        }
        let sum = ProbeClient::new(client.channel().clone()).add(round, 1).await;
        assert_eq!(sum.expect("on another connection"), round + 1);
        // More than a window: credit still finds its way.
        for _ in 0..1_000 {
            endless.next().await.expect("it goes on").expect("it arrives");
        }
    }
}

async fn a_panic_in_a_stream_is_that_calls_error(network: Network) {
    for spawns in [false, true] {
        let spawning = |server: Server| server.spawn_handlers(spawns);
        let mut served = Served::with(Place::new(network), spawning).await;
        let client = served.feed().await;
        let mut beside = client.hold_feed(1);
        beside.next().await.expect("there is one").expect("it arrives");
        for items in [0, 1, 100] {
            let mut numbers: Vec<_> = client.panic_behind(items).collect().await;
            let error = numbers.pop().expect("the end is told").expect_err("it panics");
            assert_eq!((error.kind(), error.message()), (Code::Internal, "the handler panicked"));
            assert_eq!(numbers.len() as u64, items, "what came before is there");
        }
        let rest = tokio::spawn(async move { (beside.next().await, beside.next().await) });
        assert_eq!(served.event().await, Event::Started(1));
        served.state.release(1);
        let (last, end) = rest.await.expect("it does not panic");
        assert_eq!(last.expect("it goes on").expect("it arrives"), 1);
        assert!(end.is_none());
    }
}

async fn a_panic_in_what_is_sent_is_the_callers(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    let bad = stream::iter(0..10).map(|number| {
        assert!(number < 5, "the caller's stream panics");
        Bytes::from_static(b"item")
    });
    let call = tokio::spawn(client.observe(1, bad));
    assert!(call.await.expect_err("it panics").is_panic());
    // The call is cancelled like any other that is dropped.
    assert_eq!(served.event().await, Event::Started(1));
    assert_eq!(served.event().await, Event::Dropped(1));
    assert_eq!(client.sum(stream::iter([1, 2])).await.expect("the channel goes on"), 3);
}

async fn a_panic_in_a_destructor_harms_nobody(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    let mut beside = client.hold_feed(1);
    beside.next().await.expect("there is one").expect("it arrives");
    let mut bomb = client.panic_when_dropped(2);
    bomb.next().await.expect("there is one").expect("it arrives");
    assert!(poll_once(&mut Box::pin(bomb.next())).await.is_pending());
    assert!(poll_once(&mut Box::pin(beside.next())).await.is_pending());
    assert_eq!(served.sorted_events(2).await, [1, 2].map(Event::Started));
    drop(bomb);
    assert_eq!(served.event().await, Event::Dropped(2));
    served.state.release(1);
    assert_eq!(beside.next().await.expect("it goes on").expect("it arrives"), 1);
    assert!(beside.next().await.is_none());
    // With its connection.
    let mut wire = served.introduced_with_windows(1 << 16, 1 << 16).await;
    for id in 5..8 {
        let method = if id % 2 == 1 { "Feed.panic_when_dropped" } else { "Feed.hold_feed" };
        wire.say(&request(id, method, numbers(&[id.into()]))).await;
        assert_eq!(wire.hear().await, Said::item(id, id.into()));
    }
    assert_eq!(served.event().await, Event::Ended(1));
    assert_eq!(served.sorted_events(3).await, [5, 6, 7].map(Event::Started));
    drop(wire);
    assert_eq!(served.sorted_events(3).await, [5, 6, 7].map(Event::Dropped));
    served.assert_serves().await;
}

/// Servers in a row, each of which asks the next.
async fn chain<const N: usize>(network: Network) -> [Served; N] {
    let mut servers = Vec::new();
    for _ in 0..N {
        servers.push(serve(network).await);
    }
    for pair in servers.windows(2) {
        assert!(pair[0].state.upstream.set(pair[1].client().await).is_ok());
    }
    servers.try_into().unwrap_or_else(|_| unreachable!("there are so many"))
}

async fn streams_forward_through_three_servers(network: Network) {
    let [first, _second, mut third] = chain(network).await;
    let client = first.feed().await;
    let mut held = client.relay_twice(1);
    assert_eq!(held.next().await.expect("there is one").expect("it arrives"), 1);
    let rest = tokio::spawn(async move { (held.next().await, held.next().await) });
    assert_eq!(third.event().await, Event::Started(1));
    third.state.release(1);
    let (last, end) = rest.await.expect("it does not panic");
    assert_eq!(last.expect("it goes on").expect("it arrives"), 1);
    assert!(end.is_none());
    assert_eq!(third.event().await, Event::Ended(1));
    // Dropped at the first, observed at the third.
    let mut held = client.relay_twice(2);
    held.next().await.expect("there is one").expect("it arrives");
    assert!(poll_once(&mut Box::pin(held.next())).await.is_pending());
    assert_eq!(third.event().await, Event::Started(2));
    drop(held);
    assert_eq!(third.event().await, Event::Dropped(2));
    // And where the first one is gone.
    let mut held = client.relay_twice(3);
    held.next().await.expect("there is one").expect("it arrives");
    let next = tokio::spawn(async move { held.next().await });
    assert_eq!(third.event().await, Event::Started(3));
    first.kill().await;
    assert_eq!(third.event().await, Event::Dropped(3));
    next.await.expect("it does not panic").expect("the end is told").expect_err("it is gone");
}

async fn uploads_forward_through_two_servers(network: Network) {
    let [first, mut second] = chain(network).await;
    let client = first.feed().await;
    let blobs = stream::repeat(Bytes::from(vec![7; 1_000])).take(2_000);
    assert_eq!(client.relay_up(1, blobs).await.expect("it answers"), 2_000);
    assert_eq!(second.event().await, Event::Started(1));
    assert_eq!(second.event().await, Event::Noted("1: complete".to_owned()));
    assert_eq!(second.event().await, Event::Dropped(1));
    let (sender, blobs) = fed();
    let call = tokio::spawn(client.relay_up(2, blobs));
    sender.send(Bytes::from_static(b"one")).expect("it is taken");
    assert_eq!(second.event().await, Event::Started(2));
    second.state.counted(2, 1).await;
    call.abort();
    assert_eq!(second.event().await, Event::Dropped(2));
}

/// A client of a server that is played by hand, which comes back quickly.
async fn quick(network: Network) -> (Place, crate::support::Doorway, FeedClient) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let pause = Backoff::new(Duration::from_millis(1), 1.0, Duration::from_millis(1));
    let builder = Channel::builder(doorway.address()).retry_backoff(pause);
    let client = FeedClient::new(builder.reconnect_backoff(pause).connect_lazy());
    (place, doorway, client)
}

async fn a_stream_of_which_nothing_came_is_repeated(network: Network) {
    let (_place, doorway, client) = quick(network).await;
    let mut found = client.find_feed(1);
    let next = tokio::spawn(async move { (found.next().await, found.next().await) });
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let (id, attempt) = wire.hear_attempt("Feed.find_feed").await;
    assert_eq!(attempt, 1);
    wire.say(&refusal(id, 14, "not now", 0)).await;
    let (_, attempt) = wire.hear_attempt("Feed.find_feed").await;
    assert_eq!(attempt, 2);
    drop(wire);
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let (id, attempt) = wire.hear_attempt("Feed.find_feed").await;
    assert_eq!(attempt, 3);
    wire.say(&items::item(id, 1)).await;
    wire.say(&items::complete(id)).await;
    let (item, end) = next.await.expect("it does not panic");
    assert_eq!(item.expect("there is one").expect("it arrives"), 1);
    assert!(end.is_none());
}

async fn a_stream_of_which_an_item_came_is_not(network: Network) {
    for how in 0..3 {
        let (_place, doorway, client) = quick(network).await;
        let mut found = client.find_more(1);
        let next = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(item) = found.next().await {
                all.push(item);
            }
            all
        });
        let mut wire = doorway.accept().await;
        wire.welcome().await;
        let (id, _) = wire.hear_attempt("Feed.find_more").await;
        match how {
            0 => wire.say(&items::begin(id)).await,
            1 => wire.say(&items::item(id, 1)).await,
            _ => {
                wire.say(&items::item(id, 1)).await;
                wire.say(&refusal(id, 14, "not now", 0)).await;
            }
        }
        if how < 2 {
            drop(wire);
        }
        let mut all = next.await.expect("it does not panic");
        let error = all.pop().expect("the end is told").expect_err("it is not complete");
        assert!(error.is_unavailable() && !error.is_not_started(), "{error:?}");
        assert_eq!(all.len(), usize::from(how > 0));
    }
}

async fn an_upload_of_which_an_item_went_out_is_not(network: Network) {
    let hello = crate::support::hello_with(&[(0, 8), (2, 1 << 16), (6, 1 << 16)]);
    for (count, is_repeated) in [(0, true), (1, false)] {
        let (_place, doorway, client) = quick(network).await;
        let (sender, numbers) = fed();
        for number in 0..count {
            sender.send(number).expect("it is taken");
        }
        let sum = tokio::spawn(client.sum(numbers));
        let mut wire = doorway.accept().await;
        wire.greet(&hello).await;
        wire.hear_attempt("Feed.sum").await;
        for _ in 0..count {
            assert!(matches!(wire.hear().await, Said::Item { .. }));
        }
        // It was not started, so it may be sent again; but an item that has gone out is not kept.
        wire.say(&go_away(0, None)).await;
        drop(wire);
        if is_repeated {
            let mut wire = doorway.accept().await;
            wire.greet(&hello).await;
            let (id, attempt) = wire.hear_attempt("Feed.sum").await;
            assert_eq!(attempt, 2);
            // Its items follow it there.
            sender.send(5).expect("it is taken");
            assert_eq!(wire.hear().await, Said::item(id, 5));
            drop(sender);
            assert_eq!(wire.hear().await, Said::End { id });
            wire.say(&response(id, 5)).await;
            assert_eq!(sum.await.expect("it does not panic").expect("it answers"), 5);
        } else {
            let error = sum.await.expect("it does not panic").expect_err("its item is gone");
            assert!(error.is_unavailable(), "{error:?}");
            assert!(sender.is_closed());
        }
    }
}

async fn a_stream_that_was_not_started_is_always_repeated(network: Network) {
    let (_place, doorway, client) = quick(network).await;
    let mut count = client.count(1);
    let next = tokio::spawn(async move { (count.next().await, count.next().await) });
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    wire.hear_request("Feed.count").await;
    wire.say(&go_away(0, None)).await;
    drop(wire);
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let id = wire.hear_request("Feed.count").await;
    wire.say(&items::item(id, 0)).await;
    wire.say(&items::complete(id)).await;
    let (item, end) = next.await.expect("it does not panic");
    assert_eq!(item.expect("there is one").expect("it arrives"), 0);
    assert!(end.is_none());
}

/// In virtual time, hours of it.
#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_kept_alive_and_has_no_deadline() {
    within_a_day(async {
        let (_steward, state, mut events) = service();
        let client = FeedClient::local(Feeder::new(&state));
        let mut held = client.hold_feed(1);
        held.next().await.expect("there is one").expect("it arrives");
        let rest = tokio::spawn(async move { (held.next().await, held.next().await) });
        assert_eq!(events.recv().await, Some(Event::Started(1)));
        let (sender, blobs) = fed();
        let upload = tokio::spawn(client.observe(2, blobs));
        assert_eq!(events.recv().await, Some(Event::Started(2)));
        tokio::time::sleep(Duration::from_secs(5 * 3600)).await;
        sender.send(Bytes::from_static(b"late")).expect("it is taken");
        state.counted(2, 1).await;
        tokio::time::sleep(Duration::from_secs(5 * 3600)).await;
        drop(sender);
        assert_eq!(upload.await.expect("it does not panic").expect("it answers"), 1);
        state.release(1);
        let (last, end) = rest.await.expect("it does not panic");
        assert_eq!(last.expect("it goes on").expect("it arrives"), 1);
        assert!(end.is_none());
    })
    .await;
}
