//! The client side of a measurement: so many connections, so many calls in flight on each, for so long.

use std::{
    fmt,
    future::Future,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{Client, Failure, Held, Items, Kind, cpu_seconds};

/// Every hundredth call of [`Kind::Mixed`] is slow.
pub const SLOW_EVERY: u64 = 100;

/// When a caller ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Time(Instant),
    /// After so many calls of this caller.
    Calls(u64),
}

impl Until {
    /// Whether it is time, after `count` calls. The clock is looked at when `count` is a multiple of `every`: a look
    /// costs as much as a good part of a small call.
    pub fn is_over(self, count: u64, every: u64) -> bool {
        match self {
            Self::Time(end) => count.is_multiple_of(every) && Instant::now() >= end,
            Self::Calls(calls) => count >= calls,
        }
    }
}

/// How long a load goes on.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    Time(Duration),
    /// So many calls in all; a multiple of the callers.
    Calls(u64),
}

/// The calls of one measurement.
#[derive(Clone, Debug)]
pub struct Load {
    /// Host and port.
    pub address: String,
    pub kind: Kind,
    pub connections: usize,
    /// Calls in flight on each connection.
    pub window: usize,
    pub length: Length,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub calls: u64,
    pub seconds: f64,
    /// Of processor time of this process, while it made the calls.
    pub cpu_seconds: f64,
}

/// As a process prints it.
impl fmt::Display for Outcome {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} {} {}", self.calls, self.seconds, self.cpu_seconds)
    }
}

impl Load {
    /// When each caller ends, from now on.
    pub fn until(&self) -> Until {
        match self.length {
            Length::Time(duration) => Until::Time(Instant::now() + duration),
            Length::Calls(calls) => Until::Calls(calls / (self.connections * self.window) as u64),
        }
    }

    /// Connects, makes the calls, and counts them.
    pub async fn run<C: Client>(self) -> Result<Outcome, Failure> {
        let mut clients = Vec::new();
        for _ in 0..self.connections {
            clients.push(C::connect(&self.address, self.window).await?);
        }
        let until = self.until();
        let kind = self.kind;
        let callers = clients
            .into_iter()
            .flat_map(|client| (0..self.window).map(move |_| calls(client.clone(), kind, until)));
        measured(callers).await
    }
}

/// Runs callers as tasks, and adds up what they count.
pub async fn measured<F>(callers: impl Iterator<Item = F>) -> Result<Outcome, Failure>
where
    F: Future<Output = Result<u64, Failure>> + Send + 'static,
{
    added_up(|running| callers.for_each(|caller| drop(running.spawn(caller)))).await
}

/// As [`measured`], for callers that stay on this thread: inside a `LocalSet`.
pub async fn measured_local<F>(callers: impl Iterator<Item = F>) -> Result<Outcome, Failure>
where
    F: Future<Output = Result<u64, Failure>> + 'static,
{
    added_up(|running| callers.for_each(|caller| drop(running.spawn_local(caller)))).await
}

async fn added_up(
    start_all: impl FnOnce(&mut JoinSet<Result<u64, Failure>>),
) -> Result<Outcome, Failure> {
    let (start, cpu) = (Instant::now(), cpu_seconds("self")?);
    let mut running = JoinSet::new();
    start_all(&mut running);
    let mut calls = 0;
    while let Some(count) = running.join_next().await {
        calls += count??;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Outcome { calls, seconds, cpu_seconds: cpu_seconds("self")? - cpu })
}

/// One caller, who makes one call after the other.
async fn calls<C: Client>(client: C, kind: Kind, until: Until) -> Result<u64, Failure> {
    match kind {
        Kind::Ping => repeat(until, 16, || client.ping()).await,
        Kind::Blob => repeat(until, 1, || client.blob()).await,
        Kind::Structs => repeat(until, 1, || client.structs()).await,
        Kind::Mixed => mixed(client, until).await,
        Kind::Items => client.items(Items::AtOnce, until).await,
        Kind::QueuedItems => client.items(Items::Queued, until).await,
    }
}

/// Makes one call after the other until it is time; how many there were. The clock is looked at after `every` calls.
pub async fn repeat<F: Future<Output = Result<(), Failure>>>(
    until: Until,
    every: u64,
    call: impl Fn() -> F,
) -> Result<u64, Failure> {
    let mut count = 0;
    loop {
        call().await?;
        count += 1;
        if until.is_over(count, every) {
            return Ok(count);
        }
    }
}

/// The slow calls have tasks of their own, and are given up in the end.
async fn mixed<C: Client>(client: C, until: Until) -> Result<u64, Failure> {
    let mut slow = JoinSet::new();
    let mut count = 0;
    loop {
        client.structs().await?;
        count += 1;
        if until.is_over(count, 1) {
            return Ok(count);
        }
        if count.is_multiple_of(SLOW_EVERY) {
            let client = client.clone();
            slow.spawn(async move { client.slow().await });
        }
        while let Some(ended) = slow.try_join_next() {
            ended??;
        }
    }
}

/// Opens connections, makes a ping on each, and holds them.
pub(crate) async fn idle<C: Client>(address: String, count: usize) -> Result<Held, Failure> {
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let client = C::connect(&address, 1).await?;
        client.ping().await?;
        held.push(client);
    }
    Ok(Box::new(held))
}
