//! Figures out of results: of one subject, and of one beside another.
//!
//! A ratio is taken within each round, in which both took their turn, and only then the median of the rounds: a phase in which the
//! machine is slow changes both sides of a ratio. What was not measured is `None`, and so is what came to no number.

use std::collections::BTreeSet;

use peers_harness::Flavour;

use crate::results::{Results, Round, Spread};

/// The echo beside which everything stands.
pub(super) const CODEC: &str = "codec";

/// This project, as it comes.
pub(super) const OURS: &str = "rpc";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Echo,
    Ours,
    Peer,
}

impl Role {
    pub(super) fn of(subject: &str) -> Self {
        match subject {
            "raw" | CODEC => Self::Echo,
            _ if subject == OURS || subject.starts_with("rpc-") => Self::Ours,
            _ => Self::Peer,
        }
    }
}

/// What one figure is of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Quantity {
    /// Calls per second in the workload of this name.
    Rate(&'static str),
    /// Seconds of processor time for a million calls in it, client and server together.
    Cpu(&'static str),
    /// Resident bytes of a server for each of so many idle connections.
    Memory(usize),
    /// Bytes of a ping in both directions.
    Wire,
}

impl Quantity {
    pub(super) fn more_is_better(self) -> bool {
        matches!(self, Self::Rate(_))
    }
}

impl Results {
    /// The subjects in the order of the tables, and behind them what was measured and has no version.
    pub(super) fn names(&self) -> Vec<&str> {
        let versions = self.subjects.iter().map(|version| &version.subject);
        let rates = self.rates.iter().map(|rates| &rates.subject);
        let memory = self.memory.iter().map(|memory| &memory.subject);
        let wire = self.wire.iter().map(|wire| &wire.subject);
        let counts = self.counts.iter().map(|counts| &counts.subject);
        let mut seen = BTreeSet::new();
        let names = versions.chain(rates).chain(memory).chain(wire).chain(counts);
        names.map(String::as_str).filter(|name| seen.insert(*name)).collect()
    }

    /// The runtimes on which the echoes or this project were measured.
    pub(super) fn flavours(&self) -> Vec<&'static str> {
        let names = Flavour::ALL.iter().map(|flavour| flavour.name);
        let measured = |name: &&str| {
            let mut ours = self.measured().filter(|(subject, _)| Role::of(subject) != Role::Peer);
            ours.any(|(_, flavour)| flavour == *name)
        };
        names.filter(measured).collect()
    }

    /// The flavour that stands for this one. A peer that has only one, or none to speak of, stands in the tables of both.
    pub(super) fn stand_in<'a>(&'a self, subject: &str, flavour: &'a str) -> &'a str {
        if Role::of(subject) != Role::Peer {
            return flavour;
        }
        let of_subject = self.measured().filter(|(name, _)| *name == subject);
        let flavours: BTreeSet<&str> = of_subject.map(|(_, flavour)| flavour).collect();
        match flavours.first() {
            Some(only) if flavours.len() == 1 => only,
            _ => flavour,
        }
    }

    /// Subject and flavour of each rate and each memory.
    fn measured(&self) -> impl Iterator<Item = (&str, &str)> {
        let rates = self.rates.iter().map(|of| (of.subject.as_str(), of.flavour.as_str()));
        rates.chain(self.memory.iter().map(|of| (of.subject.as_str(), of.flavour.as_str())))
    }

    /// A figure of each round; none where it was not measured.
    fn rounds(&self, quantity: Quantity, flavour: &str, subject: &str) -> Vec<f64> {
        let flavour = self.stand_in(subject, flavour);
        let rates = |workload: &str, figure: fn(&Round) -> f64| {
            let found = self.rates.iter().find(|of| {
                of.subject == subject && of.flavour == flavour && of.workload == workload
            });
            found.map_or_else(Vec::new, |of| of.rounds.iter().map(figure).collect())
        };
        match quantity {
            Quantity::Rate(workload) => rates(workload, |round| round.calls_per_second),
            Quantity::Cpu(workload) => rates(workload, |round| round.client_cpu + round.server_cpu),
            Quantity::Memory(connections) => {
                let found = self.memory.iter().find(|of| {
                    of.subject == subject && of.flavour == flavour && of.connections == connections
                });
                found.map_or_else(Vec::new, |of| of.bytes.clone())
            }
            Quantity::Wire => {
                let found = self.wire.iter().find(|of| of.subject == subject);
                found.map_or_else(Vec::new, |of| vec![of.request + of.answer])
            }
        }
    }

    pub(super) fn spread(
        &self,
        quantity: Quantity,
        flavour: &str,
        subject: &str,
    ) -> Option<Spread> {
        Spread::of(&self.rounds(quantity, flavour, subject))
    }

    /// One subject's figure by another's, round by round.
    pub(super) fn ratio(
        &self,
        quantity: Quantity,
        flavour: &str,
        subject: &str,
        other: &str,
    ) -> Option<Spread> {
        let subject = self.rounds(quantity, flavour, subject);
        let other = self.rounds(quantity, flavour, other);
        let pairs = subject.iter().zip(&other);
        Spread::of(&pairs.map(|(subject, other)| subject / other).collect::<Vec<_>>())
    }

    /// The peer whose median is the best.
    pub(super) fn best_peer(&self, quantity: Quantity, flavour: &str) -> Option<&str> {
        let peers = self.names().into_iter().filter(|name| Role::of(name) == Role::Peer);
        let medians =
            peers.filter_map(|name| Some((name, self.spread(quantity, flavour, name)?.median)));
        let best = if quantity.more_is_better() {
            medians.max_by(|(_, one), (_, other)| one.total_cmp(other))
        } else {
            medians.min_by(|(_, one), (_, other)| one.total_cmp(other))
        };
        best.map(|(name, _)| name)
    }

    /// The most idle connections of which anybody's memory was measured.
    pub(super) fn most_idle(&self) -> Option<usize> {
        self.memory.iter().map(|memory| memory.connections).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_median_is_the_middle_or_between_the_two_middles() {
        let of = |rounds: &[f64]| Spread::of(rounds).unwrap();
        assert_eq!(of(&[3.0, 1.0, 2.0]), Spread { least: 1.0, median: 2.0, most: 3.0 });
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), Spread { least: 1.0, median: 2.5, most: 4.0 });
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[1.0, f64::NAN]), None);
        assert_eq!(Spread::of(&[1.0, f64::INFINITY]), None);
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let mut results = sample::results();
        // The machine halves its speed in the second round: the ratio of the medians would be 100 / 60.
        sample::set_rates(&mut results, "current-thread", "ping", CODEC, &[100.0, 50.0, 100.0]);
        sample::set_rates(&mut results, "current-thread", "ping", OURS, &[60.0, 45.0, 70.0]);
        let ratio = results.ratio(Quantity::Rate("ping"), "current-thread", OURS, CODEC);
        assert_eq!(ratio, Some(Spread { least: 0.6, median: 0.7, most: 0.9 }));
    }

    #[test]
    fn the_cost_of_a_call_is_that_of_both_sides() {
        let mut results = sample::results();
        let of = results.rates.iter_mut().find(|of| of.subject == OURS && of.workload == "ping");
        let of = of.unwrap();
        let flavour = of.flavour.clone();
        of.rounds = vec![Round { calls_per_second: 1.0, client_cpu: 2.0, server_cpu: 3.5 }];
        let cost = results.spread(Quantity::Cpu("ping"), &flavour, OURS).unwrap();
        assert_eq!(cost.median, 5.5);
    }

    #[test]
    fn the_best_peer_is_neither_an_echo_nor_ours() {
        let results = sample::results();
        let best = |quantity, flavour| results.best_peer(quantity, flavour);
        assert_eq!(best(Quantity::Rate("ping"), "current-thread"), Some("tarpc"));
        assert_eq!(best(Quantity::Rate("blobs"), "multi-thread"), Some("volo-thrift"));
        // The least memory, not the most.
        assert_eq!(best(Quantity::Memory(1000), "current-thread"), Some("capnp"));
        assert_eq!(best(Quantity::Rate("queued-items"), "current-thread"), None);
    }

    #[test]
    fn a_peer_of_one_flavour_stands_in_both() {
        let results = sample::results();
        let rate = |flavour, subject| results.spread(Quantity::Rate("ping"), flavour, subject);
        assert!(rate("multi-thread", "capnp").is_some());
        assert_eq!(rate("multi-thread", "capnp"), rate("current-thread", "capnp"));
        assert_eq!(rate("current-thread", "python"), rate("multi-thread", "python"));
        assert_ne!(rate("current-thread", "tarpc"), rate("multi-thread", "tarpc"));
        assert_eq!(results.flavours(), ["current-thread", "multi-thread"]);
    }

    #[test]
    fn an_echo_of_one_flavour_does_not() {
        let mut results = sample::results();
        results.rates.retain(|of| of.subject != CODEC || of.flavour == "current-thread");
        results.memory.retain(|of| of.subject != CODEC);
        assert_eq!(results.spread(Quantity::Rate("ping"), "multi-thread", CODEC), None);
    }
}
