//! Streams over bad links: whatever is cut, delayed or killed, no stream seems complete that is not.

use std::time::Duration;

use rpc::{Bytes, Channel, StreamExt, stream};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{
    proxy::{Flow, Plan, Proxy},
    support::{Event, FeedClient, Network, Served, fed, serve, within},
};

/// The items of a stream that is cut.
const ITEMS: u64 = 8;

async fn through(served: &Served, plan: Plan) -> (Proxy, FeedClient) {
    let proxy = Proxy::to(&served.address, plan).await;
    // A call that was never written would try again and again, on links that are all cut.
    let builder = Channel::builder(&proxy.address).wait_for_connection(Duration::ZERO);
    (proxy, FeedClient::new(builder.connect_lazy()))
}

/// What can be cut: each byte of a small exchange, by an end and by a reset.
fn cuts(last: usize) -> impl Iterator<Item = Flow> {
    (0..last).flat_map(|end| [Flow::Cut(end), Flow::Reset(end)])
}

#[tokio::test]
async fn a_cut_anywhere_is_no_end_of_a_servers_stream() {
    within(async {
        let served = serve(Network::Tcp).await;
        let (mut complete, mut cut) = (0, 0);
        for is_up in [true, false] {
            for flow in cuts(140) {
                let plan = if is_up {
                    Plan { up: flow, ..Plan::PASS }
                } else {
                    Plan { down: flow, ..Plan::PASS }
                };
                let (_proxy, client) = through(&served, plan).await;
                let mut numbers = client.count(ITEMS);
                let mut taken = 0;
                loop {
                    match numbers.next().await {
                        Some(Ok(number)) => {
                            assert_eq!(number, taken);
                            taken += 1;
                        }
                        Some(Err(error)) => {
                            assert!(error.is_unavailable(), "{error}");
                            assert!(!error.is_not_started() || taken == 0, "{error:?}");
                            assert!(numbers.next().await.is_none());
                            cut += 1;
                            break;
                        }
                        None => {
                            assert_eq!(taken, ITEMS, "a clean end of {plan:?}");
                            complete += 1;
                            break;
                        }
                    }
                }
            }
        }
        assert!(complete > 20 && cut > 100, "{complete} were complete, {cut} cut");
    })
    .await;
}

#[tokio::test]
async fn a_cut_anywhere_is_no_end_of_a_clients_stream() {
    within(async {
        let mut served = serve(Network::Tcp).await;
        let (mut complete, mut cut) = (0, 0);
        for is_up in [true, false] {
            for flow in cuts(150) {
                let plan = if is_up {
                    Plan { up: flow, ..Plan::PASS }
                } else {
                    Plan { down: flow, ..Plan::PASS }
                };
                let (_proxy, client) = through(&served, plan).await;
                let items = stream::iter(0..ITEMS).map(|_| Bytes::from_static(b"item"));
                let outcome = client.observe(1, items).await;
                drop(client);
                // Wherever its handler has begun, it is dropped, or has seen an end that is one.
                served.assert_serves().await;
                let mut events = Vec::new();
                while let Ok(event) = served.events.try_recv() {
                    events.push(event);
                }
                while events.contains(&Event::Started(1)) && !events.contains(&Event::Dropped(1)) {
                    events.push(served.event().await);
                }
                let has_seen_the_end = events.contains(&Event::Noted("1: complete".to_owned()));
                assert!(events.len() <= if has_seen_the_end { 3 } else { 2 }, "{events:?}");
                match outcome {
                    Ok(count) => {
                        assert_eq!(count, ITEMS);
                        assert!(has_seen_the_end);
                        complete += 1;
                    }
                    Err(error) => {
                        assert!(error.is_unavailable(), "{error}");
                        assert!(!error.is_not_started() || events.is_empty(), "{error:?}");
                        cut += 1;
                    }
                }
            }
        }
        assert!(complete > 20 && cut > 100, "{complete} were complete, {cut} cut");
    })
    .await;
}

