//! The options of a channel, and the beginning of its task.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::Duration,
};

#[cfg(feature = "tls")]
use rpc_core::tls::ClientTls;
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
    tokens::{Source, TokenSource, Tokens},
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
    #[cfg(feature = "tls")]
    tls: Option<ClientTls>,
    #[cfg(feature = "auth")]
    key: Option<rpc_core::auth::Key>,
    tokens: Option<Source>,
    allows_plaintext_tokens: bool,
}

impl ChannelBuilder {
    pub(crate) fn new(address: Result<Address, Error>) -> Self {
        Self {
            address,
            timeout: limits::CALL_TIMEOUT,
            max_metadata_size: limits::MAX_METADATA_SIZE,
            config: Config::default(),
            tcp: TcpOptions { nodelay: true, keepalive: None },
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "auth")]
            key: None,
            tokens: None,
            allows_plaintext_tokens: false,
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

    /// Sets whom a channel to a `tls://` address trusts, and the certificate that it shows; the authorities of the system and none by default.
    /// Channels that share one resume each other's sessions.
    ///
    /// With an address of another kind it is an error, `invalid_argument`: nobody is to believe in vain that a connection is secure.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Writes structs as arrays of their fields, in both directions: smaller and faster, but both ends must be built from
    /// the same definition, because fields that were reordered are swapped silently.
    pub fn compact_structs(mut self) -> Self {
        self.config.structs = Structs::Compact;
        self
    }

    /// Has both ends prove to each other that they have this key, before any call is sent. It costs each connection a round trip more.
    ///
    /// A server that cannot prove it is not talked to, one that asks for no key included: the calls fail with `unauthenticated`. It says who
    /// is there. It does not encrypt or protect what follows: over plain TCP it is for networks whose lines nobody taps or alters.
    #[cfg(feature = "auth")]
    pub fn key(mut self, key: rpc_core::auth::Key) -> Self {
        self.key = Some(key);
        self
    }

    /// Lets the channel's calls take a bearer token along, as `authorization: Bearer …` in their metadata: a [`Token`](crate::Token) that is
    /// always the same, or a source that gets one, such as a closure that returns a future of it.
    ///
    /// One token serves all calls until 10 s before it expires, or a tenth of its life, if that is shorter. The calls that need the next one wait for it,
    /// within their deadlines, and share it; dropping one of them does not disturb the others. A call that the server refuses with `unauthenticated`, and
    /// did not start, is sent once more with another token, if the source has another one; ten times within 10 s, so that a server which refuses all of them is not asked without end. That is not done for what may have run, and not for a call whose
    /// stream has begun to be sent. A source that fails ends the calls that wait with its error, which names it and is marked as
    /// [not started](Error::is_not_started).
    ///
    /// A call or a handle that sets `authorization` in its [metadata](crate::Call::metadata) keeps that, and takes no token. A handler's own calls do not pass
    /// on the token that it was called with: give the channel that they are made on a source.
    ///
    /// Tokens are not sent in the clear: with an address that is not [private](Address::is_private), such as `tcp://` to another machine, the channel does
    /// not connect, and fails with `failed_precondition`; see [`allow_plaintext_tokens`](Self::allow_plaintext_tokens).
    pub fn token(mut self, source: impl TokenSource) -> Self {
        self.tokens = Some(Source::new(source));
        self
    }

    /// Lets tokens be sent over `tcp://` to other machines, where whoever is on the way can read and use them. For networks that are protected by other
    /// means.
    pub fn allow_plaintext_tokens(mut self) -> Self {
        self.allows_plaintext_tokens = true;
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
        let address = self.address.clone()?;
        if self.tokens.is_some() && !self.allows_plaintext_tokens && !address.is_private() {
            return Err(Error::failed_precondition(format!(
                "the channel's token would go to {address} in the clear: use tls:// or a Unix socket, or set `allow_plaintext_tokens` on the channel's builder"
            )));
        }
        #[cfg(feature = "tls")]
        let tls = match (&address, &self.tls) {
            (Address::Tls(_), tls) => Some(tls.clone().unwrap_or_default()),
            (_, None) => None,
            (_, Some(_)) => {
                return Err(Error::invalid_argument(format!(
                    "`tls` was set on a channel to {address}, which is not secure; connect to tls://host:port, or leave it out"
                )));
            }
        };
        #[cfg(not(feature = "tls"))]
        if let Address::Tls(_) = address {
            return Err(Error::invalid_argument(format!(
                "cannot connect to {address}: this program was built without TLS; turn on the feature `tls` of the crate `rpc`"
            )));
        }
        Ok(Dialler {
            address,
            tcp: self.tcp,
            #[cfg(feature = "tls")]
            tls,
            #[cfg(feature = "auth")]
            key: self.key.clone(),
        })
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
        // Where there is nobody to send a token to, none is asked for.
        let tokens = self.tokens.filter(|_| !matches!(connector, Connector::Nowhere(_)));
        let tokens = tokens.map(Tokens::new);
        let shared = Arc::new(Shared::new(machine, self.max_metadata_size, tokens));
        tokio::spawn(Driver::new(Arc::clone(&shared), connector, config));
        Channel::new(shared, self.timeout, config.structs)
    }
}
