//! Follows a file for many terminals at once, over the network.
//!
//! ```text
//! cargo run --example log_tail -- serve /var/log/syslog
//! cargo run --example log_tail -- follow --contains error      # in as many other terminals as you like
//! ```
//!
//! It shows streams that a server sends. One reader follows the file for all. `follow` is marked `#[rpc(drop_oldest = 1024)]`: a
//! terminal that is slow, or stopped with Ctrl-Z, holds nobody up; it loses the oldest of its lines and is told how many. What was
//! in the file before goes through a stream that waits for its taker, so nothing of it is lost.
//!
//! Each line says where in the file it ends, so a follower whose connection was lost goes on where it was, also behind a server that
//! was started anew. When the server ends in order (Ctrl-C), the streams end in order, and the followers say so. A file that is
//! truncated, or replaced under its name, is followed from its new start.

use std::{error::Error, process::ExitCode};

#[path = "log_tail/client.rs"]
mod client;
#[path = "log_tail/lines.rs"]
mod lines;
#[path = "log_tail/server.rs"]
mod server;
#[path = "log_tail/service.rs"]
mod service;
#[path = "log_tail/tail.rs"]
mod tail;

const USAGE: &str = "\
usage: log_tail serve FILE [--listen URL]
       log_tail follow [--connect URL] [--from BYTES] [--contains TEXT]

URL is tcp://host:port or unix:///path, by default tcp://127.0.0.1:7000.
Without --from, only lines that are yet to come are printed; --from 0 prints the whole file first.";

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match options() {
        Ok(Command::Help) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(Command::Serve { file, address }) => server::serve(file, &address).await,
        Ok(Command::Follow(wish)) => client::follow(wish).await,
        Err(error) => {
            eprintln!("log_tail: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("log_tail: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Command {
    Help,
    Serve { file: String, address: String },
    Follow(client::Wish),
}

fn options() -> Result<Command, Box<dyn Error>> {
    use lexopt::prelude::{Long, Short, Value, ValueExt};

    let mut words = Vec::new();
    let mut address = "tcp://127.0.0.1:7000".to_owned();
    let (mut from, mut contains) = (None, String::new());
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        let is_follow = words.first().is_some_and(|word| word == "follow");
        match argument {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("listen") if !is_follow => address = arguments.value()?.string()?,
            Long("connect") if is_follow => address = arguments.value()?.string()?,
            Long("from") if is_follow => from = Some(arguments.value()?.parse()?),
            Long("contains") if is_follow => contains = arguments.value()?.string()?,
            Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let mut words = words.into_iter();
    let command = match (words.next().as_deref(), words.next()) {
        (Some("serve"), Some(file)) => Command::Serve { file, address },
        (Some("serve"), None) => return Err("serve wants the file to follow".into()),
        (Some("follow"), None) => Command::Follow(client::Wish { address, from, contains }),
        (Some("follow"), Some(word)) => return Err(format!("what is {word:?}?").into()),
        (Some(word), _) => return Err(format!("there is no command {word:?}").into()),
        (None, _) => return Err("a command is wanted: serve or follow".into()),
    };
    match words.next() {
        None => Ok(command),
        Some(word) => Err(format!("what is {word:?}?").into()),
    }
}
