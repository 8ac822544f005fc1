//! The classic server models, each as had with this project, under the same calls.
//!
//! `cargo bench --bench models -- [--rounds N] [--millis N] [--callers N] [--wait-millis N]` prints the table of `docs/MODELS.md`.
//!
//! Pings with 1 and with 64 in flight: in each round every model serves as many calls, then the next, so that a slow phase of the machine
//! hits them all. What is printed are the medians of the rounds, their spread, and the ratio to the event loop. The 64 callers
//! share eight connections, each of which makes its share of the calls and closes: a server of one connection at a time serves
//! them one after the other.
//!
//! Then 10,000 callers on ten connections wait at once in a handler that takes five seconds: how long until all are answered,
//! and the server's memory and threads at the peak. That is measured once: five seconds do not drift.
//!
//! Servers and loads are processes of their own (this program, started again); the listener is handed to the servers as their
//! standard input, to several of them where processes share it.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream::FuturesUnordered};
use rpc::{Channel, Server};
use tokio::task::JoinSet;

mod memory;
#[path = "../support/mod.rs"]
mod support;
use memory::{Peak, Watch};
use support::{
    Failure, LoadProcess, ServerProcess, inherited_listener, load_average, option, runtime, spread,
};

/// A ping and a wait, each in the three ways in which a handler may run.
#[rpc::service]
trait Bench {
    async fn ping(&self, data: &[u8]) -> Vec<u8>;
    #[rpc(spawn)]
    async fn ping_spawned(&self, data: &[u8]) -> Vec<u8>;
    #[rpc(blocking)]
    fn ping_blocking(&self, data: &[u8]) -> Vec<u8>;
    async fn wait(&self, millis: u64);
    #[rpc(spawn)]
    async fn wait_spawned(&self, millis: u64);
    #[rpc(blocking)]
    fn wait_blocking(&self, millis: u64);
}

struct Service;

impl Bench for Service {
    async fn ping(&self, data: &[u8]) -> Vec<u8> {
        data.to_vec()
    }

    async fn ping_spawned(&self, data: &[u8]) -> Vec<u8> {
        data.to_vec()
    }

    fn ping_blocking(&self, data: &[u8]) -> Vec<u8> {
        data.to_vec()
    }

