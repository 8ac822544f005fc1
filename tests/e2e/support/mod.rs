//! Where the tests take place: a [`Place`] to listen at, a [`Served`] service, a [`Wire`] to speak by hand.

mod feed;
pub(crate) mod items;
mod place;
mod probe;
mod served;
mod wire;

use std::{
    future::poll_fn,
    pin::Pin,
    process,
    sync::mpsc::{self, RecvTimeoutError},
    task::Poll,
    thread,
    time::Duration,
};

pub(crate) use feed::{FeedClient, Feeder, fed, feeder};
pub(crate) use place::{Doorway, Network, Place, connect};
pub(crate) use probe::{
    Event, MathError, Point, ProbeClient, ProbeDispatcher, Seen, State, service,
};
pub(crate) use served::{Served, serve};
pub(crate) use wire::{
    Said, Wire, go_away, hello, hello_with, numbers, push_back, refusal, request,
    request_with_metadata, response,
};

/// So long may a test take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// A runtime that does not look at its timers for so long hangs, and its test with it.
const PATIENCE_WITH_TIMERS: Duration = Duration::from_secs(120);

/// Awaits a test, but not for ever.
pub(crate) async fn within<F: Future>(test: F) -> F::Output {
    let _watchdog = Watchdog::start();
    tokio::time::timeout(PATIENCE, test).await.expect("the test hangs")
}

/// Ends the process unless it is dropped in time: where all workers of a runtime are busy or asleep, no timeout of its own fires.
struct Watchdog(#[expect(dead_code, reason = "it is there to be dropped")] mpsc::Sender<()>);

impl Watchdog {
    fn start() -> Self {
        let (sender, receiver) = mpsc::channel();
        let test = thread::current().name().unwrap_or("a test").to_owned();
        thread::spawn(move || {
            if receiver.recv_timeout(PATIENCE_WITH_TIMERS) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{test} hangs, and the timers of its runtime with it");
                process::abort();
            }
        });
        Self(sender)
    }
}

/// Awaits a test in paused time, where a hang is over at once.
pub(crate) async fn within_a_day<F: Future>(test: F) -> F::Output {
    let day = Duration::from_secs(24 * 60 * 60);
    tokio::time::timeout(day, test).await.expect("the test hangs")
}

/// Polls a call, which sends it, and does not wait for it.
pub(crate) async fn poll_once<F: Future + Unpin>(call: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *call).poll(cx))).await
}

/// Makes two tests of each behaviour, an `async fn(Network)` of that name.
macro_rules! on_each_network {
    ($($behaviour:ident),* $(,)?) => {$(
        mod $behaviour {
            use crate::support::{Network, within};

            #[tokio::test]
            async fn tcp() {
                within(super::$behaviour(Network::Tcp)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn unix() {
                within(super::$behaviour(Network::Unix)).await;
            }
        }
    )*};
}
pub(crate) use on_each_network;
