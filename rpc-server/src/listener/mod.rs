//! Where a server listens: TCP, with TLS or without, a Unix socket, or a listener that somebody else bound.

mod lock_file;
mod options;
mod socket_file;

use std::{io, net::SocketAddr, path::Path, time::Duration};

use rpc_core::{Address, Credentials, Error, Peer, limits};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream, lookup_host},
    task::spawn_blocking,
};

pub use self::options::ListenOptions;
use self::socket_file::SocketFile;

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
///
/// The file of a Unix socket that [`Listener::bind`] made is removed when the listener is dropped, unless another file has
/// taken its place. One that is left by a server that was killed is replaced by the next one; one at which somebody listens is not, and neither is
/// anything that is no socket. [`ListenOptions`] sets the file's permissions.
#[derive(Debug)]
pub struct Listener {
    /// Removed when this is dropped; first, so that whoever finds nobody listening can take its place.
    _file: Option<SocketFile>,
    kind: Kind,
    /// Whether its address said `tls://`.
    is_tls: bool,
    options: TcpOptions,
}

/// What is set on the sockets of accepted TCP connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpOptions {
    /// Frames are written whole: there is nothing to wait for.
    pub(crate) nodelay: bool,
    /// After how long a silence the system itself asks whether the client's system is there.
    pub(crate) keepalive: Option<Duration>,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self { nodelay: true, keepalive: None }
    }
}

impl TcpOptions {
    /// A socket that is gone already fails at its first read.
    fn apply(self, stream: &TcpStream) {
        let _ = stream.set_nodelay(self.nodelay);
        // What the kernel holds unsent cannot be overtaken by what is small.
        #[cfg(any(target_os = "android", target_os = "linux"))]
        let _ = SockRef::from(stream).set_tcp_notsent_lowat(limits::UNSENT_IN_KERNEL);
        if let Some(idle) = self.keepalive {
            let keepalive = TcpKeepalive::new().with_time(idle).with_interval(idle);
            let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
        }
    }
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection of either kind.
pub(crate) enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream, Credentials),
}

impl Accepted {
    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Peer {
        match self {
            Self::Tcp(_, address) => Peer::Tcp(*address),
            Self::Unix(_, credentials) => Peer::Unix(*credentials),
        }
    }
}

impl Listener {
    /// Listens on an address, such as `tcp://127.0.0.1:0`, `tls://127.0.0.1:0` or `unix:///run/calc.sock`.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for what is not an address, `unavailable` where the system refuses, or where somebody listens there; both name the address.
    pub async fn bind(address: impl AsRef<str>) -> Result<Self, Error> {
        ListenOptions::new().bind(address).await
    }

