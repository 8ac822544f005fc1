//! Servers with keys, and who talks to them by hand.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rpc::{Channel, Error, Key, Keyring, Server, ShutdownHandle};
use rpc_core::{auth::client::Challenge, frame::preface};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    task::JoinHandle,
};

/// A hello that says nothing, in its frame.
pub(crate) const HELLO: [u8; 7] = [0, 0, 0, 3, 0x92, 14, 0x80];

/// A request for `Who.key`, in its frame.
pub(crate) const CALL: [u8; 16] = *b"\0\0\0\x0c\x94\0\x07\xa7Who.key\x90";

/// Who calls, as the server knows it.
#[rpc::service]
pub(crate) trait Who {
    /// The id of the caller's key.
    async fn key(&self, ctx: &rpc::Context) -> Option<String>;
}

struct Registry(Arc<AtomicUsize>);

impl Who for Registry {
    async fn key(&self, ctx: &rpc::Context) -> Option<String> {
        self.0.fetch_add(1, Ordering::Relaxed);
        ctx.key_id().map(str::to_owned)
    }
}

/// What carries the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Tcp,
    Unix,
}

/// Runs a test over TCP on one thread, and over a Unix socket on two. What hangs fails.
pub(crate) fn both(test: impl AsyncFn(Network)) {
    let mut one = tokio::runtime::Builder::new_current_thread();
    let mut two = tokio::runtime::Builder::new_multi_thread();
    two.worker_threads(2);
    for (network, builder) in [(Network::Tcp, &mut one), (Network::Unix, &mut two)] {
        let runtime = builder.enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let ended = tokio::time::timeout(Duration::from_secs(30), test(network)).await;
            ended.unwrap_or_else(|_| unreachable!("it hangs over {network:?}"));
        });
    }
}

/// A key whose secret is this byte 32 times.
pub(crate) fn key(id: &str, secret: u8) -> Key {
    Key::new(id, [secret; 32]).expect("a key")
}

pub(crate) fn ring(keys: impl IntoIterator<Item = Key>) -> Keyring {
    Keyring::new(keys).expect("each has an id of its own")
}

/// An address to listen on that nobody else uses.
pub(crate) fn free_address(network: Network) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if network == Network::Tcp {
        return "tcp://127.0.0.1:0".to_owned();
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("rpc-keys-{}-{number}", std::process::id());
    format!("unix://{}", std::env::temp_dir().join(name).display())
}

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: String,
    pub(crate) shutdown: ShutdownHandle,
    task: JoinHandle<Result<(), Error>>,
    calls: Arc<AtomicUsize>,
}

impl Running {
    /// One on a free address.
    pub(crate) async fn new(network: Network, configure: impl FnOnce(Server) -> Server) -> Self {
        Self::at(&free_address(network), configure).await
    }

    pub(crate) async fn at(address: &str, configure: impl FnOnce(Server) -> Server) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let server = configure(Server::bind(address).await.expect("it is free"));
        let address = server.local_addr().expect("it is bound").to_string();
        let shutdown = server.shutdown_handle();
        let dispatcher = WhoDispatcher::new(Registry(Arc::clone(&calls)));
        let task = tokio::spawn(server.serve(dispatcher));
        Self { address, shutdown, task, calls }
    }

    /// A client with a key, once it is connected.
    pub(crate) async fn client(&self, key: Key) -> Result<WhoClient, Error> {
        client(&self.address, key).await
    }

    /// How many calls have reached the handler.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) async fn stop(self) {
        self.shutdown.shutdown();
        self.ended().await;
    }

    pub(crate) async fn ended(self) {
        self.task.await.expect("it does not panic").expect("it ended in order");
    }
}

/// A client with a key, once it is connected.
pub(crate) async fn client(address: &str, key: Key) -> Result<WhoClient, Error> {
    Channel::builder(address).key(key).connect().await.map(WhoClient::new)
}

/// What a client without a key ends with: its first call does not succeed.
pub(crate) async fn keyless(address: &str) -> Error {
    WhoClient::new(Channel::builder(address).connect_lazy()).key().await.expect_err("it has no key")
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Listens, to answer by hand.
pub(crate) enum Doorway {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Doorway {
    pub(crate) async fn new(network: Network) -> Self {
        match free_address(network).split_once("://") {
            Some(("unix", path)) => {
                Self::Unix(UnixListener::bind(path).expect("it is free"), path.into())
            }
            _ => Self::Tcp(TcpListener::bind("127.0.0.1:0").await.expect("a port is free")),
        }
    }

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

impl Drop for Doorway {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // What is left there does not matter to any other test.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A connection that the test speaks by hand.
pub(crate) struct Wire(Box<dyn Stream>);

impl Wire {
    fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Box::new(stream))
    }

    pub(crate) async fn connect(address: &str) -> Self {
        match address.split_once("://") {
            Some(("tcp", host)) => Self::new(TcpStream::connect(host).await.expect("it listens")),
            Some((_, path)) => Self::new(UnixStream::connect(path).await.expect("it listens")),
            None => unreachable!("an address has a scheme"),
        }
    }

    /// Sends bytes as they are. That the other side has closed is learned by listening.
    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.flush().await;
    }

    /// So many bytes; `None` where the other side closes before.
    pub(crate) async fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).await.ok().map(|_| bytes)
    }

    /// The preface of this version.
    pub(crate) async fn preface(&mut self) {
        assert_eq!(self.bytes(8).await.as_deref(), Some(&preface(1, 0)[..]));
    }

    /// The next message, with its frame; `None` where the other side closes.
    pub(crate) async fn frame(&mut self) -> Option<Vec<u8>> {
        let mut frame = self.bytes(4).await?;
        let size = u32::from_be_bytes(*frame.first_chunk()?);
        frame.extend(self.bytes(usize::try_from(size).ok()?).await?);
        Some(frame)
    }

    /// The types of all messages until the other side closes, and the last message.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, Vec<u8>) {
        let (mut kinds, mut last) = (Vec::new(), Vec::new());
        while let Some(frame) = self.frame().await {
            kinds.push(frame[5]);
            last = frame;
        }
        (kinds, last)
    }
}

/// A client's end of the challenge that has said its first part, and what that was.
pub(crate) fn begin(key: Key) -> (Challenge, Vec<u8>) {
    let mut said = Vec::new();
    let challenge = Challenge::begin(key, [0xc1; 32], &mut said);
    (challenge, said)
}

/// A client to which the server has proved its key, and the client's own proof, which it has not sent.
pub(crate) async fn convinced(address: &str, key: Key) -> (Wire, Vec<u8>) {
    let (mut challenge, said) = begin(key);
    let mut wire = Wire::connect(address).await;
    wire.say(&said).await;
    let mut heard = wire.bytes(8).await.expect("a preface");
    heard.extend(wire.frame().await.expect("a challenge"));
    let mut proof = Vec::new();
    let is_sure = challenge.receive(&mut heard[..].into(), &mut proof);
    assert!(is_sure.expect("the server has the key"));
    (wire, proof)
}

/// A proof of 32 bytes, in its frame.
pub(crate) fn proof(tag: &[u8]) -> Vec<u8> {
    let mut frame = b"\0\0\0\x25\x93\x14\xc4\x20".to_vec();
    frame.extend_from_slice(tag);
    frame.push(0xc0);
    frame
}
