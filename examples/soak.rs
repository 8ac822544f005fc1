//! Everything at once, for a while: `cargo run --release --example soak -- [--seconds N] [--rate N] [--seed N]`.
//!
//! Clients draw what to do from a seed that is printed: fast and slow calls, handlers on tasks and threads of their own, calls that
//! are given up at any moment, deadlines, one-way calls, errors, panics, large payloads and too large ones, metadata, bursts above
//! the limits, gaps, streams both ways that are taken, stalled, dropped, cut short. Half of them connect through a proxy that cuts connections, and the server is exchanged every few seconds, in
//! order or not, with and without a gap; some servers send away connections that rest or are old. A tenth of the time, at most
//! half a minute, warms up; what is left in memory then is the beginning.
//!
//! At the end nothing may be left: no handler that runs, no call without an end, no stream that was sent, no socket, no task. Then, and if a call ended as
//! it should not, the exit status is not zero.

use std::{error::Error, process::ExitCode, time::Duration};

#[path = "soak/callers.rs"]
mod callers;
#[path = "soak/faults.rs"]
mod faults;
#[path = "soak/memory.rs"]
mod memory;
#[path = "soak/random.rs"]
mod random;
#[path = "soak/service.rs"]
mod service;
#[path = "soak/streams.rs"]
mod streams;
#[path = "soak/tally.rs"]
mod tally;
#[path = "soak/world.rs"]
mod world;

use memory::Memory;
use random::Random;
use world::{Counters, Leaks, run};

/// What may be held in the end beyond the beginning: pools that have filled meanwhile.
const HEAP_SLACK: usize = 1 << 20;

struct Options {
    seconds: u64,
    rate: u32,
    seed: u64,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = options()?;
    println!("seed {}, {} s, about {} calls/s", options.seed, options.seconds, options.rate);
    let mut random = Random::new(options.seed);

    let warm_up = Duration::from_millis((options.seconds * 100).min(30_000));
    let first = run(warm_up, options.rate, random.fork(), &Counters::default()).await?;
    let start = Memory::now();
    println!("warmed up in {warm_up:?}: {start}");
    let counters = Counters::default();
    let duration = Duration::from_secs(options.seconds);
    let second = run(duration, options.rate, random.fork(), &counters).await?;
    let end = Memory::now();

    println!("{} calls:\n{}", counters.tally.ended(), counters.tally);
    println!("memory at the start: {start}\nmemory at the end:   {end}");
    let leaks = [first, second];
    for leaks in &leaks {
        let Leaks { handlers_running, calls_not_ended, uploads_kept, sockets_open, tasks_alive } =
            leaks;
        println!(
            "left: {handlers_running} handlers running, {calls_not_ended} calls not ended, {uploads_kept} uploads kept, {sockets_open} sockets open, {tasks_alive} tasks alive"
        );
    }
    let unexplained = counters.tally.unexplained();
    for call in &unexplained {
        println!("unexplained: {call}");
    }
    let has_grown = end.heap > start.heap + HEAP_SLACK;
    if has_grown {
        println!("the heap has grown by more than {HEAP_SLACK} bytes");
    }
    let is_clean = leaks.iter().all(|leaks| *leaks == Leaks::default());
    Ok(if is_clean && unexplained.is_empty() && !has_grown {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn options() -> Result<Options, Box<dyn Error>> {
    use lexopt::prelude::{Long, ValueExt};

    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let mut options = Options { seconds: 600, rate: 2_000, seed: now.as_secs() };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seconds") => options.seconds = arguments.value()?.parse()?,
            Long("rate") => options.rate = arguments.value()?.parse()?,
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("help") => {
                println!(
                    "usage: soak [--seconds N] [--rate N] [--seed N]   (default 600 s, 2000 calls/s)"
                );
                std::process::exit(0);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if options.seconds == 0 || options.rate == 0 {
        return Err("--seconds and --rate want at least 1".into());
    }
    Ok(options)
}
