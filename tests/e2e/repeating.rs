//! Calls are repeated where that is safe, or was said to be, and as often as the channel allows; all others run at most once.

use std::time::{Duration, Instant};

use rpc::{Backoff, Channel, ChannelState, Code};

use crate::support::{
    Doorway, Event, Network, Place, ProbeClient, Said, Served, Wire, go_away, on_each_network,
    push_back, refusal, response, serve,
};

on_each_network!(
    an_idempotent_call_survives_the_loss_of_its_connection,
    another_call_does_not_and_says_why,
    attempts_are_counted_and_end,
    the_budget_bounds_repetitions,
    a_push_back_is_honoured,
    a_push_back_beyond_the_deadline_ends_the_call,
    a_refusal_for_want_of_room_is_repeated,
    a_refusal_that_would_only_repeat_itself_is_not,
    a_call_that_may_have_run_is_never_called_not_started,
    calls_move_on_beside_a_connection_that_goes_away,
    cancels_reach_a_connection_that_goes_away,
    calls_that_wait_for_their_turn_move_on_at_once,
    connections_that_leave_with_calls_that_nobody_wants_are_given_up,
);

const QUICK: Duration = Duration::from_millis(1);

/// A client of a server that is played by hand, which sends each call so many times at most.
async fn channel(network: Network, attempts: u32) -> (Place, Doorway, ProbeClient) {
    let (place, doorway, channel) = plain_channel(network, attempts).await;
    (place, doorway, ProbeClient::new(channel))
}

async fn plain_channel(network: Network, attempts: u32) -> (Place, Doorway, Channel) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let quick = Backoff::new(QUICK, 1.0, QUICK);
    let channel = Channel::builder(doorway.address())
        .max_attempts(attempts)
        .retry_backoff(quick)
        .reconnect_backoff(quick)
        .connect_lazy();
    (place, doorway, channel)
}

/// Says on a connection that it goes away, and waits until the channel knows.
async fn leave(wire: &mut Wire, accepted: u64, channel: &Channel) {
    let mut watch = channel.watch();
    assert!(watch.reached(ChannelState::Ready).await);
    wire.say(&go_away(accepted, None)).await;
    while watch.state() == ChannelState::Ready {
        watch.changed().await;
    }
}

async fn an_idempotent_call_survives_the_loss_of_its_connection(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    let found = tokio::spawn(client.find(7));
    assert_eq!(served.event().await, Event::Noted("attempt 1".to_owned()));
    assert_eq!(served.event().await, Event::Started(7));
    let (place, address) = served.kill().await;
    if let Some(path) = place.path() {
        let _ = std::fs::remove_file(path);
    }
    let mut served = Served::at(place, &address, |server| server).await;
    assert_eq!(served.event().await, Event::Noted("attempt 2".to_owned()));
    assert_eq!(served.event().await, Event::Started(7));
    served.state.release(7);
    assert_eq!(found.await.expect("it does not panic").expect("the second attempt ends"), 7);
}

async fn another_call_does_not_and_says_why(network: Network) {
    let (_place, doorway, client) = channel(network, 4).await;
    let sum = tokio::spawn(client.add(1, 2));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    wire.hear_request("Probe.add").await;
    drop(wire);
    let error = sum.await.expect("it does not panic").expect_err("it may have run");
    assert!(error.is_unavailable() && !error.is_not_started() && !error.is_retryable());
    let text = "the server closed the connection; the server may have run the call";
    assert_eq!(error.message(), text);
}

async fn attempts_are_counted_and_end(network: Network) {
    let (_place, doorway, client) = channel(network, 3).await;
    let found = tokio::spawn(client.find(7));
    for expected in 1..=3 {
        let mut wire = doorway.accept().await;
        wire.welcome().await;
        let (_, attempt) = wire.hear_attempt("Probe.find").await;
        assert_eq!(attempt, expected);
    }
    let error = found.await.expect("it does not panic").expect_err("three attempts were lost");
    assert!(error.is_unavailable() && !error.is_not_started());
}

async fn the_budget_bounds_repetitions(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let builder = Channel::builder(doorway.address()).retry_budget(20, 0).max_attempts(100);
    let quick = Backoff::new(QUICK, 1.0, QUICK);
    let client = ProbeClient::new(builder.retry_backoff(quick).connect_lazy());
    // The budget of fifteen calls is three repetitions.
    let server = tokio::spawn(async move {
        let mut wire = doorway.accept().await;
        wire.welcome().await;
        let mut heard = 0;
        while let Said::Request { id, .. } = wire.hear().await {
            heard += 1;
            wire.say(&refusal(id, 14, "not now", 0)).await;
        }
        heard
    });
    let mut used_up = 0;
    for _ in 0..15 {
        let error = client.find(7).await.expect_err("it is always refused");
        assert!(error.is_unavailable() && !error.is_not_started());
        let text =
            "not now; the call was not repeated, because the channel's `retry_budget` is used up";
        assert_eq!(error.message(), text);
        used_up += 1;
    }
    drop(client);
    assert_eq!((used_up, server.await.expect("it does not panic")), (15, 15 + 3));
}

