//! Bad links: whatever they do, each call ends once, in time, and with what is true of it.

use std::time::{Duration, Instant};

use rpc::{Backoff, Channel, ChannelState, Server};

use crate::{
    proxy::{Flow, Plan, Proxy},
    support::{Event, Network, Place, ProbeClient, Served, serve, within},
};

const SHORT: Duration = Duration::from_millis(50);

fn quick(address: &str) -> rpc::ChannelBuilder {
    let pause = Duration::from_millis(1);
    Channel::builder(address).reconnect_backoff(Backoff::new(pause, 1.0, pause))
}

async fn through(served: &Served, plan: Plan) -> (Proxy, ProbeClient) {
    let proxy = Proxy::to(&served.address, plan).await;
    let client = ProbeClient::new(quick(&proxy.address).connect_lazy());
    (proxy, client)
}

/// Cut behind every byte of a small exchange, in both directions, by an end and by a reset.
#[tokio::test]
async fn a_cut_anywhere_ends_each_call_once_and_truly() {
    within(async {
        let mut served = serve(Network::Tcp).await;
        let (mut answered, mut lost) = (0, 0);
        for up in [true, false] {
            // Preface, hello, request; and preface, hello, answer. Behind the last byte nothing is cut.
            for end in 0..90 {
                for flow in [Flow::Cut(end), Flow::Reset(end)] {
                    let plan = if up {
                        Plan { up: flow, ..Plan::PASS }
                    } else {
                        Plan { down: flow, ..Plan::PASS }
                    };
                    let proxy = Proxy::to(&served.address, plan).await;
                    // A call that was never written would try again and again, on links that are all cut.
                    let builder = quick(&proxy.address).wait_for_connection(Duration::ZERO);
                    let client = ProbeClient::new(builder.connect_lazy());
                    let outcome = client.note_sum(2, 3).await;
                    let mut started = 0;
                    while let Ok(event) = served.events.try_recv() {
                        assert_eq!(event, Event::Noted("2 + 3".to_owned()));
                        started += 1;
                    }
                    match outcome {
                        Ok(sum) => {
                            assert_eq!(sum, 5);
                            answered += 1;
                        }
                        Err(error) => {
                            assert!(error.is_unavailable(), "{error}");
                            assert!(!error.is_not_started() || started == 0, "{error}");
                            lost += 1;
                        }
                    }
                    assert!(started <= 1, "it started {started} times");
                }
            }
        }
        assert!(answered > 20 && lost > 100, "{answered} were answered, {lost} lost");
    })
    .await;
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_large_answer_is_said() {
    within(async {
        let served = serve(Network::Tcp).await;
        let plan = Plan { down: Flow::Reset(100_000), ..Plan::PASS };
        let (proxy, client) = through(&served, plan).await;
        let error = client.filler(1 << 20).await.expect_err("it is cut");
        assert!(error.is_unavailable() && !error.is_not_started(), "{error:?}");
        assert!(error.message().ends_with("the server may have run the call"), "{error}");
        proxy.plan(Plan::PASS);
        assert_eq!(client.filler(1 << 20).await.expect("it arrives").len(), 1 << 20);
    })
    .await;
}

#[tokio::test]
async fn delays_and_trickles_change_nothing_but_time() {
    within(async {
        let served = serve(Network::Tcp).await;
        for flow in [Flow::Delay(Duration::from_millis(20)), Flow::Trickle(1), Flow::Trickle(7)] {
            let plan = Plan { up: flow, down: flow, refuses: false };
            let (_proxy, client) = through(&served, plan).await;
            let sums = (0..5).map(|number| tokio::spawn(client.add(number, 1)));
            for (number, sum) in (0..).zip(sums.collect::<Vec<_>>()) {
                assert_eq!(sum.await.expect("it does not panic").expect("it arrives"), number + 1);
            }
        }
        let plan = Plan { up: Flow::Trickle(4096), down: Flow::Trickle(4096), refuses: false };
        let (_proxy, client) = through(&served, plan).await;
        let data = vec![7; 300 << 10];
        assert_eq!(client.reverse(data.clone()).await.expect("it arrives"), data);
    })
    .await;
}

#[tokio::test]
async fn slow_senders_do_not_hold_up_others() {
    within(async {
        let served = serve(Network::Tcp).await;
        let plan = Plan { up: Flow::Trickle(1), ..Plan::PASS };
        let (_proxy, slow) = through(&served, plan).await;
        let data = vec![1; 1500];
        let trickling: Vec<_> = (0..20).map(|_| tokio::spawn(slow.length(&data))).collect();
        let quick = served.client().await;
        for number in 0..500 {
            assert_eq!(quick.add(number, 1).await.expect("it answers"), number + 1);
        }
        assert!(trickling.iter().any(|call| !call.is_finished()), "they take far longer");
        trickling.into_iter().for_each(|call| call.abort());
    })
    .await;
}

#[tokio::test]
async fn silence_ends_at_the_deadline_of_each_call() {
    within(async {
        let mut served = serve(Network::Tcp).await;
        let (proxy, client) = through(&served, Plan::PASS).await;
        client.add(1, 2).await.expect("it answers");
        let held = tokio::spawn(client.hold(1).timeout(SHORT * 4));
        assert_eq!(served.event().await, Event::Started(1));
        proxy.plan(Plan { up: Flow::Silent, down: Flow::Silent, refuses: false });
        let before = Instant::now();
        let error = client.add(1, 2).timeout(SHORT).await.expect_err("nothing arrives");
        assert!(error.is_timeout());
        assert_eq!(error.message(), "the deadline passed while the call waited for its answer");
        assert!(held.await.expect("it does not panic").expect_err("nothing arrives").is_timeout());
        assert!(before.elapsed() < Duration::from_secs(20));
        // The deadline travelled with the call: its handler is stopped, though no cancel arrives.
        assert_eq!(served.event().await, Event::Dropped(1));
        // What was under way arrives late, and harms nobody.
        proxy.plan(Plan::PASS);
        assert_eq!(client.add(3, 4).await.expect("the line is back"), 7);
    })
    .await;
}

#[tokio::test]
async fn a_dead_link_is_found_from_both_ends_and_replaced() {
    within(async {
        let watchful = |server: Server| {
            server.keepalive_idle(SHORT).keepalive_timeout(SHORT).keepalive_floor(Duration::ZERO)
        };
        let mut served = Served::with(Place::new(Network::Tcp), watchful).await;
        let mut proxy = Proxy::to(&served.address, Plan::PASS).await;
        let builder = quick(&proxy.address).keepalive_idle(SHORT).keepalive_timeout(SHORT);
        let channel = builder.connect_lazy();
        let client = ProbeClient::new(channel.clone());
        let held = tokio::spawn(client.hold(1));
        assert_eq!(served.event().await, Event::Started(1));
        let found = tokio::spawn(client.find(2));
        assert_eq!(served.event().await, Event::Noted("attempt 1".to_owned()));
        assert_eq!(served.event().await, Event::Started(2));
        let cut = Instant::now();
        proxy.plan(Plan { up: Flow::Silent, down: Flow::Silent, refuses: false });
        assert_eq!(served.sorted_events(2).await, [1, 2].map(Event::Dropped));
        let error = held.await.expect("it does not panic").expect_err("the link is dead");
        assert!(error.is_unavailable() && !error.is_not_started());
        // Two waits on each side, and a loaded machine.
        assert!(cut.elapsed() < Duration::from_secs(10), "{:?}", cut.elapsed());
        // The next connection is as good as a new one, and what may be repeated is.
        proxy.plan(Plan::PASS);
        proxy.connected(2).await;
        assert_eq!(served.event().await, Event::Noted("attempt 2".to_owned()));
        assert_eq!(served.event().await, Event::Started(2));
        served.state.release(2);
        assert_eq!(found.await.expect("it does not panic").expect("it was repeated"), 2);
        assert!(channel.watch().reached(ChannelState::Ready).await);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_refuses_is_found_again() {
    within(async {
        let served = serve(Network::Tcp).await;
        let plan = Plan { refuses: true, ..Plan::PASS };
        let (proxy, client) = through(&served, plan).await;
        let sum = tokio::spawn(client.add(1, 2));
        assert!(client.channel().watch().reached(ChannelState::Waiting).await);
        assert!(!sum.is_finished());
        proxy.plan(Plan::PASS);
        assert_eq!(sum.await.expect("it does not panic").expect("it was never written"), 3);
    })
    .await;
}

#[tokio::test]
async fn thousands_of_connections_come_and_go_beside_a_handler() {
    within(async {
        let mut served = serve(Network::Tcp).await;
        let client = served.client().await;
        let held = tokio::spawn(client.hold(1));
        assert_eq!(served.event().await, Event::Started(1));
        let host = served.address.trim_start_matches("tcp://").to_owned();
        for round in 0..3000 {
            let stream = tokio::net::TcpStream::connect(&host).await.expect("it listens");
            if round % 3 == 0 {
                let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
            drop(stream);
        }
        served.assert_serves().await;
        served.state.release(1);
        assert_eq!(held.await.expect("it does not panic").expect("it was left alone"), 1);
    })
    .await;
}
