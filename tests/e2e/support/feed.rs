//! The service of the tests that stream. Like [`Probe`](super::Probe), it reports and waits, and counts what it makes and takes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::Either;
use rpc::{Bytes, Context, Stream, StreamExt, Streaming, stream};
use tokio::sync::mpsc;

use super::{Event, MathError, ProbeClient, State};

#[rpc::service]
pub(crate) trait Feed {
    /// Counts up to a number.
    fn count(&self, to: u64) -> impl Stream<Item = u64>;
    #[rpc(spawn)]
    fn count_spawned(&self, to: u64) -> impl Stream<Item = u64>;
    /// Byte strings of these sizes.
    fn blobs(&self, sizes: Vec<usize>) -> impl Stream<Item = Bytes>;
    /// Odd numbers, and an error in the place of each even one.
    fn odd(&self, to: u64) -> impl Stream<Item = Result<u64, MathError>>;
    fn odd_flat(&self, to: u64) -> impl Stream<Item = Result<u64, rpc::Error>>;
    /// Counts, once the test has released the key.
    async fn later(&self, key: u32, to: u64) -> impl Stream<Item = u64>;
    /// Counts from a number, which may be too large.
    async fn since(&self, from: i64) -> Result<impl Stream<Item = i64>, MathError>;
    /// The key, and again when the test releases it.
    fn hold_feed(&self, key: u32) -> impl Stream<Item = u32>;
    #[rpc(spawn)]
    fn hold_feed_spawned(&self, key: u32) -> impl Stream<Item = u32>;
    /// Nothing until the test releases the key, and it may be asked for again.
    #[rpc(idempotent)]
    fn find_feed(&self, ctx: &Context, key: u32) -> impl Stream<Item = u32>;
    /// The same behind a first item.
    #[rpc(idempotent)]
    fn find_more(&self, ctx: &Context, key: u32) -> impl Stream<Item = u32>;
    /// Byte strings without end, counted under the key.
    fn endless(&self, key: u32, size: usize) -> impl Stream<Item = Bytes>;
    #[rpc(spawn)]
    fn endless_spawned(&self, key: u32, size: usize) -> impl Stream<Item = Bytes>;
    /// So many, each a number and so many bytes, counted under the key; then nothing until the test releases it.
    #[rpc(drop_oldest = 8)]
    fn newest(&self, key: u32, to: u64, size: usize) -> impl Stream<Item = (u64, Bytes)>;
    /// The key, and again when its connection takes no more calls.
    fn until_draining(&self, ctx: &Context, key: u32) -> impl Stream<Item = u32>;
    /// Panics behind so many items.
    fn panic_behind(&self, items: u64) -> impl Stream<Item = u64>;
    /// Panics when it is dropped before its key is released.
    fn panic_when_dropped(&self, key: u32) -> impl Stream<Item = u32>;
    /// What is left of the time, and then nothing more.
    fn time_left(&self, ctx: &Context) -> impl Stream<Item = Option<Duration>>;
    /// What its upstream has left of the time.
    fn relay_time_left(&self) -> impl Stream<Item = Result<Option<Duration>, rpc::Error>>;
    /// Nothing, once its upstream has failed to begin an awaited stream in time.
    fn relay_later(&self, key: u32) -> impl Stream<Item = Result<u64, rpc::Error>>;
    /// What its upstream gives.
    fn relay(&self, key: u32) -> impl Stream<Item = Result<u32, rpc::Error>>;
    /// What its upstream's upstream gives.
    fn relay_twice(&self, key: u32) -> impl Stream<Item = Result<u32, rpc::Error>>;
    /// Sends what it takes upstream.
    async fn relay_up(&self, key: u32, items: Streaming<Bytes>) -> Result<u64, rpc::Error>;

