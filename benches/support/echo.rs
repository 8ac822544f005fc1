//! What the project is measured against: a TCP echo that knows no frames, and one through Tokio's
//! `LengthDelimitedCodec` that flushes once for each batch it read.
//!
//! Their clients keep `window` messages of `size` bytes under way on a connection until `is_over` says so of the number that came
//! back; that number is what they return.

use std::{io, pin::Pin, task::Poll};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{FutureExt, SinkExt, Stream, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

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

pub(crate) async fn load_raw(
    mut stream: TcpStream,
    size: usize,
    window: usize,
    mut is_over: impl FnMut(u64) -> bool,
) -> io::Result<u64> {
    stream.set_nodelay(true)?;
    let message = vec![7; size * window];
    let mut input = BytesMut::with_capacity(BUFFER);
    let mut count = 0;
    stream.write_all(&message).await?;
    loop {
        if stream.read_buf(&mut input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let whole = input.len() / size;
        input.advance(whole * size);
        count += whole as u64;
        if is_over(count) {
            return Ok(count);
        }
        stream.write_all(&message[..whole * size]).await?;
    }
}

/// As [`load_raw`], in frames.
pub(crate) async fn load_codec(
    stream: TcpStream,
    size: usize,
    window: usize,
    mut is_over: impl FnMut(u64) -> bool,
) -> io::Result<u64> {
    stream.set_nodelay(true)?;
    let mut framed = Framed::new(stream, LengthDelimitedCodec::new());
    let message = Bytes::from(vec![7; size]);
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
        if is_over(count) {
            return Ok(count);
        }
        for _ in 0..batch {
            framed.feed(message.clone()).await?;
        }
        SinkExt::<Bytes>::flush(&mut framed).await?;
    }
}
