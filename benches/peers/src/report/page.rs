//! The page: its head, and its sections one after the other.

use peers_harness::Failure;

use super::{
    PLOT, bar, costs,
    notes::NOTES,
    rates,
    reasons::Reason,
    table::{Table, one_line},
};
use crate::results::Results;

const COMMAND: &str = "cargo run --release --manifest-path benches/peers/Cargo.toml -- --all";

/// Each section's title, and what stands before it.
const BAR: (&str, &str) = (
    "The bar",
    "What `rpc` is to reach, as ratios: the median of the rounds, [least … most], each ratio taken within a round. Both runtimes stand \
     beside the codec echo on the same runtime, and beside the best peer on it, which is named: by its median the fastest in a row of \
     rates, the most frugal in the others. A peer that has \
     only one runtime, or none of Tokio's, counts beside both. Processor time is that of client and server together, for as many calls. \
     Memory is the server's.",
);
const RATES: (&str, &str) = (
    "Every workload",
    "Calls per second, as median [least … most] of the rounds; the same by the codec echo's, where it takes part, within each round; \
     and seconds of processor time for a million calls. In round brackets: the runtime of a subject that has only one.",
);
const GROWTH: (&str, &str) = (
    "How cost grows with connections",
    "One ping at a time on each connection: calls per second in all, and seconds of processor time for a million calls, client and server.",
);
const WIRE: (&str, &str) = (
    "Bytes on the wire",
    "One ping of 16 bytes once ids are above 1,000: everything that TCP carries, as bytes.",
);
const MEMORY: (&str, &str) = (
    "Memory of idle connections",
    "Resident memory that a server has more for each connection that does nothing, after one ping on each.",
);
const COUNTS: (&str, &str) = (
    "Instructions and allocations",
    "What one call costs each side, on current-thread runtimes, counted under valgrind.",
);
const BUILD: (&str, &str) = (
    "Build cost",
    "Processor time to check a service of 50 methods with 3 arguments each, its dependencies being built; crates in that build; and the \
     stripped server of pings.",
);
const SKIPPED: (&str, &str) = ("What was not measured", "");
const NOTED: (&str, &str) = (
    "What to know of the subjects",
    "Each peer does the same work in its own way, as its own guide says that it is fast.",
);

/// All of it.
pub(super) fn page(results: &Results, reasons: &[Reason]) -> Result<String, Failure> {
    let mut text = head(results);
    let sections = [
        (BAR, bar::section(results, reasons)?),
        (RATES, rates::section(results)),
        (GROWTH, rates::growth(results)),
        (WIRE, costs::wire(results)),
        (MEMORY, costs::memory(results)),
        (COUNTS, costs::counts(results)),
        (BUILD, costs::build(results)),
        (SKIPPED, skipped(results)),
        (NOTED, noted(results)),
    ];
    let links = sections.iter().map(|((title, _), _)| format!("[{title}](#{})", anchor(title)));
    text += &format!("{}\n", links.collect::<Vec<_>>().join(" · "));
    for ((title, about), section) in sections {
        text += &format!("\n## {title}\n\n");
        if !about.is_empty() {
            text += &format!("{about}\n\n");
        }
        text += section.trim_end();
        text += "\n";
    }
    Ok(text)
}

/// As GitHub makes it from a title of words.
fn anchor(title: &str) -> String {
    title.to_lowercase().replace(' ', "-")
}

fn head(results: &Results) -> String {
    let machine = &results.machine;
    let [before, after] = &machine.load;
    let mut table = Table::of_words(&["machine", ""]);
    let cores = machine.cores.to_string();
    let rounds = format!("{} of {} ms for each rate", results.rounds, results.milliseconds);
    let load = format!("{before} before, {after} after");
    for (title, text) in [
        ("processor", &machine.processor),
        ("cores", &cores),
        ("system", &machine.system),
        ("compiler", &machine.rustc),
        ("date", &machine.date),
        ("load average", &load),
        ("rounds, in which the subjects took turns", &rounds),
    ] {
        table.row([title, text]);
    }
    let mut versions = Table::of_words(&["subject", "version"]);
    for version in &results.subjects {
        versions.row([&version.subject, &version.version]);
    }
    format!(
        "# Beside the peers\n\n\
         This page and its plot are made by a program, from one run: do not edit them. To make them anew, on a quiet machine:\n\n    \
         {COMMAND}\n\n\
         Without `--all` fewer peers take part. A figure that there is not is \"–\".\n\n\
         ![rpc and its peers, side by side]({PLOT})\n\n\
         {table}\n{versions}\n"
    )
}

fn skipped(results: &Results) -> String {
    if results.skipped.is_empty() {
        return "Nothing was skipped.\n".to_owned();
    }
    list(results.skipped.iter().map(|text| one_line(text)))
}

fn noted(results: &Results) -> String {
    let names = results.names();
    let is_of = |subjects: &[&str]| {
        // The notes of our own subjects are each about one of them.
        let is_one = |name: &&str, subject: &str| match subject.starts_with("rpc") {
            true => *name == subject,
            false => name.starts_with(subject),
        };
        subjects.iter().any(|subject| names.iter().any(|name| is_one(name, subject)))
    };
    let notes = NOTES.iter().filter(|(subjects, _)| is_of(subjects));
    let workloads = "A workload of a stream counts its items as calls. In the one with slow calls beside, every hundredth call is one \
                     that the server answers late, and only the others count.";
    list(notes.map(|(_, note)| (*note).to_owned()).chain([workloads.to_owned()]))
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.map(|item| format!("* {item}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{reasons::REASONS, sample};

    fn of(results: &Results) -> String {
        page(results, REASONS).unwrap()
    }

    #[test]
    fn the_first_lines_say_who_made_it_and_how_to_make_it_anew() {
        let page = of(&sample::results());
        let first: Vec<&str> = page.lines().take(8).collect();
        assert!(first.iter().any(|line| line.contains("made by a program")), "{first:?}");
        assert!(first.iter().any(|line| line.contains(COMMAND)), "{first:?}");
    }

    #[test]
    fn a_link_leads_to_each_section() {
        let page = of(&sample::results());
        let titles = page.lines().filter_map(|line| line.strip_prefix("## "));
        for title in titles {
            assert!(page.contains(&format!("[{title}](#{})", anchor(title))), "{title}");
        }
    }

    #[test]
    fn a_note_stands_where_its_subject_does() {
        let mut results = sample::results();
        let note = "volo-thrift carries one call at a time on a connection";
        assert!(of(&results).contains(note));
        results.subjects.retain(|version| version.subject != "volo-thrift");
        results.rates.retain(|rates| rates.subject != "volo-thrift");
        results.memory.retain(|memory| memory.subject != "volo-thrift");
        assert!(!of(&results).contains(note));
    }

    #[test]
    fn what_was_skipped_is_one_line_each() {
        let mut results = sample::results();
        results.skipped = vec!["zerorpc: no Python\nhere".to_owned()];
        assert!(of(&results).contains("\n* zerorpc: no Python here\n"));
        results.skipped.clear();
        assert!(of(&results).contains("Nothing was skipped."));
    }

    #[test]
    fn every_row_of_a_table_has_as_many_cells_as_its_title() {
        let page = of(&sample::results());
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let lines: Vec<&str> = page.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair.iter().all(|line| line.starts_with('|'))) {
            assert_eq!(cells(pair[0]), cells(pair[1]), "{pair:?}");
        }
    }
}
