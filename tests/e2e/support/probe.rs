//! The service of the tests. Its handlers report when they start and how they end, and wait for the test.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use rpc::{Bytes, Context};
use serde::{Deserialize, Serialize};
use tokio::sync::{Barrier, mpsc, oneshot, watch};

use super::within;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) label: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum MathError {
    #[error("division by zero")]
    DivideByZero,
    #[error("{value} is above {limit}")]
    TooLarge { value: i64, limit: i64 },
}

/// What a handler knew of its call.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) peer: String,
    pub(crate) method: String,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) time_left: Option<Duration>,
    pub(crate) attempt: u32,
}

/// What a handler reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    Started(u32),
    /// It ran to its end.
    Ended(u32),
    /// Its future was dropped before.
    Dropped(u32),
    /// It was told that nobody waits any more.
    Cancelled(u32),
    Noted(String),
    Received(usize),
}

#[rpc::service]
pub(crate) trait Probe {
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Adds, and reports it.
    async fn note_sum(&self, a: i64, b: i64) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, MathError>;
    async fn refuse(&self, why: &str) -> Result<(), rpc::Error>;
    async fn greet(&self, name: &str, tags: &[String], at: &Point) -> String;
    async fn echo(&self, data: Bytes) -> Bytes;
    async fn reverse(&self, data: Vec<u8>) -> Vec<u8>;
    async fn length(&self, data: &[u8]) -> usize;
    async fn mirror(&self, points: Vec<Point>) -> Vec<Point>;
    /// So many bytes.
    async fn filler(&self, size: usize) -> Bytes;
    async fn seen(&self, ctx: &Context) -> Seen;
    /// Ends when the test releases the key, and may be called again.
    #[rpc(idempotent)]
    async fn find(&self, ctx: &Context, key: u32) -> Result<u32, rpc::Error>;
    /// Ends when the test releases the key.
    async fn hold(&self, key: u32) -> u32;
    #[rpc(spawn)]
    async fn hold_spawned(&self, key: u32) -> u32;
    /// Ends when nobody waits any more.
    #[rpc(blocking)]
    fn hold_blocking(&self, ctx: &Context, key: u32) -> u32;
    /// Ends when the test releases the key, whoever waits.
    #[rpc(blocking)]
    fn hold_stubbornly(&self, key: u32) -> u32;
    /// So many bytes, when the test releases the key.
    async fn hold_filler(&self, key: u32, size: usize) -> Bytes;
    #[rpc(oneway)]
    async fn hold_unanswered(&self, key: u32);
    /// Never ends; a task of its own waits for the call's end.
    async fn watch(&self, ctx: &Context, key: u32);
    /// Ends when three of these run.
    async fn meet(&self, data: &[u8]) -> usize;
    #[rpc(oneway)]
    async fn note(&self, line: &str);
    #[rpc(oneway)]
    async fn receive(&self, data: &[u8]);
    async fn panic(&self, at_once: bool);
    #[rpc(spawn)]
    async fn panic_spawned(&self, at_once: bool);
    #[rpc(blocking)]
    fn panic_blocking(&self);
    #[rpc(oneway)]
    async fn panic_unanswered(&self);
    /// Panics with what panics again when it is dropped.
    async fn panic_twice(&self);
    /// Panics when it is dropped before its key is released.
    async fn panic_when_dropped(&self, key: u32);
    /// Asks upstream what it sees there, and returns what is left here, too.
    async fn relay(
        &self,
        ctx: &Context,
        spawned: bool,
    ) -> Result<(Option<Duration>, Seen), rpc::Error>;
    #[rpc(spawn)]
    async fn relay_spawned(&self, ctx: &Context) -> Result<(Option<Duration>, Seen), rpc::Error>;
    async fn relay_hold(&self, key: u32) -> Result<u32, rpc::Error>;
    /// Asks upstream to ask upstream.
    async fn relay_twice(&self, key: u32) -> Result<u32, rpc::Error>;
    #[rpc(spawn)]
    async fn relay_twice_spawned(&self, key: u32) -> Result<u32, rpc::Error>;
}

