//! capnp-rpc, as a program that is measured: two parties over TCP, set up as its own examples are.
//!
//! Its capabilities stay on one thread, so it has the current-thread flavour alone. See ../../README.md.

mod peer;
mod service;

use peer::Peer;
use peers_harness::{
    Failure, Kind, Load, LocalSubject, Outcome, measured_local, play_local, repeat,
};

capnp::generated_code!(mod echo_capnp);

const CAPNP: LocalSubject = LocalSubject {
    name: "capnp",
    serve: |listener| Box::pin(service::serve(listener)),
    load: |load| Box::pin(run(load)),
    idle: |address, count| {
        Box::pin(async move {
            let mut held = Vec::with_capacity(count);
            for _ in 0..count {
                let peer = Peer::connect(&address).await?;
                peer.ping().await?;
                held.push(peer);
            }
            Ok(Box::new(held) as _)
        })
    },
};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if play_local(&CAPNP, &words)? {
        return Ok(());
    }
    Err("it plays the roles of the harness: serve, load and idle".into())
}

/// Connects, makes the calls, and counts them.
async fn run(load: Load) -> Result<Outcome, Failure> {
    let mut peers = Vec::new();
    for _ in 0..load.connections {
        peers.push(Peer::connect(&load.address).await?);
    }
    let (until, kind) = (load.until(), load.kind);
    let callers = peers.iter().flat_map(|peer| (0..load.window).map(move |_| peer.clone()));
    let made = measured_local(callers.map(|peer| async move {
        match kind {
            Kind::Ping => repeat(until, 16, || peer.ping()).await,
            Kind::Blob => repeat(until, 1, || peer.blob()).await,
            Kind::Structs => repeat(until, 1, || peer.structs()).await,
            Kind::Mixed => peer.mixed(until).await,
            Kind::Items | Kind::QueuedItems => Err("it does not stream here".into()),
        }
    }))
    .await;
    drop(peers);
    made
}
