//! What a handler sends back beside its answer reaches the caller that asks for it: with results, errors and the ends of streams.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rpc::{
    Backoff, Bytes, CallError, Channel, Code, Context, Metadata, Stream, StreamExt, Streaming,
    stream,
};

use crate::support::{MathError, Network, Place, Served, on_each_network, within};

on_each_network!(
    results_have_it,
    errors_have_it,
    streams_have_it_at_their_end,
    calls_that_send_a_stream_have_it,
    spawned_and_blocking_handlers_set_it,
    what_answers_in_place_of_a_handler_has_none,
    one_call_does_not_see_that_of_another,
    calls_that_ask_are_futures_like_others,
    more_than_the_server_allows_is_an_error,
    more_than_the_channel_allows_is_an_error_for_who_asks,
    large_answers_have_it,
    the_last_attempt_counts,
);

#[rpc::service]
trait Desk {
    async fn add(&self, ctx: &Context, a: i64, b: i64) -> i64;
    async fn add_later(&self, ctx: &Context, a: i64, b: i64) -> i64;
    #[rpc(spawn)]
    async fn add_spawned(&self, ctx: &Context, a: i64, b: i64) -> i64;
    #[rpc(blocking)]
    fn add_blocking(&self, ctx: &Context, a: i64, b: i64) -> i64;
    async fn plain(&self) -> i64;
    async fn divide(&self, ctx: &Context, a: i64, b: i64) -> Result<i64, MathError>;
    async fn refuse(&self, ctx: &Context) -> Result<(), rpc::Error>;
    /// Sends back so many bytes, beside an answer of so many.
    async fn fill(&self, ctx: &Context, metadata: usize, answer: usize) -> Bytes;
    async fn fill_and_fail(&self, ctx: &Context, metadata: usize) -> Result<(), MathError>;
    async fn panic(&self, ctx: &Context);
    /// Never ends.
    async fn hold(&self, ctx: &Context);
    /// Succeeds at the third attempt.
    #[rpc(idempotent)]
    async fn insist(&self, ctx: &Context) -> Result<u32, rpc::Error>;
    #[rpc(oneway)]
    async fn note(&self, ctx: &Context);
    /// Counts, and says at its end how far.
    fn count(&self, ctx: &Context, to: u64) -> impl Stream<Item = u64>;
    async fn history(
        &self,
        ctx: &Context,
        to: i64,
    ) -> Result<impl Stream<Item = Result<i64, MathError>>, MathError>;
    async fn sum(&self, ctx: &Context, numbers: Streaming<i64>) -> Result<i64, rpc::Error>;
}

#[derive(Default)]
struct Clerk {
    calls: AtomicU32,
}

impl Desk for Clerk {
    async fn add(&self, ctx: &Context, a: i64, b: i64) -> i64 {
        ctx.set_response_metadata("node", "wrong");
        ctx.set_response_metadata("node", "b");
        ctx.set_response_metadata_bin("digest", &[0, 0xff]);
        a + b
    }
    async fn add_later(&self, ctx: &Context, a: i64, b: i64) -> i64 {
        ctx.set_response_metadata("node", "b");
        tokio::task::yield_now().await;
        ctx.set_response_metadata("call", &a.to_string());
        a + b
    }
    async fn add_spawned(&self, ctx: &Context, a: i64, b: i64) -> i64 {
        self.add_later(ctx, a, b).await
    }
    fn add_blocking(&self, ctx: &Context, a: i64, b: i64) -> i64 {
        ctx.set_response_metadata("node", "b");
        a + b
    }
    async fn plain(&self) -> i64 {
        7
    }
    async fn divide(&self, ctx: &Context, a: i64, b: i64) -> Result<i64, MathError> {
        ctx.set_response_metadata("node", "b");
        a.checked_div(b).ok_or(MathError::DivideByZero)
    }
    async fn refuse(&self, ctx: &Context) -> Result<(), rpc::Error> {
        ctx.set_response_metadata("until", "noon");
        Err(rpc::Error::permission_denied("not you"))
    }
    async fn fill(&self, ctx: &Context, metadata: usize, answer: usize) -> Bytes {
        ctx.set_response_metadata_bin("filler", &vec![7; metadata]);
        Bytes::from(vec![7; answer])
    }
    async fn fill_and_fail(&self, ctx: &Context, metadata: usize) -> Result<(), MathError> {
        self.fill(ctx, metadata, 0).await;
        Err(MathError::DivideByZero)
    }
    async fn panic(&self, ctx: &Context) {
        ctx.set_response_metadata("node", "b");
        unreachable!("as the test asked");
    }
    async fn hold(&self, ctx: &Context) {
        ctx.set_response_metadata("node", "b");
        std::future::pending().await
    }
    async fn insist(&self, ctx: &Context) -> Result<u32, rpc::Error> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        ctx.set_response_metadata("attempt", &ctx.attempt().to_string());
        if call < 3 {
            return Err(rpc::Error::unavailable("not yet"));
        }
        Ok(call)
    }
    async fn note(&self, ctx: &Context) {
        ctx.set_response_metadata("node", "b");
    }
    fn count(&self, ctx: &Context, to: u64) -> impl Stream<Item = u64> {
        stream::iter(0..to).chain(stream::poll_fn(move |_| {
            ctx.set_response_metadata("counted", &to.to_string());
            std::task::Poll::Ready(None)
        }))
    }
    async fn history(
        &self,
        ctx: &Context,
        to: i64,
    ) -> Result<impl Stream<Item = Result<i64, MathError>>, MathError> {
        ctx.set_response_metadata("node", "b");
        if to < 0 {
            return Err(MathError::TooLarge { value: to, limit: 0 });
        }
        Ok(stream::iter((0..to).map(Ok).chain([Err(MathError::DivideByZero)])))
    }
    async fn sum(&self, ctx: &Context, mut numbers: Streaming<i64>) -> Result<i64, rpc::Error> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number?;
        }
        assert_eq!(
            numbers.response_metadata(),
            Some(&Metadata::new()),
            "a request has no response"
        );
        ctx.set_response_metadata("sum", &sum.to_string());
        if sum < 0 { Err(rpc::Error::out_of_range("below zero")) } else { Ok(sum) }
    }
}