/// What the test holds of a service.
pub(crate) struct State {
    events: mpsc::UnboundedSender<Event>,
    held: Mutex<HashMap<u32, oneshot::Sender<()>>>,
    meeting: Barrier,
    /// How many items were made, by key.
    counts: watch::Sender<HashMap<u32, u64>>,
    pub(crate) upstream: OnceLock<ProbeClient>,
}

impl State {
    /// Lets the handler that holds this key end.
    pub(crate) fn release(&self, key: u32) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        // Where its handler is gone, nobody is to be told.
        let _ = held.expect("the key is held").send(());
    }

    /// Counts an item.
    pub(super) fn made(&self, key: u32) {
        self.counts.send_modify(|counts| *counts.entry(key).or_default() += 1);
    }

    /// How many items were counted under the key.
    pub(crate) fn count(&self, key: u32) -> u64 {
        self.counts.borrow().get(&key).copied().unwrap_or_default()
    }

    /// Waits until so many items were counted under the key.
    pub(crate) async fn counted(&self, key: u32, count: u64) {
        let mut counts = self.counts.subscribe();
        let is_there =
            |counts: &HashMap<u32, u64>| counts.get(&key).copied().unwrap_or_default() >= count;
        counts.wait_for(is_there).await.expect("the state lives");
    }

    /// Reports that something has begun, and when it is dropped.
    pub(super) fn stay(self: &Arc<Self>, key: u32) -> Stay {
        self.report(Event::Started(key));
        Stay { state: Arc::clone(self), key, has_ended: false }
    }

    pub(super) fn report(&self, event: Event) {
        // The test may have ended.
        let _ = self.events.send(event);
    }

    pub(super) async fn hold(self: &Arc<Self>, key: u32) -> u32 {
        let (sender, released) = oneshot::channel();
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(key, sender);
        let mut stay = self.stay(key);
        // A key that is held again by another call is never released for this one.
        if released.await.is_err() {
            std::future::pending::<()>().await;
        }
        stay.has_ended = true;
        key
    }
}

/// Reports how a handler ended.
pub(super) struct Stay {
    state: Arc<State>,
    key: u32,
    has_ended: bool,
}

impl Drop for Stay {
    fn drop(&mut self) {
        let event = if self.has_ended { Event::Ended } else { Event::Dropped };
        self.state.report(event(self.key));
    }
}

/// The service: it keeps what the test holds.
pub(crate) struct Steward(Arc<State>);

pub(crate) fn service() -> (Steward, Arc<State>, mpsc::UnboundedReceiver<Event>) {
    let (events, reported) = mpsc::unbounded_channel();
    let state = Arc::new(State {
        events,
        held: Mutex::default(),
        meeting: Barrier::new(3),
        counts: watch::Sender::default(),
        upstream: OnceLock::new(),
    });
    (Steward(Arc::clone(&state)), state, reported)
}

impl Steward {
    fn upstream(&self) -> &ProbeClient {
        self.0.upstream.get().expect("the test has set it")
    }
}

/// How long a call may still take.
fn time_left(ctx: &Context) -> Option<Duration> {
    ctx.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()))
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
impl Probe for Steward {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn note_sum(&self, a: i64, b: i64) -> i64 {
        self.0.report(Event::Noted(format!("{a} + {b}")));
        a + b
    }

    async fn divide(&self, a: i64, b: i64) -> Result<i64, MathError> {
        if a > 1_000 {
            return Err(MathError::TooLarge { value: a, limit: 1_000 });
        }
        a.checked_div(b).ok_or(MathError::DivideByZero)
    }

    async fn refuse(&self, why: &str) -> Result<(), rpc::Error> {
        Err(rpc::Error::failed_precondition(why.to_owned())
            .with_retry_after(Duration::from_secs(7)))
    }

    async fn greet(&self, name: &str, tags: &[String], at: &Point) -> String {
        // Borrowed arguments must outlive a wait.
        tokio::task::yield_now().await;
        format!("hello {name}, {} at {}/{}", tags.join(" and "), at.x, at.y)
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        data
    }

    async fn reverse(&self, mut data: Vec<u8>) -> Vec<u8> {
        data.reverse();
        data
    }

    async fn length(&self, data: &[u8]) -> usize {
        tokio::task::yield_now().await;
        data.len()
    }

    async fn mirror(&self, points: Vec<Point>) -> Vec<Point> {
        points.into_iter().map(|Point { x, y, label }| Point { x: y, y: x, label }).collect()
    }

