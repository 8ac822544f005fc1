//! The tables of what is not a rate: bytes on the wire, memory, instructions and allocations, and what a build costs.

use std::collections::BTreeSet;

use peers_harness::WORKLOADS;

use super::{
    figures::Quantity,
    numbers::{self, count, kib, scaled, three_digits},
    rates::title,
    table::Table,
};
use crate::results::{Count, Results, Spread};

const NOT_MEASURED: &str = "Not measured.\n";

pub(super) fn wire(results: &Results) -> String {
    if results.wire.is_empty() {
        return NOT_MEASURED.to_owned();
    }
    let mut table = Table::of_figures(&["", "request", "answer", "in all"]);
    for of in &results.wire {
        let [request, answer] = [of.request, of.answer].map(number(count));
        let in_all = number(count)(of.request + of.answer);
        table.row([&of.subject, &request, &answer, &in_all]);
    }
    table.to_string()
}

/// A column for each runtime and number of connections.
pub(super) fn memory(results: &Results) -> String {
    let counts: BTreeSet<usize> = results.memory.iter().map(|of| of.connections).collect();
    let flavours = results.flavours();
    let columns: Vec<(&str, usize)> = flavours
        .iter()
        .flat_map(|flavour| counts.iter().map(move |count| (*flavour, *count)))
        .collect();
    if columns.is_empty() {
        return NOT_MEASURED.to_owned();
    }
    let titles = columns.iter().map(|(flavour, count)| format!("{flavour}, {count} connections"));
    let titles: Vec<String> = [String::new()].into_iter().chain(titles).collect();
    let mut table = Table::of_figures(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    let mut absent = Vec::new();
    for name in results.names() {
        let figures: Vec<Option<Spread>> = columns
            .iter()
            .map(|(flavour, count)| results.spread(Quantity::Memory(*count), flavour, name))
            .collect();
        if figures.iter().all(Option::is_none) {
            absent.push(name);
            continue;
        }
        // The one flavour of a subject stands in the columns of both.
        let other = flavours.iter().find(|flavour| results.stand_in(name, flavour) != **flavour);
        let name = title(results, name, other.unwrap_or(&flavours[0]));
        let figures = figures.into_iter().map(|of| numbers::spread(of, kib));
        table.row([name].into_iter().chain(figures));
    }
    table.absent(&absent, titles.len());
    table.to_string()
}

/// A table for each workload that was counted.
pub(super) fn counts(results: &Results) -> String {
    let mut text = String::new();
    for workload in &WORKLOADS {
        let mut table = Table::of_figures(&[
            "",
            "instructions, client",
            "server",
            "allocations, client",
            "server",
        ]);
        let mut is_empty = true;
        for of in results.counts.iter().filter(|of| of.workload == workload.name) {
            let cells = |figure: fn(&Count) -> f64, one: fn(f64) -> String| {
                [&of.client, &of.server].map(|side| number(one)(figure(side)))
            };
            let instructions =
                cells(|side| side.instructions, |value| scaled(value).trim_end().to_owned());
            let allocations = cells(|side| side.allocations, count);
            table.row([of.subject.clone()].into_iter().chain(instructions).chain(allocations));
            is_empty = false;
        }
        if !is_empty {
            text += &format!("{}:\n\n{table}\n", workload.title);
        }
    }
    if text.is_empty() { NOT_MEASURED.to_owned() } else { text }
}

pub(super) fn build(results: &Results) -> String {
    if results.build.is_empty() {
        return NOT_MEASURED.to_owned();
    }
    let mut table = Table::of_figures(&[
        "",
        "version",
        "check, CPU s",
        "of an empty package",
        "crates",
        "server",
    ]);
    for of in &results.build {
        let [check, empty] = [&of.check_seconds, &of.empty_check_seconds]
            .map(|seconds| numbers::spread(Spread::of(seconds), three_digits));
        let bytes = format!("{}B", scaled(of.server_bytes as f64));
        table.row([&of.subject, &of.version, &check, &empty, &of.crates.to_string(), &bytes]);
    }
    table.to_string()
}

/// A figure that was measured once.
fn number(one: fn(f64) -> String) -> impl Fn(f64) -> String {
    move |value| numbers::median(Spread::of(&[value]), one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn each_section_has_its_figures() {
        let results = sample::results();
        assert!(wire(&results).contains("| tarpc | 54 | 30 | 84 |"), "{}", wire(&results));
        let memory = memory(&results);
        assert!(memory.contains("|  | current-thread, 1000 connections |"), "{memory}");
        assert!(memory.contains("| tarpc | 21.0 KiB [20.6 … 21.4] | 20.0 KiB ["), "{memory}");
        let counts = counts(&results);
        assert!(counts.contains("| rpc | 3.20 k | 2.10 k | 2 | 1.5 |"), "{counts}");
        let build = build(&results);
        assert!(
            build.contains(
                "| tarpc | 0.37.0 | 2.50 [2.40 … 2.60] | 0.100 [0.100 … 0.100] | 61 | 3.21 MB |"
            ),
            "{build}"
        );
    }

    #[test]
    fn a_section_without_figures_says_so() {
        let mut results = sample::results();
        results.wire.clear();
        results.memory.clear();
        results.counts.clear();
        results.build.clear();
        for section in [wire(&results), memory(&results), counts(&results), build(&results)] {
            assert_eq!(section, NOT_MEASURED);
        }
    }
}
