//! The client side of a measurement: so many connections, so many calls in flight on each, for so long.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use rpc::Channel;
use tokio::{net::TcpStream, task::JoinSet};

use crate::{Subject, echo, stub::BenchClient};

/// The payload of a ping in bytes.
const PING_SIZE: usize = 16;

/// When a measurement ends.
#[derive(Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn starting(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    fn is_over(self) -> bool {
        Instant::now() >= self.0
    }
}

/// Who makes the calls in flight on a connection. The echoes have one task each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callers {
    /// As many tasks.
    Tasks,
    /// One task.
    OneTask,
}

type Outcome = Result<u64, Box<dyn Error + Send + Sync>>;

/// Calls per second with `connections` × `window` calls in flight.
pub(crate) async fn run(
    subject: Subject,
    address: String,
    connections: usize,
    window: usize,
    callers_kind: Callers,
    duration: Duration,
) -> Result<f64, Box<dyn Error + Send + Sync>> {
    let mut callers = JoinSet::<Outcome>::new();
    let mut channels = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..connections {
        match subject {
            Subject::Rpc => channels.push(Channel::connect(format!("tcp://{address}")).await?),
            Subject::Raw | Subject::Codec => streams.push(TcpStream::connect(&address).await?),
        }
    }
    let start = Instant::now();
    let clock = Clock::starting(duration);
    for channel in channels {
        if callers_kind == Callers::OneTask {
            callers.spawn(pings_of_one_task(BenchClient(channel), window, clock));
        } else {
            for _ in 0..window {
                callers.spawn(pings(BenchClient(channel.clone()), clock));
            }
        }
    }
    for stream in streams {
        if subject == Subject::Raw {
            callers.spawn(async move {
                Ok(echo::load_raw(stream, PING_SIZE, window, |_| clock.is_over()).await?)
            });
        } else {
            callers.spawn(async move {
                Ok(echo::load_codec(stream, PING_SIZE, window, |_| clock.is_over()).await?)
            });
        }
    }
    let mut count = 0;
    while let Some(outcome) = callers.join_next().await {
        count += outcome??;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

async fn pings(client: BenchClient, clock: Clock) -> Outcome {
    let data = [7; PING_SIZE];
    let mut count = 0;
    // Looking at the clock costs as much as a good part of a call.
    while count % 16 != 0 || !clock.is_over() {
        let answer = client.ping(&data).await?;
        assert_eq!(answer.len(), data.len(), "the answer is the argument");
        count += 1;
    }
    Ok(count)
}

async fn pings_of_one_task(client: BenchClient, window: usize, clock: Clock) -> Outcome {
    let data = [7; PING_SIZE];
    let mut calls: FuturesUnordered<_> = (0..window).map(|_| client.ping(&data)).collect();
    let mut count = 0;
    while let Some(answer) = calls.next().await {
        assert_eq!(answer?.len(), data.len(), "the answer is the argument");
        count += 1;
        if count % 16 == 0 && clock.is_over() {
            break;
        }
        calls.push(client.ping(&data));
    }
    Ok(count)
}

/// Allocations per call at the server and in this process, in steady state, for each kind of handler.
pub(crate) async fn allocations(
    address: String,
) -> Result<Vec<(&'static str, f64, f64)>, Box<dyn Error + Send + Sync>> {
    const CALLS: u64 = 64 * 320;
    let client = BenchClient(Channel::connect(format!("tcp://{address}")).await?);
    let mut rows = Vec::new();
    for (name, kind) in [("ready", 0), ("yields once", 1), ("borrowed arguments", 2)] {
        let mut here = 0;
        let mut there = 0;
        // The first round warms up.
        for _ in 0..2 {
            let before = (crate::allocations::count(), client.allocations().await?);
            let mut callers = JoinSet::new();
            for _ in 0..64 {
                let client = client.clone();
                callers.spawn(async move {
                    for number in 0..CALLS / 64 {
                        match kind {
                            0 => client.echo(number).await?,
                            1 => client.yielding(number).await?,
                            _ => client.borrowed("name", &[7; 16]).await?,
                        };
                    }
                    Ok::<_, rpc::Error>(())
                });
            }
            while let Some(outcome) = callers.join_next().await {
                outcome??;
            }
            here = crate::allocations::count() - before.0;
            there = client.allocations().await? - before.1;
        }
        rows.push((name, there as f64 / CALLS as f64, here as f64 / CALLS as f64));
    }
    Ok(rows)
}
