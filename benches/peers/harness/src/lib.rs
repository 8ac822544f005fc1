//! What every program that is measured has in common: the workloads, what makes the calls of one, and the roles that a process plays.
//!
//! A framework is a [`Subject`]. A program that has some calls [`play`], and understands the command lines of [`roles`]; a program in
//! another language understands them by itself.

#![forbid(unsafe_code)]

mod client;
mod cpu;
mod data;
mod load;
mod local;
pub mod roles;
mod workload;

use std::{any::Any, error::Error, future::Future, net::TcpListener, pin::Pin};

pub use client::{Client, Items};
pub use cpu::cpu_seconds;
pub use data::{BLOB, PING, Record, SLOW, records};
pub use load::{Load, Outcome, SLOW_EVERY, Until, measured, measured_local, repeat};
pub use local::{LocalDoing, LocalSubject, play_local};
pub use roles::play;
pub use workload::{Flavour, Kind, WORKLOADS, Workload};

/// Whatever went wrong.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What a subject does, to its end.
pub type Doing<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// Connections that stay open until this is dropped.
pub type Held = Box<dyn Any + Send>;

/// One framework, or one way to set one up.
pub struct Subject {
    /// As it is named on the command line and in the tables.
    pub name: &'static str,
    /// What its calls can do.
    pub kinds: &'static [Kind],
    /// Serves until the process is killed.
    pub serve: fn(TcpListener) -> Doing<()>,
    /// Makes the calls of a load.
    pub load: fn(Load) -> Doing<Outcome>,
    /// Opens so many connections to the server at this host and port, makes a ping on each, and holds them.
    pub idle: fn(String, usize) -> Doing<Held>,
}

impl Subject {
    /// The subject whose clients are `C`.
    pub const fn of<C: Client>(
        name: &'static str,
        kinds: &'static [Kind],
        serve: fn(TcpListener) -> Doing<()>,
    ) -> Self {
        Self {
            name,
            kinds,
            serve,
            load: |load| Box::pin(load.run::<C>()),
            idle: |address, count| Box::pin(load::idle::<C>(address, count)),
        }
    }
}
