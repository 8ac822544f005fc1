//! Results that nobody measured, for the tests.

use crate::results::{
    BuildCost, Count, Counts, Machine, Memory, Rates, Results, Round, Version, Wire,
};

/// What each round is multiplied with.
const ROUNDS: [f64; 3] = [1.0, 0.98, 1.02];

/// Subject and flavour; calls per second in [`WORKLOADS`]; seconds of processor time for a million pings at 64 in flight; and KiB of an
/// idle connection. What is 0 was not measured.
type Row = (&'static str, &'static str, [f64; 5], f64, f64);

const WORKLOADS: [&str; 5] = ["ping", "ping-64", "ping-64x16", "blobs", "structs"];

/// A GB/s as blobs per second.
const GB: f64 = 1e9 / 65_536.0;

const CURRENT: &str = "current-thread";
const MULTI: &str = "multi-thread";

const ROWS: &[Row] = &[
    ("raw", CURRENT, [51e3, 3.0e6, 3.0e6, 3.0 * GB, 0.0], 0.4, 4.0),
    ("codec", CURRENT, [50e3, 1.75e6, 1.78e6, 2.4 * GB, 0.0], 0.6, 9.2),
    ("codec", MULTI, [50e3, 1.7e6, 1.75e6, 2.3 * GB, 0.0], 0.7, 9.2),
    ("rpc", CURRENT, [49e3, 1.1e6, 1.0e6, 2.2 * GB, 16.4e3], 1.1, 3.1),
    ("rpc", MULTI, [45e3, 0.9e6, 1.0e6, 2.1 * GB, 15.8e3], 1.3, 3.3),
    ("rpc-compact", CURRENT, [0.0, 0.0, 0.0, 0.0, 23.1e3], 0.0, 0.0),
    ("rpc-vec", CURRENT, [0.0, 0.0, 0.0, 1.9 * GB, 0.0], 0.0, 0.0),
    ("rpc-spawn", CURRENT, [41e3, 0.5e6, 0.6e6, 2.0 * GB, 15e3], 2.2, 0.0),
    ("tarpc", CURRENT, [35e3, 252e3, 331e3, 1.6 * GB, 12.2e3], 4.0, 21.0),
    ("tarpc", MULTI, [25e3, 139e3, 180e3, 0.9 * GB, 8.8e3], 12.2, 20.0),
    ("tonic", CURRENT, [14e3, 44e3, 36e3, 0.6 * GB, 6.8e3], 43.6, 23.0),
    ("tonic", MULTI, [12e3, 40e3, 33e3, 0.5 * GB, 6.1e3], 47.0, 23.0),
    ("volo-thrift", CURRENT, [33e3, 81e3, 66e3, 2.1 * GB, 14.3e3], 22.8, 19.0),
    ("volo-thrift", MULTI, [31e3, 80e3, 65e3, 2.0 * GB, 14.0e3], 23.1, 19.0),
    ("capnp", CURRENT, [29e3, 103e3, 57e3, 1.7 * GB, 12.5e3], 18.7, 18.0),
    ("python", "", [23e3, 65e3, 22e3, 1.0 * GB, 7.6e3], 25.0, 0.0),
];

pub(super) fn results() -> Results {
    let mut results = Results {
        machine: Machine {
            processor: "Some | processor".to_owned(),
            cores: 2,
            system: "Linux 6.1".to_owned(),
            rustc: "rustc 1.90.0".to_owned(),
            date: "2025-01-31".to_owned(),
            load: ["0.10".to_owned(), "2.05".to_owned()],
        },
        rounds: ROUNDS.len(),
        milliseconds: 1000,
        subjects: Vec::new(),
        rates: Vec::new(),
        memory: Vec::new(),
        wire: Vec::new(),
        counts: Vec::new(),
        build: Vec::new(),
        skipped: vec!["zerorpc: without --all".to_owned()],
    };
    for &(subject, flavour, rates, cpu, kib) in ROWS {
        let version = Version { subject: subject.to_owned(), version: format!("{subject} 1.2.3") };
        if results.subjects.last().is_none_or(|last| last.subject != subject) {
            results.subjects.push(version);
        }
        for (workload, rate) in WORKLOADS.into_iter().zip(rates).filter(|(_, rate)| *rate > 0.0) {
            results.rates.push(one(subject, flavour, workload, rate, cpu));
        }
        for (workload, share) in [("clients-10", 3.0), ("clients-100", 2.5), ("clients-1000", 2.0)]
        {
            if rates[0] > 0.0 && subject != "python" {
                results.rates.push(one(subject, flavour, workload, rates[0] * share, cpu));
            }
        }
        if kib > 0.0 {
            let bytes = ROUNDS.map(|factor| kib * 1024.0 * factor).to_vec();
            let (subject, flavour) = (subject.to_owned(), flavour.to_owned());
            results.memory.push(Memory { flavour, subject, connections: 1000, bytes });
        }
    }
    let wire =
        |subject: &str, request, answer| Wire { subject: subject.to_owned(), request, answer };
    results.wire =
        vec![wire("rpc", 46.0, 27.0), wire("tarpc", 54.0, 30.0), wire("tonic", 80.0, 45.0)];
    results.counts.push(Counts {
        workload: "ping-64".to_owned(),
        subject: "rpc".to_owned(),
        client: Count { instructions: 3200.0, allocations: 2.0 },
        server: Count { instructions: 2100.0, allocations: 1.5 },
    });
    results.build.push(BuildCost {
        subject: "tarpc".to_owned(),
        version: "0.37.0".to_owned(),
        check_seconds: vec![2.4, 2.5, 2.6],
        empty_check_seconds: vec![0.1, 0.1, 0.1],
        crates: 61,
        server_bytes: 3_210_000,
    });
    results
}

fn one(subject: &str, flavour: &str, workload: &str, rate: f64, cpu: f64) -> Rates {
    let rounds = ROUNDS.map(|factor| Round {
        calls_per_second: rate * factor,
        client_cpu: cpu * 0.5 / factor,
        server_cpu: cpu * 0.5 / factor,
    });
    Rates {
        flavour: flavour.to_owned(),
        workload: workload.to_owned(),
        subject: subject.to_owned(),
        rounds: rounds.to_vec(),
    }
}

/// Puts these rounds in the place of those that are there.
pub(super) fn set_rates(
    results: &mut Results,
    flavour: &str,
    workload: &str,
    subject: &str,
    rates: &[f64],
) {
    let found = results
        .rates
        .iter_mut()
        .find(|of| of.flavour == flavour && of.workload == workload && of.subject == subject);
    let rounds = rates.iter().map(|&calls_per_second| Round {
        calls_per_second,
        client_cpu: 1.0,
        server_cpu: 1.0,
    });
    found.unwrap().rounds = rounds.collect();
}
