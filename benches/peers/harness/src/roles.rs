//! What a process that is measured does, by its command line:
//!
//! | arguments | what it does | what it prints |
//! |---|---|---|
//! | `serve NAME WORKERS` | serves on the listening socket that is its standard input, until it is killed | `serving`, or `serving ADDRESS` where it cannot take a socket and listens at a host and port of its own |
//! | `load NAME WORKERS ADDRESS KIND CONNECTIONS WINDOW LENGTH` | makes calls, for `1000ms` or `5000calls` in all | calls, seconds, and seconds of processor time |
//! | `idle NAME WORKERS ADDRESS COUNT` | opens so many connections, makes a ping on each, and holds them until its standard input ends | `idle` |
//!
//! `WORKERS` are those of its runtime; with 0 the thread that blocks on it does the work.

use std::{io, net::TcpListener, os::fd::AsFd, time::Duration};

use tokio::runtime::{Builder, Runtime};

use crate::{Doing, Failure, Kind, Load, Subject, load::Length};

/// Plays the role that the arguments ask for; whether they asked for one.
pub fn play(subjects: &[Subject], arguments: &[&str]) -> Result<bool, Failure> {
    match *arguments {
        ["serve", name, workers] => {
            let listener = inherited()?;
            println!("serving");
            on(workers, (named(subjects, name)?.serve)(listener))?;
        }
        ["load", name, workers, ref load @ ..] => {
            let load = parse_load(load)?;
            println!("{}", on(workers, (named(subjects, name)?.load)(load))?);
        }
        ["idle", name, workers, address, count] => {
            let (address, count) = (address.to_owned(), count.parse()?);
            let runtime = runtime(workers)?;
            let opening = (named(subjects, name)?.idle)(address, count);
            let held = runtime.block_on(async { tokio::spawn(opening).await })??;
            println!("idle");
            // What answers keepalive goes on meanwhile.
            let waiting =
                async { tokio::task::spawn_blocking(|| io::read_to_string(io::stdin())).await };
            runtime.block_on(waiting)??;
            drop(held);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The subject of this name.
pub fn named<'a>(subjects: &'a [Subject], name: &str) -> Result<&'a Subject, Failure> {
    let found = subjects.iter().find(|subject| subject.name == name);
    found.ok_or_else(|| format!("no subject is named {name}").into())
}

/// Does it on a task: the thread of `block_on` is slow in any design.
fn on<T: Send + 'static>(workers: &str, doing: Doing<T>) -> Result<T, Failure> {
    runtime(workers)?.block_on(async { tokio::spawn(doing).await })?
}

fn runtime(workers: &str) -> Result<Runtime, Failure> {
    Ok(match workers.parse()? {
        0 => Builder::new_current_thread().enable_all().build()?,
        workers => Builder::new_multi_thread().worker_threads(workers).enable_all().build()?,
    })
}

/// The listening socket that is this process's standard input.
pub(crate) fn inherited() -> Result<TcpListener, Failure> {
    let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The load of these arguments, from the address on.
pub(crate) fn parse_load(arguments: &[&str]) -> Result<Load, Failure> {
    let [address, kind, connections, window, length] = *arguments else {
        return Err("a load is ADDRESS KIND CONNECTIONS WINDOW LENGTH".into());
    };
    Ok(Load {
        address: address.to_owned(),
        kind: Kind::named(kind)?,
        connections: connections.parse()?,
        window: window.parse()?,
        length: parse_length(length)?,
    })
}

fn parse_length(text: &str) -> Result<Length, Failure> {
    if let Some(millis) = text.strip_suffix("ms") {
        return Ok(Length::Time(Duration::from_millis(millis.parse()?)));
    }
    let calls = text.strip_suffix("calls").ok_or("a length is 1000ms or 5000calls")?;
    Ok(Length::Calls(calls.parse()?))
}
