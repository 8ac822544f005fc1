//! The tables of rates: of each workload, and of pings on more and more connections.

use peers_harness::{BLOB, Kind, WORKLOADS, Workload};

use super::{
    figures::{CODEC, Quantity},
    numbers::{self, bytes_rate, rate, three_digits},
    table::Table,
};
use crate::results::{Results, Spread};

/// Pings, one at a time on each of more and more connections.
const GROWTH: [&str; 4] = ["ping", "clients-10", "clients-100", "clients-1000"];

/// A heading for each workload that was measured, and a table for each runtime.
pub(super) fn section(results: &Results) -> String {
    let mut text = String::new();
    for workload in &WORKLOADS {
        let tables = per_flavour(results, |flavour| table(results, workload, flavour));
        if !tables.is_empty() {
            text += &format!("### {}\n\n{tables}", workload.title);
        }
    }
    or_nothing(text)
}

pub(super) fn growth(results: &Results) -> String {
    or_nothing(per_flavour(results, |flavour| {
        let rates = grown(results, flavour, Quantity::Rate, "calls/s, connections:", rate)?;
        let title = "CPU s per million, connections:";
        let cpu = grown(results, flavour, Quantity::Cpu, title, three_digits)?;
        Some(format!("{rates}\n{cpu}"))
    }))
}

fn or_nothing(text: String) -> String {
    if text.is_empty() { "Not measured.\n".to_owned() } else { text }
}

/// What is made for each runtime, under a line that names it.
fn per_flavour(results: &Results, make: impl Fn(&str) -> Option<String>) -> String {
    let made = results.flavours().into_iter().filter_map(|flavour| Some((flavour, make(flavour)?)));
    made.map(|(flavour, text)| format!("On {flavour} runtimes:\n\n{text}\n")).collect()
}

/// `None` where nobody was measured.
fn table(results: &Results, workload: &Workload, flavour: &str) -> Option<String> {
    let unit = match workload.kind {
        Kind::Items | Kind::QueuedItems => "items/s",
        Kind::Ping | Kind::Blob | Kind::Structs | Kind::Mixed => "calls/s",
    };
    let quantity = Quantity::Rate(workload.name);
    let of_codec = results.spread(quantity, flavour, CODEC).map(|_| "of the codec echo");
    let of_blobs = (workload.kind == Kind::Blob).then_some("payload each way");
    let titles =
        ["", unit].into_iter().chain(of_codec).chain(of_blobs).chain(["CPU s per million"]);
    let titles: Vec<&str> = titles.collect();
    let mut table = Table::of_figures(&titles);
    let mut absent = Vec::new();
    let names = results.names();
    for name in &names {
        let Some(calls) = results.spread(quantity, flavour, name) else {
            absent.push(*name);
            continue;
        };
        let of_codec = of_codec
            .map(|_| numbers::spread(results.ratio(quantity, flavour, name, CODEC), three_digits));
        let of_blobs = of_blobs.map(|_| bytes_rate(calls.median * BLOB as f64));
        let cpu = results.spread(Quantity::Cpu(workload.name), flavour, name);
        let cells = [title(results, name, flavour), numbers::spread(Some(calls), rate)];
        let cells = cells.into_iter().chain(of_codec).chain(of_blobs);
        table.row(cells.chain([numbers::spread(cpu, three_digits)]));
    }
    table.absent(&absent, titles.len());
    (absent.len() < names.len()).then(|| table.to_string())
}

/// One figure of all subjects, with a column for each number of connections. `None` where nobody was measured.
fn grown(
    results: &Results,
    flavour: &str,
    quantity: fn(&'static str) -> Quantity,
    title: &str,
    number: fn(f64) -> String,
) -> Option<String> {
    let titles = GROWTH.iter().map(|name| {
        let workload = WORKLOADS.iter().find(|workload| workload.name == *name);
        workload.map_or_else(|| (*name).to_owned(), |workload| workload.connections.to_string())
    });
    let titles: Vec<String> = [title.to_owned()].into_iter().chain(titles).collect();
    let mut table = Table::of_figures(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    let mut absent = Vec::new();
    let names = results.names();
    for name in &names {
        let figures: Vec<Option<Spread>> =
            GROWTH.iter().map(|of| results.spread(quantity(of), flavour, name)).collect();
        if figures.iter().all(Option::is_none) {
            absent.push(*name);
            continue;
        }
        let figures = figures.into_iter().map(|of| numbers::spread(of, number));
        table.row([self::title(results, name, flavour)].into_iter().chain(figures));
    }
    table.absent(&absent, titles.len());
    (absent.len() < names.len()).then(|| table.to_string())
}

/// The subject's name, with its own flavour where that is not the table's.
pub(super) fn title(results: &Results, subject: &str, flavour: &str) -> String {
    match results.stand_in(subject, flavour) {
        own if own == flavour || own.is_empty() => subject.to_owned(),
        own => format!("{subject} ({own})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_workload_has_a_table_for_each_runtime() {
        let text = section(&sample::results());
        let of_pings = text.split("### ").find(|text| text.starts_with("one ping")).unwrap();
        let tables: Vec<&str> = of_pings.split("On ").skip(1).collect();
        assert_eq!(tables.len(), 2);
        assert!(tables[0].contains("| tarpc | 35.0 k/s [34.3 … 35.7] | 0.700 ["), "{}", tables[0]);
        assert!(tables[1].contains("| tarpc | 25.0 k/s ["), "{}", tables[1]);
        assert!(
            tables[0].contains("| capnp |") && tables[1].contains("| capnp (current-thread) |")
        );
    }

    #[test]
    fn who_was_not_measured_shares_a_row_of_dashes() {
        let text = section(&sample::results());
        let of_structs =
            text.split("### ").find(|text| text.starts_with("100 structs, 32")).unwrap();
        assert!(of_structs.contains("| raw, codec, rpc-vec | – | – |"), "{of_structs}");
        assert!(of_structs.contains("| tarpc | 12.2 k/s [12.0 … 12.4] | 4.00 ["), "{of_structs}");
    }

    #[test]
    fn without_the_echo_there_is_nothing_of_it() {
        let text = section(&sample::results());
        let titles: Vec<&str> =
            text.lines().filter(|line| line.starts_with("|  | calls/s")).collect();
        assert!(titles.contains(&"|  | calls/s | of the codec echo | CPU s per million |"));
        assert!(titles.contains(&"|  | calls/s | CPU s per million |"));
    }

    #[test]
    fn blobs_are_bytes_too() {
        let text = section(&sample::results());
        assert!(text.contains("| 2.40 GB/s |"), "{text}");
    }

    #[test]
    fn a_number_of_connections_without_a_figure_is_a_dash() {
        let mut results = sample::results();
        results.rates.retain(|of| of.workload != "clients-1000" || of.subject != "tarpc");
        let text = growth(&results);
        let row = text.lines().find(|line| line.starts_with("| tarpc")).unwrap();
        assert!(row.starts_with("| tarpc | 35.0 k/s [") && row.ends_with(" | – |"), "{row}");
        results.rates.clear();
        assert_eq!(growth(&results), "Not measured.\n");
        assert_eq!(section(&results), "Not measured.\n");
    }
}
