//! The options of a channel, and the beginning of its task.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::Duration,
};

use rpc_core::{
    Address, Backoff, Error, Structs,
    connection::client::{self, Config},
    limits,
};

use crate::{
    channel::Channel,
    dialler::Dialler,
    driver::{Connector, Driver},
    shared::Shared,
    transport::TcpOptions,
};

/// The options of a channel that is to be made.
///
/// ```no_run
/// # async fn example() -> Result<(), rpc_core::Error> {
/// use std::time::Duration;
///
/// use rpc_client::Channel;
///
/// let eager = Channel::builder("unix:///run/calc.sock").max_message_size(64 << 20).connect().await?;
/// let lazy = Channel::builder("tcp://calc.internal:7000")
///     .wait_for_connection(Duration::from_secs(30))
///     .connect_lazy();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it connects"]
pub struct ChannelBuilder {
    address: Result<Address, Error>,
    timeout: Duration,
    max_metadata_size: usize,
    config: Config,
    tcp: TcpOptions,
}

impl ChannelBuilder {
    pub(crate) fn new(address: Result<Address, Error>) -> Self {
        Self {
            address,
            timeout: limits::CALL_TIMEOUT,
            max_metadata_size: limits::MAX_METADATA_SIZE,
            config: Config::default(),
            tcp: TcpOptions { nodelay: true, keepalive: None },
        }
    }

