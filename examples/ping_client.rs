//! Pings the ping server: `cargo run --example ping_client -- [--connect URL] [--count N] [--concurrency N] MESSAGE`.
//!
//! One ping prints its answer and round-trip time; several print calls per second and percentiles.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

#[path = "ping/service.rs"]
mod service;
use service::PingClient;

struct Options {
    address: String,
    count: usize,
    concurrency: usize,
    message: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let client = PingClient::connect(&options.address).await?;
    if options.count == 1 {
        let start = Instant::now();
        let answer = client.ping(&options.message).await?;
        println!("{answer}   ({:.1?})", start.elapsed());
        return Ok(());
    }
    let start = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..options.concurrency {
        // The first callers take what cannot be shared out evenly.
        let share = options.count / options.concurrency
            + usize::from(caller < options.count % options.concurrency);
        callers.spawn(pings(client.clone(), options.message.clone(), share));
    }
    let mut times = Vec::with_capacity(options.count);
    while let Some(done) = callers.join_next().await {
        times.extend(done??);
    }
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    times.sort_unstable();
    println!(
        "{} calls, {} at a time: {rate:.0} calls/s, p50 {:.1?}, p99 {:.1?}",
        times.len(),
        options.concurrency,
        percentile(&times, 50),
        percentile(&times, 99),
    );
    Ok(())
}

async fn pings(
    client: PingClient,
    message: String,
    count: usize,
) -> Result<Vec<Duration>, rpc::Error> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        client.ping(&message).await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn options() -> Result<Options, Box<dyn Error>> {
    use lexopt::prelude::{Long, Value, ValueExt};

    let mut options = Options {
        address: "tcp://127.0.0.1:7000".to_owned(),
        count: 1,
        concurrency: 1,
        message: "ping".to_owned(),
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("connect") => options.address = arguments.value()?.string()?,
            Long("count") => options.count = arguments.value()?.parse()?,
            Long("concurrency") => options.concurrency = arguments.value()?.parse()?,
            Long("help") => {
                println!(
                    "usage: ping_client [--connect URL] [--count N] [--concurrency N] [MESSAGE]"
                );
                std::process::exit(0);
            }
            Value(message) => options.message = message.string()?,
            other => return Err(other.unexpected().into()),
        }
    }
    if options.count == 0 || options.concurrency == 0 {
        return Err("--count and --concurrency want at least 1".into());
    }
    Ok(options)
}