    async fn wait(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    async fn wait_spawned(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    fn wait_blocking(&self, millis: u64) {
        std::thread::sleep(Duration::from_millis(millis));
    }
}

/// The connections that the 64 callers share.
const CONNECTIONS: usize = 8;

/// The callers that wait on one connection: fewer than the calls that a server accepts there.
const WAITERS_EACH: usize = 1_000;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(600);

/// One way to run a server.
struct Model {
    name: &'static str,
    /// The workers of its runtime; 0 is the one thread that blocks on it.
    workers: Workers,
    processes: Processes,
    max_connections: usize,
    /// What is appended to the names of the methods that are called.
    handlers: &'static str,
}

#[derive(Clone, Copy)]
enum Workers {
    One,
    PerCore,
}

#[derive(Clone, Copy)]
enum Processes {
    One,
    PerCore,
    PerConnection,
}

const MANY: usize = 10_000;

const MODELS: [Model; 8] = [
    Model {
        name: "one event loop",
        workers: Workers::One,
        processes: Processes::One,
        max_connections: MANY,
        handlers: "",
    },
    Model {
        name: "one connection at a time",
        workers: Workers::One,
        processes: Processes::One,
        max_connections: 1,
        handlers: "",
    },
    Model {
        name: "a thread for each call",
        workers: Workers::One,
        processes: Processes::One,
        max_connections: MANY,
        handlers: "_blocking",
    },
    Model {
        name: "a process for each connection",
        workers: Workers::One,
        processes: Processes::PerConnection,
        max_connections: 1,
        handlers: "",
    },
    Model {
        name: "prefork, one connection each",
        workers: Workers::One,
        processes: Processes::PerCore,
        max_connections: 1,
        handlers: "",
    },
    Model {
        name: "prefork event loops",
        workers: Workers::One,
        processes: Processes::PerCore,
        max_connections: MANY,
        handlers: "",
    },
    Model {
        name: "several workers",
        workers: Workers::PerCore,
        processes: Processes::One,
        max_connections: MANY,
        handlers: "",
    },
    Model {
        name: "several workers, a task for each call",
        workers: Workers::PerCore,
        processes: Processes::One,
        max_connections: MANY,
        handlers: "_spawned",
    },
];

impl Model {
    /// Starts its processes on one listener; its address.
    fn start(&self, connections: usize) -> Result<(Vec<ServerProcess>, String), Failure> {
        let cores = std::thread::available_parallelism()?.get();
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = format!("tcp://{}", listener.local_addr()?);
        let workers = match self.workers {
            Workers::One => 0,
            Workers::PerCore => cores,
        };
        let processes = match self.processes {
            Processes::One => 1,
            Processes::PerCore => cores,
            Processes::PerConnection => connections,
        };
        let words = ["serve", &workers.to_string(), &self.max_connections.to_string()];
        let servers = (0..processes).map(|_| ServerProcess::start(&listener, &words));
        Ok((servers.collect::<Result<_, _>>()?, address))
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", workers, max_connections] => {
            let max_connections = max_connections.parse()?;
            runtime(workers.parse()?)?.block_on(async {
                let server = Server::new(rpc::Listener::try_from(inherited_listener()?)?)
                    .max_connections(max_connections);
                tokio::spawn(server.serve(BenchDispatcher::new(Service))).await??;
                Ok(())
            })
        }
        ["pings", handlers, address, connections, window, calls] => {
            let load = pings(
                handlers.to_owned(),
                address.to_owned(),
                connections.parse()?,
                window.parse()?,
                calls.parse()?,
            );
            println!("{}", runtime(0)?.block_on(async move { tokio::spawn(load).await })??);
            Ok(())
        }
        ["waits", handlers, address, callers, millis] => {
            let load =
                waits(handlers.to_owned(), address.to_owned(), callers.parse()?, millis.parse()?);
            println!("{}", runtime(0)?.block_on(async move { tokio::spawn(load).await })??);
            Ok(())
        }
        _ => {
            let rounds = option(&words, "--rounds", 5)?;
            let millis = option(&words, "--millis", 1_000)?;
            let callers = option(&words, "--callers", 10_000)?;
            let wait = option(&words, "--wait-millis", 5_000)?;
            compare(usize::try_from(rounds)?, millis, usize::try_from(callers)?, wait)
        }
    }
}

/// A connection of its own, made at the first call, whose calls wait for the server however long it takes.
fn client(address: &str) -> BenchClient {
    let builder = Channel::builder(address)
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .wait_for_connection(PATIENCE);
    BenchClient::new(builder.connect_lazy())
}

/// So many calls on so many connections with `window` in flight on each; calls per second. A connection that has made
/// its share closes.
async fn pings(
    handlers: String,
    address: String,
    connections: usize,
    window: usize,
    calls: usize,
) -> Result<f64, Failure> {
    let start = Instant::now();
    let mut loads = JoinSet::new();
    let share = calls.div_ceil(connections * window) * window;
    for _ in 0..connections {
        let client = client(&address);
        let handlers = handlers.clone();
        loads.spawn(async move {
            let ping = || match &*handlers {
                "_spawned" => client.ping_spawned(&[7; 16]),
                "_blocking" => client.ping_blocking(&[7; 16]),
                _ => client.ping(&[7; 16]),
            };
            let mut left = share - window;
            let mut calls: FuturesUnordered<_> = (0..window).map(|_| ping()).collect();
            while let Some(answer) = calls.next().await {
                assert_eq!(answer?.len(), 16, "the answer is the argument");
                if left > 0 {
                    left -= 1;
                    calls.push(ping());
                }
            }
            Ok::<_, rpc::Error>(())
        });
    }
    while let Some(outcome) = loads.join_next().await {
        outcome??;
    }
    Ok((share * connections) as f64 / start.elapsed().as_secs_f64())
}

/// So many callers wait for so long at once; seconds until all were answered.
async fn waits(
    handlers: String,
    address: String,
    callers: usize,
    millis: u64,
) -> Result<f64, Failure> {
    let start = Instant::now();
    let mut loads = JoinSet::new();
    let mut left = callers;
    while left > 0 {
        let share = left.min(WAITERS_EACH);
        left -= share;
        let client = client(&address);
        let handlers = handlers.clone();
        loads.spawn(async move {
            let wait = |_| match &*handlers {
                "_spawned" => client.wait_spawned(millis),
                "_blocking" => client.wait_blocking(millis),
                _ => client.wait(millis),
            };
            let mut calls: FuturesUnordered<_> = (0..share).map(wait).collect();
            while let Some(answer) = calls.next().await {
                answer?;
            }
            Ok::<_, rpc::Error>(())
        });
    }
    while let Some(outcome) = loads.join_next().await {
        outcome??;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// What was measured of one model.
#[derive(Default)]
struct Figures {
    alone: Vec<f64>,
    together: Vec<f64>,
    /// After the pings, in bytes.
    memory: u64,
    /// Seconds until all who waited were answered.
    waited: f64,
    peak: Peak,
}

fn compare(rounds: usize, millis: u64, callers: usize, wait: u64) -> Result<(), Failure> {
    eprint!("{}", load_average()?);
    let mut figures: Vec<Figures> = MODELS.iter().map(|_| Figures::default()).collect();
    measure_pings(&mut figures, rounds, millis)?;
    let connections = callers.div_ceil(WAITERS_EACH);
    for (model, figures) in MODELS.iter().zip(&mut figures) {
        eprintln!("{callers} callers wait: {}", model.name);
        let (servers, address) = model.start(connections)?;
        let watch = Watch::begin(&servers);
        let words = ["waits", model.handlers, &address, &callers.to_string(), &wait.to_string()];
        figures.waited = LoadProcess::start(&words)?.output()?.parse()?;
        figures.peak = watch.end()?;
    }
    eprint!("{}", load_average()?);
    print(&figures, rounds, callers, wait);
    Ok(())
}

fn measure_pings(figures: &mut [Figures], rounds: usize, millis: u64) -> Result<(), Failure> {
    let mut running = Vec::new();
    for model in &MODELS {
        running.push(model.start(CONNECTIONS)?);
    }
    // The first round warms up, and tells how many calls take so long.
    let mut counts = vec![[2_000, 20_000]; MODELS.len()];
    for round in 0..=rounds {
        eprintln!("pings, round {round} of {rounds}");
        for turn in 0..MODELS.len() {
            // Another one begins in each round: who comes first is not to have an advantage of it.
            let index = (turn + round) % MODELS.len();
            let model = &MODELS[index];
            let address = &running[index].1;
            let loads = [(1, 1), (CONNECTIONS, 64 / CONNECTIONS)];
            for (place, (connections, window)) in loads.into_iter().enumerate() {
                let [connections, window, calls] =
                    [connections, window, counts[index][place]].map(|number| number.to_string());
                let words = ["pings", model.handlers, address, &connections, &window, &calls];
                let rate: f64 = LoadProcess::start(&words)?.output()?.parse()?;
                if round == 0 {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "a rate is a small positive number"
                    )]
                    let calls = (rate * millis as f64 / 1_000.0) as usize;
                    counts[index][place] = calls.max(64);
                } else {
                    let rates = [&mut figures[index].alone, &mut figures[index].together];
                    rates[place].push(rate);
                }
            }
        }
    }
    for ((servers, _), figures) in running.iter().zip(figures) {
        figures.memory = memory::resident(servers)?;
    }
    Ok(())
}

fn print(figures: &[Figures], rounds: usize, callers: usize, wait: u64) {
    let seconds = wait as f64 / 1_000.0;
    println!(
        "| model | calls/s, 1 in flight | of the event loop's | calls/s, 64 in flight on {CONNECTIONS} connections | of the event loop's | RSS after | {callers} wait {seconds} s: all answered after | RSS at the peak | threads |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let ratios = |values: &[f64], base: &[f64]| {
        let ratios: Vec<f64> = values.iter().zip(base).map(|(value, base)| value / base).collect();
        let (low, ratio, high) = spread(&ratios);
        format!("{ratio:.2} [{low:.2} … {high:.2}]")
    };
    for (model, figure) in MODELS.iter().zip(figures) {
        println!(
            "| {} | {} | {} | {} | {} | {} | {:.1} s | {} | {} |",
            model.name,
            rate(&figure.alone),
            ratios(&figure.alone, &figures[0].alone),
            rate(&figure.together),
            ratios(&figure.together, &figures[0].together),
            mebibytes(figure.memory),
            figure.waited,
            mebibytes(figure.peak.resident),
            figure.peak.threads,
        );
    }
    println!("\nMedians of {rounds} rounds, interleaved [minimum … maximum].");
}

fn rate(values: &[f64]) -> String {
    let (low, middle, high) = spread(values);
    format!("{:.0} k [{:.0} … {:.0}]", middle / 1e3, low / 1e3, high / 1e3)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
