//! How streams end: explicitly. What is cut, cancelled or given up is an error at one side, and dropped at the other, at once.

use rpc::{Bytes, Channel, Code, stream};

use crate::support::{
    Event, FeedClient, Network, Place, Said, fed, items, numbers, on_each_network, poll_once,
    request, serve,
};

on_each_network!(
    a_lost_connection_is_no_end_of_a_servers_stream,
    a_server_that_closes_in_order_in_mid_stream_is_no_end,
    a_lost_connection_is_no_end_of_a_clients_stream,
    a_stream_that_was_handed_to_another_task_ends_with_its_call,
    the_clients_stream_ends_and_the_servers_goes_on,
    the_servers_stream_ends_and_the_clients_is_dropped,
    a_dropped_stream_drops_its_producer,
    a_dropped_call_drops_both_streams,
    a_handler_that_drops_its_stream_goes_on_without_it,
    a_handler_may_answer_early,
    what_crosses_the_answer_is_ignored,
    items_that_were_not_asked_for_are_declined,
    a_client_told_to_send_no_more_says_so_once,
    a_stream_where_a_value_was_expected_is_said,
);

/// A client of a server that is played by hand.
async fn by_hand(network: Network) -> (Place, crate::support::Doorway, FeedClient) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let client = FeedClient::new(Channel::builder(doorway.address()).connect_lazy());
    (place, doorway, client)
}

/// Room for what a test sends.
const WINDOWS: [(u64, u64); 4] = [(0, 1_024), (1, 16 << 20), (2, 256 << 10), (6, 1 << 20)];

async fn a_lost_connection_is_no_end_of_a_servers_stream(network: Network) {
    // In front of everything, between items, and inside of one.
    for (whole, rest) in [(0, &[][..]), (3, &[]), (3, &[0, 0, 0, 5, 0x94, 7])] {
        let (_place, doorway, client) = by_hand(network).await;
        let mut count = client.count(10);
        let taken = tokio::spawn(async move {
            let mut numbers = Vec::new();
            while let Some(number) = count.next().await {
                numbers.push(number);
            }
            numbers
        });
        let mut wire = doorway.accept().await;
        wire.welcome().await;
        let id = wire.hear_request("Feed.count").await;
        for number in 0..whole {
            wire.say(&items::item(id, number)).await;
        }
        wire.send(rest).await;
        drop(wire);
        let mut numbers = taken.await.expect("it does not panic");
        let error = numbers.pop().expect("the end is told").expect_err("it is not complete");
        assert!(error.is_unavailable() && !error.is_not_started(), "{error:?}");
        assert!(error.message().ends_with("the server may have run the call"), "{error}");
        let numbers: Vec<_> = numbers.into_iter().map(|number| number.expect("a number")).collect();
        assert_eq!(numbers, (0..whole).collect::<Vec<_>>());
    }
}

async fn a_server_that_closes_in_order_in_mid_stream_is_no_end(network: Network) {
    let (_place, doorway, client) = by_hand(network).await;
    let mut count = client.count(10);
    let first = tokio::spawn(async move { (count.next().await, count.next().await) });
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let id = wire.hear_request("Feed.count").await;
    wire.say(&items::item(id, 0)).await;
    wire.say(&crate::support::go_away(1, None)).await;
    wire.finish().await;
    let (first, second) = first.await.expect("it does not panic");
    assert_eq!(first.expect("there is one").expect("it arrives"), 0);
    let error = second.expect("the end is told").expect_err("it is not complete");
    assert!(error.is_unavailable(), "{error}");
}

async fn a_lost_connection_is_no_end_of_a_clients_stream(network: Network) {
    for method in ["observe", "observe_spawned"] {
        let mut served = serve(network).await;
        let mut wire = served.introduced().await;
        wire.say(&request(1, &format!("Feed.{method}"), numbers(&[7]))).await;
        for _ in 0..3 {
            wire.say(&items::blob(1, 100)).await;
        }
        assert_eq!(served.event().await, Event::Started(7));
        served.state.counted(7, 3).await;
        // Half of an item.
        wire.send(&items::blob(1, 100)[..20]).await;
        drop(wire);
        // It sees no end: it is dropped. A task of its own may be running just then, and read why before it is.
        let mut event = served.event().await;
        if let (Event::Noted(end), "observe_spawned") = (&event, method) {
            assert_eq!(end, "7: unavailable");
            event = served.event().await;
        }
        assert_eq!(event, Event::Dropped(7));
        served.assert_serves().await;
        assert!(served.events.try_recv().is_err(), "nothing else happened to it");
    }
}

