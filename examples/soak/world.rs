//! Everything that runs: servers that follow each other on one port, the proxy, the clients; and what is left when all of it
//! has ended.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use rpc::{Channel, Error, Listener, Server, ShutdownHandle};
use tokio::{
    net::TcpListener,
    select,
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, interval, sleep, timeout},
};

use crate::{
    callers::{MAX_MESSAGE_SIZE, Wish, burst, call},
    faults::carry_all,
    memory::Memory,
    random::Random,
    service::{Service, SoakClient, SoakDispatcher},
    tally::Tally,
};

/// Channels straight to the server, and as many through the proxy.
const CHANNELS: u32 = 4;
const CALLERS_EACH: u32 = 8;

/// Calls of a burst, on so many new connections, of which the server takes some at once.
const BURST: usize = 300;
const BURST_CHANNELS: usize = 3;
const MAX_CALLS_PER_CONNECTION: u32 = 64;
const MAX_CALLS: u32 = 128;

/// Longer than any call here takes, and the drain of a server.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// So long may what has been let go of take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is counted while it runs.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) tally: Arc<Tally>,
    pub(crate) running: Arc<AtomicI64>,
    pub(crate) cuts: Arc<AtomicU64>,
    pub(crate) restarts: Arc<AtomicU64>,
}

/// What is left when everything has ended: all zero.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Leaks {
    pub(crate) handlers_running: i64,
    pub(crate) calls_not_ended: u64,
    /// Streams that were sent.
    pub(crate) uploads_kept: i64,
    /// Sockets and tasks beyond those that were there before.
    pub(crate) sockets_open: i64,
    pub(crate) tasks_alive: i64,
}

