//! What may have run is not sent again, whatever its token; against a server that is played by hand.

use rpc::{Channel, Code, Error, stream};

use super::mint::Mint;
use crate::support::{
    Doorway, FeedClient, Network, Place, ProbeClient, Said, Wire, go_away, hello_with,
    on_each_network, poll_once, refusal, response,
};

on_each_network!(
    a_call_that_may_have_run_is_not_sent_again,
    an_upload_that_began_is_not_sent_again,
    a_connection_that_is_lost_changes_nothing,
);

const UNAUTHENTICATED: u64 = 16;
const NOT_STARTED: u64 = 1;

async fn played(network: Network, mint: &Mint) -> (Place, Doorway, Channel) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let channel = Channel::builder(doorway.address()).token(mint.source()).connect_lazy();
    (place, doorway, channel)
}

async fn welcomed(doorway: &Doorway) -> Wire {
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    wire
}

fn is_unauthenticated(error: &Error, is_not_started: bool) {
    assert_eq!(error.kind(), Code::Unauthenticated, "{error:?}");
    assert_eq!(error.is_not_started(), is_not_started);
}

async fn a_call_that_may_have_run_is_not_sent_again(network: Network) {
    let mint = Mint::new();
    let (_place, doorway, channel) = played(network, &mint).await;
    let client = ProbeClient::new(channel);
    let call = tokio::spawn(client.add(1, 2));
    let mut wire = welcomed(&doorway).await;
    let id = wire.hear_request("Probe.add").await;
    wire.say(&refusal(id, UNAUTHENTICATED, "says the handler", 0)).await;
    is_unauthenticated(&call.await.expect("no panic").expect_err("it ran"), false);
    // So it was the handler that said so: its token is as good as before.
    let call = tokio::spawn(client.add(1, 2));
    let id = wire.hear_request("Probe.add").await;
    assert_eq!(mint.count(), 1);
    wire.say(&refusal(id, UNAUTHENTICATED, "says the hook", NOT_STARTED)).await;
    let id = wire.hear_request("Probe.add").await;
    assert_eq!(mint.count(), 2);
    wire.say(&refusal(id, UNAUTHENTICATED, "says the handler", 0)).await;
    is_unauthenticated(&call.await.expect("no panic").expect_err("it ran"), false);
    // Other refusals are none of the token's.
    for (code, flags) in [(7, NOT_STARTED), (3, NOT_STARTED), (14, 0)] {
        let call = tokio::spawn(client.add(1, 2));
        let id = wire.hear_request("Probe.add").await;
        wire.say(&refusal(id, code, "no", flags)).await;
        call.await.expect("no panic").expect_err("it is refused");
    }
    assert_eq!(mint.count(), 2);
}

async fn an_upload_that_began_is_not_sent_again(network: Network) {
    let mint = Mint::new();
    let (_place, doorway, channel) = played(network, &mint).await;
    let (probe, feed) = (ProbeClient::new(channel.clone()), FeedClient::new(channel));
    let call = tokio::spawn(feed.sum(stream::iter([1, 2, 3])));
    let mut wire = doorway.accept().await;
    wire.greet(&hello_with(&[(0, 1_024), (1, 16 << 20), (2, 1 << 16), (6, 1 << 16)])).await;
    let id = wire.hear_request("Feed.sum").await;
    wire.hear_until(|said| *said == Said::End { id }).await;
    wire.say(&refusal(id, UNAUTHENTICATED, "no", NOT_STARTED)).await;
    is_unauthenticated(&call.await.expect("no panic").expect_err("it is gone"), true);
    assert_eq!(mint.count(), 1);
    // The next call has another token.
    let call = tokio::spawn(probe.add(1, 2));
    let id = wire.hear_request("Probe.add").await;
    assert_eq!(mint.count(), 2);
    wire.say(&response(id, 3)).await;
    assert_eq!(call.await.expect("no panic").expect("it answers"), 3);
}

async fn a_connection_that_is_lost_changes_nothing(network: Network) {
    let mint = Mint::new();
    let (_place, doorway, channel) = played(network, &mint).await;
    let client = ProbeClient::new(channel);
    // It may have run on the first connection, so what the second says of it is not all.
    let call = tokio::spawn(client.find(7));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    wire.hear_request("Probe.find").await;
    drop(wire);
    let mut wire = welcomed(&doorway).await;
    let (id, attempt) = wire.hear_attempt("Probe.find").await;
    assert_eq!(attempt, 2);
    wire.say(&refusal(id, UNAUTHENTICATED, "no", NOT_STARTED)).await;
    is_unauthenticated(&call.await.expect("no panic").expect_err("it may have run"), false);
    // One that a server does not take is sent again by the channel, and then by its token.
    let mut call = client.add(1, 2);
    assert!(poll_once(&mut call).await.is_pending());
    let call = tokio::spawn(call);
    wire.hear_request("Probe.add").await;
    wire.say(&go_away(1, None)).await;
    drop(wire);
    let mut wire = welcomed(&doorway).await;
    let id = wire.hear_request("Probe.add").await;
    wire.say(&refusal(id, UNAUTHENTICATED, "no", NOT_STARTED)).await;
    let id = wire.hear_request("Probe.add").await;
    wire.say(&response(id, 3)).await;
    assert_eq!(call.await.expect("no panic").expect("it answers"), 3);
}