async fn served(network: Network) -> (Served, DeskClient) {
    let served = Served::with(Place::new(network), |server| {
        server.add(DeskDispatcher::new(Clerk::default()))
    })
    .await;
    let client = DeskClient::new(served.channel().await);
    (served, client)
}

async fn results_have_it(network: Network) {
    let (_served, desk) = served(network).await;
    let (sum, metadata) = desk.add(2, 3).with_metadata().await;
    assert_eq!(sum.expect("it answers"), 5);
    assert_eq!((metadata.get("node"), metadata.get("none")), (Some("b"), None));
    assert_eq!(metadata.get_bin("digest"), Some(&[0, 0xff][..]));
    assert_eq!(metadata.view().iter().count(), 2);
    assert_eq!(format!("{metadata:?}"), "{\"node\", \"digest\"}", "values are not shown");

    // Who does not ask gets the result alone.
    assert_eq!(desk.add(2, 3).await.expect("it answers"), 5);
    let call = desk.add_later(4, 3).timeout(Duration::from_secs(30)).metadata("tenant", "a");
    let (sum, metadata) = call.with_metadata().await;
    assert_eq!((sum.expect("it answers"), metadata.get("call")), (7, Some("4")));
    let (seven, metadata) = desk.plain().with_metadata().await;
    assert_eq!((seven.expect("it answers"), metadata), (7, Metadata::new()));
    let (noted, metadata) = desk.note().with_metadata().await;
    assert!(noted.is_ok() && metadata.is_empty(), "there is no response");

    let local = DeskClient::local(Clerk::default());
    let (sum, metadata) = local.add(2, 3).with_metadata().await;
    assert_eq!((sum.expect("it answers"), metadata.get("node")), (5, Some("b")));
}

async fn errors_have_it(network: Network) {
    let (_served, desk) = served(network).await;
    let (refused, metadata) = desk.refuse().with_metadata().await;
    assert_eq!(refused.expect_err("it refuses").kind(), Code::PermissionDenied);
    assert_eq!(metadata.get("until"), Some("noon"));
    let (quotient, metadata) = desk.divide(1, 0).with_metadata().await;
    assert!(matches!(quotient, Err(CallError::App(MathError::DivideByZero))), "{quotient:?}");
    assert_eq!(metadata.get("node"), Some("b"));
    let (quotient, metadata) = desk.divide(6, 3).with_metadata().await;
    assert_eq!((quotient.expect("it divides"), metadata.get("node")), (2, Some("b")));
}