/// Runs everything for so long, about `rate` calls a second, and lets it end.
pub(crate) async fn run(
    duration: Duration,
    rate: u32,
    mut random: Random,
    counters: &Counters,
) -> Result<Leaks, Box<dyn std::error::Error>> {
    let before = (sockets(), alive());
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let target = listener.local_addr()?;
    let proxy = TcpListener::bind("127.0.0.1:0").await?;
    let (direct, faulty) = (url(target), url(proxy.local_addr()?));
    let carrying =
        tokio::spawn(carry_all(proxy, target, random.fork(), Arc::clone(&counters.cuts)));
    let (stop_servers, stopped) = watch::channel(false);
    let restarts = Arc::clone(&counters.restarts);
    let running = Arc::clone(&counters.running);
    let serving = tokio::spawn(serve(listener, running, restarts, random.fork(), stopped));

    let mut callers = JoinSet::new();
    let mut wishes = Vec::new();
    let interval = Duration::from_secs(1) * (2 * CHANNELS * CALLERS_EACH) / rate;
    for index in 0..2 * CHANNELS {
        let address = if index % 2 == 0 { &direct } else { &faulty };
        let channel = Channel::builder(address)
            .max_message_size(MAX_MESSAGE_SIZE)
            .timeout(CALL_TIMEOUT)
            .keepalive_idle(Duration::from_secs(1))
            .keepalive_timeout(Duration::from_secs(5))
            .connect_lazy();
        let (wish, wished) = watch::channel(Wish::Call);
        for _ in 0..CALLERS_EACH {
            let client = SoakClient::new(channel.clone());
            let tally = Arc::clone(&counters.tally);
            callers.spawn(call(client, wished.clone(), interval, random.fork(), tally));
        }
        wishes.push(wish);
    }
    conduct(&wishes, duration, &direct, &mut random, counters).await;
    for wish in wishes {
        wish.send_replace(Wish::Stop);
    }

    // A call that does not end within its deadline is left; so are its handler and its connection, then.
    let _ = timeout(PATIENCE, async { while callers.join_next().await.is_some() {} }).await;
    let calls_not_ended = counters.tally.in_flight();
    callers.abort_all();
    carrying.abort();
    stop_servers.send_replace(true);
    timeout(PATIENCE, serving).await???;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let leaks = Leaks {
            handlers_running: counters.running.load(Ordering::Acquire),
            calls_not_ended,
            uploads_kept: counters.tally.uploads(),
            sockets_open: sockets() - before.0,
            tasks_alive: alive() - before.1,
        };
        if leaks == Leaks::default() || Instant::now() >= deadline {
            return Ok(leaks);
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Lets each channel rest now and then, sends bursts, and prints a line every ten seconds.
async fn conduct(
    wishes: &[watch::Sender<Wish>],
    duration: Duration,
    address: &str,
    random: &mut Random,
    counters: &Counters,
) {
    let start = Instant::now();
    let mut resting: Vec<(Instant, Wish)> =
        wishes.iter().map(|_| (start + random.millis(3_000, 15_000), Wish::Rest)).collect();
    let mut next_burst = start + random.millis(500, 3_000);
    let mut bursts = JoinSet::new();
    let mut ticks = interval(Duration::from_millis(50));
    let mut lines = interval(Duration::from_secs(10));
    lines.tick().await;
    while start.elapsed() < duration {
        select! {
            _ = ticks.tick() => {}
            _ = lines.tick() => line(start.elapsed(), counters),
            Some(_) = bursts.join_next() => {}
        }
        let now = Instant::now();
        for ((when, next), wish) in resting.iter_mut().zip(wishes) {
            if *when <= now {
                wish.send_replace(*next);
                // Longer than a server keeps what an idle connection does not need.
                (*when, *next) = match next {
                    Wish::Rest => (now + random.millis(2_000, 8_000), Wish::Call),
                    Wish::Call | Wish::Stop => (now + random.millis(5_000, 20_000), Wish::Rest),
                };
            }
        }
        if next_burst <= now && bursts.is_empty() {
            next_burst = now + random.millis(1_000, 5_000);
            let (address, random) = (address.to_owned(), random.fork());
            let tally = Arc::clone(&counters.tally);
            bursts
                .spawn(async move { burst(&address, BURST_CHANNELS, BURST, random, &tally).await });
        }
    }
    let _ = timeout(PATIENCE, bursts.join_all()).await;
}

fn line(elapsed: Duration, counters: &Counters) {
    println!(
        "{:4} s: {} calls, {} in flight, {} handlers, {} sockets, {} restarts, {} cuts, {}",
        elapsed.as_secs(),
        counters.tally.ended(),
        counters.tally.in_flight(),
        counters.running.load(Ordering::Acquire),
        sockets(),
        counters.restarts.load(Ordering::Acquire),
        counters.cuts.load(Ordering::Relaxed),
        Memory::now(),
    );
}

/// One server after the other on one port: sometimes the next one begins while the last one drains, sometimes there is none
/// for a moment, and sometimes the last one ends at once.
async fn serve(
    listener: std::net::TcpListener,
    running: Arc<AtomicI64>,
    restarts: Arc<AtomicU64>,
    mut random: Random,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), Error> {
    let (mut shutdown, mut task) = start(&listener, &running, &mut random)?;
    loop {
        let pause = random.millis(2_000, 6_000);
        let is_over = timeout(pause, async { stopped.wait_for(|stopped| *stopped).await.is_ok() });
        if is_over.await.is_ok() {
            shutdown.shutdown();
            return task.await.unwrap_or_else(|_| Err(Error::internal("the server panicked")));
        }
        restarts.fetch_add(1, Ordering::AcqRel);
        let next =
            if random.coin() { Some(start(&listener, &running, &mut random)?) } else { None };
        shutdown.shutdown();
        if random.between(0, 4) == 0 {
            // As far as the clients can tell, it was killed.
            shutdown.abort();
        }
        task.await.unwrap_or_else(|_| Err(Error::internal("the server panicked")))?;
        if next.is_none() {
            sleep(random.millis(0, 300)).await;
        }
        (shutdown, task) = match next {
            Some(next) => next,
            None => start(&listener, &running, &mut random)?,
        };
    }
}

fn start(
    listener: &std::net::TcpListener,
    running: &Arc<AtomicI64>,
    random: &mut Random,
) -> Result<(ShutdownHandle, JoinHandle<Result<(), Error>>), Error> {
    let listener = listener
        .try_clone()
        .map_err(|error| Error::unavailable("the listener cannot be shared").with_source(error))?;
    let mut server = Server::new(Listener::try_from(listener)?)
        .max_message_size(MAX_MESSAGE_SIZE)
        .max_calls_per_connection(MAX_CALLS_PER_CONNECTION)
        .max_calls(MAX_CALLS)
        .max_timeout(CALL_TIMEOUT)
        .keepalive_idle(Duration::from_secs(1))
        .keepalive_timeout(Duration::from_secs(5))
        .drain_timeout(DRAIN_TIMEOUT);
    // Some servers also send connections away that rest, or that are old.
    if random.coin() {
        server = server.idle_timeout(random.millis(200, 2_000));
    }
    if random.coin() {
        server = server.max_connection_age(random.millis(500, 3_000));
    }
    let service = Service { running: Arc::clone(running) };
    Ok((server.shutdown_handle(), tokio::spawn(server.serve(SoakDispatcher::new(service)))))
}

fn url(address: SocketAddr) -> String {
    format!("tcp://{address}")
}

/// The sockets of this process.
fn sockets() -> i64 {
    let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") else {
        return 0;
    };
    let targets = descriptors.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count() as i64
}

/// The tasks of this runtime.
fn alive() -> i64 {
    tokio::runtime::Handle::current().metrics().num_alive_tasks() as i64
}
