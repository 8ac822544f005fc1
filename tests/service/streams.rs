//! Methods that take and return streams, over a channel to this process.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use rpc::{CallError, Code, Stream, StreamExt, Streaming, stream};
use tokio::{sync::mpsc, time::timeout};

use crate::calc::{CalcClient, End, Guard, MathError, Server};

fn client() -> CalcClient {
    CalcClient::local(Server::default())
}

/// Fails a test whose other end does not do its part.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(20), future).await.expect("it comes")
}

/// A stream of what is sent into a queue, and the queue.
fn queue() -> (mpsc::Sender<i64>, impl Stream<Item = i64> + Send + 'static) {
    let (sender, mut receiver) = mpsc::channel(1);
    (sender, stream::poll_fn(move |cx| receiver.poll_recv(cx)))
}

async fn all<T: rpc::Value, E: rpc::Failure>(items: Streaming<T, E>) -> Vec<T>
where
    E::Caller: std::fmt::Debug,
{
    soon(items.map(|item| item.expect("it is an item")).collect()).await
}

#[tokio::test]
async fn a_stream_gives_its_items_in_order_and_then_its_end() {
    let client = client();
    assert_eq!(all(client.count(3)).await, [0, 1, 2]);
    assert!(all(client.count(0)).await.is_empty());
    let many = all(client.count(200_000)).await;
    assert!(many.into_iter().eq(0..200_000));
}

#[tokio::test]
async fn a_spawned_stream_is_the_same() {
    let many = all(client().count_elsewhere(50_000)).await;
    assert!(many.into_iter().eq(0..50_000));
}

#[tokio::test]
async fn a_stream_borrows_its_arguments_and_its_context() {
    let tags = ["a".to_owned(), "b".to_owned()];
    let words = client().words("one two", &tags);
    drop(tags);
    assert_eq!(all(words).await, ["Calc.words one 2", "Calc.words two 2"]);
}

#[tokio::test]
async fn streams_of_one_channel_run_at_once() {
    let client = client();
    let mut slow = client.endless();
    assert_eq!(soon(slow.next()).await.transpose().expect("it is an item"), Some(0));
    let (one, two) = tokio::join!(all(client.count(1_000)), all(client.count(2_000)));
    assert_eq!((one.len(), two.len()), (1_000, 2_000));
    assert_eq!(soon(slow.next()).await.transpose().expect("it is an item"), Some(1));
}

#[tokio::test]
async fn an_item_that_is_an_error_does_not_end_its_stream() {
    let odd: Vec<_> = soon(client().odd(4).collect()).await;
    let [Err(CallError::App(zero)), Ok(1), Err(CallError::App(two)), Ok(3)] = &odd[..] else {
        unreachable!("{odd:?}")
    };
    assert_eq!((zero, two), (&MathError::TooLarge(0), &MathError::TooLarge(2)));
}

#[tokio::test]
async fn flat_errors_and_large_items_keep_their_places() {
    let blobs: Vec<_> = soon(client().blobs().collect()).await;
    let [Ok(large), Err(error), Ok(empty)] = &blobs[..] else { unreachable!("{blobs:?}") };
    assert_eq!((large.len(), large.iter().all(|byte| *byte == 7), empty.len()), (300_000, true, 0));
    assert_eq!((error.kind(), error.message()), (Code::Aborted, "torn"));
}

#[tokio::test]
async fn a_method_may_fail_before_it_streams() {
    let client = client();
    let Err(CallError::App(error)) = soon(client.history(101)).await else {
        unreachable!("it fails")
    };
    assert_eq!(error, MathError::TooLarge(101));
    let history = soon(client.history(7)).await.expect("it streams");
    assert_eq!(all(history).await, ["7", "8"]);
}

#[tokio::test]
async fn a_method_may_fail_before_it_streams_and_behind() {
    let client = client();
    let error = soon(client.fragile(&0)).await.expect_err("it fails");
    assert_eq!(error.kind(), Code::NotFound);
    let fragile: Vec<_> = soon(client.fragile(&5)).await.expect("it streams").collect().await;
    let [Err(CallError::App(MathError::TooLarge(5))), Ok(5)] = fragile[..] else {
        unreachable!("{fragile:?}")
    };
}

#[tokio::test]
async fn a_client_sends_a_stream() {
    let client = client();
    assert_eq!(soon(client.sum(stream::iter([1, 2, 3]))).await.expect("it answers"), 6);
    assert_eq!(soon(client.sum(stream::empty())).await.expect("it answers"), 0);
    let many = soon(client.sum(stream::iter(0..100_000))).await.expect("it answers");
    assert_eq!(many, 4_999_950_000);
}