async fn a_push_back_is_honoured(network: Network) {
    let (_place, doorway, client) = channel(network, 4).await;
    let found = tokio::spawn(client.find(7));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let pause = Duration::from_millis(60);
    let (id, _) = wire.hear_attempt("Probe.find").await;
    let refused = Instant::now();
    wire.say(&push_back(id, 10, "a conflict", 0, 60_000)).await;
    let (id, attempt) = wire.hear_attempt("Probe.find").await;
    assert!(refused.elapsed() >= pause);
    assert_eq!(attempt, 2);
    wire.say(&response(id, 9)).await;
    assert_eq!(found.await.expect("it does not panic").expect("the second attempt ends"), 9);
    // Without such an invitation a conflict is the caller's, and so is that of a call that is not idempotent.
    let found = tokio::spawn(client.find(7));
    let id = wire.hear_request("Probe.find").await;
    wire.say(&refusal(id, 10, "a conflict", 0)).await;
    let error = found.await.expect("it does not panic").expect_err("a conflict");
    assert_eq!(error.kind(), Code::Aborted);
    let sum = tokio::spawn(client.add(1, 2));
    let id = wire.hear_request("Probe.add").await;
    wire.say(&push_back(id, 10, "a conflict", 0, 1_000)).await;
    let error = sum.await.expect("it does not panic").expect_err("a conflict");
    assert_eq!(error.kind(), Code::Aborted);
}

async fn a_push_back_beyond_the_deadline_ends_the_call(network: Network) {
    let (_place, doorway, client) = channel(network, 4).await;
    let found = tokio::spawn(client.find(7).timeout(Duration::from_secs(20)));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let id = wire.hear_request("Probe.find").await;
    wire.say(&push_back(id, 14, "come back in an hour", 0, 3_600_000_000)).await;
    let error = found.await.expect("it does not panic").expect_err("it cannot wait so long");
    assert_eq!(error.message(), "come back in an hour");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
}

async fn a_refusal_for_want_of_room_is_repeated(network: Network) {
    let (_place, doorway, client) = channel(network, 4).await;
    let sum = tokio::spawn(client.add(1, 2));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let (id, _) = wire.hear_attempt("Probe.add").await;
    wire.say(&push_back(id, 8, "too many calls", 1, 1_000)).await;
    let (id, attempt) = wire.hear_attempt("Probe.add").await;
    assert_eq!(attempt, 2);
    wire.say(&response(id, 3)).await;
    assert_eq!(sum.await.expect("it does not panic").expect("there is room now"), 3);
}

async fn a_refusal_that_would_only_repeat_itself_is_not(network: Network) {
    let (_place, doorway, client) = channel(network, 4).await;
    // What is sent before the server's hello has come is repeated for another reason.
    let sum = tokio::spawn(client.add(1, 2));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let id = wire.hear_request("Probe.add").await;
    wire.say(&response(id, 3)).await;
    sum.await.expect("it does not panic").expect("it was answered");
    let found = tokio::spawn(client.find(7));
    let id = wire.hear_request("Probe.find").await;
    wire.say(&refusal(id, 8, "the request is too large", 1)).await;
    let error = found.await.expect("it does not panic").expect_err("it is too large");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    assert!(error.is_not_started());
}

async fn a_call_that_may_have_run_is_never_called_not_started(network: Network) {
    let (_place, doorway, client) = channel(network, 2).await;
    let found = tokio::spawn(client.find(7));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let id = wire.hear_request("Probe.find").await;
    wire.say(&refusal(id, 14, "half way through", 0)).await;
    let id = wire.hear_request("Probe.find").await;
    wire.say(&refusal(id, 14, "refused at the door", 1)).await;
    let error = found.await.expect("it does not panic").expect_err("both attempts fail");
    assert_eq!(error.message(), "refused at the door");
    assert!(!error.is_not_started(), "the first attempt may have run");
}

