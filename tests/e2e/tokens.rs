//! Calls take a token along: one for all of a channel, fetched once for all who wait, and another one where it was refused or expires.

mod lifetimes;
mod mint;
mod refusing;
mod resending;

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use futures_util::future::join_all;
use rpc::{Channel, Code, Error, StreamExt, Token, stream};

use crate::support::{
    Event, FeedClient, Network, Place, ProbeClient, on_each_network, poll_once, serve,
};
use mint::{Lock, Mint};

on_each_network!(
    a_token_goes_along_with_every_kind_of_call,
    metadata_go_along_beside_it,
    one_fetch_serves_all_who_wait,
    a_source_that_fails_ends_the_calls_that_wait,
    a_source_that_panics_ends_the_calls_that_wait,
    a_call_that_is_dropped_takes_no_token_from_others,
    waiting_for_a_token_counts,
    a_call_may_be_polled_outside_of_a_runtime,
    a_handlers_calls_do_not_pass_it_on,
    a_handlers_calls_inherit_its_deadline,
    nothing_shows_it,
);

async fn a_token_goes_along_with_every_kind_of_call(network: Network) {
    let mut lock = Lock::serve(network).await;
    let channel = lock.connect(Token::new("token-1")).await;
    let (probe, feed) = (ProbeClient::new(channel.clone()), FeedClient::new(channel));
    for _ in 0..2 {
        assert_eq!(probe.add(1, 2).await.expect("it answers"), 3);
        probe.note("here").await.expect("it is accepted");
        assert_eq!(lock.served.event().await, Event::Noted("here".to_owned()));
        assert_eq!(feed.sum(stream::iter(1..=10)).await.expect("it answers"), 55);
        let counted: Vec<_> = feed.count(3).map(|n| n.expect("it comes")).collect().await;
        assert_eq!(counted, [0, 1, 2]);
        let since = feed.since(7).await.expect("it begins").map(|n| n.expect("it comes"));
        assert_eq!(since.collect::<Vec<_>>().await, [7, 8, 9]);
        let doubled = feed.doubled(stream::iter(1..=3)).map(|n| n.expect("it comes"));
        assert_eq!(doubled.collect::<Vec<_>>().await, [2, 4, 6]);
        assert_eq!(lock.shown(), vec!["token-1"; 6]);
    }
}

async fn metadata_go_along_beside_it(network: Network) {
    let lock = Lock::serve(network).await;
    let mint = Mint::new();
    let channel = lock.connect(mint.source()).await.metadata("tenant", "a");
    let client = ProbeClient::new(channel.clone());
    let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let seen = client.seen().metadata("trace", "1").await.expect("it answers");
    let token = text("authorization", "Bearer token-1");
    assert_eq!(seen.metadata, [text("tenant", "a"), text("trace", "1"), token]);
    // Who says who it is takes none, and the source is not asked.
    let own = ProbeClient::new(lock.connect(|| async { unreachable!() }).await);
    let seen = own.seen().metadata("authorization", "Bearer token-1").await.expect("it answers");
    assert_eq!(seen.metadata, [text("authorization", "Bearer token-1")]);
    // A token is not exempt from the limits.
    let long = lock.connect(Token::new("x".repeat(9_000))).await;
    let error = ProbeClient::new(long).add(1, 2).await.expect_err("it is too long");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    for wrong in ["", "two words", "line\n"] {
        let channel = lock.connect(Token::new(wrong)).await;
        let error = ProbeClient::new(channel).add(1, 2).await.expect_err("it is none");
        assert_eq!(error.kind(), Code::InvalidArgument);
        assert!(
            error.message().starts_with("the token source failed: a bearer token is not empty")
        );
        assert!(error.is_not_started());
    }
}

async fn one_fetch_serves_all_who_wait(network: Network) {
    let mut lock = Lock::serve(network).await;
    let mint = Mint::closed();
    let client = ProbeClient::new(lock.connect(mint.source()).await);
    let calls = tokio::spawn(join_all((0..100).map(|number| client.add(number, 1))));
    mint.asked(1).await;
    mint.open();
    for (number, sum) in (1..).zip(calls.await.expect("no panic")) {
        assert_eq!(sum.expect("it answers"), number);
    }
    assert_eq!(lock.shown(), vec!["token-1"; 100]);
    // It is refused from now on: again one fetch serves all.
    lock.fits("token-2");
    for sum in join_all((0..100).map(|number| client.add(number, 1))).await {
        sum.expect("it answers");
    }
    let shown = lock.shown();
    assert_eq!(shown.iter().filter(|shown| *shown == "token-2").count(), 100);
    assert!(shown.len() <= 200, "each was refused once at most");
    assert_eq!(mint.count(), 2);
}

