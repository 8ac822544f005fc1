//! The channel: a cheap handle to one server, with the options that its calls begin with.

use std::{fmt, future::poll_fn, sync::Arc, task::Poll, time::Duration};

use rpc_core::{
    Address, Error, Metadata, Structs,
    buffer::take_buffer,
    connection::client::{Config, Connection, Outgoing},
    description::Method,
    limits, msgpack,
    value::Encoder,
};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    call::Prepared,
    driver::{Connector, Driver},
    shared::{Shared, Status},
    transport::Transport,
};

/// A handle to a server. Cheap to clone; all clones, and the stubs made from them, share one connection.
///
/// Calls share the connection without waiting for each other. When the last handle and the last call are gone, the connection
/// is closed. When a connection is lost, its calls fail at once, and the next call makes a new one. When a server says that it goes away,
/// calls that it has not started move on to the next connection.
///
/// ```no_run
/// # async fn example() -> Result<(), rpc_core::Error> {
/// use std::time::Duration;
///
/// use rpc_client::Channel;
///
/// let channel = Channel::connect("tcp://127.0.0.1:7000").await?;
/// // Another handle to the same connection, whose calls begin with other options.
/// let impatient = channel.clone().timeout(Duration::from_millis(100)).metadata("tenant", "a");
/// # Ok(())
/// # }
/// ```
///
/// The options of a handle ([`timeout`](Self::timeout), [`metadata`](Self::metadata)) are its own, not its clones'.
#[derive(Clone)]
pub struct Channel(Arc<Options>);

/// A channel, and what the calls that are made through one handle begin with.
#[derive(Clone)]
pub(crate) struct Options {
    handle: Arc<Handle>,
    pub(crate) timeout: Duration,
    metadata: Option<Arc<Metadata>>,
    structs: Structs,
}

impl Options {
    pub(crate) fn shared(&self) -> &Shared {
        &self.handle.0
    }
}

/// What all handles and calls of a channel hold; when the last is dropped, the channel's task ends.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().is_abandoned = true;
        self.0.wake();
    }
}

impl Channel {
    /// Connects to an address, such as `tcp://127.0.0.1:7000` or `unix:///run/calc.sock`, and waits for the server to
    /// introduce itself.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for what is not an address; `unavailable`, which names the address, where nobody answers within
    /// 10 s; `internal` where whoever answers breaks the protocol.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt.
    pub async fn connect(address: impl AsRef<str>) -> Result<Self, Error> {
        Self::builder(address).connect().await
    }

    /// A channel to an address, with options.
    pub fn builder(address: impl AsRef<str>) -> ChannelBuilder {
        ChannelBuilder::new(address.as_ref().parse())
    }

    /// A channel over a stream that the program brings, such as a pipe. There is no second one when it is lost.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn from_stream(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let transport = Transport::Stream(Box::new(stream));
        let builder = ChannelBuilder::new(Err(Error::unavailable("there is no address")));
        let channel = builder.start(Connector::Once(Some(transport)));
        // The other end is there already, and waits for an introduction only so long.
        let shared = channel.0.shared();
        shared.lock().is_wanted = true;
        shared.wake();
        channel
    }

    /// A handle whose calls have this timeout instead of 30 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        Arc::make_mut(&mut self.0).timeout = timeout;
        self
    }

    /// A handle whose calls send this key and text along.
    #[must_use]
    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        let options = Arc::make_mut(&mut self.0);
        Arc::make_mut(options.metadata.get_or_insert_default()).insert(key, value);
        self
    }

    /// Begins a call; what the generated stub uses.
    #[doc(hidden)]
    pub fn prepare(&self, name: &'static str, method: &'static Method) -> Prepared {
        let mut arguments = Encoder::with_buffer(take_buffer(), self.0.structs);
        let count = u32::try_from(method.arguments.len()).unwrap_or(u32::MAX);
        msgpack::write_array_len(arguments.buffer(), count);
        let metadata = self.0.metadata.clone();
        let outgoing = Outgoing { method: name, arguments, metadata, oneway: method.oneway };
        Prepared::new(Arc::clone(&self.0), outgoing)
    }

    /// Waits until the server has introduced itself, or the attempt failed.
    async fn opened(self) -> Result<Self, Error> {
        let shared = self.0.shared();
        shared.lock().is_wanted = true;
        shared.wake();
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            let mut state = shared.lock();
            match &state.status {
                Status::Open => Poll::Ready(Ok(())),
                Status::Failed(error) => Poll::Ready(Err(error.clone())),
                Status::Idle | Status::Connecting => {
                    if !state.watchers.iter().any(|watcher| watcher.will_wake(&waker)) {
                        state.watchers.push(waker);
                    }
                    Poll::Pending
                }
            }
        })
        .await?;
        Ok(self)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("timeout", &self.0.timeout)
            .field("metadata", &self.0.metadata)
            .finish_non_exhaustive()
    }
}

/// The options of a channel that is to be made.
///
/// ```no_run
/// # async fn example() -> Result<(), rpc_core::Error> {
/// use rpc_client::Channel;
///
/// let eager = Channel::builder("unix:///run/calc.sock").max_message_size(64 << 20).connect().await?;
/// let lazy = Channel::builder("tcp://calc.internal:7000").connect_lazy();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it connects"]
pub struct ChannelBuilder {
    address: Result<Address, Error>,
    max_message_size: usize,
    timeout: Duration,
    connect_timeout: Duration,
    structs: Structs,
}

impl ChannelBuilder {
    fn new(address: Result<Address, Error>) -> Self {
        Self {
            address,
            max_message_size: limits::MAX_MESSAGE_SIZE,
            timeout: limits::CALL_TIMEOUT,
            connect_timeout: limits::CONNECT_TIMEOUT,
            structs: Structs::Named,
        }
    }

    /// Sets the largest answer that is accepted, in bytes; 16 MiB by default, from 64 KiB to 1 GiB.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// Sets the timeout of calls that set none; 30 s by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(limits::MAX_TIMEOUT);
        self
    }

    /// Sets how long one attempt to connect may take, up to the server's introduction; 10 s by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout.min(limits::MAX_TIMEOUT);
        self
    }

    /// Writes structs as arrays of their fields, in both directions: smaller and faster, but both ends must be built from
    /// the same definition, because fields that were reordered are swapped silently.
    pub fn compact_structs(mut self) -> Self {
        self.structs = Structs::Compact;
        self
    }

    /// Connects, and waits for the server to introduce itself.
    ///
    /// # Errors
    ///
    /// Those of [`Channel::connect`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt.
    pub async fn connect(self) -> Result<Channel, Error> {
        let address = self.address.clone()?;
        self.start(Connector::Address(address)).opened().await
    }

    /// A channel that connects at its first call. What is wrong with the address fails the calls.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn connect_lazy(self) -> Channel {
        let connector = Connector::from(self.address.clone());
        self.start(connector)
    }

    fn start(self, connector: Connector) -> Channel {
        let config = Config::new(self.max_message_size, Some(self.timeout), self.structs);
        let shared = Arc::new(Shared::new(Connection::new(config)));
        let driver = Driver::new(
            Arc::clone(&shared),
            connector,
            config.max_message_size,
            self.connect_timeout,
        );
        tokio::spawn(driver);
        Channel(Arc::new(Options {
            handle: Arc::new(Handle(shared)),
            timeout: self.timeout,
            metadata: None,
            structs: self.structs,
        }))
    }
}
