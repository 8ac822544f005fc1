//! Moves large blobs, and prints how many MB went each second: there, back, and both ways.
//!
//! ```text
//! cargo run --release --example blobs                                # server and client in one process
//! cargo run --release --example blobs -- serve --size 100000000      # or in two terminals
//! cargo run --release --example blobs -- load --size 100000000 --count 20 --in-flight 2
//! ```
//!
//! Bytes are the same on the wire whatever type either end gives them. From 16 KiB on a `Bytes` is sent from where it is, and one that arrives is a slice
//! of the message that brought it: neither is copied. (A message above 128 KiB comes in parts, and is put together as they arrive.) A `Vec<u8>` is
//! copied at every turn: to be sent, and to be owned where it arrives.
//!
//! A message may have 16 MiB unless its receiver is told otherwise, and is in memory as a whole. What is larger than that is better sent as a stream of
//! pieces, as `file_transfer` does.

use std::{error::Error, time::Instant};

use rpc::{Bytes, Channel, Server, StreamExt, limits, stream};

#[rpc::service]
trait Blobs {
    /// Takes a blob, and says how many bytes it has.
    async fn put(&self, data: Bytes) -> u64;
    /// Gives a blob of so many bytes.
    async fn get(&self, size: u64) -> Result<Bytes, rpc::Error>;
    /// Returns what it was sent.
    async fn echo(&self, data: Bytes) -> Bytes;
    /// The same with four copies: at the caller, in the handler, at the server, and at the caller again.
    async fn echo_vec(&self, data: &[u8]) -> Vec<u8>;
}

/// It has one blob, and gives the beginning of it.
struct Store(Bytes);

impl Blobs for Store {
    // A handler that kept `data` would keep the memory of its message, and copy nothing.
    async fn put(&self, data: Bytes) -> u64 {
        data.len() as u64
    }

    // However many callers ask, the bytes are there once.
    async fn get(&self, size: u64) -> Result<Bytes, rpc::Error> {
        match usize::try_from(size) {
            Ok(size) if size <= self.0.len() => Ok(self.0.slice(..size)),
            _ => Err(rpc::Error::invalid_argument(format!(
                "the server was started with --size {}",
                self.0.len()
            ))),
        }
    }

    // What goes out is the memory that came in.
    async fn echo(&self, data: Bytes) -> Bytes {
        data
    }

    // The slice is borrowed from the message, so what is to outlive it is copied.
    async fn echo_vec(&self, data: &[u8]) -> Vec<u8> {
        data.to_vec()
    }
}

/// A pattern that parts of a message do not share: it repeats after 251 bytes.
fn blob(size: usize) -> Bytes {
    (0..251).cycle().take(size).collect()
}

/// The largest message that either end is to accept: a blob and what is around it, or what is accepted anyway.
fn max_message_size(size: usize) -> usize {
    size.saturating_add(1024).max(limits::MAX_MESSAGE_SIZE)
}

async fn bind(address: &str, size: usize) -> Result<Server, rpc::Error> {
    let store = Store(blob(size));
    let server = Server::bind(address).await?.max_message_size(max_message_size(size));
    println!("listening on {}", server.local_addr()?);
    Ok(server.add(BlobsDispatcher::new(store)))
}

async fn load(address: &str, options: &Options) -> Result<(), Box<dyn Error>> {
    let Options { size, count, in_flight, .. } = *options;
    let channel = Channel::builder(address).max_message_size(max_message_size(size));
    let client = BlobsClient::new(channel.connect().await?);
    let (blob, len) = (blob(size), size as u64);

    // Later only lengths are looked at: to compare all bytes takes a good part of the time in which they move.
    if client.echo(blob.clone()).await? != blob || client.get(len).await? != blob {
        return Err("the bytes that came are not those that were sent".into());
    }
    println!("{count} blobs of {size} bytes, {in_flight} at a time");
    // Cloning a `Bytes` counts one more who holds it.
    measure("put", options, async || client.put(blob.clone()).await).await?;
    let get = async || Ok(client.get(len).await?.len() as u64);
    measure("get", options, get).await?;
    let echo = async || Ok(client.echo(blob.clone()).await?.len() as u64);
    measure("echo, each way", options, echo).await?;
    let echo = async || Ok(client.echo_vec(&blob).await?.len() as u64);
    measure("echo of Vec<u8>, each way", options, echo).await
}

/// Makes the calls, each of which says how many bytes it moved, some at a time.
async fn measure(
    what: &str,
    options: &Options,
    call: impl AsyncFn() -> Result<u64, rpc::Error>,
) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let mut moved = 0;
    let mut calls =
        stream::iter(0..options.count).map(|_| call()).buffer_unordered(options.in_flight);
    while let Some(bytes) = calls.next().await {
        moved += bytes?;
    }
    let elapsed = start.elapsed().as_secs_f64();
    let expected = options.count as u64 * options.size as u64;
    if moved != expected {
        return Err(format!("{what}: {moved} bytes arrived of {expected}").into());
    }
    println!("{what:25} {:8.1} MB/s", moved as f64 / 1e6 / elapsed);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    match options.command.as_str() {
        "serve" => {
            bind(&options.address, options.size).await?.run_until(rpc::shutdown_signal()).await?;
            println!("stopped");
        }
        "load" => load(&options.address, &options).await?,
        _ => {
            let server = bind("tcp://127.0.0.1:0", options.size).await?;
            let (address, shutdown) = (server.local_addr()?.to_string(), server.shutdown_handle());
            let serving = tokio::spawn(server.run());
            load(&address, &options).await?;
            shutdown.shutdown();
            serving.await??;
        }
    }
    Ok(())
}

struct Options {
    command: String,
    address: String,
    size: usize,
    count: usize,
    in_flight: usize,
}

fn options() -> Result<Options, Box<dyn Error>> {
    use lexopt::prelude::{Long, Value, ValueExt};

    let mut options = Options {
        command: "both".to_owned(),
        address: "tcp://127.0.0.1:7000".to_owned(),
        size: 1_000_000,
        count: 500,
        in_flight: 4,
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(word) if word == "serve" || word == "load" => options.command = word.string()?,
            Long("listen") if options.command == "serve" => {
                options.address = arguments.value()?.string()?
            }
            Long("connect") if options.command == "load" => {
                options.address = arguments.value()?.string()?
            }
            Long("size") => options.size = arguments.value()?.parse()?,
            Long("count") if options.command != "serve" => {
                options.count = arguments.value()?.parse()?
            }
            Long("in-flight") if options.command != "serve" => {
                options.in_flight = arguments.value()?.parse()?
            }
            Long("help") => {
                println!(
                    "usage: blobs [--size BYTES] [--count N] [--in-flight N]
       blobs serve [--listen URL] [--size BYTES]
       blobs load [--connect URL] [--size BYTES] [--count N] [--in-flight N]"
                );
                std::process::exit(0);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if options.size == 0 || options.count == 0 || options.in_flight == 0 {
        return Err("--size, --count and --in-flight want at least 1".into());
    }
    Ok(options)
}