#[tokio::test]
async fn a_stream_has_no_place_among_the_arguments() {
    #[rpc::service(name = "Calc")]
    trait Older {
        async fn join(&self, parts: Streaming<Vec<u8>>, before: &str) -> String;
    }

    let channel = client().channel().clone();
    let parts = || stream::iter([b"b".to_vec(), b"c".to_vec()]);
    let joined = soon(CalcClient::new(channel.clone()).join("a", parts(), "d")).await;
    assert_eq!(joined.expect("it answers"), "abcd");
    let joined = soon(OlderClient::new(channel).join(parts(), "a")).await;
    assert_eq!(joined.expect("it answers"), "abc!");
}

#[tokio::test]
async fn a_stream_that_the_method_leaves_is_dropped() {
    let end = Arc::new(End::default());
    let guard = Guard(end.clone());
    let numbers = stream::iter(1..).inspect(move |_| {
        let _ = &guard;
    });
    assert_eq!(soon(client().first(numbers)).await.expect("it answers"), Some(1));
    soon(end.reached()).await;
}

#[tokio::test]
async fn items_go_both_ways_as_they_come() {
    let (sender, numbers) = queue();
    let mut sums = client().running_sum(numbers);
    assert!(sums.next().now_or_never().is_none());
    for (number, sum) in [(1, 1), (2, 3), (-3, 0)] {
        sender.send(number).await.expect("the stream is there");
        assert_eq!(soon(sums.next()).await.expect("it goes on").expect("it is an item"), sum);
    }
    drop(sender);
    assert!(soon(sums.next()).await.is_none());
}

#[tokio::test]
async fn a_method_that_takes_a_stream_may_fail_before_it_streams() {
    let client = client();
    let refused = soon(client.scaled(stream::pending(), 11)).await;
    assert!(matches!(refused, Err(CallError::App(MathError::TooLarge(11)))), "{refused:?}");
    let scaled = soon(client.scaled(stream::iter([2, i64::MAX, 3]), 5)).await.expect("it streams");
    let scaled: Vec<_> = soon(scaled.collect()).await;
    let [Ok(10), Err(CallError::App(_)), Ok(15)] = scaled[..] else { unreachable!("{scaled:?}") };
}

#[tokio::test]
async fn a_stream_that_the_client_leaves_is_dropped_at_the_server() {
    let server = Server::default();
    let client = CalcClient::local(server.clone());
    let mut endless = client.endless();
    assert!(soon(endless.next()).await.is_some());
    drop(endless);
    soon(server.end.reached()).await;
    assert_eq!(all(client.count(2)).await, [0, 1]);
}

#[tokio::test]
async fn a_handler_whose_caller_leaves_its_upload_is_dropped() {
    let server = Server::default();
    let client = CalcClient::local(server.clone());
    let (sender, numbers) = queue();
    let mut call = Box::pin(client.endless_sum(numbers));
    let sent = async {
        for number in 0..3 {
            sender.send(number).await.expect("the call takes it");
        }
    };
    tokio::select! {
        sum = &mut call => unreachable!("{sum:?}"),
        () = soon(sent) => {}
    }
    drop(call);
    assert!(sender.send(3).await.is_err());
    soon(server.end.reached()).await;
    assert_eq!(soon(client.sum(stream::iter([1]))).await.expect("it answers"), 1);
}

#[tokio::test]
async fn a_producer_that_does_not_wait_keeps_the_newest() {
    let server = Server::default();
    let mut newest = CalcClient::local(server.clone()).newest(100_000);
    let mut seen = vec![soon(newest.next()).await.expect("there are items").expect("it is one")];
    // Nobody takes more until the producer has no more to give.
    soon(server.end.reached()).await;
    while let Some(item) = soon(newest.next()).await {
        seen.push(item.expect("it is an item"));
    }
    assert!(seen.is_sorted());
    assert_eq!(&seen[seen.len() - 4..], [99_996, 99_997, 99_998, 99_999]);
    assert!(seen[..1000].iter().copied().eq(0..1000), "what finds room is not dropped");
    assert_eq!(seen.len() as u64 + newest.lost(), 100_000);
}

#[tokio::test]
async fn a_producer_that_does_not_wait_loses_nothing_that_finds_room() {
    let client = client();
    // More than are kept at once, and less than the window holds.
    for mut newest in [client.newest(10_000), client.newest_elsewhere(10_000)] {
        let mut seen = 0;
        while let Some(item) = soon(newest.next()).await {
            assert_eq!(item.expect("it is an item"), seen);
            seen += 1;
        }
        assert_eq!((seen, newest.lost()), (10_000, 0));
    }
}
