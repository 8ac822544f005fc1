//! What is large travels in parts: it arrives whole, both ways, and what is small overtakes it.

use futures_util::future::join_all;
use rpc::{Bytes, Channel, Code, Server, StreamExt, stream};

use crate::support::{
    Event, FeedClient, Network, Place, ProbeClient, Said, Served, hello_with, items, numbers,
    on_each_network, poll_once, request, response, serve, within_a_day,
};

on_each_network!(
    large_requests_and_answers_arrive_whole,
    several_at_once_arrive_whole,
    small_calls_get_past_large_answers,
    small_calls_get_past_large_requests,
    a_cancelled_answer_is_cut_short,
    a_cancelled_request_is_cut_short,
    a_peer_may_abandon_a_message,
    a_cut_in_the_middle_of_parts_is_said,
    the_limit_holds_for_the_whole,
    parts_of_items_keep_their_order,
    no_more_is_sent_than_the_peer_reads,
);

const MIB: usize = 1 << 20;

/// A server and a client that take messages of 64 MiB.
async fn roomy(network: Network) -> (Served, ProbeClient) {
    let served =
        Served::with(Place::new(network), |server| server.max_message_size(64 * MIB)).await;
    let builder = Channel::builder(&served.address).max_message_size(64 * MIB);
    let channel = builder.connect().await.expect("it listens");
    (served, ProbeClient::new(channel))
}

/// Bytes of which none is at the place of another.
fn pattern(size: usize) -> Bytes {
    (0..size).map(|index| u8::try_from(index % 251).expect("it is small")).collect()
}

async fn large_requests_and_answers_arrive_whole(network: Network) {
    let (served, client) = roomy(network).await;
    for size in [MIB, 5 * MIB + 1, 40 * MIB] {
        let data = pattern(size);
        assert!(client.echo(data.clone()).await.expect("it answers") == data, "{size} bytes");
    }
    served.assert_serves().await;
}

async fn several_at_once_arrive_whole(network: Network) {
    let (_served, client) = roomy(network).await;
    let calls = (0..12).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let data = pattern(number * 300_000);
            assert!(client.echo(data.clone()).await.expect("it answers") == data);
            let reversed: Vec<u8> = data.iter().rev().copied().collect();
            assert!(client.reverse(data.to_vec()).await.expect("it answers") == reversed);
        })
    });
    for call in join_all(calls.collect::<Vec<_>>()).await {
        call.expect("it arrives whole");
    }
}

async fn small_calls_get_past_large_answers(network: Network) {
    let served = serve(network).await;
    let mut wire = served.introduced().await;
    wire.say(&request(1, "Probe.filler", numbers(&[12 * MIB as u64]))).await;
    let Said::Part { state: 1, size: first } = wire.hear_frame().await else {
        unreachable!("it is large")
    };
    wire.say(&items::ping(7)).await;
    wire.say(&request(2, "Probe.add", numbers(&[1, 2]))).await;
    let (mut size, mut overtook) = (first, Vec::new());
    loop {
        match wire.hear_frame().await {
            Said::Part { state, size: more } => {
                size += more;
                // The last of it is not told of, so that the rest cannot go out before what overtakes it has come.
                if size <= 10 * MIB || overtook.len() == 2 {
                    wire.say(&items::received(size as u64)).await;
                }
                if state == 0 {
                    break;
                }
            }
            said => overtook.push(said),
        }
    }
    assert!(size > 12 * MIB, "{size} bytes");
    assert_eq!(overtook, [Said::Pong(7), Said::number(2, 3)]);
}

