//! The channel: a cheap handle to one server, with the options that its calls begin with.

use std::{fmt, sync::Arc, time::Duration};

use rpc_core::{
    Error, Metadata, Structs, buffer::take_buffer, connection::client::Outgoing,
    description::Method, msgpack, value::Encoder,
};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    builder::ChannelBuilder,
    call::Prepared,
    driver::Connector,
    shared::Shared,
    state::{ChannelState, StateWatch},
    transport::Transport,
};

/// Arguments have so many bytes at most, usually.
const USUAL_ARGUMENTS: usize = 64;

/// A handle to a server. Cheap to clone; all clones, and the stubs made from them, share one connection.
///
/// Calls share the connection without waiting for each other. When the last handle and the last call are gone, the connection
/// is closed.
///
/// When a connection is lost, the next call makes a new one, after a pause if the last attempts failed. A call that was never
/// written waits for it, up to [5 s](ChannelBuilder::wait_for_connection) and within its deadline. A call that the server may have run
/// fails with `unavailable`, which says so; if its method is marked `#[rpc(idempotent)]`, it is sent again, as often as the
/// [attempts](ChannelBuilder::max_attempts) and the [budget](ChannelBuilder::retry_budget) allow. When a server says that it goes away, new calls
/// and those that it has not started go to a new connection at once, while the old one finishes the others.
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
    /// Connects to an address, such as `tcp://127.0.0.1:7000`, `tls://calc.example:7443` or `unix:///run/calc.sock`, and waits for the server
    /// to introduce itself.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for what is not an address; `unavailable`, which names the address, where nobody answers within
    /// 10 s; `internal` where whoever answers breaks the protocol; with TLS, `unauthenticated` where a certificate is not accepted.
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
        channel.0.shared().want_connection();
        channel
    }

    pub(crate) fn new(shared: Arc<Shared>, timeout: Duration, structs: Structs) -> Self {
        let handle = Arc::new(Handle(shared));
        Self(Arc::new(Options { handle, timeout, metadata: None, structs }))
    }

    /// How far the channel is with its connection.
    pub fn state(&self) -> ChannelState {
        self.0.shared().status.borrow().state
    }

    /// Follows [`state`](Self::state).
    ///
    /// ```no_run
    /// # async fn example(channel: rpc_client::Channel) {
    /// use rpc_client::ChannelState;
    ///
    /// let mut watch = channel.watch();
    /// while watch.changed().await != ChannelState::Closed {
    ///     println!("the channel is {:?}: {:?}", watch.state(), watch.last_error());
    /// }
    /// # }
    /// ```
    pub fn watch(&self) -> StateWatch {
        StateWatch::new(self.0.shared().status.subscribe())
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
        let mut arguments = self.encoder();
        let count = u32::try_from(method.arguments.len()).unwrap_or(u32::MAX);
        msgpack::write_array_len(arguments.buffer(), count);
        self.begin(Outgoing {
            method: name.into(),
            arguments,
            metadata: self.0.metadata.clone(),
            oneway: method.oneway,
            idempotent: method.idempotent,
            streams: method.streams.is_some(),
            takes: method.takes.is_some(),
            opens_only: false,
            wants_metadata: false,
            attempts_before: 0,
        })
    }

    /// What takes the arguments of a call.
    #[inline]
    pub(crate) fn encoder(&self) -> Encoder {
        let mut buffer = take_buffer();
        // A new one would grow to the usual size in steps.
        buffer.reserve(USUAL_ARGUMENTS);
        Encoder::with_buffer(buffer, self.0.structs)
    }

    #[inline]
    pub(crate) fn begin(&self, outgoing: Outgoing) -> Prepared {
        Prepared::new(Arc::clone(&self.0), outgoing)
    }

    pub(crate) fn shared_metadata(&self) -> Option<Arc<Metadata>> {
        self.0.metadata.clone()
    }

    /// Waits until the server has introduced itself, or the attempt failed.
    pub(crate) async fn opened(self) -> Result<Self, Error> {
        let shared = self.0.shared();
        let mut status = shared.status.subscribe();
        let failures = status.borrow().failures;
        shared.want_connection();
        let ended = status
            .wait_for(|status| {
                let is_over = matches!(status.state, ChannelState::Ready | ChannelState::Closed);
                is_over || status.failures > failures
            })
            .await
            .map(
                |status| {
                    if status.state == ChannelState::Ready { None } else { status.error.clone() }
                },
            );
        match ended {
            Ok(None) => Ok(self),
            Ok(Some(error)) => Err(error),
            // The channel itself holds the sender.
            Err(_) => Err(Error::internal("the channel is gone while it connects")),
        }
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
