//! What the project is measured against: a TCP echo that knows no frames, and one through Tokio's
//! `LengthDelimitedCodec` that flushes once for each batch it read.

use std::{io, pin::Pin, task::Poll};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{FutureExt, SinkExt, Stream, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::load::{Clock, PING_SIZE};

const BUFFER: usize = 64 << 10;

pub(crate) async fn serve_raw(listener: TcpListener) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut buffer = vec![0; BUFFER];
            loop {
                let count = stream.read(&mut buffer).await?;
                if count == 0 {
                    return io::Result::Ok(());
                }
                stream.write_all(&buffer[..count]).await?;
            }
        });
    }
}

pub(crate) async fn serve_codec(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut framed = Framed::new(stream, LengthDelimitedCodec::new());
            while let Some(frame) = framed.next().await {
                framed.feed(frame?.freeze()).await?;
                while let Some(Some(frame)) = framed.next().now_or_never() {
                    framed.feed(frame?.freeze()).await?;
                }
                SinkExt::<Bytes>::flush(&mut framed).await?;
            }
            io::Result::Ok(())
        });
    }
}

/// Keeps `window` messages under way on one connection until the clock stops; how many came back.
pub(crate) async fn load_raw(stream: TcpStream, window: usize, clock: Clock) -> io::Result<u64> {
    stream.set_nodelay(true)?;
    let mut stream = stream;
    let message = vec![7; PING_SIZE * window];
    let mut input = BytesMut::with_capacity(BUFFER);
    let mut count = 0;
    stream.write_all(&message).await?;
    loop {
        if stream.read_buf(&mut input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let whole = input.len() / PING_SIZE;
        input.advance(whole * PING_SIZE);
        count += whole as u64;
        if clock.is_over() {
            return Ok(count);
        }
        stream.write_all(&message[..whole * PING_SIZE]).await?;
    }
}

/// As [`load_raw`], in frames.
pub(crate) async fn load_codec(stream: TcpStream, window: usize, clock: Clock) -> io::Result<u64> {
    stream.set_nodelay(true)?;
    let mut framed = Framed::new(stream, LengthDelimitedCodec::new());
    let message = Bytes::from(vec![7; PING_SIZE]);
    let mut count = 0;
    for _ in 0..window {
        framed.feed(message.clone()).await?;
    }
    SinkExt::<Bytes>::flush(&mut framed).await?;
    loop {
        let batch = std::future::poll_fn(|cx| {
            let mut batch = 0;
            while let Poll::Ready(frame) = Pin::new(&mut framed).poll_next(cx) {
                match frame {
                    Some(Ok(_)) => batch += 1,
                    Some(Err(error)) => return Poll::Ready(Err(error)),
                    None => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                }
                if batch == window {
                    break;
                }
            }
            if batch > 0 { Poll::Ready(Ok(batch)) } else { Poll::Pending }
        })
        .await?;
        count += batch as u64;
        if clock.is_over() {
            return Ok(count);
        }
        for _ in 0..batch {
            framed.feed(message.clone()).await?;
        }
        SinkExt::<Bytes>::flush(&mut framed).await?;
    }
}
