//! Calls per second of this project beside a raw TCP echo and an echo through `LengthDelimitedCodec`, in one run.
//!
//! `cargo bench --bench throughput -- [--rounds N] [--seconds S]`
//!
//! Servers and clients are processes of their own (this program, started again). The subjects take turns within each round, so
//! that a slow phase of the machine hits them all; what is printed is the median of the rounds, its spread, and the ratio
//! to the codec echo of the same runtime flavour. Then allocations per call, once it runs steadily.

use std::{
    error::Error,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use load::Callers;
use tokio::{net::TcpListener, runtime::Runtime};

mod allocations;
#[path = "../support/echo.rs"]
mod echo;
mod load;
mod service;
mod stub;

type Failure = Box<dyn Error + Send + Sync>;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Raw,
    Codec,
    Rpc,
}

const SUBJECTS: [Subject; 3] = [Subject::Raw, Subject::Codec, Subject::Rpc];
const FLAVOURS: [&str; 2] = ["current-thread", "multi-thread"];
const WORKLOADS: [(&str, &str, usize, usize); 4] = [
    ("1 in flight", "tasks", 1, 1),
    ("64 in flight on 1 connection, from one task", "one-task", 1, 64),
    ("64 in flight on 1 connection, from 64 tasks", "tasks", 1, 64),
    ("64 connections × 16", "tasks", 64, 16),
];

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Codec => "codec",
            Self::Rpc => "rpc",
        }
    }

    fn named(name: &str) -> Result<Self, Failure> {
        let found = SUBJECTS.into_iter().find(|subject| subject.name() == name);
        found.ok_or_else(|| format!("no subject is named {name}").into())
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", subject, flavour] => runtime(flavour)?.block_on(serve(Subject::named(subject)?)),
        ["load", subject, flavour, callers, address, connections, window, millis] => {
            let duration = Duration::from_millis(millis.parse()?);
            let load = load::run(
                Subject::named(subject)?,
                address.to_owned(),
                connections.parse()?,
                window.parse()?,
                if callers == "one-task" { Callers::OneTask } else { Callers::Tasks },
                duration,
            );
            // A caller on the thread of `block_on` is slow in any design.
            let rate = runtime(flavour)?.block_on(async move { tokio::spawn(load).await })??;
            println!("{rate}");
            Ok(())
        }
        ["allocations", flavour, address] => {
            let counting = load::allocations(address.to_owned());
            for (name, server, client) in
                runtime(flavour)?.block_on(async move { tokio::spawn(counting).await })??
            {
                println!("  {name:20} server {server:8.4}   client {client:8.4}");
            }
            Ok(())
        }
        _ => compare(option(&words, "--rounds", 5)?, option(&words, "--seconds", 1)?),
    }
}

fn option(words: &[&str], name: &str, default: u64) -> Result<u64, Failure> {
    match words.iter().position(|word| *word == name) {
        Some(at) => Ok(words.get(at + 1).ok_or("an option wants a number")?.parse()?),
        None => Ok(default),
    }
}

fn runtime(flavour: &str) -> std::io::Result<Runtime> {
    let mut builder = match flavour {
        "multi-thread" => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    builder.enable_all().build()
}

/// Serves until the process is killed, and prints where.
async fn serve(subject: Subject) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let serving = tokio::spawn(async move {
        match subject {
            Subject::Raw => echo::serve_raw(listener).await?,
            Subject::Codec => echo::serve_codec(listener).await?,
            Subject::Rpc => {
                let dispatcher = service::BenchDispatcher(Arc::new(service::Bench));
                rpc::Server::new(listener).serve(dispatcher).await?;
            }
        }
        Ok::<_, Failure>(())
    });
    serving.await?
}

/// A server process, which ends with this value.
struct ServerProcess {
    child: Child,
    address: String,
}

impl ServerProcess {
    fn start(subject: Subject, flavour: &str) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", subject.name(), flavour])
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address)?;
        Ok(Self { child, address: address.trim().to_owned() })
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn compare(rounds: u64, seconds: u64) -> Result<(), Failure> {
    println!(
        "{rounds} rounds of {seconds} s each, subjects interleaved; medians [minimum … maximum]"
    );
    for flavour in FLAVOURS {
        let mut servers = Vec::new();
        for subject in SUBJECTS {
            servers.push((subject, ServerProcess::start(subject, flavour)?));
        }
        for (name, callers, connections, window) in WORKLOADS {
            let mut rates = [const { Vec::new() }; SUBJECTS.len()];
            for _ in 0..rounds {
                for (index, (subject, server)) in servers.iter().enumerate() {
                    let output = Command::new(std::env::current_exe()?)
                        .args(["load", subject.name(), flavour, callers, &server.address])
                        .args([connections, window].map(|number| number.to_string()))
                        .arg((seconds * 1000).to_string())
                        .stderr(Stdio::inherit())
                        .output()?;
                    rates[index].push(String::from_utf8(output.stdout)?.trim().parse::<f64>()?);
                }
            }
            println!("\n{flavour}, {name}");
            let ratios = |index: usize| -> Vec<f64> {
                let codec: &Vec<f64> = &rates[1];
                rates[index].iter().zip(codec).map(|(rate, codec)| rate / codec).collect()
            };
            for (index, subject) in SUBJECTS.iter().enumerate() {
                let (low, rate, high) = spread(&rates[index]);
                let (least, ratio, most) = spread(&ratios(index));
                println!(
                    "  {:6} {rate:12.0}/s [{low:.0} … {high:.0}]   of the codec echo {ratio:5.2} [{least:.2} … {most:.2}]",
                    subject.name()
                );
            }
        }
        println!("\n{flavour}, allocations per call");
        let address = &servers[SUBJECTS.len() - 1].1.address;
        let status = Command::new(std::env::current_exe()?)
            .args(["allocations", flavour, address])
            .status()?;
        if !status.success() {
            return Err("counting allocations failed".into());
        }
    }
    Ok(())
}

/// Minimum, median and maximum.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1])
}