#[tokio::test]
async fn a_cut_in_the_middle_of_much_is_said_at_both_ends() {
    within(async {
        for bytes in [1_000, 70_000, 300_000, 1_500_000] {
            for flow in [Flow::Cut(bytes), Flow::Reset(bytes)] {
                let mut served = serve(Network::Tcp).await;
                let (_proxy, client) = through(&served, Plan { down: flow, ..Plan::PASS }).await;
                let mut endless = client.endless(1, 150_000);
                let error = loop {
                    if let Err(error) = endless.next().await.expect("it has no end") {
                        break error;
                    }
                };
                assert!(error.is_unavailable() && !error.is_not_started(), "{error:?}");
                assert_eq!(served.event().await, Event::Started(1));
                assert_eq!(served.event().await, Event::Dropped(1));
                let (_proxy, client) = through(&served, Plan { up: flow, ..Plan::PASS }).await;
                let error = client.observe(2, served.state.endless(3, 150_000)).await;
                let error = error.expect_err("it has no end");
                assert!(error.is_unavailable() && !error.is_not_started(), "{error:?}");
                let events = served.sorted_events(4).await;
                let expected =
                    [Event::Started(2), Event::Started(3), Event::Dropped(2), Event::Dropped(3)];
                assert_eq!(events, expected);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn delays_and_trickles_change_nothing_but_time_for_streams() {
    within(async {
        let served = serve(Network::Tcp).await;
        for flow in [Flow::Delay(Duration::from_millis(5)), Flow::Trickle(1), Flow::Trickle(7)] {
            let plan = Plan { up: flow, down: flow, refuses: false };
            let (_proxy, client) = through(&served, plan).await;
            let numbers: Vec<_> =
                client.count(60).map(|number| number.expect("it arrives")).collect().await;
            assert_eq!(numbers, (0..60).collect::<Vec<_>>());
            let doubled: Vec<_> = client
                .doubled(stream::iter(0..60))
                .map(|number| number.expect("it arrives"))
                .collect()
                .await;
            assert_eq!(doubled, (0..60).map(|number| 2 * number).collect::<Vec<_>>());
        }
        // More than a window, and in parts.
        let flow = Flow::Trickle(16 << 10);
        let (_proxy, client) =
            through(&served, Plan { up: flow, down: flow, refuses: false }).await;
        let sizes = vec![300_000, 10, 0, 200_000, 70_000, 300_000];
        let (down, up) = tokio::join!(
            client
                .blobs(sizes.clone())
                .map(|blob| blob.expect("it arrives").len())
                .collect::<Vec<_>>(),
            client.sizes(stream::iter(sizes.clone()).map(|size| Bytes::from(vec![7; size]))),
        );
        assert_eq!(down, sizes);
        assert_eq!(up.expect("it answers"), sizes);
    })
    .await;
}

/// Not a test, but the server of the next one, in a process of its own.
#[tokio::test]
#[ignore = "it is the server of `a_process_that_is_killed_in_mid_stream_is_no_end`"]
async fn serves_until_it_is_killed() {
    let served = serve(Network::Tcp).await;
    println!("\nlistening on {}", served.address);
    std::future::pending().await
}

/// Such a process, and where it listens.
async fn process() -> (tokio::process::Child, String) {
    let mut child = tokio::process::Command::new(std::env::current_exe().expect("it runs"))
        .args(["--exact", "streams::serves_until_it_is_killed", "--ignored", "--nocapture"])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it can be run again");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    loop {
        let line = lines.next_line().await.expect("it is text").expect("it says where it listens");
        if let Some(address) = line.strip_prefix("listening on ") {
            return (child, address.to_owned());
        }
    }
}

#[tokio::test]
async fn a_process_that_is_killed_in_mid_stream_is_no_end() {
    within(async {
        let (mut child, address) = process().await;
        let builder = Channel::builder(&address).wait_for_connection(Duration::ZERO);
        let client = FeedClient::new(builder.connect().await.expect("it listens"));
        // One that is silent, one that is busy, one that the client sends, and one both ways.
        let mut silent = client.hold_feed(1);
        silent.next().await.expect("there is one").expect("it arrives");
        let mut busy = client.endless(2, 1_000);
        busy.next().await.expect("there is one").expect("it arrives");
        let (sender, items) = fed();
        let upload = tokio::spawn(client.observe(3, items));
        let (numbers, doubled) = fed();
        let mut doubled = client.doubled(doubled);
        numbers.send(1).expect("it is taken");
        assert_eq!(doubled.next().await.expect("there is one").expect("it arrives"), 2);
        sender.send(Bytes::from_static(b"item")).expect("it is taken");
        child.kill().await.expect("it runs");
        for error in [
            silent.next().await.map(|end| end.map(drop)),
            doubled.next().await.map(|end| end.map(drop)),
        ] {
            let error = error.expect("the end is told").expect_err("it was killed");
            assert!(error.is_unavailable() && !error.is_not_started(), "{error:?}");
        }
        let error = loop {
            if let Err(error) = busy.next().await.expect("the end is told") {
                break error;
            }
        };
        assert!(error.is_unavailable(), "{error:?}");
        let error = upload.await.expect("it does not panic").expect_err("it was killed");
        assert!(error.is_unavailable() && !error.is_not_started(), "{error:?}");
        sender.closed().await;
        numbers.closed().await;
    })
    .await;
}
