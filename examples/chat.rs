//! Rooms in which people talk.
//!
//! ```text
//! cargo run --example chat -- serve
//! cargo run --example chat -- join alice        # in another terminal
//! cargo run --example chat -- join bob          # in a third one
//! ```
//!
//! It shows one call whose items go both ways: the lines that a member types, and what the room says, each as it comes. Who
//! joins is told who is there, and the others that somebody came, left, or is gone with a connection that was lost.
//!
//! A member that does not read (try Ctrl-Z, and `fg` later) holds nobody up: the server keeps 64 messages for it, drops the oldest, and
//! it is told how many. Ctrl-D leaves; Ctrl-C at the server ends all calls in order, and the members say so.

use std::{error::Error, process::ExitCode};

#[path = "chat/client.rs"]
mod client;
#[path = "chat/rooms.rs"]
mod rooms;
#[path = "chat/server.rs"]
mod server;
#[path = "chat/service.rs"]
mod service;

const USAGE: &str = "\
usage: chat serve [--listen URL]
       chat join NAME [--room ROOM] [--connect URL]

URL is tcp://host:port or unix:///path, by default tcp://127.0.0.1:7000. ROOM is lobby by default.
What you type is said in the room, line by line. Ctrl-D leaves.";

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match options() {
        Ok(Command::Help) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(Command::Serve { address }) => server::serve(&address).await,
        Ok(Command::Join { address, name, room }) => client::join(&address, &name, &room).await,
        Err(error) => {
            eprintln!("chat: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Command {
    Help,
    Serve { address: String },
    Join { address: String, name: String, room: String },
}

fn options() -> Result<Command, Box<dyn Error>> {
    use lexopt::prelude::{Long, Short, Value, ValueExt};

    let mut words = Vec::new();
    let mut address = "tcp://127.0.0.1:7000".to_owned();
    let mut room = "lobby".to_owned();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        let is_join = words.first().is_some_and(|word| word == "join");
        match argument {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("listen") if !is_join => address = arguments.value()?.string()?,
            Long("connect") if is_join => address = arguments.value()?.string()?,
            Long("room") if is_join => room = arguments.value()?.string()?,
            Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => Err("a command is wanted: serve or join".into()),
        ["serve"] => Ok(Command::Serve { address }),
        ["serve", ..] => Err("serve takes no arguments".into()),
        ["join", name] => Ok(Command::Join { address, name: name.to_owned(), room }),
        ["join", ..] => Err("join wants one name".into()),
        [word, ..] => Err(format!("there is no command {word:?}").into()),
    }
}