async fn small_calls_get_past_large_requests(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let client = ProbeClient::new(Channel::builder(doorway.address()).connect_lazy());
    let greeted = tokio::spawn(client.add(1, 2));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let id = wire.hear_request("Probe.add").await;
    wire.say(&response(id, 3)).await;
    greeted.await.expect("it does not panic").expect("it answers");
    let large = tokio::spawn(client.length(&vec![7; 12 * MIB]));
    let Said::Part { state: 1, size: first } = wire.hear_frame().await else {
        unreachable!("it is large")
    };
    let small = tokio::spawn(client.add(3, 4));
    let (mut size, mut told, mut is_answered) = (first, 0, false);
    loop {
        match wire.hear_frame().await {
            Said::Part { state, size: more } => {
                size += more;
                if state == 0 {
                    break;
                }
                // As slow as a reader may be, that waits for the small one.
                if size - told >= MIB {
                    told = size;
                    wire.say(&items::received(size as u64)).await;
                    wire.say(&items::ping(size as u64)).await;
                }
            }
            Said::Request { id, method, .. } if method == "Probe.add" => {
                wire.say(&response(id, 7)).await;
                is_answered = true;
            }
            Said::Pong(_) => {}
            other => unreachable!("{other:?}"),
        }
    }
    assert!(is_answered, "the small call came behind the large one");
    assert_eq!(small.await.expect("it does not panic").expect("it answers"), 7);
    large.abort();
}

async fn a_cancelled_answer_is_cut_short(network: Network) {
    let mut served = serve(network).await;
    let mut wire = served.introduced().await;
    wire.say(&request(1, "Probe.filler", numbers(&[12 * MIB as u64]))).await;
    let Said::Part { state: 1, .. } = wire.hear_frame().await else { unreachable!("it is large") };
    wire.say(&items::cancel(1)).await;
    let mut parts = 0;
    loop {
        match wire.hear_frame().await {
            Said::Part { state: 1, .. } => parts += 1,
            Said::Part { state: 2, size: 0 } => break,
            other => unreachable!("{other:?}"),
        }
    }
    // What is sent ahead of what was read, and not all of it.
    assert!(parts <= 17, "{parts} parts");
    assert!(matches!(wire.hear().await, Said::Failure { id: 1, code: 1, .. }));
    wire.say(&request(1, "Probe.add", numbers(&[1, 2]))).await;
    assert_eq!(wire.hear().await, Said::number(1, 3));
    // The same between both ends, at any moment.
    let client = served.client().await;
    for round in 0..30 {
        let mut call = Box::pin(client.filler(8 * MIB));
        assert!(poll_once(&mut call).await.is_pending());
        for _ in 0..round {
            tokio::task::yield_now().await;
            if poll_once(&mut call).await.is_ready() {
                break;
            }
        }
        drop(call);
        assert_eq!(client.add(round, 1).await.expect("it answers"), round + 1);
    }
    assert_eq!(client.filler(MIB).await.expect("it answers").len(), MIB);
    assert!(served.events.try_recv().is_err());
}

async fn a_cancelled_request_is_cut_short(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    client.add(1, 2).await.expect("it answers");
    let data = vec![7; 12 * MIB];
    let mut reached = 0;
    for round in 0..30_i64 {
        let mut call = client.length(&data);
        assert!(poll_once(&mut call).await.is_pending());
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        drop(call);
        assert_eq!(client.add(round, 1).await.expect("it answers"), round + 1);
        client.receive(&data).await.expect("it is accepted");
        assert_eq!(served.event().await, Event::Received(data.len()));
        reached += 1;
    }
    assert_eq!(reached, 30);
    assert_eq!(client.length(&data).await.expect("it answers"), data.len());
}

async fn a_peer_may_abandon_a_message(network: Network) {
    let served = serve(network).await;
    let mut wire = served.introduced().await;
    let call = request(1, "Probe.length", |out| {
        out.extend_from_slice(&[0x91, 0xc6, 0, 0x10, 0, 0]);
        out.resize(out.len() + MIB, 7);
    });
    let (first, rest) = call.split_at(300_000);
    wire.say(&items::part(1, first)).await;
    assert_eq!(wire.hear().await, Said::Received(300_000));
    wire.say(&request(2, "Probe.add", numbers(&[1, 2]))).await;
    assert_eq!(wire.hear().await, Said::number(2, 3));
    wire.say(&items::part(2, &[])).await;
    // From the beginning.
    wire.say(&items::part(1, first)).await;
    wire.say(&items::part(0, rest)).await;
    let heard = wire.hear_until(|said| matches!(said, Said::Result { .. })).await;
    assert_eq!(heard.last(), Some(&Said::number(1, MIB as u64)));
}