async fn streams_have_it_at_their_end(network: Network) {
    let (_served, desk) = served(network).await;
    // One that is there at once, and one that needs several windows.
    for to in [0, 3, 200_000] {
        let mut numbers = desk.count(to);
        let mut count = 0;
        while let Some(number) = numbers.next().await {
            assert_eq!(number.expect("no error"), count);
            assert!(numbers.response_metadata().is_none(), "it has not ended");
            count += 1;
        }
        assert_eq!(count, to);
        let metadata = numbers.response_metadata().expect("it has ended");
        assert_eq!(metadata.get("counted"), Some(&*to.to_string()));
        assert!(numbers.next().await.is_none() && numbers.response_metadata().is_some());
    }

    // One that is awaited first: the end is told by the stream, what comes in its place by the call.
    let (history, metadata) = desk.history(2).with_metadata().await;
    let mut history = history.expect("it begins");
    assert!(metadata.is_empty());
    let mut items = Vec::new();
    while let Some(item) = history.next().await {
        items.push(item.map_err(|error| error.to_string()));
    }
    assert_eq!(items, [Ok(0), Ok(1), Err("division by zero".to_owned())]);
    let metadata = history.response_metadata().expect("it has ended");
    assert_eq!(metadata.get("node"), Some("b"));
    let (history, metadata) = desk.history(-1).with_metadata().await;
    match history.expect_err("it fails") {
        CallError::App(MathError::TooLarge { value: -1, .. }) => {}
        other => unreachable!("{other:?}"),
    }
    assert_eq!(metadata.get("node"), Some("b"));

    // One whose call fails: with an error that is the whole stream, and with one that nobody answers.
    let mut expired = desk.count(u64::MAX).timeout(Duration::from_millis(50));
    let mut last = None;
    while let Some(item) = expired.next().await {
        last = Some(item);
    }
    assert!(last.expect("an error").expect_err("it expires").is_timeout());
    assert_eq!(expired.response_metadata(), Some(&Metadata::new()));
}

async fn calls_that_send_a_stream_have_it(network: Network) {
    let (_served, desk) = served(network).await;
    let (sum, metadata) = desk.sum(stream::iter(0..1000)).with_metadata().await;
    assert_eq!((sum.expect("it answers"), metadata.get("sum")), (499_500, Some("499500")));
    let (sum, metadata) = desk.sum(stream::iter([-1])).with_metadata().await;
    assert_eq!(sum.expect_err("below zero").kind(), Code::OutOfRange);
    assert_eq!(metadata.get("sum"), Some("-1"));
}

async fn spawned_and_blocking_handlers_set_it(network: Network) {
    let (_served, desk) = served(network).await;
    for call in [desk.add_spawned(1, 2), desk.add_blocking(1, 2)] {
        let (sum, metadata) = call.with_metadata().await;
        assert_eq!((sum.expect("it answers"), metadata.get("node")), (3, Some("b")));
    }
}

async fn what_answers_in_place_of_a_handler_has_none(network: Network) {
    let (served, desk) = served(network).await;
    let (panicked, metadata) = desk.panic().with_metadata().await;
    assert_eq!(panicked.expect_err("it panics").message(), "the handler panicked");
    assert!(metadata.is_empty());
    let (held, metadata) = desk.hold().timeout(Duration::from_millis(20)).with_metadata().await;
    assert!(held.expect_err("it expires").is_timeout() && metadata.is_empty());
    // Refused by the client's end, and by the server's.
    let call = desk.add(1, 2).metadata("k", &"v".repeat(9000));
    let (refused, metadata) = call.with_metadata().await;
    assert!(refused.expect_err("it is not sent").is_not_started() && metadata.is_empty());
    let channel = Channel::builder(&served.address).max_metadata_size(16 << 10);
    let channel = channel.connect().await.expect("it listens");
    let call = DeskClient::new(channel).add(1, 2).metadata("k", &"v".repeat(9000));
    let (refused, metadata) = call.with_metadata().await;
    assert!(refused.expect_err("it is refused").is_not_started() && metadata.is_empty());
}

async fn one_call_does_not_see_that_of_another(network: Network) {
    let (_served, desk) = served(network).await;
    // Slots and records are used again, one after the other and side by side.
    for round in 0..20 {
        let calls: Vec<_> =
            (0..30).map(|call| tokio::spawn(desk.add_later(call, round).with_metadata())).collect();
        let plain: Vec<_> = (0..30).map(|_| tokio::spawn(desk.plain().with_metadata())).collect();
        for (index, call) in calls.into_iter().enumerate() {
            let (sum, metadata) = call.await.expect("it does not panic");
            let index = i64::try_from(index).expect("few");
            assert_eq!(sum.expect("it answers"), index + round);
            assert_eq!(metadata.get("call"), Some(&*index.to_string()));
        }
        for call in plain {
            let (_, metadata) = call.await.expect("it does not panic");
            assert!(metadata.is_empty());
        }
    }
}

