//! What one client waits while others keep a server busy.
//!
//! `cargo bench --bench fairness -- [--rounds N] [--seconds S]`
//!
//! Four connections with 64 calls in flight each, whose handlers compute for 100 µs, keep a server's only worker busy; a fifth connection
//! sends single pings, one after the other, which are timed. Then the same with the handlers on the blocking pool (`#[rpc(blocking)]`), and
//! on tasks of their own (`#[rpc(spawn)]`) with two workers; and the pings alone, for comparison. The last figure is what the slice costs a busy connection: pings a second with 64 in flight.
//!
//! Server, load and pinger are processes of their own (this program, started again). Where fewer cores are free than they
//! keep busy, the system's scheduler is measured too.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream::FuturesUnordered};
use rpc::{Channel, Server};

#[path = "../support/mod.rs"]
mod support;
use support::{Failure, LoadProcess, ServerProcess, inherited_listener, option, runtime, spread};

const CONNECTIONS: usize = 4;
const IN_FLIGHT: usize = 64;
const BURN_MICROS: u64 = 100;

/// Computes, or answers at once.
#[rpc::service]
trait Bench {
    /// Answers at once.
    async fn ping(&self, data: &[u8]) -> Vec<u8>;
    /// Computes for so long, in the connection's task.
    async fn burn(&self, micros: u64);
    /// Computes for so long, on a task of its own.
    #[rpc(spawn)]
    async fn burn_spawned(&self, micros: u64);
    /// Computes for so long, on the blocking pool.
    #[rpc(blocking)]
    fn burn_blocking(&self, micros: u64);
}

struct Burner;

impl Bench for Burner {
    async fn ping(&self, data: &[u8]) -> Vec<u8> {
        data.to_vec()
    }

    async fn burn(&self, micros: u64) {
        burn(micros);
    }

    async fn burn_spawned(&self, micros: u64) {
        burn(micros);
    }

    fn burn_blocking(&self, micros: u64) {
        burn(micros);
    }
}

fn burn(micros: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(micros) {
        std::hint::spin_loop();
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", workers] => runtime(workers.parse()?)?.block_on(async {
            let server = Server::new(rpc::Listener::try_from(inherited_listener()?)?);
            tokio::spawn(server.serve(BenchDispatcher::new(Burner))).await??;
            Ok(())
        }),
        ["load", kind, address, connections, millis] => {
            let duration = Duration::from_millis(millis.parse()?);
            let load = load(kind.to_owned(), address.to_owned(), connections.parse()?, duration);
            let rate = runtime(0)?.block_on(async move { tokio::spawn(load).await })??;
            println!("{rate}");
            Ok(())
        }
        ["pings", address, millis] => {
            let duration = Duration::from_millis(millis.parse()?);
            let pings = pings(address.to_owned(), duration);
            let times = runtime(0)?.block_on(async move { tokio::spawn(pings).await })??;
            let words: Vec<String> = times.iter().map(u64::to_string).collect();
            println!("{}", words.join(" "));
            Ok(())
        }
        _ => compare(option(&words, "--rounds", 5)?, option(&words, "--seconds", 3)?),
    }
}

