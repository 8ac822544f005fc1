//! What the section of the bar says of results that are made up.

use super::*;
use crate::report::sample;

const CURRENT: &str = "current-thread";

fn text(results: &Results) -> String {
    section(results, &[]).unwrap()
}

/// The cells of the row of this title and runtime.
fn row(text: &str, title: &str, flavour: &str) -> Vec<String> {
    let start = format!("| {title} | {flavour} |");
    let line = text.lines().find(|line| line.starts_with(&start));
    let cells = line.unwrap_or_else(|| panic!("{start} is not in {text}")).split('|');
    cells.map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect()
}

#[test]
fn a_row_that_reaches_its_bars_is_met() {
    let row = row(&text(&sample::results()), "one ping at a time", CURRENT);
    let expected =
        ["0.980 [0.980 … 0.980]", "≥ 0.95: met", "1.40 [1.40 … 1.40] tarpc", "≥ 1.35: met"];
    assert_eq!(row[2..], expected);
}

#[test]
fn a_row_that_does_not_is_missed_and_says_so_below() {
    let text = text(&sample::results());
    let row = row(&text, "one ping at a time", "multi-thread");
    assert_eq!(row[2..4], ["0.900 [0.900 … 0.900]", "≥ 0.95: **missed**"]);
    assert!(text.contains("* **one ping at a time, multi-thread** is missed: the reason has not"));
    assert!(!text.contains("* **one ping at a time, current-thread**"));
}

#[test]
fn a_bar_holds_for_the_median_of_the_ratios_of_each_round() {
    let mut results = sample::results();
    // The ratio of the medians is 0.99, and would be met; within two of the three rounds it is 0.9.
    sample::set_rates(&mut results, CURRENT, "ping", CODEC, &[100.0, 110.0, 50.0]);
    sample::set_rates(&mut results, CURRENT, "ping", OURS, &[90.0, 99.0, 100.0]);
    let row = row(&text(&results), "one ping at a time", CURRENT);
    assert_eq!(row[2..4], ["0.900 [0.900 … 2.00]", "≥ 0.95: **missed**"]);
}

#[test]
fn less_is_better_of_time_and_memory() {
    let text = text(&sample::results());
    let cpu = row(&text, "processor time per call, 64 in flight", CURRENT);
    assert_eq!(cpu[3], "≤ 2.5: met");
    assert_eq!(cpu[4..], ["0.275 [0.275 … 0.275] tarpc", "≤ 0.4: met"]);
    let idle = row(&text, "memory of an idle connection", CURRENT);
    assert_eq!(
        idle[2..],
        ["0.337 [0.337 … 0.337]", "≤ 0.5: met", "0.172 [0.172 … 0.172] capnp", "≤ 0.25: met"]
    );
}

#[test]
fn the_runtimes_may_have_bars_of_their_own() {
    let text = text(&sample::results());
    assert_eq!(row(&text, "64 in flight, one connection", CURRENT)[3], "≥ 0.6: met");
    assert_eq!(row(&text, "64 in flight, one connection", "multi-thread")[3], "≥ 0.5: met");
}

#[test]
fn bytes_of_a_ping_have_a_bar_in_all() {
    let mut results = sample::results();
    assert!(text(&results).contains("| 73 beside 84 of tarpc | ≤ 74 in all: met |"));
    results.wire[0].answer = 29.0;
    assert!(text(&results).contains("| 75 beside 84 of tarpc | ≤ 74 in all: **missed** |"));
    results.wire.clear();
    assert!(text(&results).contains("| – | ≤ 74 in all: not measured |"));
}

#[test]
fn without_peers_there_is_nothing_to_hold_against_theirs() {
    let mut results = sample::results();
    results.rates.retain(|of| of.subject == OURS || of.subject == CODEC);
    let text = text(&results);
    let row = row(&text, "one ping at a time", CURRENT);
    assert_eq!(row[4..], ["–", "≥ 1.35: not measured"]);
    assert!(text.contains("there is no figure in this run"), "{text}");
}

#[test]
fn each_bar_is_counted_once() {
    let text = text(&sample::results());
    let first = text.lines().next().unwrap();
    let said: Vec<usize> = first.split(' ').filter_map(|word| word.parse().ok()).collect();
    let count = |verdict: &str| text.matches(verdict).count();
    assert_eq!(said[1..3], [count(": met |"), count(": **missed** |")], "{first}");
    assert_eq!(said[0], said[1] + said[2] + count(": not measured |"), "{first}");
}

#[test]
fn a_reason_is_printed_only_where_its_row_is_missed() {
    let reasons: &[Reason] = &[
        ("ping", "multi-thread", "two workers wake each other."),
        ("ping", CURRENT, "nothing is wrong here."),
    ];
    let text = section(&sample::results(), reasons).unwrap();
    assert!(text.contains("**one ping at a time, multi-thread** is missed: two workers wake"));
    assert!(!text.contains("nothing is wrong here."));
}

#[test]
fn a_reason_for_no_row_is_an_error() {
    for (name, flavour) in [("pong", CURRENT), ("ping", "no-thread"), ("wire", CURRENT)] {
        let failure = section(&sample::results(), &[(name, flavour, "")]).unwrap_err();
        assert!(failure.to_string().contains(name), "{failure}");
    }
    section(&sample::results(), &[("wire", "", ""), ("idle", CURRENT, "")]).unwrap();
}

#[test]
fn too_few_rounds_are_owned_to() {
    let mut results = sample::results();
    assert!(text(&results).contains("7 rounds at least, and this run had 3."));
    results.rounds = 7;
    assert!(!text(&results).contains("rounds at least"));
}