async fn a_stream_that_was_handed_to_another_task_ends_with_its_call(network: Network) {
    let mut served = serve(network).await;
    // Its connection is lost; it is cancelled; it is answered. In no case is the stream complete.
    for how in 0..3 {
        let mut wire = served.introduced().await;
        wire.say(&request(1, "Feed.hand_over", numbers(&[7]))).await;
        wire.say(&items::blob(1, 100)).await;
        let started = served.sorted_events(2).await;
        assert_eq!(started, [Event::Started(7), Event::Started(7)]);
        served.state.counted(7, how + 1).await;
        match how {
            0 => drop(wire),
            1 => wire.say(&items::cancel(1)).await,
            _ => served.state.release(7),
        }
        let mut events = served.sorted_events(3).await;
        let noted = events.pop().expect("there are three");
        let Event::Noted(end) = noted else { unreachable!("{noted:?}") };
        assert_ne!(end, "7: complete", "case {how}");
        let ended = if how == 2 { Event::Ended(7) } else { Event::Dropped(7) };
        assert_eq!(events, [ended.min(Event::Dropped(7)), Event::Dropped(7)], "case {how}");
    }
}

async fn the_clients_stream_ends_and_the_servers_goes_on(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    let mut answers = client.count_and_hold(1, stream::iter(0..100));
    assert_eq!(answers.next().await.expect("there is one").expect("it arrives"), 100);
    let next = tokio::spawn(async move { (answers.next().await, answers.next().await) });
    assert_eq!(served.event().await, Event::Started(1));
    served.state.release(1);
    let (last, end) = next.await.expect("it does not panic");
    assert_eq!(last.expect("there is one").expect("it arrives"), 1);
    assert!(end.is_none());
}

async fn the_servers_stream_ends_and_the_clients_is_dropped(network: Network) {
    let served = serve(network).await;
    let client = served.feed().await;
    let (sender, numbers) = fed();
    let mut brief = client.brief(3, numbers);
    for number in 0..3 {
        assert_eq!(brief.next().await.expect("there is one").expect("it arrives"), number);
    }
    assert!(!sender.is_closed());
    assert!(brief.next().await.is_none());
    // It is dropped although its call is still held.
    sender.closed().await;
    assert!(brief.next().await.is_none());
}

async fn a_dropped_stream_drops_its_producer(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    for (key, mut blobs) in [(1, client.endless(1, 1_000)), (2, client.endless_spawned(2, 1_000))] {
        blobs.next().await.expect("there is one").expect("it arrives");
        assert_eq!(served.event().await, Event::Started(key));
        drop(blobs);
        assert_eq!(served.event().await, Event::Dropped(key));
    }
    // One that is silent, and one that was not awaited to its beginning.
    for (key, mut held) in [(3, client.hold_feed(3)), (4, client.hold_feed_spawned(4))] {
        held.next().await.expect("there is one").expect("it arrives");
        assert!(poll_once(&mut Box::pin(held.next())).await.is_pending());
        assert_eq!(served.event().await, Event::Started(key));
        drop(held);
        assert_eq!(served.event().await, Event::Dropped(key));
    }
    let mut later = Box::pin(client.later(5, 1));
    assert!(poll_once(&mut later).await.is_pending());
    assert_eq!(served.event().await, Event::Started(5));
    drop(later);
    assert_eq!(served.event().await, Event::Dropped(5));
    served.assert_serves().await;
}

async fn a_dropped_call_drops_both_streams(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    for spawned in [false, true] {
        let (sender, items) = fed();
        let call =
            if spawned { client.observe_spawned(1, items) } else { client.observe(1, items) };
        let call = tokio::spawn(call);
        sender.send(Bytes::from_static(b"one")).expect("it is taken");
        assert_eq!(served.event().await, Event::Started(1));
        call.abort();
        sender.closed().await;
        assert_eq!(served.event().await, Event::Dropped(1));
    }
    // In both directions.
    let (sender, numbers) = fed();
    let mut answers = client.count_and_hold(2, numbers);
    sender.send(1).expect("it is taken");
    assert!(poll_once(&mut Box::pin(answers.next())).await.is_pending());
    drop(answers);
    assert!(sender.is_closed());
    served.assert_serves().await;
    assert!(served.events.try_recv().is_err(), "nothing was complete");
}