    /// Sets the largest answer that is accepted, in bytes; 16 MiB by default, from 64 KiB to 1 GiB.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.config.max_message_size = bytes;
        self
    }

    /// Sets the largest metadata that a call may carry, and that is taken with a response, in bytes; 8 KiB by default, at most 32 KiB. The
    /// server has a limit of its own.
    pub fn max_metadata_size(mut self, bytes: usize) -> Self {
        self.max_metadata_size = bytes.min(limits::LARGEST_METADATA);
        self
    }

    /// Sets how deep arrays and maps may nest in an answer; 128 levels by default, which is also the most.
    pub fn max_nesting(mut self, levels: u8) -> Self {
        self.config.max_nesting = levels;
        self
    }

    /// Sets the timeout of calls that set none; 30 s by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(limits::MAX_TIMEOUT);
        self
    }

    /// Sets how long one attempt to connect may take, up to the server's introduction; 10 s by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// Sets how long a call may wait while there is no connection, within its timeout; 5 s by default.
    ///
    /// It ends with the error of the last attempt to connect then, and is marked as not started. With zero, a call fails with the
    /// first attempt that fails after it was made, and at once while the next attempt waits; with [`Duration::MAX`] it waits until
    /// its deadline. A failure that would only repeat itself, such as a wrong address or another protocol, is told at once in any case.
    pub fn wait_for_connection(mut self, wait: Duration) -> Self {
        self.config.wait_for_connection = wait;
        self
    }

    /// Sets the pauses between attempts to connect; from 10 ms, doubling, to 5 s by default, each shortened at random by up to
    /// its half. The first answer to any call makes them short again. There is no pause after the loss of a connection that
    /// served calls.
    pub fn reconnect_backoff(mut self, backoff: Backoff) -> Self {
        self.config.reconnect_backoff = backoff;
        self
    }

    /// Sets the pauses before a call is repeated; from 10 ms, doubling, to 1 s by default, each shortened at random by up to its
    /// half. Where the server asks for a longer one, that is kept.
    pub fn retry_backoff(mut self, backoff: Backoff) -> Self {
        self.config.retry_backoff = backoff;
        self
    }

    /// Sets how often a call may be sent in all, where it may be repeated; 4 times by default, at least once.
    ///
    /// Repeated are calls that a server refused for want of room, and calls of methods marked `#[rpc(idempotent)]` that failed with
    /// `unavailable` or whose error asks for it. What was certainly not started because the server goes away, or never written, is
    /// sent again without being counted.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.config.max_attempts = attempts;
        self
    }

    /// Sets how many calls may be repeated: so many of a hundred that are made, and so many a second besides; 20 and 10 by default.
    ///
    /// Up to 1,000 can be saved up, of which a new channel has ten seconds' worth.
    pub fn retry_budget(mut self, percent: u32, per_second: u32) -> Self {
        self.config.retry_percent = percent;
        self.config.retries_per_second = per_second;
        self
    }

    /// Sets how long the server may be silent before it is asked whether it is there; 20 s by default. [`Duration::MAX`]: it is
    /// never asked. A server that wants to be asked more rarely says so, and is obeyed.
    pub fn keepalive_idle(mut self, idle: Duration) -> Self {
        self.config.keepalive_idle = idle;
        self
    }

    /// Sets how long the server may be silent after it was asked, before the connection counts as lost; 10 s by default.
    pub fn keepalive_timeout(mut self, timeout: Duration) -> Self {
        self.config.keepalive_timeout = timeout;
        self
    }

    /// Sets how many bytes of a stream's items may be under way or untaken; 256 KiB by default, at most 1 GiB.
    ///
    /// It bounds what a stream costs whose consumer stops, and what it can move within a round trip. An item larger than half of it
    /// passes all the same.
    pub fn stream_window(mut self, bytes: usize) -> Self {
        self.config.stream_window = bytes;
        self
    }

    /// Sets the same for all streams of a connection together; 16 MiB by default, at most 1 GiB.
    pub fn connection_window(mut self, bytes: usize) -> Self {
        self.config.connection_window = bytes;
        self
    }

    /// Sets how many bytes of large messages are sent ahead of what the other end has read; 2 MiB by default.
    ///
    /// What is small waits behind them: 2 ms at 1 GB/s. A large message moves at most so many within a round trip.
    pub fn parts_ahead(mut self, bytes: usize) -> Self {
        self.config.parts_ahead = bytes;
        self
    }

    /// Sets how many bytes may be unsent before further calls wait for their turn; 1 MiB by default.
    pub fn write_high_water(mut self, bytes: usize) -> Self {
        self.config.write_high_water = bytes;
        self
    }

    /// Lets the system's own TCP ask a silent peer, after this idle time and in this interval; off by default, because the
    /// connection's own pings do more: they notice a process that hangs, not only a machine that is gone.
    pub fn tcp_keepalive(mut self, idle: Duration) -> Self {
        let (shortest, longest) = limits::TCP_KEEPALIVE.into_inner();
        self.tcp.keepalive = Some(idle.clamp(shortest, longest));
        self
    }

    /// Sets whether TCP sends small pieces at once (`TCP_NODELAY`); on by default.
    pub fn tcp_nodelay(mut self, nodelay: bool) -> Self {
        self.tcp.nodelay = nodelay;
        self
    }

    /// Writes structs as arrays of their fields, in both directions: smaller and faster, but both ends must be built from
    /// the same definition, because fields that were reordered are swapped silently.
    pub fn compact_structs(mut self) -> Self {
        self.config.structs = Structs::Compact;
        self
    }

    /// Connects, and waits for the server to introduce itself. The first attempt that fails is the end of it.
    ///
    /// # Errors
    ///
    /// Those of [`Channel::connect`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt.
    pub async fn connect(self) -> Result<Channel, Error> {
        let dialler = self.dialler()?;
        self.start(Connector::Address(dialler)).opened().await
    }

    /// A channel that connects at its first call. What is wrong with the address fails the calls.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn connect_lazy(self) -> Channel {
        let connector = self.dialler().map_or_else(Connector::Nowhere, Connector::Address);
        self.start(connector)
    }

    /// # Errors
    ///
    /// What is wrong with the address, or does not go with it.
    fn dialler(&self) -> Result<Dialler, Error> {
        Ok(Dialler { address: self.address.clone()?, tcp: self.tcp })
    }

    pub(crate) fn start(self, connector: Connector) -> Channel {
        let config = Config {
            default_timeout: Some(self.timeout),
            max_metadata_size: self.max_metadata_size,
            ..self.config
        }
        .clamped();
        // Pauses are drawn from what the system has of randomness, so that no two clients come back together.
        let seed = RandomState::new().build_hasher().finish();
        let machine = client::Channel::new(config, seed);
        let shared = Arc::new(Shared::new(machine, self.max_metadata_size));
        tokio::spawn(Driver::new(Arc::clone(&shared), connector, config));
        Channel::new(shared, self.timeout, config.structs)
    }
}