async fn a_source_that_fails_ends_the_calls_that_wait(network: Network) {
    let mut lock = Lock::serve(network).await;
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let (open, opened) = tokio::sync::watch::channel(false);
    let source = move || {
        let count = counted.fetch_add(1, Ordering::Relaxed);
        let mut opened = opened.clone();
        async move {
            opened.wait_for(|is_open| *is_open).await.expect("it is opened");
            match count {
                0 => Err(Error::unavailable("nobody mints today")),
                _ => Ok(Token::new("token-1")),
            }
        }
    };
    let client = ProbeClient::new(lock.connect(source).await);
    let mut calls = [(); 3].map(|()| client.add(1, 2));
    for call in &mut calls {
        assert!(poll_once(call).await.is_pending());
    }
    open.send_replace(true);
    for end in join_all(calls).await {
        let error = end.expect_err("there is no token");
        assert_eq!(error.kind(), Code::Unavailable);
        assert_eq!(error.message(), "the token source failed: nobody mints today");
        assert!(error.is_not_started() && error.is_retryable(), "{error:?}");
        assert!(std::error::Error::source(&error).is_some());
    }
    assert_eq!((asked.load(Ordering::Relaxed), lock.shown().len()), (1, 0));
    assert_eq!(client.add(1, 2).await.expect("it mints again"), 3);
}

async fn a_source_that_panics_ends_the_calls_that_wait(network: Network) {
    let lock = Lock::serve(network).await;
    let count = Arc::new(AtomicU32::new(0));
    let source = move || {
        let count = count.fetch_add(1, Ordering::Relaxed);
        assert!(count > 0, "the source panics at once");
        async move {
            assert!(count > 1, "the source panics");
            Ok(Token::new("token-1"))
        }
    };
    let client = ProbeClient::new(lock.connect(source).await);
    for _ in 0..2 {
        let error = client.add(1, 2).await.expect_err("there is no token");
        assert_eq!((error.kind(), error.message()), (Code::Internal, "the token source panicked"));
        assert!(error.is_not_started());
    }
    assert_eq!(client.add(1, 2).await.expect("it has recovered"), 3);
}

async fn a_call_that_is_dropped_takes_no_token_from_others(network: Network) {
    let lock = Lock::serve(network).await;
    let mint = Mint::closed();
    let client = ProbeClient::new(lock.connect(mint.source()).await);
    let first = tokio::spawn(client.add(1, 2));
    mint.asked(1).await;
    let second = tokio::spawn(client.add(3, 4));
    first.abort();
    assert!(first.await.expect_err("it waits").is_cancelled());
    mint.open();
    assert_eq!(second.await.expect("no panic").expect("it answers"), 7);
    // Nobody waits at all, and the token comes nevertheless.
    mint.close();
    lock.fits("token-2");
    let refused = tokio::spawn(client.add(1, 2));
    mint.asked(2).await;
    refused.abort();
    assert!(refused.await.expect_err("it waits").is_cancelled());
    mint.open();
    assert_eq!(client.add(5, 6).await.expect("it answers"), 11);
    assert_eq!(mint.count(), 2);
}

async fn waiting_for_a_token_counts(network: Network) {
    let mut lock = Lock::serve(network).await;
    let mint = Mint::closed();
    let channel = lock.connect(mint.source()).await;
    let (client, feed) = (ProbeClient::new(channel.clone()), FeedClient::new(channel));
    let short = Duration::from_millis(30);
    let ends = [
        client.add(1, 2).timeout(short).await.map(drop),
        feed.since(1).timeout(short).await.map(drop).map_err(|error| match error {
            rpc::CallError::Rpc(error) => error,
            rpc::CallError::App(error) => unreachable!("{error:?}"),
        }),
        feed.count(1).timeout(short).next().await.expect("it says why").map(drop),
    ];
    for end in ends {
        let error = end.expect_err("there is no token");
        assert!(error.is_timeout() && error.is_not_started(), "{error:?}");
        assert_eq!(error.message(), "the deadline passed while the call waited for a token");
    }
    assert_eq!(lock.shown().len(), 0);
    mint.open();
    assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
    assert_eq!(mint.count(), 1);
}

