//! What is made of the results: a page, `BENCHMARKS.md`, and a plot beside it, `benchmarks.svg`.
//!
//! Nothing here measures, and nothing here is a figure: each comes out of [`Results`], and what was not measured is shown as "–". The
//! words that the figures need are constants: the bars in `bar.rs`, the reasons for those that are missed in `reasons.rs`, and what
//! differs from subject to subject in `notes.rs`.

mod bar;
mod costs;
mod figures;
mod notes;
mod numbers;
mod page;
mod plot;
mod rates;
mod reasons;
#[cfg(test)]
mod sample;
mod table;

use std::{
    fs::{self, File},
    io::BufReader,
    path::Path,
};

use peers_harness::Failure;
use reasons::REASONS;

use crate::results::Results;

const PAGE: &str = "BENCHMARKS.md";
const PLOT: &str = "benchmarks.svg";

/// Writes the page and the plot into the directory.
pub(crate) fn write(results: &Results, directory: &Path) -> Result<(), Failure> {
    save(&directory.join(PAGE), &page::page(results, REASONS)?)?;
    save(&directory.join(PLOT), &plot::plot(results))
}

/// The same, from results that were saved as JSON.
pub(crate) fn write_saved(results: &Path, directory: &Path) -> Result<(), Failure> {
    let file = File::open(results)
        .map_err(|error| format!("cannot read {}: {error}", results.display()))?;
    let read = serde_json::from_reader(BufReader::new(file))
        .map_err(|error| format!("{} holds no results: {error}", results.display()))?;
    write(&read, directory)
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text)
        .map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_results_give_the_same_page_and_plot() {
        let directory = std::env::temp_dir().join(format!("rpc-peers-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let results = sample::results();
        write(&results, &directory).unwrap();
        let written = [PAGE, PLOT].map(|name| fs::read_to_string(directory.join(name)).unwrap());
        let saved = directory.join("results.json");
        fs::write(&saved, serde_json::to_string(&results).unwrap()).unwrap();
        write_saved(&saved, &directory).unwrap();
        let again = [PAGE, PLOT].map(|name| fs::read_to_string(directory.join(name)).unwrap());
        fs::remove_dir_all(&directory).unwrap();
        assert!(written[0].contains(PLOT), "the page shows the plot");
        assert_eq!(again, written);
    }

    #[test]
    fn a_file_that_holds_no_results_is_named() {
        let failure = write_saved(Path::new("no-such.json"), Path::new(".")).unwrap_err();
        assert!(failure.to_string().contains("no-such.json"), "{failure}");
    }

    /// Neither a run that measured next to nothing nor one with rounds that came to nothing shows what is no number.
    #[test]
    fn what_was_not_measured_is_no_number() {
        let mut broken = sample::results();
        for rates in &mut broken.rates {
            rates.rounds[0].calls_per_second = 0.0;
            rates.rounds[0].server_cpu = f64::NAN;
        }
        broken.memory.iter_mut().for_each(|memory| memory.bytes.clear());
        let mut bare = sample::results();
        bare.rates.retain(|rates| rates.subject == "rpc" && rates.workload == "ping");
        bare.memory.clear();
        bare.wire.clear();
        bare.counts.clear();
        bare.build.clear();
        let mut empty = sample::results();
        empty.subjects.clear();
        empty.rates.clear();
        empty.memory.clear();
        for results in [broken, bare, empty, sample::results()] {
            let texts = [page::page(&results, REASONS).unwrap(), plot::plot(&results)];
            for text in texts {
                assert!(!text.contains("NaN") && !text.contains("inf "), "{text}");
                assert!(!text.contains(">inf") && !text.contains("\"inf"), "{text}");
            }
        }
    }
}
