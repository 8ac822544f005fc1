//! This project beside its peers: the same work, each in its own way, in one run. See README.md.
//!
//! Servers and clients are processes of their own (this program, started again, and others that play the same roles).

mod all;
mod build_cost;
mod compare;
#[path = "../../support/echo.rs"]
mod echo;
mod measure;
mod options;
mod program;
mod report;
mod results;
mod subjects;

use std::{fs, path::Path};

use options::{HELP, Options};
use peers_harness::Failure;
use subjects::SUBJECTS;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if peers_harness::play(SUBJECTS, &words)? {
        return Ok(());
    }
    match *words {
        ["--help" | "-h"] => print!("{HELP}"),
        ["report", results, directory] => {
            report::write_saved(Path::new(results), Path::new(directory))?;
        }
        _ => {
            let options = Options::parse(&words)?;
            let results = compare::run(&options)?;
            fs::write(&options.save, serde_json::to_string_pretty(&results)?)?;
            if let Some(directory) = &options.out {
                report::write(&results, directory)?;
            }
        }
    }
    Ok(())
}
