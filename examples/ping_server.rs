//! A server that answers pings: `cargo run --example ping_server -- [--listen URL]`.
//!
//! Ctrl-C or SIGTERM ends it once the calls that it accepted are answered.

use std::error::Error;

use rpc::Server;

#[path = "ping/service.rs"]
mod service;
use service::{Ping, PingDispatcher};

struct Echo;

impl Ping for Echo {
    async fn ping(&self, message: &str) -> String {
        message.to_owned()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::bind(listen_address()?).await?;
    println!("listening on {}", server.local_addr()?);
    server.add(PingDispatcher::new(Echo)).run_until(rpc::shutdown_signal()).await?;
    println!("stopped");
    Ok(())
}

fn listen_address() -> Result<String, Box<dyn Error>> {
    use lexopt::prelude::{Long, ValueExt};

    let mut address = "tcp://127.0.0.1:7000".to_owned();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("listen") => address = arguments.value()?.string()?,
            Long("help") => {
                println!(
                    "usage: ping_server [--listen URL]   (default {address}; tcp://host:port or unix:///path)"
                );
                std::process::exit(0);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(address)
}
