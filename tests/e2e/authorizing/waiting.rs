//! Hooks that wait: within their call's deadline, as long as somebody waits for it, and beside all other calls.

use std::time::Duration;

use rpc::{Error, Server, stream};
use tokio::sync::{mpsc, watch};

use crate::support::{Event, FeedClient, Network, Place, ProbeClient, Served, on_each_network};

on_each_network!(
    a_hook_whose_caller_is_gone_is_dropped,
    a_deadline_holds_while_a_hook_waits,
    items_wait_for_the_hook,
    calls_are_admitted_in_any_order,
    what_a_hook_calls_inherits_the_deadline,
);

/// What becomes of a hook that waits.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Knock {
    Asked(String),
    Dropped(String),
}

/// A door that calls wait at which say so, each until the test opens it for all.
pub(super) struct Door {
    pub(super) knocks: mpsc::UnboundedReceiver<Knock>,
    open: watch::Sender<Option<Result<(), Error>>>,
}

/// Reports when it is dropped before its end.
struct Stay(mpsc::UnboundedSender<Knock>, Option<String>);

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(name) = self.1.take() {
            // The test may have ended.
            let _ = self.0.send(Knock::Dropped(name));
        }
    }
}

impl Door {
    /// A server whose calls wait, if their metadata has a `knock`; it is what they are called in [`Knock`].
    pub(super) async fn serve(network: Network) -> (Served, Self) {
        let (sender, knocks) = mpsc::unbounded_channel();
        let (open, opened) = watch::channel(None);
        let hook = move |server: Server| {
            server.authorize_async(move |ctx, _| {
                let name = ctx.metadata().get("knock").map(str::to_owned);
                let (sender, mut opened) = (sender.clone(), opened.clone());
                async move {
                    let Some(name) = name else { return Ok(()) };
                    let _ = sender.send(Knock::Asked(name.clone()));
                    let mut stay = Stay(sender, Some(name));
                    let decided = opened.wait_for(Option::is_some).await.expect("it stands");
                    stay.1 = None;
                    decided.clone().expect("it was waited for")
                }
            })
        };
        (Served::with(Place::new(network), hook).await, Self { knocks, open })
    }

    /// Decides for all who wait and will.
    pub(super) fn decide(&self, decision: Result<(), Error>) {
        self.open.send_replace(Some(decision));
    }

    pub(super) async fn knock(&mut self) -> Knock {
        self.knocks.recv().await.expect("the server runs")
    }
}

fn asked(name: &str) -> Knock {
    Knock::Asked(name.to_owned())
}

fn dropped(name: &str) -> Knock {
    Knock::Dropped(name.to_owned())
}

async fn a_hook_whose_caller_is_gone_is_dropped(network: Network) {
    let (mut served, mut door) = Door::serve(network).await;
    let client = served.client().await;
    let calls = [client.hold(1), client.hold_spawned(2), client.hold_blocking(3)];
    for (name, call) in ["one", "two", "three"].into_iter().zip(calls) {
        let call = tokio::spawn(call.metadata("knock", name));
        assert_eq!(door.knock().await, asked(name));
        call.abort();
        assert_eq!(door.knock().await, dropped(name));
    }
    // The connection goes, and what waits on it.
    let other = ProbeClient::new(served.channel().await.metadata("knock", "four"));
    let call = tokio::spawn(other.hold(4));
    assert_eq!(door.knock().await, asked("four"));
    call.abort();
    drop(other);
    assert_eq!(door.knock().await, dropped("four"));
    assert_eq!(client.add(1, 2).await.expect("the others go on"), 3);
    assert!(served.events.try_recv().is_err(), "no handler began");
}

async fn a_deadline_holds_while_a_hook_waits(network: Network) {
    let (mut served, mut door) = Door::serve(network).await;
    let client = served.client().await;
    let call = client.hold(1).metadata("knock", "one").timeout(Duration::from_millis(300));
    assert!(call.await.expect_err("nobody opens").is_timeout());
    assert_eq!(door.knock().await, asked("one"));
    assert_eq!(door.knock().await, dropped("one"));
    assert!(served.events.try_recv().is_err(), "no handler began");
}

async fn items_wait_for_the_hook(network: Network) {
    let (served, mut door) = Door::serve(network).await;
    let feed = FeedClient::new(served.channel().await.metadata("knock", "up"));
    let call = tokio::spawn(feed.sum(stream::iter(1..=1000)));
    assert_eq!(door.knock().await, asked("up"));
    // What is said behind the items has arrived behind them.
    assert_eq!(ProbeClient::new(served.channel().await).add(1, 2).await.expect("it answers"), 3);
    door.decide(Ok(()));
    assert_eq!(call.await.expect("no panic").expect("it answers"), 500_500);
    door.decide(Err(Error::permission_denied("closed")));
    let error = feed.sum(stream::iter(1..=1000)).await.expect_err("it is refused");
    assert!(error.message() == "closed" && error.is_not_started(), "{error:?}");
    let error = feed.sum_spawned(stream::pending()).await.expect_err("it is refused");
    assert!(error.message() == "closed" && error.is_not_started(), "{error:?}");
}

async fn calls_are_admitted_in_any_order(network: Network) {
    let (mut served, mut door) = Door::serve(network).await;
    let client = served.client().await;
    let first = tokio::spawn(client.hold(1).metadata("knock", "first"));
    assert_eq!(door.knock().await, asked("first"));
    let second = tokio::spawn(client.hold(2));
    assert_eq!(served.event().await, Event::Started(2));
    let third = tokio::spawn(client.hold(3).metadata("knock", "third"));
    assert_eq!(door.knock().await, asked("third"));
    let fourth = tokio::spawn(client.hold(4));
    assert_eq!(served.event().await, Event::Started(4));
    served.state.release(2);
    assert_eq!(second.await.expect("no panic").expect("it answers"), 2);
    assert_eq!(served.event().await, Event::Ended(2));
    third.abort();
    assert_eq!(door.knock().await, dropped("third"));
    door.decide(Ok(()));
    assert_eq!(served.event().await, Event::Started(1));
    let fifth = tokio::spawn(client.hold(5));
    assert_eq!(served.event().await, Event::Started(5));
    for (key, call) in [(4, fourth), (1, first), (5, fifth)] {
        served.state.release(key);
        assert_eq!(call.await.expect("no panic").expect("it answers"), key);
        assert_eq!(served.event().await, Event::Ended(key));
    }
}

async fn what_a_hook_calls_inherits_the_deadline(network: Network) {
    let upstream = crate::support::serve(network).await;
    let client = upstream.client().await;
    let (sender, mut left) = mpsc::unbounded_channel();
    let hook = move |server: Server| {
        server.authorize_async(move |_, _| {
            let (call, sender) = (client.seen(), sender.clone());
            async move {
                let _ = sender.send(call.await?.time_left);
                Ok(())
            }
        })
    };
    let served = Served::with(Place::new(network), hook).await;
    let timeout = Duration::from_secs(5);
    let call = served.client().await.add(1, 2).timeout(timeout);
    assert_eq!(call.await.expect("it answers"), 3);
    let left = left.recv().await.expect("it was asked").expect("there is a deadline");
    assert!(left <= timeout, "{left:?}");
}
