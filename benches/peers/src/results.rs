//! Everything that one run finds out, before anything is made of it: what the page and the plot are drawn from.

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// Each figure is that of so many rounds, in which the subjects took turns.
    pub(crate) rounds: usize,
    /// How long a rate was measured in a round.
    pub(crate) milliseconds: u64,
    /// Each subject's version, in the order of the tables.
    pub(crate) subjects: Vec<Version>,
    pub(crate) rates: Vec<Rates>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) wire: Vec<Wire>,
    pub(crate) counts: Vec<Counts>,
    pub(crate) build: Vec<BuildCost>,
    /// What was not measured, and why.
    pub(crate) skipped: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) system: String,
    pub(crate) rustc: String,
    /// Year, month and day.
    pub(crate) date: String,
    /// How busy it was: the load average before and after.
    pub(crate) load: [String; 2],
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) subject: String,
    /// Such as `tarpc 0.37.0`.
    pub(crate) version: String,
}

/// The rounds of one subject in one workload.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rates {
    /// A name of `peers_harness::Flavour`.
    pub(crate) flavour: String,
    /// A name of `peers_harness::WORKLOADS`.
    pub(crate) workload: String,
    pub(crate) subject: String,
    pub(crate) rounds: Vec<Round>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) calls_per_second: f64,
    /// Seconds of processor time for a million calls, of the client and of the server.
    pub(crate) client_cpu: f64,
    pub(crate) server_cpu: f64,
}

/// What connections that do nothing cost the server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) flavour: String,
    pub(crate) subject: String,
    pub(crate) connections: usize,
    /// Resident bytes per connection, of each round.
    pub(crate) bytes: Vec<f64>,
}

/// Bytes of one ping on the wire, once ids are above 1,000.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wire {
    pub(crate) subject: String,
    pub(crate) request: f64,
    pub(crate) answer: f64,
}

/// What one call costs, on a current-thread runtime at each side, counted under valgrind.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) workload: String,
    pub(crate) subject: String,
    pub(crate) client: Count,
    pub(crate) server: Count,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
}

/// What a framework costs where it is compiled.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BuildCost {
    pub(crate) subject: String,
    pub(crate) version: String,
    /// Checking 50 methods × 3 arguments, of each round: processor seconds.
    pub(crate) check_seconds: Vec<f64>,
    /// The same for an empty package with the same dependencies: as much is cargo and the compiler's start.
    pub(crate) empty_check_seconds: Vec<f64>,
    /// Packages that the ping server is built from.
    pub(crate) crates: usize,
    /// The stripped ping server.
    pub(crate) server_bytes: u64,
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = |of: fn(&Round) -> f64| {
            Spread::of(&self.rounds.iter().map(of).collect::<Vec<_>>()).ok_or(fmt::Error)
        };
        let Spread { least, median, most } = column(|round| round.calls_per_second)?;
        let cpu = column(|round| round.client_cpu + round.server_cpu)?.median;
        let Self { flavour, workload, subject, .. } = self;
        write!(
            f,
            "{workload:13} {flavour:14} {subject:12} {median:10.0}/s [{least:.0} … {most:.0}], {cpu:.2} CPU seconds per million"
        )
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { least, median, most } = Spread::of(&self.bytes).ok_or(fmt::Error)?;
        let Self { flavour, subject, connections, .. } = self;
        write!(
            f,
            "{connections} idle, {flavour:14} {subject:12} {median:.0} bytes each [{least:.0} … {most:.0}]"
        )
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, subject, client, server } = self;
        write!(
            f,
            "{workload:13} {subject:12} instructions {:.0} + {:.0}, allocations {:.2} + {:.2}, client + server",
            client.instructions, server.instructions, client.allocations, server.allocations
        )
    }
}

/// The rounds of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// `None` where there is no round, or one that is no number.
    pub(crate) fn of(rounds: &[f64]) -> Option<Self> {
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&least, &most) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        sorted.iter().all(|value| value.is_finite()).then_some(Self { least, median, most })
    }
}