async fn calls_move_on_beside_a_connection_that_goes_away(network: Network) {
    let (_place, doorway, channel) = plain_channel(network, 4).await;
    let client = ProbeClient::new(channel.clone());
    let slow = tokio::spawn(client.add(1, 2));
    let mut old = doorway.accept().await;
    old.welcome().await;
    let slow_id = old.hear_request("Probe.add").await;
    leave(&mut old, 1, &channel).await;
    // The next calls do not wait for the slow one.
    let next = tokio::spawn(client.add(3, 4));
    let mut new = doorway.accept().await;
    new.welcome().await;
    let id = new.hear_request("Probe.add").await;
    new.say(&response(id, 7)).await;
    assert_eq!(next.await.expect("it does not panic").expect("the new server answers"), 7);
    assert!(!slow.is_finished());
    old.say(&response(slow_id, 3)).await;
    assert_eq!(slow.await.expect("it does not panic").expect("the old server answers"), 3);
    assert_eq!(old.hear().await, Said::Closed);
    let again = tokio::spawn(client.add(5, 6));
    let id = new.hear_request("Probe.add").await;
    new.say(&response(id, 11)).await;
    assert_eq!(again.await.expect("it does not panic").expect("the new server answers"), 11);
}

async fn cancels_reach_a_connection_that_goes_away(network: Network) {
    let (_place, doorway, channel) = plain_channel(network, 4).await;
    let client = ProbeClient::new(channel.clone());
    let dropped = tokio::spawn(client.add(1, 2));
    let mut old = doorway.accept().await;
    old.welcome().await;
    let id = old.hear_request("Probe.add").await;
    let expiring = tokio::spawn(client.add(1, 2).timeout(Duration::from_millis(100)));
    let expiring_id = old.hear_request("Probe.add").await;
    leave(&mut old, 2, &channel).await;
    let next = tokio::spawn(client.add(3, 4));
    let mut new = doorway.accept().await;
    new.welcome().await;
    let next_id = new.hear_request("Probe.add").await;
    new.say(&response(next_id, 7)).await;
    next.await.expect("it does not panic").expect("the new server answers");
    dropped.abort();
    let mut cancelled = [old.hear().await, old.hear().await].map(|said| match said {
        Said::Cancel { id } => id,
        other => unreachable!("{other:?}"),
    });
    cancelled.sort_unstable();
    let mut expected = [id, expiring_id];
    expected.sort_unstable();
    assert_eq!(cancelled, expected);
    let error = expiring.await.expect("it does not panic").expect_err("nobody answers");
    assert_eq!(error.message(), "the deadline passed while the call waited for its answer");
}

async fn calls_that_wait_for_their_turn_move_on_at_once(network: Network) {
    let (_place, doorway, channel) = plain_channel(network, 4).await;
    let client = ProbeClient::new(channel);
    let answered = tokio::spawn(client.add(1, 2));
    let mut old = doorway.accept().await;
    // One call at a time, of which one is answered: its server is a good one.
    old.greet(&crate::support::hello(1)).await;
    let id = old.hear_request("Probe.add").await;
    old.say(&response(id, 9)).await;
    assert_eq!(answered.await.expect("it does not panic").expect("it answers"), 9);
    let slow = tokio::spawn(client.add(1, 2));
    let slow_id = old.hear_request("Probe.add").await;
    let waits = tokio::spawn(client.add(3, 4));
    old.say(&crate::support::items::ping(1)).await;
    assert_eq!(old.hear().await, Said::Pong(1));
    tokio::task::yield_now().await;
    let left = Instant::now();
    old.say(&go_away(1, None)).await;
    let mut new = doorway.accept().await;
    new.welcome().await;
    let id = new.hear_request("Probe.add").await;
    // Not when a timer fires next: that of the silent connection would.
    assert!(left.elapsed() < Duration::from_secs(10), "{:?}", left.elapsed());
    new.say(&response(id, 7)).await;
    assert_eq!(waits.await.expect("it does not panic").expect("the new server answers"), 7);
    old.say(&response(slow_id, 3)).await;
    assert_eq!(slow.await.expect("it does not panic").expect("the old server answers"), 3);
}

async fn connections_that_leave_with_calls_that_nobody_wants_are_given_up(network: Network) {
    let (_place, doorway, channel) = plain_channel(network, 4).await;
    let client = ProbeClient::new(channel.clone());
    let mut left = Vec::new();
    // One more than a channel has places for.
    for round in 0..=rpc::limits::MAX_LINKS as u64 {
        let answered = tokio::spawn(client.add(1, 2));
        let mut wire = doorway.accept().await;
        wire.welcome().await;
        let id = wire.hear_request("Probe.add").await;
        wire.say(&response(id, round)).await;
        let sum = answered.await.expect("it does not panic").expect("it answers");
        assert_eq!(u64::try_from(sum).expect("it is small"), round);
        // This one is never answered, and its server goes away and stays.
        let unwanted = tokio::spawn(client.add(3, 4));
        wire.hear_request("Probe.add").await;
        unwanted.abort();
        assert!(matches!(wire.hear().await, Said::Cancel { .. }));
        leave(&mut wire, 2, &channel).await;
        left.push(wire);
    }
}
