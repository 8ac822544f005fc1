//! Copies large files to and from a folder on another machine, and goes on where a connection was cut.
//!
//! ```text
//! cargo run --release --example file_transfer -- serve /srv/files
//! cargo run --release --example file_transfer -- put disk.img      # in another terminal
//! cargo run --release --example file_transfer -- list
//! cargo run --release --example file_transfer -- get disk.img /tmp/copy.img
//! ```
//!
//! It shows streams of `Bytes` in both directions, in pieces of 64 KiB. They flow as fast as the slower side takes them, so neither
//! side ever holds more than the window of a file. The disk is read and written beside the connection's task, which never waits for it: in
//! methods that are `#[rpc(blocking)]`, and in ones that are `#[rpc(spawn)]` and use `tokio::fs`.
//!
//! What has arrived lies in `NAME.part`, until it is complete and its checksum is right. When the connection is lost, or the program
//! is ended and run again, the copy goes on behind what is there, if that still agrees with the other side's file.

use std::{error::Error, path::PathBuf, process::ExitCode};

#[path = "file_transfer/client.rs"]
mod client;
#[path = "file_transfer/disk.rs"]
mod disk;
#[path = "file_transfer/progress.rs"]
mod progress;
#[path = "file_transfer/server.rs"]
mod server;
#[path = "file_transfer/service.rs"]
mod service;

use client::{Copy, Wish};

const USAGE: &str = "\
usage: file_transfer serve DIR [--listen URL]
       file_transfer list [--connect URL]
       file_transfer get NAME [DEST] [--connect URL] [--attempts N]
       file_transfer put FILE [NAME] [--connect URL] [--attempts N]

URL is tcp://host:port or unix:///path, by default tcp://127.0.0.1:7000.
A copy whose connection is lost goes on by itself, in up to 10 attempts. Run it again to go on later.";

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match options() {
        Ok(Command::Help) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(Command::Serve { folder, address }) => server::serve(folder, &address).await,
        Ok(Command::Client(wish, address)) => client::run(wish, &address).await,
        Err(error) => {
            eprintln!("file_transfer: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("file_transfer: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Command {
    Help,
    Serve { folder: PathBuf, address: String },
    Client(Wish, String),
}

fn options() -> Result<Command, Box<dyn Error>> {
    use lexopt::prelude::{Long, Short, Value, ValueExt};

    let mut words = Vec::new();
    let mut address = "tcp://127.0.0.1:7000".to_owned();
    let mut attempts = 10;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        let is_serve = words.first().is_some_and(|word| word == "serve");
        match argument {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("listen") if is_serve => address = arguments.value()?.string()?,
            Long("connect") if !is_serve => address = arguments.value()?.string()?,
            Long("attempts") if !is_serve => attempts = arguments.value()?.parse()?,
            Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if attempts == 0 {
        return Err("--attempts wants at least 1".into());
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let wish = match words[..] {
        [] => return Err("a command is wanted: serve, list, get or put".into()),
        ["serve", folder] => return Ok(Command::Serve { folder: folder.into(), address }),
        ["serve", ..] => return Err("serve wants one folder".into()),
        ["list"] => Wish::List,
        ["list", ..] => return Err("list takes no arguments".into()),
        ["get", name] => Wish::Get(Copy { name: name.into(), file: name.into(), attempts }),
        ["get", name, file] => Wish::Get(Copy { name: name.into(), file: file.into(), attempts }),
        ["get", ..] => return Err("get wants the name of a file, and may be told where to".into()),
        ["put", file] => {
            let name = PathBuf::from(file);
            let name = name.file_name().ok_or_else(|| format!("{file}: this is not a file"))?;
            let name = name.to_string_lossy().into_owned();
            Wish::Put(Copy { name, file: file.into(), attempts })
        }
        ["put", file, name] => Wish::Put(Copy { name: name.into(), file: file.into(), attempts }),
        ["put", ..] => return Err("put wants a file, and may be told the name it gets".into()),
        [word, ..] => return Err(format!("there is no command {word:?}").into()),
    };
    Ok(Command::Client(wish, address))
}
