//! The echoes: one that knows no frames, which is what the machine gives at most, and one through `LengthDelimitedCodec`, which flushes
//! once for each batch that it read ("codec echo").

use std::future::Future;

use peers_harness::{BLOB, Failure, Held, Kind, Load, Outcome, PING, Subject, measured};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::echo::{load_codec, load_raw, serve_codec, serve_raw};

pub(super) const RAW: Subject = Subject {
    name: "raw",
    kinds: &[Kind::Ping, Kind::Blob],
    serve: |listener| Box::pin(async { Ok(serve_raw(TcpListener::from_std(listener)?).await?) }),
    load: |load| {
        Box::pin(run(load, |stream, size, window, is_over| async move {
            Ok(load_raw(stream, size, window, is_over).await?)
        }))
    },
    idle: |address, count| Box::pin(hold(address, count, Vec::new())),
};

pub(super) const CODEC: Subject = Subject {
    name: "codec",
    kinds: RAW.kinds,
    serve: |listener| Box::pin(async { Ok(serve_codec(TcpListener::from_std(listener)?).await?) }),
    load: |load| {
        Box::pin(run(load, |stream, size, window, is_over| async move {
            Ok(load_codec(stream, size, window, is_over).await?)
        }))
    },
    idle: |address, count| {
        Box::pin(hold(address, count, (PING.len() as u32).to_be_bytes().to_vec()))
    },
};

/// Tells of so many messages whether they are enough.
type IsOver = Box<dyn FnMut(u64) -> bool + Send>;

/// One task for each connection, which keeps as many messages under way as the window has.
async fn run<F>(
    load: Load,
    echo: impl Fn(TcpStream, usize, usize, IsOver) -> F,
) -> Result<Outcome, Failure>
where
    F: Future<Output = Result<u64, Failure>> + Send + 'static,
{
    let size = if load.kind == Kind::Blob { BLOB } else { PING.len() };
    let mut streams = Vec::new();
    for _ in 0..load.connections {
        streams.push(TcpStream::connect(&load.address).await?);
    }
    let (until, window) = (load.until(), load.window);
    measured(streams.into_iter().map(|stream| {
        // The count is that of the connection, and does not move by one: the clock is looked at each time.
        let is_over = move |count: u64| until.is_over(count / window as u64, 1);
        echo(stream, size, window, Box::new(is_over))
    }))
    .await
}

/// Idle connections, each of which has seen one message behind this header.
async fn hold(address: String, count: usize, header: Vec<u8>) -> Result<Held, Failure> {
    let message = [&*header, &PING].concat();
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(&message).await?;
        stream.read_exact(&mut vec![0; message.len()]).await?;
        held.push(stream);
    }
    Ok(Box::new(held))
}