    async fn filler(&self, size: usize) -> Bytes {
        Bytes::from(vec![0x5a; size])
    }

    async fn seen(&self, ctx: &Context) -> Seen {
        let text = |value| match value {
            rpc::MetadataValue::Str(text) => text.to_owned(),
            other => format!("{other:?}"),
        };
        Seen {
            peer: ctx.peer().to_string(),
            method: ctx.method().to_owned(),
            metadata: ctx
                .metadata()
                .iter()
                .map(|(key, value)| (key.to_owned(), text(value)))
                .collect(),
            time_left: time_left(ctx),
            attempt: ctx.attempt(),
        }
    }

    async fn find(&self, ctx: &Context, key: u32) -> Result<u32, rpc::Error> {
        self.0.report(Event::Noted(format!("attempt {}", ctx.attempt())));
        Ok(self.0.hold(key).await)
    }

    async fn hold(&self, key: u32) -> u32 {
        self.0.hold(key).await
    }

    async fn hold_spawned(&self, key: u32) -> u32 {
        self.0.hold(key).await
    }

    fn hold_blocking(&self, ctx: &Context, key: u32) -> u32 {
        self.0.report(Event::Started(key));
        tokio::runtime::Handle::current().block_on(ctx.cancelled());
        if ctx.is_cancelled() {
            self.0.report(Event::Cancelled(key));
        }
        key
    }

    fn hold_stubbornly(&self, key: u32) -> u32 {
        // A runtime waits for its blocking threads: a test that fails must not leave one for ever.
        tokio::runtime::Handle::current().block_on(within(self.0.hold(key)))
    }

    async fn hold_filler(&self, key: u32, size: usize) -> Bytes {
        self.0.hold(key).await;
        self.filler(size).await
    }

    async fn hold_unanswered(&self, key: u32) {
        self.0.hold(key).await;
    }

    async fn watch(&self, ctx: &Context, key: u32) {
        let (cancelled, state) = (ctx.cancelled(), Arc::clone(&self.0));
        tokio::spawn(async move {
            cancelled.await;
            state.report(Event::Cancelled(key));
        });
        self.0.report(Event::Started(key));
        std::future::pending::<()>().await;
    }

    async fn meet(&self, data: &[u8]) -> usize {
        self.0.meeting.wait().await;
        data.len()
    }

    async fn note(&self, line: &str) {
        self.0.report(Event::Noted(line.to_owned()));
    }

    async fn receive(&self, data: &[u8]) {
        self.0.report(Event::Received(data.len()));
    }

    async fn panic(&self, at_once: bool) {
        if !at_once {
            tokio::task::yield_now().await;
        }
        panic!("the handler panics");
    }

    async fn panic_spawned(&self, at_once: bool) {
        self.panic(at_once).await;
    }

    fn panic_blocking(&self) {
        panic!("the handler panics");
    }

    async fn panic_unanswered(&self) {
        panic!("the handler panics");
    }

    async fn panic_twice(&self) {
        std::panic::panic_any(Bomb);
    }

    async fn panic_when_dropped(&self, key: u32) {
        let bomb = Bomb;
        self.0.hold(key).await;
        std::mem::forget(bomb);
    }

    async fn relay(
        &self,
        ctx: &Context,
        spawned: bool,
    ) -> Result<(Option<Duration>, Seen), rpc::Error> {
        // What is inherited is read where the call is made, also behind a wait.
        tokio::task::yield_now().await;
        let left = time_left(ctx);
        let call = self.upstream().seen();
        let seen = if spawned {
            tokio::spawn(call).await.expect("it does not panic")?
        } else {
            call.await?
        };
        Ok((left, seen))
    }

    async fn relay_spawned(&self, ctx: &Context) -> Result<(Option<Duration>, Seen), rpc::Error> {
        self.relay(ctx, false).await
    }

    async fn relay_twice(&self, key: u32) -> Result<u32, rpc::Error> {
        self.upstream().relay_hold(key).await
    }

    async fn relay_twice_spawned(&self, key: u32) -> Result<u32, rpc::Error> {
        self.relay_twice(key).await
    }

    async fn relay_hold(&self, key: u32) -> Result<u32, rpc::Error> {
        self.upstream().hold(key).await
    }
}