async fn a_call_may_be_polled_outside_of_a_runtime(network: Network) {
    let lock = Lock::serve(network).await;
    let mint = Mint::closed();
    let client = ProbeClient::new(lock.connect(mint.source()).await);
    let mut call = client.add(1, 2);
    let polled = std::thread::spawn(move || {
        let is_pending =
            Pin::new(&mut call).poll(&mut Context::from_waker(Waker::noop())).is_pending();
        (call, is_pending)
    });
    let (call, is_pending) = polled.join().expect("it does not panic");
    assert!(is_pending);
    mint.open();
    assert_eq!(call.await.expect("it answers"), 3);
}

async fn a_handlers_calls_do_not_pass_it_on(network: Network) {
    let upstream = serve(network).await;
    let lock = Lock::serve(network).await;
    lock.served.state.upstream.set(upstream.client().await).expect("it is set once");
    let client = ProbeClient::new(lock.connect(Token::new("token-1")).await);
    let (_, seen) = client.relay(false).await.expect("it answers");
    assert_eq!(seen.metadata, []);
}

async fn a_handlers_calls_inherit_its_deadline(network: Network) {
    let upstream = Lock::serve(network).await;
    let (served, timeout) = (serve(network).await, Duration::from_secs(5));
    let mint = Mint::closed();
    let relayed = ProbeClient::new(upstream.connect(mint.source()).await);
    served.state.upstream.set(relayed).expect("it is set once");
    let call = tokio::spawn(served.client().await.relay(false).timeout(timeout));
    mint.asked(1).await;
    mint.open();
    let (left, seen) = call.await.expect("no panic").expect("it answers");
    let (left, upstream) = (left.expect("it has one"), seen.time_left.expect("it has one"));
    assert!(upstream <= left && left <= timeout, "{upstream:?} of {left:?}");
}

async fn nothing_shows_it(network: Network) {
    let lock = Lock::serve(network).await;
    let token = Token::new("token-1").expires_in(Duration::from_secs(60));
    let shown = format!("{token:?}");
    assert!(shown.starts_with("Token { secret: \"…\", expires: Some("), "{shown}");
    let builder = Channel::builder(&lock.served.address).token(token);
    let shown = format!("{builder:?}");
    assert!(!shown.contains("token-1") && shown.contains("TokenSource"), "{shown}");
    let channel = builder.connect().await.expect("it listens");
    let client = ProbeClient::new(channel.clone());
    let mut call = client.hold(1);
    let mut shown = format!("{channel:?} {call:?}");
    assert!(poll_once(&mut call).await.is_pending());
    shown += &format!("{call:?} {client:?}");
    assert!(!shown.contains("token-1"), "{shown}");
}

#[tokio::test]
async fn no_token_leaves_the_machine_in_the_clear() {
    crate::support::within(async {
        let mint = Mint::new();
        let builder = || Channel::builder("tcp://192.0.2.7:7000").token(mint.source());
        let message = "the channel's token would go to tcp://192.0.2.7:7000 in the clear: use tls:// or a Unix socket, or set `allow_plaintext_tokens` on the channel's builder";
        let error = builder().connect().await.expect_err("it is not private");
        assert_eq!((error.kind(), error.message()), (Code::FailedPrecondition, message));
        let client = ProbeClient::new(builder().connect_lazy());
        for _ in 0..2 {
            let error = client.add(1, 2).await.expect_err("it is not private");
            assert_eq!((error.kind(), error.message()), (Code::FailedPrecondition, message));
            assert!(error.is_not_started());
        }
        assert_eq!(mint.count(), 0);
        // This machine under an address that does not say so.
        let lock = Lock::at(Place::new(Network::Tcp), "tcp://0.0.0.0:0").await;
        assert!(lock.served.address.starts_with("tcp://0.0.0.0:"), "{}", lock.served.address);
        let builder = || Channel::builder(&lock.served.address).token(mint.source());
        let error = builder().connect().await.expect_err("it is not private");
        assert_eq!(error.kind(), Code::FailedPrecondition);
        let channel = builder().allow_plaintext_tokens().connect().await.expect("it may");
        assert_eq!(ProbeClient::new(channel).add(1, 2).await.expect("it answers"), 3);
    })
    .await;
}
