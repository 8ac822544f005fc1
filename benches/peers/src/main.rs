//! This project beside its peers: the same work, each in its own way, in one run. See README.md.
//!
//! Servers and clients are processes of their own (this program, started again). The subjects take turns within each round, so that a
//! slow phase of the machine hits them all.

#[expect(dead_code, reason = "the comparison will ask for them")]
mod all;
#[path = "../../support/echo.rs"]
mod echo;
mod subjects;

use peers_harness::Failure;
use subjects::SUBJECTS;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if peers_harness::play(SUBJECTS, &words)? {
        return Ok(());
    }
    Err("not yet".into())
}
