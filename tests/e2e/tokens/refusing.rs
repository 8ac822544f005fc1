//! A token that is refused: the call is sent once more with another one, if it did not start and there is another one.

use futures_util::future::join_all;
use rpc::{Code, StreamExt, Token, stream};

use super::mint::{Lock, Mint};
use crate::support::{Event, FeedClient, Network, ProbeClient, fed, on_each_network};

on_each_network!(
    a_refused_call_is_sent_once_more,
    a_call_is_refused_twice_at_most,
    no_token_is_shown_twice,
    streams_are_asked_for_once_more,
    a_one_way_call_is_not_missed,
    a_server_that_refuses_all_does_not_wear_out_the_source,
);

async fn a_refused_call_is_sent_once_more(network: Network) {
    let mut lock = Lock::serve(network).await;
    let mint = Mint::new();
    let client = ProbeClient::new(lock.connect(mint.source()).await.metadata("tenant", "a"));
    lock.fits("token-2");
    let data = vec![7; 300_000];
    // What is sent again is whole.
    let echoed = client.echo(data.clone().into()).await.expect("it answers");
    assert_eq!(echoed, data);
    assert_eq!(lock.shown(), ["token-1", "token-2"]);
    let seen = client.seen().await.expect("it answers");
    assert_eq!((seen.attempt, seen.metadata.len()), (1, 2));
    assert_eq!((lock.shown(), mint.count()), (vec!["token-2".to_owned()], 2));
}

async fn a_call_is_refused_twice_at_most(network: Network) {
    let mut lock = Lock::serve(network).await;
    let mint = Mint::new();
    let client = ProbeClient::new(lock.connect(mint.source()).await);
    lock.fits("none");
    let error = client.add(1, 2).await.expect_err("none fits");
    assert_eq!((error.kind(), error.message()), (Code::Unauthenticated, "token-2 does not fit"));
    assert!(error.is_not_started());
    assert_eq!((lock.shown(), mint.count()), (vec!["token-1".to_owned(), "token-2".to_owned()], 2));
    let error = client.add(1, 2).await.expect_err("none fits");
    assert_eq!(error.message(), "token-3 does not fit");
    assert_eq!((lock.shown(), mint.count()), (vec!["token-2".to_owned(), "token-3".to_owned()], 3));
}

async fn no_token_is_shown_twice(network: Network) {
    let mut lock = Lock::serve(network).await;
    let client = ProbeClient::new(lock.connect(Token::new("token-0")).await);
    for _ in 0..2 {
        let ends = join_all((0..10).map(|_| client.note_sum(1, 2))).await;
        for end in ends {
            let error = end.expect_err("it does not fit");
            assert_eq!(error.message(), "token-0 does not fit");
            assert!(error.kind() == Code::Unauthenticated && error.is_not_started());
        }
        assert_eq!(lock.shown().len(), 10);
    }
    assert!(lock.served.events.try_recv().is_err(), "no handler began");
}

async fn streams_are_asked_for_once_more(network: Network) {
    let mut lock = Lock::serve(network).await;
    let mint = Mint::new();
    let feed = FeedClient::new(lock.connect(mint.source()).await);
    lock.fits("token-2");
    let counted: Vec<_> = feed.count(3).map(|n| n.expect("it comes")).collect().await;
    assert_eq!(counted, [0, 1, 2]);
    lock.fits("token-3");
    let since = feed.since(7).await.expect("it begins").map(|n| n.expect("it comes"));
    assert_eq!(since.collect::<Vec<_>>().await, [7, 8, 9]);
    // A stream of which nothing was taken is whole.
    lock.fits("token-4");
    let (items, stream) = fed();
    let sum = tokio::spawn(feed.sum(stream));
    mint.asked(4).await;
    for number in 1..=10 {
        items.send(number).expect("it is taken");
    }
    drop(items);
    assert_eq!(sum.await.expect("no panic").expect("it answers"), 55);
    lock.fits("token-5");
    let (items, stream) = fed();
    let mut doubled = feed.doubled(stream);
    let first = tokio::spawn(async move { (doubled.next().await, doubled) });
    mint.asked(5).await;
    items.send(21).expect("it is taken");
    let (first, doubled) = first.await.expect("no panic");
    assert_eq!(first.expect("it has one").expect("it comes"), 42);
    drop(items);
    assert_eq!(doubled.count().await, 0);
    let shown = [1, 2, 2, 3, 3, 4, 4, 5].map(|number| format!("token-{number}"));
    assert_eq!(lock.shown(), shown);
    // An empty one has ended before it was refused, or not: the next call has a token that fits in any case.
    lock.fits("token-6");
    if let Err(error) = feed.sum(stream::iter([1])).await {
        assert!(error.kind() == Code::Unauthenticated && error.is_not_started(), "{error:?}");
    }
    assert_eq!(feed.sum(stream::iter([1])).await.expect("it answers"), 1);
    assert_eq!(mint.count(), 6);
}

async fn a_one_way_call_is_not_missed(network: Network) {
    let mut lock = Lock::serve(network).await;
    let mint = Mint::closed();
    let client = ProbeClient::new(lock.connect(mint.source()).await);
    let noted = tokio::spawn(client.note("hello"));
    mint.asked(1).await;
    mint.open();
    noted.await.expect("no panic").expect("it is accepted");
    assert_eq!(lock.served.event().await, Event::Noted("hello".to_owned()));
}

async fn a_server_that_refuses_all_does_not_wear_out_the_source(network: Network) {
    let lock = Lock::serve(network).await;
    let mint = Mint::new();
    let client = ProbeClient::new(lock.connect(mint.source()).await);
    lock.fits("none of them");
    for _ in 0..100 {
        let error = client.add(1, 2).await.expect_err("its token does not fit");
        assert_eq!(error.kind(), Code::Unauthenticated);
        assert!(error.is_not_started());
    }
    let most = 1 + u32::try_from(rpc::limits::TOKEN_RENEWALS).expect("it is small");
    assert_eq!(mint.count(), most);
}
