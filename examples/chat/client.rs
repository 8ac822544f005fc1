//! A member: says what is typed, and prints what is heard.

use std::{
    error::Error,
    io::{self, Write, stdin, stdout},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rpc::stream;
use tokio::sync::mpsc;

use crate::service::{ChatClient, LONGEST_LINE, Message};

pub(crate) async fn join(address: &str, name: &str, room: &str) -> Result<(), Box<dyn Error>> {
    let chat = ChatClient::connect(address).await?;
    let has_left = Arc::new(AtomicBool::new(false));
    let (sender, mut typed) = mpsc::channel(1);
    let lines = stream::poll_fn(move |cx| typed.poll_recv(cx));
    let mut messages = chat.join(name, room, lines).await?;
    let leaves = Arc::clone(&has_left);
    // Not on the runtime's pool: nothing can end a thread that waits for a person, and the runtime would wait for it.
    thread::spawn(move || {
        read(&sender);
        leaves.store(true, Ordering::Release);
    });

    let mut missed = 0;
    while let Some(message) = messages.next().await {
        if messages.lost() > missed {
            say(format_args!("-- you missed {} messages", messages.lost() - missed))?;
            missed = messages.lost();
        }
        match message? {
            Message::Said { name: speaker, .. } if speaker == name => {}
            Message::Said { name, line } => say(format_args!("{name}: {line}"))?,
            Message::Welcome(others) if others.is_empty() => {
                say(format_args!("-- you are in {room}, alone"))?;
            }
            Message::Welcome(others) => {
                say(format_args!("-- you are in {room}, with {}", others.join(", ")))?;
            }
            Message::Joined(name) => say(format_args!("-- {name} has joined"))?,
            Message::Left(name) => say(format_args!("-- {name} has left"))?,
            Message::Missed(count) => say(format_args!("-- you missed {count} messages"))?,
        }
    }
    if has_left.load(Ordering::Acquire) {
        say(format_args!("-- you have left"))?;
    } else {
        say(format_args!("-- the server has ended"))?;
    }
    Ok(())
}

/// Sends what is typed, until its end, or that of the call.
fn read(sender: &mpsc::Sender<String>) {
    for line in stdin().lines().map_while(Result::ok) {
        if line.len() > LONGEST_LINE {
            eprintln!("-- not said: a line has at most {LONGEST_LINE} bytes");
        } else if sender.blocking_send(line).is_err() {
            return;
        }
    }
}

fn say(text: std::fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(stdout().lock(), "{text}")
}
