//! This project beside its peers: the same work, each in its own way, in one run. See README.md.
//!
//! Servers and clients are processes of their own (this program, started again). The subjects take turns within each round, so that a
//! slow phase of the machine hits them all.

#![forbid(unsafe_code)]

use std::time::Duration;

mod build_cost;
mod subjects;
#[path = "../../support/mod.rs"]
mod support;

use subjects::{Pace, SUBJECTS, Subject};
use support::{Failure, LoadProcess, ServerProcess, inherited_listener, option, runtime, spread};

/// Runtimes by their numbers of workers; with 0 the thread that blocks on it does the work.
const FLAVOURS: [(&str, usize); 2] = [("current-thread", 0), ("multi-thread", 2)];

const AT_ONCE: &str = "at-once";

/// Workloads: how the items come, and what the table calls it.
const WORKLOADS: [(&str, &str); 2] =
    [(AT_ONCE, "16-byte items, there at once"), ("queued", "16-byte items, queued by a task")];

/// This project's stream is to be so many times as fast.
const BAR: f64 = 5.0;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", workers, name] => {
            let subject = named(name)?;
            let serving = async { tokio::spawn((subject.serve)(inherited_listener()?)).await? };
            runtime(workers.parse()?)?.block_on(serving)
        }
        ["items", workers, name, address, pace, millis] => {
            let duration = Duration::from_millis(millis.parse()?);
            let pace = if pace == AT_ONCE { Pace::AtOnce } else { Pace::Queued };
            let items = (named(name)?.items)(address.to_owned(), pace, duration);
            // A caller on the thread of `block_on` is slow in any design.
            let rate =
                runtime(workers.parse()?)?.block_on(async { tokio::spawn(items).await })??;
            println!("{rate}");
            Ok(())
        }
        ["build-cost", ..] => build_cost::print(option(&words, "--rounds", 5)?),
        _ => compare(option(&words, "--rounds", 5)?, option(&words, "--seconds", 2)?),
    }
}

fn named(name: &str) -> Result<&'static Subject, Failure> {
    let found = SUBJECTS.iter().find(|subject| subject.name == name);
    found.ok_or_else(|| format!("no subject is named {name}").into())
}

fn compare(rounds: u64, seconds: u64) -> Result<(), Failure> {
    print!("{}", support::load_average()?);
    println!(
        "{rounds} rounds of {seconds} s each, subjects interleaved; medians [minimum … maximum]\n"
    );
    println!("| items of one stream | items/s | rpc beside it | bar |\n|---|---|---|---|");
    for (flavour, workers) in FLAVOURS {
        let workers = workers.to_string();
        let mut servers = Vec::new();
        for subject in &SUBJECTS {
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?.to_string();
            let process = ServerProcess::start(&listener, &["serve", &workers, subject.name])?;
            servers.push((subject, address, process));
        }
        for (pace, title) in WORKLOADS {
            let mut rates = [const { Vec::new() }; SUBJECTS.len()];
            for _ in 0..rounds {
                for ((subject, address, _), rates) in servers.iter().zip(&mut rates) {
                    let millis = (seconds * 1000).to_string();
                    let arguments = ["items", &workers, subject.name, address, pace, &millis];
                    rates.push(LoadProcess::start(&arguments)?.output()?.parse::<f64>()?);
                }
            }
            print(title, flavour, &rates);
        }
    }
    print!("\n{}", support::load_average()?);
    Ok(())
}

/// The rows of one workload.
fn print(title: &str, flavour: &str, rates: &[Vec<f64>]) {
    for (subject, theirs) in SUBJECTS.iter().zip(rates) {
        let (low, rate, high) = spread(theirs);
        print!("| {title}, {flavour}, {} | {rate:.0} [{low:.0} … {high:.0}] |", subject.name);
        if subject.name == SUBJECTS[0].name {
            println!(" | |");
            continue;
        }
        let ratios: Vec<f64> = rates[0].iter().zip(theirs).map(|(ours, its)| ours / its).collect();
        let (least, ratio, most) = spread(&ratios);
        let verdict = if ratio >= BAR { "" } else { " **misses**" };
        println!(" {ratio:.2} × [{least:.2} … {most:.2}]{verdict} | ≥ {BAR} |");
    }
}