    pub(crate) async fn bind_with(address: &str, options: ListenOptions) -> Result<Self, Error> {
        let address: Address = address.parse()?;
        let bound = match &address {
            Address::Tcp(host) => listen_on_tcp(host, options).await.map(Self::from),
            #[cfg(feature = "tls")]
            Address::Tls(host) => listen_on_tcp(host, options)
                .await
                .map(|listener| Self { is_tls: true, ..Self::from(listener) }),
            #[cfg(not(feature = "tls"))]
            Address::Tls(_) => {
                return Err(Error::invalid_argument(format!(
                    "cannot listen on {address}: this program was built without TLS; turn on the feature `tls` of the crate `rpc`"
                )));
            }
            Address::Unix(path) => listen_on_unix(path, options).await,
            _ => Err(io::ErrorKind::Unsupported.into()),
        };
        bound.map_err(|error| {
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
        match &self.kind {
            Kind::Tcp(listener) => {
                let host = listener.local_addr().map_err(unknown)?.to_string();
                Ok(if self.is_tls { Address::Tls(host) } else { Address::Tcp(host) })
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

    /// Says that TLS is spoken on it, which goes with TCP alone.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for a Unix socket.
    #[cfg(feature = "tls")]
    pub(crate) fn set_tls(&mut self, is_used: bool) -> Result<(), Error> {
        match (&self.kind, self.is_tls, is_used) {
            (Kind::Tcp(_), true, false) => Err(Error::invalid_argument(format!(
                "{} needs a certificate; set one with `tls` on the server",
                self.local_addr()?
            ))),
            (Kind::Unix(_), _, true) => Err(Error::invalid_argument(
                "`tls` was set on a server whose listener is a Unix socket, where nobody is between; leave it out",
            )),
            (Kind::Tcp(_), _, is_used) => {
                self.is_tls = is_used;
                Ok(())
            }
            (Kind::Unix(_), _, false) => Ok(()),
        }
    }

    /// Whether it is a Unix socket.
    pub(crate) fn is_unix(&self) -> bool {
        matches!(self.kind, Kind::Unix(_))
    }

    /// Sets what is set on each connection.
    pub(crate) fn set_options(&mut self, options: TcpOptions) {
        self.options = options;
    }

    /// The next connection.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost when the future is dropped.
    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        match &self.kind {
            Kind::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                self.options.apply(&stream);
                Ok(Accepted::Tcp(stream, address))
            }
            Kind::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                // A client whose credentials are not to be had is as good as gone.
                let gone = |_| io::Error::from(io::ErrorKind::ConnectionAborted);
                let credentials = stream.peer_cred().map_err(gone)?;
                let credentials =
                    Credentials::new(credentials.uid(), credentials.gid(), credentials.pid());
                Ok(Accepted::Unix(stream, credentials))
            }
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self {
            kind: Kind::Tcp(listener),
            _file: None,
            is_tls: false,
            options: TcpOptions::default(),
        }
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self {
            kind: Kind::Unix(listener),
            _file: None,
            is_tls: false,
            options: TcpOptions::default(),
        }
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

/// Listens on the first of a name's addresses that can be had.
async fn listen_on_tcp(host: &str, options: ListenOptions) -> io::Result<TcpListener> {
    let listen = |address: SocketAddr| {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Connections of a server that was here before may linger.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(options.queue().unsigned_abs())
    };
    let mut failure = None;
    for address in lookup_host(host).await? {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::other("its name has no address")))
}

async fn listen_on_unix(path: &Path, options: ListenOptions) -> io::Result<Listener> {
    let path = path.to_owned();
    let listening =
        spawn_blocking(move || socket_file::listen(&path, options.unix_mode, options.queue()));
    let (listener, file) = listening.await??;
    Ok(Listener { _file: Some(file), ..Listener::from(UnixListener::from_std(listener)?) })
}

fn unusable(error: io::Error) -> Error {
    Error::unavailable(format!("the listener cannot be used: {error}")).with_source(error)
}

/// How long to wait after an accept that failed: the system is short of something, and trying at once makes it worse.
pub(crate) fn pause_after_error(previous: Duration) -> Duration {
    (previous * 2).clamp(Duration::from_millis(5), Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::{Accepted, Duration, Listener, SockRef, TcpOptions, TcpStream};

    #[tokio::test]
    async fn accepted_sockets_have_the_options_of_their_server() {
        for (nodelay, keepalive) in [(true, None), (false, Some(Duration::from_secs(7)))] {
            let mut listener = Listener::bind("tcp://127.0.0.1:0").await.expect("a port is free");
            listener.set_options(TcpOptions { nodelay, keepalive });
            let address = listener.local_addr().expect("it is bound").to_string();
            let host = address.trim_start_matches("tcp://");
            let _client = TcpStream::connect(host).await.expect("it listens");
            let Accepted::Tcp(stream, _) = listener.accept().await.expect("it accepts") else {
                unreachable!("it listens on TCP")
            };
            assert_eq!(stream.nodelay().expect("it is open"), nodelay);
            let socket = SockRef::from(&stream);
            assert_eq!(socket.keepalive().expect("it is open"), keepalive.is_some());
            if let Some(idle) = keepalive {
                assert_eq!(socket.tcp_keepalive_time().expect("it is open"), idle);
            }
        }
    }
}
