//! A server of several processes on one listener: `cargo run --example prefork -- [--listen URL] [--children N]`.
//!
//! The parent binds and starts the children, as many as there are cores, each a server with one thread. A child finds the
//! listener as its standard input, and as its standard output one end of a socket pair, its lifeline. When the parent lets go of
//! the other end, on purpose or because it was killed, the child drains: no child outlives its parent, and nobody needs to
//! send a signal to a process id.
//!
//! A child that ended is replaced, in each place at most once a second. SIGTERM or Ctrl-C drains all children, a second one ends
//! them at once. SIGTERM to a single child drains that one while the others serve.

use std::{
    error::Error,
    io,
    net::{Shutdown, TcpListener, TcpStream},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
    time::Duration,
};

use rpc::{Address, Listener, Server};
use tokio::{
    io::AsyncReadExt,
    process::Command,
    select,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

#[path = "ping/service.rs"]
mod ping;
#[path = "prefork/service.rs"]
mod worker;
use ping::{Ping, PingDispatcher};
use worker::{Worker, WorkerDispatcher};

/// The least time between two children in one place: one that cannot start is not tried in a tight loop.
const REPLACE_AFTER: Duration = Duration::from_secs(1);

struct Process;

impl Ping for Process {
    async fn ping(&self, message: &str) -> String {
        message.to_owned()
    }
}

impl Worker for Process {
    async fn pid(&self) -> u32 {
        std::process::id()
    }

    async fn rest(&self, millis: u64) -> u32 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        std::process::id()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    match options()? {
        Role::Parent { address, children } => parent(&address, children).await,
        Role::Child => child().await,
    }
}

/// What the children are to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serve,
    Drain,
    End,
}

async fn parent(address: &str, children: usize) -> Result<(), Box<dyn Error>> {
    let Address::Tcp(host) = address.parse()? else {
        return Err("the children share a TCP listener: write tcp://host:port".into());
    };
    let listener = Arc::new(TcpListener::bind(host)?);
    println!("listening on {}", Address::Tcp(listener.local_addr()?.to_string()));
    let (phase, _) = watch::channel(Phase::Serve);
    let mut places = JoinSet::new();
    for _ in 0..children {
        places.spawn(keep_filled(Arc::clone(&listener), phase.subscribe()));
    }

    rpc::shutdown_signal().await;
    // The children hold the socket too, so closing it would let clients wait in its queue until the last child has ended.
    let _ = TcpStream::from(listener.as_fd().try_clone_to_owned()?).shutdown(Shutdown::Both);
    phase.send_replace(Phase::Drain);
    let patience = rpc::limits::DRAIN_TIMEOUT + Duration::from_secs(1);
    let all_ended = async { while places.join_next().await.is_some() {} };
    select! {
        ended = timeout(patience, all_ended) => if ended.is_err() { eprintln!("some children do not end") },
        () = rpc::shutdown_signal() => {}
    }
    phase.send_replace(Phase::End);
    while places.join_next().await.is_some() {}
    println!("stopped");
    Ok(())
}

/// Completes when the children are to do this, or more.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

/// Keeps a child in one place until the parent is told to end.
async fn keep_filled(listener: Arc<TcpListener>, mut phase: watch::Receiver<Phase>) {
    while *phase.borrow() == Phase::Serve {
        let started = Instant::now();
        if let Err(error) = run_child(&listener, &mut phase).await {
            eprintln!("a child cannot be run: {error}");
        }
        select! {
            () = sleep_until(started + REPLACE_AFTER) => {}
            () = reached(&mut phase, Phase::Drain) => {}
        }
    }
}

/// Runs one child to its end.
async fn run_child(listener: &TcpListener, phase: &mut watch::Receiver<Phase>) -> io::Result<()> {
    let (lifeline, its_end) = UnixStream::pair()?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("--child")
        .stdin(OwnedFd::from(listener.try_clone()?))
        .stdout(OwnedFd::from(its_end))
        .kill_on_drop(true)
        .spawn()?;
    let id = child.id().unwrap_or_default();
    println!("child {id} started");
    select! {
        _ = child.wait() => {}
        () = reached(phase, Phase::Drain) => {
            drop(lifeline);
            select! {
                _ = child.wait() => {}
                () = reached(phase, Phase::End) => child.start_kill()?,
            }
        }
    }
    println!("child {id} ended: {}", child.wait().await?);
    Ok(())
}

async fn child() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    let lifeline = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    lifeline.set_nonblocking(true)?;
    let mut lifeline = tokio::net::UnixStream::from_std(lifeline)?;
    let mut byte = [0];
    let ending = async {
        select! {
            _ = lifeline.read(&mut byte) => {}
            () = rpc::shutdown_signal() => {}
        }
    };
    Server::new(Listener::try_from(listener)?)
        .add(PingDispatcher::new(Process))
        .add(WorkerDispatcher::new(Process))
        .run_until(ending)
        .await?;
    Ok(())
}

enum Role {
    Parent { address: String, children: usize },
    Child,
}

fn options() -> Result<Role, Box<dyn Error>> {
    use lexopt::prelude::{Long, ValueExt};

    let mut address = "tcp://127.0.0.1:7000".to_owned();
    let mut children = std::thread::available_parallelism().map_or(1, usize::from);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("listen") => address = arguments.value()?.string()?,
            Long("children") => children = arguments.value()?.parse()?,
            Long("child") => return Ok(Role::Child),
            Long("help") => {
                println!(
                    "usage: prefork [--listen URL] [--children N]   (default {address}, {children} children)"
                );
                std::process::exit(0);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if children == 0 {
        return Err("--children wants at least 1".into());
    }
    Ok(Role::Parent { address, children })
}