async fn calls_that_ask_are_futures_like_others(network: Network) {
    let (_served, desk) = served(network).await;
    fn sendable<F: Future + Send + 'static>(future: F) -> F {
        future
    }
    let ((sum, one), (later, other)) = tokio::join!(
        sendable(desk.add(1, 1).with_metadata()),
        sendable(desk.add_later(2, 2).with_metadata()),
    );
    assert_eq!((sum.expect("it answers"), one.get("node")), (2, Some("b")));
    assert_eq!((later.expect("it answers"), other.get("call")), (4, Some("2")));
    // Dropped before its first poll, nothing has happened; dropped later, it is cancelled.
    drop(desk.hold().with_metadata());
    let mut held = desk.hold().with_metadata();
    assert!(crate::support::poll_once(&mut held).await.is_pending());
    drop(held);
    assert_eq!(desk.plain().await.expect("it answers"), 7);
}

async fn more_than_the_server_allows_is_an_error(network: Network) {
    let (_served, desk) = served(network).await;
    let (filled, metadata) = desk.fill(8000, 1).with_metadata().await;
    assert_eq!(filled.expect("8,000 bytes are allowed").len(), 1);
    assert_eq!(metadata.get_bin("filler").map(<[u8]>::len), Some(8000));
    // Also of a caller that does not ask: what the handler set would be lost without a word.
    let error = desk.fill(9000, 1).await.expect_err("9,000 are not");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    let text = "the response's metadata has 9029 bytes, more than the 8192 allowed; move large values into the result, or raise it with `max_metadata_size` on the server";
    assert_eq!(error.message(), text);
    let (failed, metadata) = desk.fill_and_fail(9000).with_metadata().await;
    let CallError::Rpc(error) = failed.expect_err("9,000 are not") else {
        unreachable!("the application's error went with the metadata");
    };
    assert!(error.message().ends_with("(the handler ended with division by zero)"), "{error}");
    assert!(metadata.is_empty());
}

async fn more_than_the_channel_allows_is_an_error_for_who_asks(network: Network) {
    let served = Served::with(Place::new(network), |server| {
        server.max_metadata_size(32 << 10).add(DeskDispatcher::new(Clerk::default()))
    })
    .await;
    let desk = DeskClient::new(served.channel().await);
    assert_eq!(desk.fill(9000, 5).await.expect("it does not ask").len(), 5);
    let (filled, metadata) = desk.fill(9000, 5).with_metadata().await;
    let error = filled.expect_err("this end takes 8 KiB");
    assert!(error.message().ends_with("`max_metadata_size` on the channel's builder"), "{error}");
    assert!(metadata.is_empty());
    let generous = Channel::builder(&served.address).max_metadata_size(32 << 10);
    let desk = DeskClient::new(generous.connect().await.expect("it listens"));
    let (filled, metadata) = desk.fill(30_000, 5).with_metadata().await;
    assert_eq!(filled.expect("this one takes more").len(), 5);
    assert_eq!(metadata.get_bin("filler").map(<[u8]>::len), Some(30_000));
}

async fn large_answers_have_it(network: Network) {
    let (_served, desk) = served(network).await;
    for size in [100, 20_000, 120_000, 131_000, 140_000, 3_000_000] {
        let (filled, metadata) = desk.fill(1000, size).with_metadata().await;
        assert_eq!(filled.expect("it fits").len(), size);
        assert_eq!(metadata.get_bin("filler").map(<[u8]>::len), Some(1000));
    }
    let (filled, metadata) = desk.fill(1000, 17 << 20).with_metadata().await;
    let error = filled.expect_err("more than 16 MiB");
    assert!(error.message().starts_with("the answer has"), "{error}");
    assert_eq!(metadata.get_bin("filler").map(<[u8]>::len), Some(1000), "it goes with the error");
}

async fn the_last_attempt_counts(network: Network) {
    let (served, _) = served(network).await;
    let quick = Duration::from_millis(1);
    let channel = Channel::builder(&served.address).retry_backoff(Backoff::new(quick, 1.0, quick));
    let desk = DeskClient::new(channel.connect().await.expect("it listens"));
    let (call, metadata) = desk.insist().with_metadata().await;
    assert_eq!((call.expect("the third one"), metadata.get("attempt")), (3, Some("3")));
}

#[tokio::test]
async fn a_channel_without_a_server_has_none() {
    within(async {
        let channel = Channel::builder("tcp://127.0.0.1:9").wait_for_connection(Duration::ZERO);
        let desk = DeskClient::new(channel.connect_lazy());
        let (sum, metadata) = desk.add(1, 2).with_metadata().await;
        assert!(sum.expect_err("nobody listens").is_unavailable() && metadata.is_empty());
        let mut numbers = desk.count(1);
        let error = numbers.next().await.expect("an error").expect_err("nobody listens");
        assert!(error.is_unavailable());
        assert_eq!(numbers.response_metadata(), Some(&Metadata::new()));
    })
    .await;
}
