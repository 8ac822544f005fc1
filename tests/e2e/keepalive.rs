//! A peer that is gone without a word is found, from either side, and one that is there is left alone.

use std::{sync::Arc, time::Duration};

use rpc::{Channel, ChannelState, Dispatcher, Server};
use tokio::time::Instant;

use crate::support::{
    Event, Network, Place, ProbeClient, ProbeDispatcher, Said, Served, Wire, numbers,
    on_each_network, request, service, within_a_day,
};

on_each_network!(
    a_silent_client_is_asked_and_given_up,
    a_client_that_answers_is_kept,
    a_silent_server_is_asked_and_given_up,
    a_client_asks_as_rarely_as_the_server_wants,
    a_flood_of_pings_ends_the_connection,
    more_cancels_than_requests_end_the_connection,
);

const SHORT: Duration = Duration::from_millis(40);

async fn watchful(network: Network) -> Served {
    let watchful = |server: Server| server.keepalive_idle(SHORT).keepalive_timeout(SHORT);
    Served::with(Place::new(network), watchful).await
}

async fn a_silent_client_is_asked_and_given_up(network: Network) {
    let mut served = watchful(network).await;
    let mut wire = served.introduced().await;
    wire.say(&request(1, "Probe.hold", numbers(&[1]))).await;
    assert_eq!(served.event().await, Event::Started(1));
    let asked = Instant::now();
    assert_eq!(wire.hear().await, Said::Ping(1));
    // Its handler is dropped, and its connection closed.
    assert_eq!(served.event().await, Event::Dropped(1));
    assert!(asked.elapsed() >= SHORT);
    assert_eq!(wire.hear().await, Said::Closed);
    served.assert_serves().await;
}

async fn a_client_that_answers_is_kept(network: Network) {
    // Whoever is asked has as long as a busy machine may take.
    let patient = |server: Server| server.keepalive_idle(SHORT).keepalive_timeout(SHORT * 25);
    let mut served = Served::with(Place::new(network), patient).await;
    let client = served.client().await;
    let held = tokio::spawn(client.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    // As long as several pings take, of which the client's user learns nothing.
    let mut wire = served.introduced().await;
    for token in 1..=5 {
        assert_eq!(wire.hear().await, Said::Ping(token));
        // Any byte will do, and a pong is not the only one.
        match token % 2 {
            0 => wire.say(&[0x93, 12, u8::try_from(token).expect("it is small"), 0xc0]).await,
            _ => wire.say(&request(1, "Probe.add", numbers(&[1, 2]))).await,
        }
        if token % 2 == 1 {
            assert_eq!(wire.hear().await, Said::number(1, 3));
        }
    }
    served.state.release(1);
    assert_eq!(held.await.expect("it does not panic").expect("it was kept"), 1);
}

async fn a_silent_server_is_asked_and_given_up(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let builder = Channel::builder(doorway.address()).keepalive_idle(SHORT);
    let channel = builder.keepalive_timeout(SHORT).connect_lazy();
    let client = ProbeClient::new(channel.clone());
    let sum = tokio::spawn(client.add(1, 2));
    let mut wire = doorway.accept().await;
    wire.welcome_asked_every(0).await;
    wire.hear_request("Probe.add").await;
    assert_eq!(wire.hear().await, Said::Ping(1));
    let error = sum.await.expect("it does not panic").expect_err("it hangs");
    assert!(error.is_unavailable() && !error.is_not_started());
    assert_eq!(
        error.message(),
        "the connection was lost: the server was silent for 40ms, and for 40ms more when it was asked whether it is there; `keepalive_idle` and `keepalive_timeout` on the channel's builder set these; the server may have run the call"
    );
    assert_eq!(wire.hear().await, Said::Closed);
    assert_ne!(channel.state(), ChannelState::Ready);
}

async fn a_client_asks_as_rarely_as_the_server_wants(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let channel = Channel::builder(doorway.address()).keepalive_idle(SHORT).connect_lazy();
    let client = ProbeClient::new(channel);
    let sum = tokio::spawn(client.add(1, 2));
    let mut wire = doorway.accept().await;
    let pause = SHORT * 4;
    wire.welcome_asked_every(u64::try_from(pause.as_micros()).expect("it is short")).await;
    let welcomed = Instant::now();
    let id = wire.hear_request("Probe.add").await;
    assert_eq!(wire.hear().await, Said::Ping(1));
    assert!(welcomed.elapsed() >= pause - SHORT / 4, "{:?}", welcomed.elapsed());
    wire.say(&crate::support::response(id, 3)).await;
    assert_eq!(sum.await.expect("it does not panic").expect("it is there"), 3);
}

async fn a_flood_of_pings_ends_the_connection(network: Network) {
    let interval = |server: Server| server.keepalive_floor(Duration::from_secs(3600));
    let mut served = Served::with(Place::new(network), interval).await;
    let mut wire = served.introduced().await;
    wire.say(&request(1, "Probe.hold", numbers(&[1]))).await;
    assert_eq!(served.event().await, Event::Started(1));
    for token in 0..65 {
        wire.say(&[0x93, 11, token, 0xc0]).await;
    }
    for token in 0..64 {
        assert_eq!(wire.hear().await, Said::Pong(token));
    }
    let Said::GoAway { accepted: 1, reason: Some(reason) } = wire.hear().await else {
        unreachable!("it is shown out")
    };
    assert_eq!(
        reason,
        "more than 64 pings, pongs or ignored messages at once, and more than one every 3600s (PROTOCOL 8.3)"
    );
    assert_eq!(wire.hear().await, Said::Closed);
    assert_eq!(served.event().await, Event::Dropped(1));
}

async fn more_cancels_than_requests_end_the_connection(network: Network) {
    let served = Served::with(Place::new(network), |server| server).await;
    let mut wire = served.introduced().await;
    wire.say(&request(1, "Probe.add", numbers(&[1, 2]))).await;
    assert_eq!(wire.hear().await, Said::number(1, 3));
    wire.say(&[0x93, 6, 1, 0xc0]).await;
    wire.say(&[0x93, 6, 1, 0xc0]).await;
    let reason = Some("more cancels than requests (PROTOCOL 4.5)".to_owned());
    assert_eq!(wire.hear().await, Said::GoAway { accepted: 1, reason });
    assert_eq!(wire.hear().await, Said::Closed);
}

/// Half-open in both directions, with the defaults: found within 30 s, as the clock says.
#[tokio::test(start_paused = true)]
async fn half_open_connections_are_found_within_idle_and_timeout() {
    within_a_day(async {
        let (steward, state, mut events) = service();
        let (client_end, mut to_client) = tokio::io::duplex(64 << 10);
        let (mut to_server, server_end) = tokio::io::duplex(64 << 10);
        let dispatchers: Vec<Arc<dyn Dispatcher>> = vec![Arc::new(ProbeDispatcher::new(steward))];
        tokio::spawn(rpc::serve_stream(server_end, dispatchers));
        let client = ProbeClient::new(Channel::from_stream(client_end));
        let held = tokio::spawn(client.hold(1).timeout(Duration::from_secs(3600)));
        // The line carries bytes until the handler runs, and then nothing more, in either direction.
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut to_client, &mut to_server) => {
                unreachable!("both ends are open")
            }
            event = events.recv() => assert_eq!(event, Some(Event::Started(1))),
        }
        let cut = Instant::now();
        assert_eq!(events.recv().await, Some(Event::Dropped(1)));
        let found = cut.elapsed();
        assert!((30..32).contains(&found.as_secs()), "the server found out after {found:?}");
        let error = held.await.expect("it does not panic").expect_err("the line is dead");
        assert!(error.is_unavailable(), "{error}");
        let found = cut.elapsed();
        assert!((30..32).contains(&found.as_secs()), "the client found out after {found:?}");
        drop((state, to_client, to_server));
    })
    .await;
}