    async fn sum(&self, numbers: Streaming<i64>) -> Result<i64, rpc::Error>;
    #[rpc(spawn)]
    async fn sum_spawned(&self, numbers: Streaming<i64>) -> Result<i64, rpc::Error>;
    /// The sizes of what it takes.
    async fn sizes(&self, items: Streaming<Bytes>) -> Result<Vec<usize>, rpc::Error>;
    /// Counts the items under the key, and reports how their stream ends.
    async fn observe(&self, key: u32, items: Streaming<Bytes>) -> u64;
    #[rpc(spawn)]
    async fn observe_spawned(&self, key: u32, items: Streaming<Bytes>) -> u64;
    /// Gives its stream to a task of its own, which observes it, and ends when the test releases the key.
    async fn hand_over(&self, key: u32, items: Streaming<Bytes>) -> u32;
    /// Takes so many items, drops its stream, and ends when the test releases the key.
    async fn taste(&self, key: u32, items: Streaming<Bytes>, count: u64) -> u32;
    #[rpc(spawn)]
    async fn taste_spawned(&self, key: u32, items: Streaming<Bytes>, count: u64) -> u32;
    /// Takes so many items, and answers.
    async fn first(&self, items: Streaming<Bytes>, count: usize) -> Result<usize, rpc::Error>;
    /// Takes nothing until the test releases the key, and then counts.
    async fn stall(&self, key: u32, items: Streaming<Bytes>) -> Result<u64, rpc::Error>;
    #[rpc(spawn)]
    async fn stall_spawned(&self, key: u32, items: Streaming<Bytes>) -> Result<u64, rpc::Error>;
    /// Says whether each item was the application's error.
    async fn mixed(&self, items: Streaming<Result<u64, MathError>>) -> Vec<bool>;

    /// Twice each number.
    fn doubled(&self, numbers: Streaming<u64>) -> impl Stream<Item = u64>;
    #[rpc(spawn)]
    fn doubled_spawned(&self, numbers: Streaming<u64>) -> impl Stream<Item = u64>;
    /// How many numbers came, and then, when the test releases the key, the key.
    fn count_and_hold(&self, key: u32, numbers: Streaming<u64>) -> impl Stream<Item = u64>;
    /// So many items, whatever comes.
    fn brief(&self, to: u64, numbers: Streaming<u64>) -> impl Stream<Item = u64>;
}

impl State {
    /// Byte strings without end, counted under the key, which report when they begin and are dropped.
    pub(crate) fn endless(
        self: &Arc<Self>,
        key: u32,
        size: usize,
    ) -> impl Stream<Item = Bytes> + Send + use<> {
        let (state, stay) = (Arc::clone(self), self.stay(key));
        stream::repeat_with(move || {
            let _ = &stay;
            state.made(key);
            Bytes::from(vec![7; size])
        })
    }

    /// Takes all items of a stream, and reports how it ended.
    async fn take_all(self: Arc<Self>, key: u32, mut items: Streaming<Bytes>) -> u64 {
        let _stay = self.stay(key);
        let mut count = 0;
        let end = loop {
            match items.next().await {
                Some(Ok(_)) => {
                    count += 1;
                    self.made(key);
                }
                Some(Err(error)) => break error.kind().name(),
                None => break "complete",
            }
        };
        self.report(Event::Noted(format!("{key}: {end}")));
        count
    }
}

/// A stream of what is sent to it, which ends with its sender; the sender learns when it is dropped.
pub(crate) fn fed<T: Send>() -> (mpsc::UnboundedSender<T>, impl Stream<Item = T> + Send) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    (sender, stream::poll_fn(move |cx| receiver.poll_recv(cx)))
}

/// The service.
pub(crate) struct Feeder(Arc<State>);

/// A dispatcher of the service, which reports to the state of the test.
pub(crate) fn feeder(state: &Arc<State>) -> FeedDispatcher<Feeder> {
    FeedDispatcher::new(Feeder(Arc::clone(state)))
}

impl Feeder {
    pub(crate) fn new(state: &Arc<State>) -> Self {
        Self(Arc::clone(state))
    }

    fn upstream(&self) -> FeedClient {
        let client: &ProbeClient = self.0.upstream.get().expect("the test has set it");
        FeedClient::new(client.channel().clone())
    }

    /// What is released by the key, behind a note of the attempt.
    fn find(&self, ctx: &Context, key: u32) -> impl Stream<Item = u32> {
        self.0.report(Event::Noted(format!("attempt {}", ctx.attempt())));
        stream::once(self.0.hold(key))
    }
}

async fn sum(mut numbers: Streaming<i64>) -> Result<i64, rpc::Error> {
    let mut sum = 0;
    while let Some(number) = numbers.next().await {
        sum += number?;
    }
    Ok(sum)
}