async fn a_cut_in_the_middle_of_parts_is_said(network: Network) {
    // The server's, in an answer.
    let place = Place::new(network);
    let doorway = place.listen().await;
    let client = ProbeClient::new(Channel::builder(doorway.address()).connect_lazy());
    let call = tokio::spawn(client.filler(MIB));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let id = wire.hear_request("Probe.filler").await;
    wire.say(&items::part(1, &response(id, 1))).await;
    drop(wire);
    let error = call.await.expect("it does not panic").expect_err("it is cut");
    assert!(error.is_unavailable() && !error.is_not_started(), "{error}");
    // The client's, in a request, and inside of a part.
    let mut served = serve(network).await;
    let mut wire = served.introduced().await;
    wire.say(&items::part(1, &request(1, "Probe.note_sum", numbers(&[1])))).await;
    wire.send(&items::part(0, &[2])[..3]).await;
    drop(wire);
    served.assert_serves().await;
    assert!(served.events.try_recv().is_err(), "nothing began");
}

async fn the_limit_holds_for_the_whole(network: Network) {
    let limited = |server: Server| server.max_message_size(MIB);
    let mut served = Served::with(Place::new(network), limited).await;
    let mut wire = served.introduced().await;
    let whole = request(1, "Probe.length", |out| {
        out.extend_from_slice(&[0x91, 0xc6, 0, 0x20, 0, 0]);
        out.resize(out.len() + 2 * MIB, 7);
    });
    for part in whole.chunks(200_000) {
        let is_last = whole.ends_with(part) && part.len() != 200_000;
        wire.say(&items::part(u64::from(!is_last), part)).await;
    }
    let heard = wire.hear_until(|said| matches!(said, Said::Failure { .. })).await;
    let Some(Said::Failure { id: 1, code: 8, message, flags: 1 }) = heard.last() else {
        unreachable!("{heard:?}")
    };
    let end = "more than the 1048576 that the server accepts; raise it with `max_message_size` on the server";
    assert!(message.ends_with(end), "{message}");
    wire.say(&request(2, "Probe.add", numbers(&[1, 2]))).await;
    let heard = wire.hear_until(|said| matches!(said, Said::Result { .. })).await;
    assert_eq!(heard.last(), Some(&Said::number(2, 3)));
    // At both ends, before anything is sent.
    let client = served.client().await;
    let error = client.length(&vec![7; MIB]).await.expect_err("it is too large");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    assert!(error.is_not_started() && error.message().ends_with(end), "{error}");
    let channel = Channel::builder(&served.address).max_message_size(MIB).connect().await;
    let client = ProbeClient::new(channel.expect("it listens"));
    let error = client.filler(MIB).await.expect_err("it is too large");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    assert_eq!(client.filler(MIB - 8 - 5).await.expect("it fits").len(), MIB - 13);
    assert!(served.events.try_recv().is_err());
}

async fn parts_of_items_keep_their_order(network: Network) {
    let served = serve(network).await;
    let client = served.feed().await;
    // Each large item has small ones behind it, and the end.
    let sizes: Vec<_> = (0..40).map(|n| if n % 4 == 0 { 700_000 + n } else { n }).collect();
    let streams = (0..4).map(|_| {
        let (client, sizes) = (client.clone(), sizes.clone());
        tokio::spawn(async move {
            let blobs = client.blobs(sizes.clone());
            let arrived: Vec<_> = blobs.map(|blob| blob.expect("it arrives").len()).collect().await;
            assert_eq!(arrived, sizes);
            let blobs = stream::iter(sizes.clone()).map(|size| Bytes::from(vec![7; size]));
            assert_eq!(client.sizes(blobs).await.expect("it answers"), sizes);
        })
    });
    for stream in join_all(streams.collect::<Vec<_>>()).await {
        stream.expect("they arrive in order");
    }
}

