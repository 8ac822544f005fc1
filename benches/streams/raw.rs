//! A copy over a TCP connection that knows no frames: 64 KiB are written at a time, and read into 64 KiB.
//!
//! The client says in nine bytes what it wants: the direction, and how many bytes.

use std::{io, time::Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    ITEM,
    support::{Failure, inherited_listener},
};

const DOWN: u8 = 0;
const UP: u8 = 1;

/// Serves on the listener that is the process's standard input, until the process is killed.
pub(crate) async fn serve() -> Result<(), Failure> {
    let listener = inherited_listener()?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let direction = stream.read_u8().await?;
            let bytes = stream.read_u64().await?;
            if direction == DOWN {
                send(&mut stream, bytes).await
            } else {
                receive(&mut stream, bytes).await?;
                stream.write_u8(0).await
            }
        });
    }
}

/// Bytes per second from the server.
pub(crate) async fn download(address: String, bytes: u64) -> Result<f64, Failure> {
    let mut stream = connect(&address).await?;
    let start = Instant::now();
    ask(&mut stream, DOWN, bytes).await?;
    receive(&mut stream, bytes).await?;
    Ok(bytes as f64 / start.elapsed().as_secs_f64())
}

/// Bytes per second to the server, which answers when it has them all.
pub(crate) async fn upload(address: String, bytes: u64) -> Result<f64, Failure> {
    let mut stream = connect(&address).await?;
    let start = Instant::now();
    ask(&mut stream, UP, bytes).await?;
    send(&mut stream, bytes).await?;
    stream.read_u8().await?;
    Ok(bytes as f64 / start.elapsed().as_secs_f64())
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address.trim_start_matches("tcp://")).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn ask(stream: &mut TcpStream, direction: u8, bytes: u64) -> io::Result<()> {
    let mut request = [direction; 9];
    request[1..].copy_from_slice(&bytes.to_be_bytes());
    stream.write_all(&request).await
}

async fn send(stream: &mut TcpStream, bytes: u64) -> io::Result<()> {
    let item = vec![7; ITEM];
    for _ in 0..bytes / ITEM as u64 {
        stream.write_all(&item).await?;
    }
    Ok(())
}

async fn receive(stream: &mut TcpStream, bytes: u64) -> io::Result<()> {
    let mut buffer = vec![0; ITEM];
    let mut left = bytes;
    while left > 0 {
        match stream.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => left -= read as u64,
        }
    }
    Ok(())
}