/// A client that does not read its answers is not taken for one that is gone.
#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_not_asked() {
    within_a_day(async {
        let (steward, _state, _events) = service();
        let (client, server) = tokio::io::duplex(64 << 10);
        let dispatchers: Vec<Arc<dyn Dispatcher>> = vec![Arc::new(ProbeDispatcher::new(steward))];
        let task = tokio::spawn(rpc::serve_stream(server, dispatchers));
        let mut wire = Wire::new(client);
        wire.introduce().await;
        for id in 0..8 {
            wire.say(&request(id, "Probe.filler", numbers(&[1 << 20]))).await;
        }
        tokio::time::sleep(Duration::from_secs(600)).await;
        for id in 0..8 {
            loop {
                match wire.hear().await {
                    Said::Result { id: answered, payload } => {
                        assert_eq!((answered, payload.len()), (id, (1 << 20) + 5));
                        break;
                    }
                    Said::Ping(_) => {}
                    other => unreachable!("{other:?}"),
                }
            }
        }
        task.abort();
    })
    .await;
}

#[rpc::service]
trait Clock {
    /// Lets so many seconds pass, in a single poll.
    async fn pass(&self, seconds: u64) -> u64;
}

struct Hands;

impl Clock for Hands {
    async fn pass(&self, seconds: u64) -> u64 {
        let advance = std::pin::pin!(tokio::time::advance(Duration::from_secs(seconds)));
        // The time has passed with the first poll; what is left is to let others run.
        let _ = advance.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        seconds
    }
}

/// Who has sent more than was handled so far is there.
#[tokio::test(start_paused = true)]
async fn silence_is_not_judged_while_frames_wait_to_be_handled() {
    within_a_day(async {
        let (client, server) = tokio::io::duplex(64 << 10);
        let dispatchers: Vec<Arc<dyn Dispatcher>> = vec![Arc::new(ClockDispatcher::new(Hands))];
        let task = tokio::spawn(rpc::serve_stream(server, dispatchers));
        let mut wire = Wire::new(client);
        wire.introduce().await;
        let mut burst = Vec::new();
        for id in 0..10 {
            let message = request(id, "Clock.pass", numbers(&[25]));
            let length = u32::try_from(message.len()).expect("it is small");
            burst.extend_from_slice(&length.to_be_bytes());
            burst.extend_from_slice(&message);
        }
        wire.send(&burst).await;
        let mut answered = 0;
        while answered < 10 {
            match wire.hear().await {
                Said::Ping(_) => {}
                said => {
                    assert_eq!(said, Said::number(answered, 25));
                    answered += 1;
                }
            }
        }
        drop(wire);
        task.await.expect("it does not panic").expect("it was closed");
    })
    .await;
}
