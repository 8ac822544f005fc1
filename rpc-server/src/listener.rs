//! Where a server listens: TCP, a Unix socket, or a listener that somebody else bound.

use std::{io, net::SocketAddr, time::Duration};

use rpc_core::{Address, Error};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A bound socket that accepts connections.
///
/// Made by [`Listener::bind`], or from a listener that the program got elsewhere: from a parent process, or from systemd.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use rpc_server::{Listener, Server};
///
/// let inherited = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let server = Server::new(Listener::try_from(inherited)?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection of either kind.
pub(crate) enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Listener {
    /// Listens on an address, such as `tcp://127.0.0.1:0` or `unix:///run/calc.sock`.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for what is not an address, `unavailable` where the system refuses; both name the address.
    pub async fn bind(address: impl AsRef<str>) -> Result<Self, Error> {
        let address: Address = address.as_ref().parse()?;
        let bound = match &address {
            Address::Tcp(host) => TcpListener::bind(host).await.map(Kind::Tcp),
            Address::Unix(path) => UnixListener::bind(path).map(Kind::Unix),
            _ => Err(io::ErrorKind::Unsupported.into()),
        };
        bound.map(Self).map_err(|error| {
            Error::unavailable(format!("cannot listen on {address}: {error}")).with_source(error)
        })
    }

    /// The address to connect to, with the port that the system chose.
    ///
    /// # Errors
    ///
    /// `unavailable` where the system cannot tell, or the Unix socket has no path.
    pub fn local_addr(&self) -> Result<Address, Error> {
        let unknown = |error: io::Error| {
            Error::unavailable(format!("the listener's address is unknown: {error}"))
                .with_source(error)
        };
        match &self.0 {
            Kind::Tcp(listener) => {
                Ok(Address::Tcp(listener.local_addr().map_err(unknown)?.to_string()))
            }
            Kind::Unix(listener) => {
                let address = listener.local_addr().map_err(unknown)?;
                let path = address
                    .as_pathname()
                    .ok_or_else(|| Error::unavailable("the listener's Unix socket has no path"))?;
                Ok(Address::Unix(path.to_owned()))
            }
        }
    }

    /// The next connection.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost when the future is dropped.
    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        match &self.0 {
            Kind::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Frames are written whole: there is nothing to wait for. A socket that is gone already fails at its first read.
                let _ = stream.set_nodelay(true);
                Ok(Accepted::Tcp(stream, address))
            }
            Kind::Unix(listener) => {
                listener.accept().await.map(|(stream, _)| Accepted::Unix(stream))
            }
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self(Kind::Tcp(listener))
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self(Kind::Unix(listener))
    }
}

impl TryFrom<std::net::TcpListener> for Listener {
    type Error = Error;

    fn try_from(listener: std::net::TcpListener) -> Result<Self, Error> {
        let adopted = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
        adopted.map(Self::from).map_err(unusable)
    }
}

impl TryFrom<std::os::unix::net::UnixListener> for Listener {
    type Error = Error;

    fn try_from(listener: std::os::unix::net::UnixListener) -> Result<Self, Error> {
        let adopted =
            listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener));
        adopted.map(Self::from).map_err(unusable)
    }
}

fn unusable(error: io::Error) -> Error {
    Error::unavailable(format!("the listener cannot be used: {error}")).with_source(error)
}

/// How long to wait after an accept that failed: the system is short of something, and trying at once makes it worse.
pub(crate) fn pause_after_error(previous: Duration) -> Duration {
    (previous * 2).clamp(Duration::from_millis(5), Duration::from_secs(1))
}