async fn a_handler_that_drops_its_stream_goes_on_without_it(network: Network) {
    let mut served = serve(network).await;
    let client = served.feed().await;
    for (key, spawned) in [(1, false), (2, true)] {
        let (sender, items) = fed();
        for _ in 0..3 {
            sender.send(Bytes::from_static(b"item")).expect("it is taken");
        }
        let call =
            if spawned { client.taste_spawned(key, items, 2) } else { client.taste(key, items, 2) };
        let call = tokio::spawn(call);
        assert_eq!(served.event().await, Event::Started(key));
        sender.closed().await;
        assert!(!call.is_finished());
        served.state.release(key);
        assert_eq!(call.await.expect("it does not panic").expect("it answers"), key);
        assert_eq!(served.event().await, Event::Ended(key));
    }
}

async fn a_handler_may_answer_early(network: Network) {
    let served = serve(network).await;
    let client = served.feed().await;
    let (sender, items) = fed();
    for _ in 0..10 {
        sender.send(Bytes::from_static(b"item")).expect("it is taken");
    }
    assert_eq!(client.first(items, 2).await.expect("it answers"), 8);
    assert!(sender.is_closed());
    // Again and again, with items on their way, on one connection.
    for round in 0..200 {
        let blobs = stream::repeat(Bytes::from(vec![7; 1_000]));
        let size = client.first(blobs, round % 5).await.expect("it answers");
        assert_eq!(size, 1_000 * (round % 5));
    }
}

async fn what_crosses_the_answer_is_ignored(network: Network) {
    let served = serve(network).await;
    let mut wire = served.introduced_with_windows(256 << 10, 1 << 20).await;
    wire.say(&request(1, "Feed.first", numbers(&[0]))).await;
    assert_eq!(wire.hear().await, Said::number(1, 0));
    for _ in 0..3 {
        wire.say(&items::blob(1, 1_000)).await;
    }
    wire.say(&items::end(1)).await;
    wire.say(&items::cancel(1)).await;
    wire.say(&items::credit(1, 5)).await;
    wire.say(&request(1, "Probe.add", numbers(&[1, 2]))).await;
    assert_eq!(wire.hear().await, Said::number(1, 3));
}

async fn items_that_were_not_asked_for_are_declined(network: Network) {
    let mut served = serve(network).await;
    let mut wire = served.introduced().await;
    wire.say(&request(1, "Probe.hold", numbers(&[1]))).await;
    assert_eq!(served.event().await, Event::Started(1));
    wire.say(&items::blob(1, 1_000)).await;
    wire.say(&items::blob(1, 1_000)).await;
    assert_eq!(wire.hear().await, Said::Cancel { id: 1 });
    wire.say(&items::end(1)).await;
    served.state.release(1);
    assert_eq!(wire.hear().await, Said::number(1, 1));
}

async fn a_client_told_to_send_no_more_says_so_once(network: Network) {
    let (_place, doorway, client) = by_hand(network).await;
    let (sender, numbers) = fed();
    sender.send(5).expect("it is taken");
    let sum = tokio::spawn(client.sum(numbers));
    let mut wire = doorway.accept().await;
    wire.greet(&crate::support::hello_with(&WINDOWS)).await;
    let id = wire.hear_request("Feed.sum").await;
    assert_eq!(wire.hear().await, Said::item(id, 5));
    wire.say(&items::cancel(id)).await;
    sender.closed().await;
    assert_eq!(wire.hear().await, Said::End { id });
    // The call goes on.
    wire.say(&items::ping(1)).await;
    assert_eq!(wire.hear().await, Said::Pong(1));
    wire.say(&crate::support::response(id, 5)).await;
    assert_eq!(sum.await.expect("it does not panic").expect("it answers"), 5);
}

async fn a_stream_where_a_value_was_expected_is_said(network: Network) {
    let (_place, doorway, client) = by_hand(network).await;
    let sum = tokio::spawn(client.sum(stream::empty()));
    let mut count = client.count(3);
    let count = tokio::spawn(async move { count.next().await });
    let mut wire = doorway.accept().await;
    wire.greet(&crate::support::hello_with(&WINDOWS)).await;
    for _ in 0..2 {
        match wire.hear_until(|said| matches!(said, Said::Request { .. })).await.pop() {
            Some(Said::Request { id, method, .. }) if method == "Feed.sum" => {
                wire.say(&items::item(id, 1)).await;
            }
            Some(Said::Request { id, .. }) => wire.say(&crate::support::response(id, 7)).await,
            other => unreachable!("{other:?}"),
        }
    }
    let error = sum.await.expect("it does not panic").expect_err("their traits differ");
    assert_eq!(error.kind(), Code::Internal);
    assert!(error.message().contains("traits differ"), "{error}");
    let error = count.await.expect("it does not panic").expect("it says so");
    let error = error.expect_err("their traits differ");
    assert_eq!(error.kind(), Code::Internal);
    assert!(error.message().contains("traits differ"), "{error}");
}
