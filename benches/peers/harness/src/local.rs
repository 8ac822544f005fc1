//! A subject whose futures stay on one thread. It has the current-thread flavour alone, and is a program of its own.

use std::{any::Any, future::Future, io, net::TcpListener, pin::Pin};

use tokio::{
    runtime::{Builder, Runtime},
    task::{LocalSet, spawn_blocking, spawn_local},
};

use crate::{
    Failure, Load, Outcome,
    roles::{inherited, parse_load},
};

/// What such a subject does, to its end.
pub type LocalDoing<T> = Pin<Box<dyn Future<Output = Result<T, Failure>>>>;

/// As [`Subject`](crate::Subject). What it does runs inside a `LocalSet`.
pub struct LocalSubject {
    pub name: &'static str,
    pub serve: fn(TcpListener) -> LocalDoing<()>,
    pub load: fn(Load) -> LocalDoing<Outcome>,
    pub idle: fn(String, usize) -> LocalDoing<Box<dyn Any>>,
}

/// Plays the role that the arguments ask for; whether they asked for one. See [`roles`](crate::roles).
pub fn play_local(subject: &LocalSubject, arguments: &[&str]) -> Result<bool, Failure> {
    let &[role, name, workers, ref rest @ ..] = arguments else { return Ok(false) };
    if name != subject.name {
        return Err(format!("no subject is named {name}").into());
    }
    if workers != "0" {
        return Err(format!("{name} stays on one thread: its workers are 0, not {workers}").into());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    match (role, rest) {
        ("serve", []) => {
            let listener = inherited()?;
            println!("serving");
            on(&runtime, &local, (subject.serve)(listener))?;
        }
        ("load", load) => {
            println!("{}", on(&runtime, &local, (subject.load)(parse_load(load)?))?);
        }
        ("idle", &[address, count]) => {
            let (address, count) = (address.to_owned(), count.parse()?);
            let held = on(&runtime, &local, (subject.idle)(address, count))?;
            println!("idle");
            // What answers keepalive goes on meanwhile.
            let ended = async { spawn_blocking(|| io::read_to_string(io::stdin())).await };
            local.block_on(&runtime, ended)??;
            drop(held);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Does it on a task, as the others do.
fn on<T: 'static>(runtime: &Runtime, local: &LocalSet, doing: LocalDoing<T>) -> Result<T, Failure> {
    local.block_on(runtime, async { spawn_local(doing).await })?
}