/// Panics in its destructor.
struct Bomb;

impl Drop for Bomb {
    #[expect(clippy::panic, reason = "a user's destructor may")]
    fn drop(&mut self) {
        panic!("the destructor panics");
    }
}

#[expect(clippy::panic, reason = "what a handler that panics does to others is tested")]
impl Feed for Feeder {
    fn count(&self, to: u64) -> impl Stream<Item = u64> {
        stream::iter(0..to)
    }

    fn count_spawned(&self, to: u64) -> impl Stream<Item = u64> {
        stream::iter(0..to)
    }

    fn blobs(&self, sizes: Vec<usize>) -> impl Stream<Item = Bytes> {
        stream::iter(sizes.into_iter().map(|size| Bytes::from(vec![7; size])))
    }

    fn odd(&self, to: u64) -> impl Stream<Item = Result<u64, MathError>> {
        stream::iter((0..to).map(|n| if n % 2 == 1 { Ok(n) } else { Err(MathError::DivideByZero) }))
    }

    fn odd_flat(&self, to: u64) -> impl Stream<Item = Result<u64, rpc::Error>> {
        self.odd(to).map(|odd| odd.map_err(|error| rpc::Error::aborted(error.to_string())))
    }

    async fn later(&self, key: u32, to: u64) -> impl Stream<Item = u64> {
        self.0.hold(key).await;
        stream::iter(0..to)
    }

    async fn since(&self, from: i64) -> Result<impl Stream<Item = i64>, MathError> {
        if from > 1_000 {
            return Err(MathError::TooLarge { value: from, limit: 1_000 });
        }
        Ok(stream::iter(from..from + 3))
    }

    fn hold_feed(&self, key: u32) -> impl Stream<Item = u32> {
        stream::iter([key]).chain(stream::once(self.0.hold(key)))
    }

    fn hold_feed_spawned(&self, key: u32) -> impl Stream<Item = u32> {
        self.hold_feed(key)
    }

    fn find_feed(&self, ctx: &Context, key: u32) -> impl Stream<Item = u32> {
        self.find(ctx, key)
    }

    fn find_more(&self, ctx: &Context, key: u32) -> impl Stream<Item = u32> {
        stream::iter([key]).chain(self.find(ctx, key))
    }

    fn endless(&self, key: u32, size: usize) -> impl Stream<Item = Bytes> {
        self.0.endless(key, size)
    }

    fn endless_spawned(&self, key: u32, size: usize) -> impl Stream<Item = Bytes> {
        self.0.endless(key, size)
    }

    fn newest(&self, key: u32, to: u64, size: usize) -> impl Stream<Item = (u64, Bytes)> {
        let made = (0..to).map(move |number| {
            self.0.made(key);
            (number, Bytes::from(vec![7; size]))
        });
        let rest = stream::once(self.0.hold(key)).filter_map(async |_| None);
        stream::iter(made).chain(rest)
    }

    fn until_draining(&self, ctx: &Context, key: u32) -> impl Stream<Item = u32> {
        let stay = self.0.stay(key);
        let draining = ctx.draining();
        let last = async move {
            draining.await;
            drop(stay);
            key
        };
        stream::iter([key]).chain(stream::once(last))
    }

    fn panic_behind(&self, items: u64) -> impl Stream<Item = u64> {
        stream::iter(0..=items).map(move |number| {
            assert!(number < items, "the stream panics");
            number
        })
    }

    fn panic_when_dropped(&self, key: u32) -> impl Stream<Item = u32> {
        let bomb = Bomb;
        self.hold_feed(key).chain(stream::once(async move {
            std::mem::forget(bomb);
            panic!("the stream is not taken so far");
        }))
    }

    fn time_left(&self, ctx: &Context) -> impl Stream<Item = Option<Duration>> {
        let left =
            ctx.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        stream::iter([left]).chain(stream::pending())
    }

    fn relay_time_left(&self) -> impl Stream<Item = Result<Option<Duration>, rpc::Error>> {
        self.upstream().time_left()
    }

