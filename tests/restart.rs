//! A rolling restart under load: one port is handed from server to server, each drains while the next one serves, and no call
//! fails.
//!
//! Servers share the listening socket, as an old and a new process would that were both given it. The callers are paced, so that the
//! machine is not what fails; the rate that was reached is printed (`-- --nocapture`). Calls are not idempotent: what a draining
//! server did not start is safe to repeat, and what it started it finishes. Some calls end only when the next server has
//! answered others of the same client, so a client that waited for the old server before it went to the new one would hang.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rpc::{Channel, Error, Listener, Server, ShutdownHandle};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::MissedTickBehavior,
};

/// So long may the test take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(120);

const RESTARTS: u32 = 8;
const CHANNELS: usize = 10;
/// Callers of quick calls on each channel.
const QUICK: usize = 20;
/// Callers of slow calls on each channel.
const SLOW: usize = 5;

/// Quick calls a second of all callers together.
const RATE: u32 = 10_000;

/// So many calls are answered between two restarts.
const CALLS_BETWEEN: u64 = 5_000;

#[rpc::service]
trait Shop {
    /// Answers at once with the number of its server.
    async fn quick(&self, number: u64) -> (u32, u64);
    /// Answers when the next server has answered: it is in flight all through its server's drain.
    async fn slow(&self, number: u64) -> (u32, u64);
}

struct Counter {
    generation: u32,
    slow_in_flight: watch::Sender<usize>,
    progress: Arc<Progress>,
}

impl Shop for Arc<Counter> {
    async fn quick(&self, number: u64) -> (u32, u64) {
        (self.generation, number)
    }

    async fn slow(&self, number: u64) -> (u32, u64) {
        self.slow_in_flight.send_modify(|count| *count += 1);
        let mut newest = self.progress.newest.subscribe();
        newest.wait_for(|newest| *newest > self.generation).await.expect("its sender is here");
        self.slow_in_flight.send_modify(|count| *count -= 1);
        (self.generation, number)
    }
}

/// A server on the shared port.
struct Running {
    counter: Arc<Counter>,
    shutdown: ShutdownHandle,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    fn start(generation: u32, listener: &std::net::TcpListener, progress: &Arc<Progress>) -> Self {
        let listener = listener.try_clone().expect("the socket is there");
        let counter = Arc::new(Counter {
            generation,
            slow_in_flight: watch::Sender::new(0),
            progress: Arc::clone(progress),
        });
        let server = Server::new(Listener::try_from(listener).expect("it can be shared"));
        let shutdown = server.shutdown_handle();
        let task = tokio::spawn(server.serve(ShopDispatcher::new(Arc::clone(&counter))));
        Self { counter, shutdown, task }
    }

    /// Drains it while slow calls are in flight; how many were.
    async fn drain(self) -> usize {
        let mut slow = self.counter.slow_in_flight.subscribe();
        let slow = *slow.wait_for(|count| *count > 0).await.expect("the counter lives");
        self.shutdown.shutdown();
        self.task.await.expect("it does not panic").expect("it ends in order");
        slow
    }
}

/// What the callers have done together.
#[derive(Default)]
struct Progress {
    answered: AtomicU64,
    /// The newest server that answered.
    newest: watch::Sender<u32>,
    is_over: AtomicBool,
}

impl Progress {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

#[derive(Default)]
struct Tally {
    answered: u64,
    slowest: Duration,
    failures: Vec<Error>,
}

impl Tally {
    fn note(&mut self, number: u64, answer: Result<(u32, u64), Error>) -> Option<u32> {
        match answer {
            Ok((generation, answer)) => {
                assert_eq!(answer, number, "an answer is its own call's");
                self.answered += 1;
                Some(generation)
            }
            Err(error) => {
                self.failures.push(error);
                None
            }
        }
    }
}

async fn call_quick(client: ShopClient, progress: Arc<Progress>) -> Tally {
    let callers = u32::try_from(CHANNELS * QUICK).expect("they are few");
    let mut pace = tokio::time::interval(Duration::from_secs(1) * callers / RATE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut tally = Tally::default();
    for number in 0.. {
        pace.tick().await;
        if progress.is_over() {
            break;
        }
        let start = Instant::now();
        let answer = client.quick(number).await;
        tally.slowest = tally.slowest.max(start.elapsed());
        if let Some(generation) = tally.note(number, answer) {
            progress.answered.fetch_add(1, Ordering::AcqRel);
            progress.newest.send_if_modified(|newest| {
                let is_newer = generation > *newest;
                *newest = generation.max(*newest);
                is_newer
            });
        }
    }
    tally
}

async fn call_slow(client: ShopClient, progress: Arc<Progress>) -> Tally {
    let mut tally = Tally::default();
    for number in 0.. {
        if progress.is_over() {
            break;
        }
        let answer = client.slow(number).await;
        tally.note(number, answer);
    }
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_servers_are_exchanged() {
    tokio::time::timeout(PATIENCE, exchange()).await.expect("the test hangs");
}

async fn exchange() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = format!("tcp://{}", listener.local_addr().expect("it is bound"));
    let progress = Arc::new(Progress::default());
    let mut running = Running::start(0, &listener, &progress);

    let mut callers = JoinSet::new();
    let start = Instant::now();
    for _ in 0..CHANNELS {
        let client = ShopClient::new(Channel::connect(&address).await.expect("it listens"));
        for _ in 0..QUICK {
            callers.spawn(call_quick(client.clone(), Arc::clone(&progress)));
        }
        for _ in 0..SLOW {
            callers.spawn(call_slow(client.clone(), Arc::clone(&progress)));
        }
    }

    let mut through_drain = 0;
    let mut newest = progress.newest.subscribe();
    for generation in 1..=RESTARTS {
        let next = Running::start(generation, &listener, &progress);
        through_drain += std::mem::replace(&mut running, next).drain().await;
        newest.wait_for(|newest| *newest == generation).await.expect("the callers live");
        let wanted = progress.answered.load(Ordering::Acquire) + CALLS_BETWEEN;
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        while progress.answered.load(Ordering::Acquire) < wanted {
            looks.tick().await;
        }
    }
    let elapsed = start.elapsed();
    progress.is_over.store(true, Ordering::Release);
    // The slow calls that wait for one more server are let go.
    progress.newest.send_replace(u32::MAX);

    let mut total = Tally::default();
    while let Some(tally) = callers.join_next().await {
        let tally = tally.expect("a caller does not panic");
        total.answered += tally.answered;
        total.slowest = total.slowest.max(tally.slowest);
        total.failures.extend(tally.failures);
    }
    println!(
        "{RESTARTS} restarts in {elapsed:.1?}: {} calls answered, {:.0} a second, {} failed; \
         {through_drain} slow calls in flight through a drain; the slowest quick call took {:.1?}",
        total.answered,
        total.answered as f64 / elapsed.as_secs_f64(),
        total.failures.len(),
        total.slowest,
    );
    assert!(
        total.failures.is_empty(),
        "{} failed, such as: {}",
        total.failures.len(),
        total.failures[0]
    );
    running.shutdown.shutdown();
    running.task.await.expect("it does not panic").expect("it ends in order");
}
