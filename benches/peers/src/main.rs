//! This project beside its peers: the same work, each in its own way, in one run. See README.md.
//!
//! Servers and clients are processes of their own (this program, started again). The subjects take turns within each round, so that a
//! slow phase of the machine hits them all. `report RESULTS.json DIRECTORY` makes the page and the plot again from results that were saved.

#[path = "../../support/echo.rs"]
mod echo;
mod report;
mod results;
mod subjects;

use std::path::Path;

use peers_harness::Failure;
use subjects::SUBJECTS;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if peers_harness::play(SUBJECTS, &words)? {
        return Ok(());
    }
    match *words {
        ["report", results, directory] => {
            report::write_saved(Path::new(results), Path::new(directory))
        }
        _ => Err("not yet".into()),
    }
}