/// Keeps so many connections busy; calls per second.
async fn load(
    kind: String,
    address: String,
    connections: usize,
    duration: Duration,
) -> Result<f64, Failure> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(BenchClient::new(Channel::connect(&address).await?));
    }
    let start = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for client in clients {
        let kind = kind.clone();
        callers.spawn(async move {
            let call = || {
                let client = client.clone();
                let kind = kind.clone();
                async move {
                    match &*kind {
                        "burn" => client.burn(BURN_MICROS).await,
                        "burn_blocking" => client.burn_blocking(BURN_MICROS).await,
                        "burn_spawned" => client.burn_spawned(BURN_MICROS).await,
                        _ => client.ping(&[7; 16]).await.map(drop),
                    }
                }
            };
            let mut calls: FuturesUnordered<_> = (0..IN_FLIGHT).map(|_| call()).collect();
            let mut count = 0_u64;
            while let Some(answer) = calls.next().await {
                answer?;
                count += 1;
                if count.is_multiple_of(16) && start.elapsed() >= duration {
                    break;
                }
                calls.push(call());
            }
            Ok::<_, rpc::Error>(count)
        });
    }
    let mut count = 0;
    while let Some(outcome) = callers.join_next().await {
        count += outcome??;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// Pings one after the other; how long each took, in nanoseconds.
async fn pings(address: String, duration: Duration) -> Result<Vec<u64>, Failure> {
    let client = BenchClient::new(Channel::connect(&address).await?);
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < duration {
        let before = Instant::now();
        client.ping(&[7; 16]).await?;
        times.push(u64::try_from(before.elapsed().as_nanos())?);
    }
    Ok(times)
}

/// One row of the table.
struct Row {
    name: &'static str,
    workers: &'static str,
    /// What the four connections call, if they are there.
    load: Option<&'static str>,
}

const ROWS: [Row; 5] = [
    Row { name: "alone, 1 worker", workers: "0", load: None },
    Row { name: "beside handlers of 100 µs, 1 worker", workers: "0", load: Some("burn") },
    Row {
        name: "beside blocking handlers of 100 µs, 1 worker",
        workers: "0",
        load: Some("burn_blocking"),
    },
    Row { name: "alone, 2 workers", workers: "2", load: None },
    Row {
        name: "beside spawned handlers of 100 µs, 2 workers",
        workers: "2",
        load: Some("burn_spawned"),
    },
];

fn compare(rounds: u64, seconds: u64) -> Result<(), Failure> {
    print!("{}", support::load_average()?);
    println!(
        "{rounds} rounds of {seconds} s each, rows interleaved; medians of the rounds [minimum … maximum]; times in ms\n"
    );
    let mut figures: Vec<[Vec<f64>; 5]> = ROWS.iter().map(|_| Default::default()).collect();
    let mut rates = Vec::new();
    for _ in 0..rounds {
        for (row, figures) in ROWS.iter().zip(&mut figures) {
            let (server, address) = server(row.workers)?;
            let millis = (seconds * 1000).to_string();
            let connections = CONNECTIONS.to_string();
            // The load is there before the first ping and after the last.
            let longer = (seconds * 1000 + 600).to_string();
            let load = match row.load {
                Some(kind) => {
                    Some(LoadProcess::start(&["load", kind, &address, &connections, &longer])?)
                }
                None => None,
            };
            std::thread::sleep(Duration::from_millis(300));
            let output = LoadProcess::start(&["pings", &address, &millis])?.output()?;
            let mut times = output.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
            times.sort_unstable();
            let at = |percent: usize| {
                times[(times.len() * percent / 100).min(times.len() - 1)] as f64 / 1e6
            };
            let [p50, p99, max, count, rate] = figures;
            p50.push(at(50));
            p99.push(at(99));
            max.push(at(100));
            count.push(times.len() as f64);
            if let Some(load) = load {
                rate.push(load.output()?.parse()?);
            }
            drop(server);
        }
        let (server, address) = server("0")?;
        let millis = (seconds * 1000).to_string();
        rates.push(
            LoadProcess::start(&["load", "ping", &address, "1", &millis])?.output()?.parse()?,
        );
        drop(server);
    }
    println!(
        "| pings | p50 | p99 | max | pings a round | calls/s of the others |\n|---|---|---|---|---|---|"
    );
    for (row, figures) in ROWS.iter().zip(&figures) {
        let cell = |values: &[f64], digits: usize| {
            if values.is_empty() {
                return "–".to_owned();
            }
            let (low, middle, high) = spread(values);
            format!("{middle:.digits$} [{low:.digits$} … {high:.digits$}]")
        };
        let [p50, p99, max, count, rate] = figures;
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            row.name,
            cell(p50, 3),
            cell(p99, 3),
            cell(max, 3),
            cell(count, 0),
            cell(rate, 0)
        );
    }
    let (low, middle, high) = spread(&rates);
    println!(
        "\nPings with {IN_FLIGHT} in flight on one connection, 1 worker: {middle:.0}/s [{low:.0} … {high:.0}]"
    );
    Ok(())
}

fn server(workers: &str) -> Result<(ServerProcess, String), Failure> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = format!("tcp://{}", listener.local_addr()?);
    Ok((ServerProcess::start(&listener, &["serve", workers])?, address))
}