async fn no_more_is_sent_than_the_peer_reads(network: Network) {
    const AHEAD: usize = 256 << 10;
    let served = Served::with(Place::new(network), |server| server.parts_ahead(AHEAD)).await;
    let mut wire = served.introduced().await;
    wire.say(&request(1, "Probe.filler", numbers(&[4 * MIB as u64]))).await;
    let (mut size, mut is_last) = (0, false);
    while !is_last {
        // All that comes without a word, and then a word.
        wire.say(&items::ping(size as u64)).await;
        let before = size;
        loop {
            match wire.hear_frame().await {
                Said::Part { state, size: more } => {
                    size += more;
                    is_last = state == 0;
                }
                Said::Pong(_) if is_last || size - before >= AHEAD => break,
                Said::Pong(token) => wire.say(&items::ping(token)).await,
                other => unreachable!("{other:?}"),
            }
        }
        assert!(size - before < AHEAD + (128 << 10), "{} bytes ahead", size - before);
        if !is_last {
            wire.say(&items::received(size as u64)).await;
        }
    }
    assert_eq!(size, 4 * MIB + 9);
    // More than was sent was not received.
    wire.say(&items::received(size as u64 + 1)).await;
    let Said::GoAway { reason: Some(reason), .. } = wire.hear().await else {
        unreachable!("it was not sent")
    };
    assert!(reason.contains("PROTOCOL 2.9"), "{reason}");
}

/// A reader that pauses for longer than idle slots are kept, in front of more answers than may wait to be sent.
#[tokio::test(start_paused = true)]
async fn a_large_answer_waits_for_a_reader_that_pauses() {
    within_a_day(async {
        let (steward, state, mut events) = crate::support::service();
        let (client, server) = tokio::io::duplex(64 << 10);
        let dispatchers: Vec<std::sync::Arc<dyn rpc::Dispatcher>> =
            vec![std::sync::Arc::new(crate::support::ProbeDispatcher::new(steward))];
        let task = tokio::spawn(rpc::serve_stream(server, dispatchers));
        let mut wire = crate::support::Wire::new(client);
        wire.introduce_with(&hello_with(&[(1, 64 << 20)])).await;
        for round in 0..3 {
            for id in 0..2 {
                let size = 3 * MIB as u64;
                wire.say(&request(id, "Probe.hold_filler", numbers(&[id.into(), size]))).await;
                assert_eq!(events.recv().await, Some(Event::Started(id)));
            }
            (0..2).for_each(|id| state.release(id));
            for id in 0..2 {
                assert_eq!(events.recv().await, Some(Event::Ended(id)));
            }
            tokio::time::sleep(std::time::Duration::from_secs(17)).await;
            let mut answered = Vec::new();
            while answered.len() < 2 {
                match wire.hear().await {
                    Said::Result { id, payload } if payload.len() == 3 * MIB + 5 => {
                        answered.push(id);
                    }
                    Said::Ping(_) => {}
                    other => unreachable!("{other:?}"),
                }
            }
            answered.sort_unstable();
            assert_eq!(answered, [0, 1], "round {round}");
            tokio::time::sleep(std::time::Duration::from_secs(17)).await;
        }
        assert!(!task.is_finished());
        drop(wire);
        task.await.expect("it does not panic").expect("it was closed");
    })
    .await;
}

/// A stub with a stream on the same connection gets its items past a large answer.
#[tokio::test]
async fn items_get_past_a_large_answer() {
    crate::support::within(async {
        let (_served, client) = roomy(Network::Tcp).await;
        let feed = FeedClient::new(client.channel().clone());
        let large = tokio::spawn(client.filler(40 * MIB));
        let numbers: Vec<_> =
            feed.count(10_000).map(|number| number.expect("it arrives")).collect().await;
        assert_eq!(numbers, (0..10_000).collect::<Vec<_>>());
        assert_eq!(large.await.expect("it does not panic").expect("it answers").len(), 40 * MIB);
    })
    .await;
}
