//! What carries a channel's connection: a socket that callers may write to directly, or any stream.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use rpc_core::{
    Address, Error,
    buffer::WriteBuffer,
    limits::{self, IO_BUFFER},
};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream, tcp, unix},
};
use tokio_util::io::{poll_read_buf, poll_write_buf};

/// A stream that the program brings.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What is set on a TCP socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpOptions {
    /// Frames are written whole: there is nothing to wait for.
    pub(crate) nodelay: bool,
    /// After how long a silence the system itself asks whether the peer's system is there.
    pub(crate) keepalive: Option<Duration>,
}

impl TcpOptions {
    /// Connects to a host, whose name is looked up anew each time.
    pub(crate) async fn connect(self, host: &str) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(host).await?;
        self.apply(&stream)?;
        Ok(stream)
    }

    fn apply(self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(self.nodelay)?;
        // What the kernel holds unsent cannot be overtaken by what is small.
        #[cfg(any(target_os = "android", target_os = "linux"))]
        SockRef::from(stream).set_tcp_notsent_lowat(limits::UNSENT_IN_KERNEL)?;
        if let Some(idle) = self.keepalive {
            let keepalive = TcpKeepalive::new().with_time(idle).with_interval(idle);
            SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
        }
        Ok(())
    }
}

/// An open connection, as its driver holds it.
pub(crate) enum Transport {
    Tcp(tcp::OwnedReadHalf, Arc<tcp::OwnedWriteHalf>),
    Unix(unix::OwnedReadHalf, Arc<unix::OwnedWriteHalf>),
    Stream(Box<dyn Stream>),
}

/// The writing side of a socket, for a caller that is alone.
#[derive(Clone)]
pub(crate) enum DirectWriter {
    Tcp(Arc<tcp::OwnedWriteHalf>),
    Unix(Arc<unix::OwnedWriteHalf>),
}

impl DirectWriter {
    /// Writes what the socket takes at once.
    pub(crate) fn try_write(&self, output: &mut WriteBuffer) -> io::Result<()> {
        let written = match self {
            Self::Tcp(half) => half.try_write(output.chunk()),
            Self::Unix(half) => half.try_write(output.chunk()),
        };
        match written {
            Ok(count) => output.advance(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl Transport {
    /// Connects to an address. A host's name is looked up anew each time.
    pub(crate) async fn connect(address: &Address, tcp: TcpOptions) -> Result<Self, Error> {
        let connected = match address {
            Address::Tcp(host) => tcp.connect(host).await.map(|stream| {
                let (read, write) = stream.into_split();
                Self::Tcp(read, Arc::new(write))
            }),
            Address::Unix(path) => UnixStream::connect(path).await.map(|stream| {
                let (read, write) = stream.into_split();
                Self::Unix(read, Arc::new(write))
            }),
            _ => Err(io::ErrorKind::Unsupported.into()),
        };
        connected.map_err(|error| unconnected(address, error))
    }

    /// What callers may write through, where the transport has such a thing.
    pub(crate) fn direct_writer(&self) -> Option<DirectWriter> {
        match self {
            Self::Tcp(_, write) => Some(DirectWriter::Tcp(Arc::clone(write))),
            Self::Unix(_, write) => Some(DirectWriter::Unix(Arc::clone(write))),
            Self::Stream(_) => None,
        }
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(read, _) => poll_read_buf(Pin::new(read), cx, input),
            Self::Unix(read, _) => poll_read_buf(Pin::new(read), cx, input),
            Self::Stream(stream) => poll_read_buf(Pin::new(stream), cx, input),
        }
    }

    /// Sends all of `output`; pending while some is left.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        output: &mut WriteBuffer,
    ) -> Poll<io::Result<()>> {
        while output.has_remaining() {
            let sent = match self {
                Self::Tcp(_, write) => {
                    let socket: &TcpStream = write.as_ref().as_ref();
                    ready!(poll_socket(
                        cx,
                        output,
                        |cx| socket.poll_write_ready(cx),
                        |bytes| socket.try_write(bytes),
                        |slices| socket.try_write_vectored(slices),
                    ))?
                }
                Self::Unix(_, write) => {
                    let socket: &UnixStream = write.as_ref().as_ref();
                    ready!(poll_socket(
                        cx,
                        output,
                        |cx| socket.poll_write_ready(cx),
                        |bytes| socket.try_write(bytes),
                        |slices| socket.try_write_vectored(slices),
                    ))?
                }
                Self::Stream(stream) => ready!(poll_write_buf(Pin::new(stream), cx, output))?,
            };
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        match self {
            Self::Stream(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tcp(..) | Self::Unix(..) => Poll::Ready(Ok(())),
        }
    }

    /// Sends `outputs`, closes the writing side, and reads until the server closes the other: it would lose what it has not read
    /// if bytes that arrived were thrown away with the socket.
    pub(crate) async fn close(mut self, outputs: [WriteBuffer; 2]) {
        for mut output in outputs {
            if poll_fn(|cx| self.poll_write(cx, &mut output)).await.is_err() {
                return;
            }
        }
        match self {
            Self::Tcp(read, write) => {
                // Dropping the last of this half closes the direction.
                drop(write);
                discard(read).await;
            }
            Self::Unix(read, write) => {
                drop(write);
                discard(read).await;
            }
            Self::Stream(mut stream) => {
                if poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await.is_ok() {
                    discard(stream).await;
                }
            }
        }
    }
}

/// Nobody took the connection.
pub(crate) fn unconnected(address: &Address, error: io::Error) -> Error {
    Error::unavailable(format!("cannot connect to {address}: {error}")).with_source(error)
}

async fn discard(mut stream: impl AsyncRead + Unpin) {
    let mut discarded = BytesMut::with_capacity(IO_BUFFER);
    while let Ok(1..) = poll_fn(|cx| poll_read_buf(Pin::new(&mut stream), cx, &mut discarded)).await
    {
        discarded.clear();
    }
}

/// As many pieces as one vectored write takes.
const PIECES: usize = 32;

/// One write to a socket that is shared, and so cannot be borrowed mutably: vectored, unless all lies in one piece, for the kernel takes
/// longer over that.
fn poll_socket(
    cx: &mut Context<'_>,
    output: &mut WriteBuffer,
    mut poll_ready: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>,
    write: impl Fn(&[u8]) -> io::Result<usize>,
    write_vectored: impl Fn(&[io::IoSlice<'_>]) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(poll_ready(cx))?;
        let written = if output.has_segments() {
            let mut slices = [io::IoSlice::new(&[]); PIECES];
            let count = output.chunks_vectored(&mut slices);
            write_vectored(&slices[..count])
        } else {
            write(output.chunk())
        };
        match written {
            Ok(sent) => {
                output.advance(sent);
                return Poll::Ready(Ok(sent));
            }
            // The readiness was stale, and is cleared now.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}