    fn relay_later(&self, key: u32) -> impl Stream<Item = Result<u64, rpc::Error>> {
        // The call is made by a handler without a deadline, which has none to give.
        let later = self.upstream().later(key, 1);
        stream::once(later).flat_map(|begun| match begun {
            Ok(numbers) => Either::Left(numbers),
            Err(error) => Either::Right(stream::iter([Err(error)])),
        })
    }

    fn relay(&self, key: u32) -> impl Stream<Item = Result<u32, rpc::Error>> {
        self.upstream().hold_feed(key)
    }

    fn relay_twice(&self, key: u32) -> impl Stream<Item = Result<u32, rpc::Error>> {
        self.upstream().relay(key)
    }

    async fn relay_up(&self, key: u32, items: Streaming<Bytes>) -> Result<u64, rpc::Error> {
        // What fails here fails upstream, too: a stream that is cut short is not passed on as a complete one.
        let items = items.flat_map(|item| match item {
            Ok(item) => Either::Left(stream::iter([item])),
            Err(_) => Either::Right(stream::pending()),
        });
        self.upstream().observe(key, items).await
    }

    async fn sum(&self, numbers: Streaming<i64>) -> Result<i64, rpc::Error> {
        sum(numbers).await
    }

    async fn sum_spawned(&self, numbers: Streaming<i64>) -> Result<i64, rpc::Error> {
        sum(numbers).await
    }

    async fn sizes(&self, mut items: Streaming<Bytes>) -> Result<Vec<usize>, rpc::Error> {
        let mut sizes = Vec::new();
        while let Some(item) = items.next().await {
            sizes.push(item?.len());
        }
        Ok(sizes)
    }

    async fn observe(&self, key: u32, items: Streaming<Bytes>) -> u64 {
        Arc::clone(&self.0).take_all(key, items).await
    }

    async fn observe_spawned(&self, key: u32, items: Streaming<Bytes>) -> u64 {
        Arc::clone(&self.0).take_all(key, items).await
    }

    async fn hand_over(&self, key: u32, items: Streaming<Bytes>) -> u32 {
        tokio::spawn(Arc::clone(&self.0).take_all(key, items));
        self.0.hold(key).await
    }

    async fn taste(&self, key: u32, mut items: Streaming<Bytes>, count: u64) -> u32 {
        for _ in 0..count {
            let item = items.next().await.expect("there are so many");
            item.expect("they are whole");
        }
        drop(items);
        self.0.hold(key).await
    }

    async fn taste_spawned(&self, key: u32, items: Streaming<Bytes>, count: u64) -> u32 {
        self.taste(key, items, count).await
    }

    async fn first(&self, items: Streaming<Bytes>, count: usize) -> Result<usize, rpc::Error> {
        let mut size = 0;
        let mut items = items.take(count);
        while let Some(item) = items.next().await {
            size += item?.len();
        }
        Ok(size)
    }

    async fn stall(&self, key: u32, mut items: Streaming<Bytes>) -> Result<u64, rpc::Error> {
        self.0.hold(key).await;
        let mut count = 0;
        while let Some(item) = items.next().await {
            item?;
            count += 1;
        }
        Ok(count)
    }

    async fn stall_spawned(&self, key: u32, items: Streaming<Bytes>) -> Result<u64, rpc::Error> {
        self.stall(key, items).await
    }

    async fn mixed(&self, items: Streaming<Result<u64, MathError>>) -> Vec<bool> {
        items.map(|item| matches!(item, Ok(Err(MathError::DivideByZero)))).collect().await
    }

    fn doubled(&self, numbers: Streaming<u64>) -> impl Stream<Item = u64> {
        numbers.map(|number| 2 * number.expect("it is whole"))
    }

    fn doubled_spawned(&self, numbers: Streaming<u64>) -> impl Stream<Item = u64> {
        self.doubled(numbers)
    }

    fn count_and_hold(&self, key: u32, numbers: Streaming<u64>) -> impl Stream<Item = u64> {
        let count = numbers.fold(0, async |count, number| {
            number.expect("it is whole");
            count + 1
        });
        let held = async move { u64::from(self.0.hold(key).await) };
        stream::once(count).chain(stream::once(held))
    }

    fn brief(&self, to: u64, numbers: Streaming<u64>) -> impl Stream<Item = u64> {
        let keep = move |number| {
            let _ = &numbers;
            number
        };
        stream::iter(0..to).map(keep)
    }
}
