//! What a gateway costs: its processor time per call, beside that of a server and a client without one.
//!
//! `cargo bench --bench gateway -- [--rounds N] [--millis N] [--in-flight N]`
//!
//! Pings of 16 bytes, 64 in flight on one connection: directly, then through a gateway that forwards to the same kind of server, in turns. For each round the
//! processor time, user and system, of each process is read from the kernel before and after the load, and divided by the calls. What is printed are
//! the medians of the rounds with their spread; a ratio is taken within a round, so a slow phase of the machine hits both of its sides.
//!
//! The bar: a gateway takes at most 1.3 times what the server and the client take together when they talk directly. It does what both do, less the
//! decoding, and its read and write calls go two ways.
//!
//! Server, gateway and load are processes of their own (this program, started again), of one thread each. Where fewer cores are free than
//! that, the rates suffer; processor time does so less.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream::FuturesUnordered};
use rpc::{Channel, Forward, Listener, Server};

#[expect(
    unreachable_pub,
    reason = "the peers' harness, whose file it is, shows it to other crates"
)]
#[path = "../peers/harness/src/cpu.rs"]
mod cpu;
#[path = "../support/mod.rs"]
mod support;
use cpu::cpu_seconds;
use support::{
    Failure, LoadProcess, ServerProcess, inherited_listener, load_average, option, runtime, spread,
};

const BAR: f64 = 1.3;

#[rpc::service]
trait Bench {
    async fn ping(&self, data: &[u8]) -> Vec<u8>;
}

struct Echo;

impl Bench for Echo {
    async fn ping(&self, data: &[u8]) -> Vec<u8> {
        data.to_vec()
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve"] => runtime(0)?.block_on(async {
            let server = Server::new(Listener::try_from(inherited_listener()?)?);
            tokio::spawn(server.serve(BenchDispatcher::new(Echo))).await??;
            Ok(())
        }),
        ["forward", upstream] => runtime(0)?.block_on(async {
            let channel = Channel::connect(upstream).await?;
            let server = Server::new(Listener::try_from(inherited_listener()?)?);
            let forward = Forward::new(BenchClient::DESCRIPTION, channel);
            tokio::spawn(server.serve(forward)).await??;
            Ok(())
        }),
        ["load", address, millis, in_flight] => {
            let duration = Duration::from_millis(millis.parse()?);
            let load = load(address.to_owned(), in_flight.parse()?, duration);
            let (calls, elapsed) =
                runtime(0)?.block_on(async move { tokio::spawn(load).await })??;
            println!("{calls} {} {}", elapsed.as_secs_f64(), cpu_seconds("self")?);
            Ok(())
        }
        _ => {
            let (rounds, millis) =
                (option(&words, "--rounds", 7)?, option(&words, "--millis", 1_000)?);
            compare(rounds, millis, option(&words, "--in-flight", 64)?)
        }
    }
}

/// Keeps so many calls in flight on one connection; how many were answered, in what time.
async fn load(
    address: String,
    in_flight: usize,
    duration: Duration,
) -> Result<(u64, Duration), Failure> {
    let client = BenchClient::new(Channel::connect(&address).await?);
    let start = Instant::now();
    let mut calls: FuturesUnordered<_> = (0..in_flight).map(|_| client.ping(&[7; 16])).collect();
    let mut count = 0_u64;
    while let Some(answer) = calls.next().await {
        if answer? != [7; 16] {
            return Err("the answer is another one's".into());
        }
        count += 1;
        let is_over = count.is_multiple_of(64) && start.elapsed() >= duration;
        if !is_over {
            calls.push(client.ping(&[7; 16]));
        } else {
            break;
        }
    }
    Ok((count, start.elapsed()))
}

/// A server, or a gateway to one.
struct Role {
    process: ServerProcess,
    address: String,
}

impl Role {
    fn start(arguments: &[&str]) -> Result<Self, Failure> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = format!("tcp://{}", listener.local_addr()?);
        Ok(Self { process: ServerProcess::start(&listener, arguments)?, address })
    }

    fn cpu(&self) -> Result<f64, Failure> {
        cpu_seconds(&self.process.0.id().to_string())
    }
}

/// What one load has cost: calls a second, and microseconds per call of the client, the server, and the gateway if there is one.
struct Cost {
    rate: f64,
    client: f64,
    server: f64,
    gateway: f64,
}

fn measure(through: bool, millis: u64, in_flight: u64) -> Result<Cost, Failure> {
    let server = Role::start(&["serve"])?;
    let gateway = through.then(|| Role::start(&["forward", &server.address])).transpose()?;
    let cpu = || -> Result<_, Failure> {
        Ok((server.cpu()?, gateway.as_ref().map_or(Ok(0.0), Role::cpu)?))
    };
    let before = cpu()?;
    let entry = gateway.as_ref().unwrap_or(&server);
    let load = ["load", &entry.address, &millis.to_string(), &in_flight.to_string()];
    let output = LoadProcess::start(&load)?.output()?;
    let after = cpu()?;
    let mut words = output.split(' ').map(str::parse::<f64>);
    let mut next = || words.next().ok_or("the load did not say enough");
    let (calls, elapsed, client) = (next()??, next()??, next()??);
    let micros = |seconds: f64| seconds * 1e6 / calls;
    Ok(Cost {
        rate: calls / elapsed,
        client: micros(client),
        server: micros(after.0 - before.0),
        gateway: micros(after.1 - before.1),
    })
}

fn compare(rounds: u64, millis: u64, in_flight: u64) -> Result<(), Failure> {
    print!("{}", load_average()?);
    println!(
        "{rounds} rounds of {millis} ms each way, {in_flight} pings in flight; medians of the rounds [minimum … maximum]\n"
    );
    // One of each first, for what only the first one pays.
    measure(false, millis.min(200), in_flight)?;
    measure(true, millis.min(200), in_flight)?;
    let (mut directs, mut throughs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        directs.push(measure(false, millis, in_flight)?);
        throughs.push(measure(true, millis, in_flight)?);
    }
    println!("| | calls/s | CPU per call, µs: client | server | gateway |\n|---|---|---|---|---|");
    for (name, costs) in [("directly", &directs), ("through a gateway", &throughs)] {
        let cell = |figure: fn(&Cost) -> f64, digits: usize| {
            let values: Vec<f64> = costs.iter().map(figure).collect();
            show(&values, digits)
        };
        println!(
            "| {name} | {} | {} | {} | {} |",
            cell(|cost| cost.rate, 0),
            cell(|cost| cost.client, 3),
            cell(|cost| cost.server, 3),
            cell(|cost| cost.gateway, 3)
        );
    }
    let pairs = || directs.iter().zip(&throughs);
    let cpu: Vec<f64> =
        pairs().map(|(direct, by)| by.gateway / (direct.client + direct.server)).collect();
    let rate: Vec<f64> = pairs().map(|(direct, by)| by.rate / direct.rate).collect();
    let verdict = if spread(&cpu).1 <= BAR { "holds" } else { "MISSED" };
    println!(
        "\nCPU of the gateway / client and server directly: {}, bar {BAR}: {verdict}",
        show(&cpu, 2)
    );
    println!("Rate through the gateway / directly: {}", show(&rate, 2));
    Ok(())
}

fn show(values: &[f64], digits: usize) -> String {
    let (low, middle, high) = spread(values);
    format!("{middle:.digits$} [{low:.digits$} … {high:.digits$}]")
}
