//! A place to listen at that nobody else uses: a port that the system chose, or a socket in a directory of its own.

use std::{
    fs,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::Wire;

/// What carries the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Tcp,
    Unix,
}

/// A place, whose directory goes with it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) network: Network,
    directory: Option<PathBuf>,
}

impl Place {
    pub(crate) fn new(network: Network) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let directory = (network == Network::Unix).then(|| {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let directory = std::env::temp_dir().join(format!("rpc-{}-{number}", process::id()));
            fs::create_dir(&directory).expect("the directory is new");
            directory
        });
        Self { network, directory }
    }

    /// The path of the socket, where there is one.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join("socket"))
    }

    /// The address to listen on.
    pub(crate) fn address(&self) -> String {
        match self.path() {
            Some(path) => format!("unix://{}", path.display()),
            None => "tcp://127.0.0.1:0".to_owned(),
        }
    }

    /// Listens, to answer by hand.
    pub(crate) async fn listen(&self) -> Doorway {
        match self.path() {
            Some(path) => Doorway::Unix(UnixListener::bind(&path).expect("the path is free"), path),
            None => Doorway::Tcp(TcpListener::bind("127.0.0.1:0").await.expect("a port is free")),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory {
            // What is left there does not matter to any other test.
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// A listener whose connections are answered by hand.
#[derive(Debug)]
pub(crate) enum Doorway {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Doorway {
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                format!("tcp://{}", listener.local_addr().expect("it is bound"))
            }
            Self::Unix(_, path) => format!("unix://{}", path.display()),
        }
    }

    pub(crate) async fn accept(&self) -> Wire {
        match self {
            Self::Tcp(listener) => Wire::new(listener.accept().await.expect("it accepts").0),
            Self::Unix(listener, _) => Wire::new(listener.accept().await.expect("it accepts").0),
        }
    }
}

/// Connects, to ask by hand.
pub(crate) async fn connect(address: &str) -> Wire {
    match address.split_once("://") {
        Some(("tcp", host)) => Wire::new(TcpStream::connect(host).await.expect("it listens")),
        Some((_, path)) => Wire::new(UnixStream::connect(path).await.expect("it listens")),
        None => unreachable!("an address has a scheme"),
    }
}
