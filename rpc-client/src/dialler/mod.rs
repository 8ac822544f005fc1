//! How a channel gets a connection: where to, and what happens on the socket before the protocol's own machine has it.
//!
//! ```text
//!   look up, connect ──▶ TLS ──▶ shared key ──▶ the connection's machine: preface, hello, calls
//! ```
//!
//! All of it is one attempt, which the channel bounds with its `connect_timeout`. An attempt that failed says whether the next one would
//! fail for the same reason.

#[cfg(feature = "auth")]
mod challenge;
#[cfg(feature = "tls")]
mod tls;

use rpc_core::{Address, Error, connection::client::Outlook};

#[cfg(feature = "auth")]
use self::challenge::challenge;
use crate::transport::{TcpOptions, Transport};

/// Where a channel connects to, and how.
#[derive(Clone, Debug)]
pub(crate) struct Dialler {
    pub(crate) address: Address,
    pub(crate) tcp: TcpOptions,
    /// There for the addresses with TLS.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<rpc_core::tls::ClientTls>,
    /// What is proved to the server, and by it.
    #[cfg(feature = "auth")]
    pub(crate) key: Option<rpc_core::auth::Key>,
}

/// A connection whose machine has not begun.
pub(crate) struct Dialled {
    pub(crate) transport: Transport,
    /// Whether the prefaces have been exchanged.
    pub(crate) has_preface: bool,
}

impl From<Transport> for Dialled {
    fn from(transport: Transport) -> Self {
        Self { transport, has_preface: false }
    }
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(crate) struct Undialled {
    pub(crate) error: Error,
    /// Whether the next attempt would fail for the same reason.
    pub(crate) outlook: Outlook,
}

impl Undialled {
    /// The next attempt would fail for the same reason.
    pub(crate) fn hopeless(error: Error) -> Self {
        Self { error, outlook: Outlook::Hopeless }
    }
}

impl From<Error> for Undialled {
    fn from(error: Error) -> Self {
        Self { error, outlook: Outlook::Open }
    }
}

impl Dialler {
    /// One attempt, whatever the address: who has a key goes on with nobody who has not proved it.
    pub(crate) async fn attempt(&self) -> Result<Dialled, Undialled> {
        let dialled = self.dial().await?;
        #[cfg(feature = "auth")]
        if let Some(key) = &self.key {
            return challenge(dialled, key).await;
        }
        Ok(dialled)
    }

    /// What the connection's bytes go through.
    async fn dial(&self) -> Result<Dialled, Undialled> {
        #[cfg(feature = "tls")]
        if let (Address::Tls(host), Some(tls)) = (&self.address, &self.tls) {
            return tls::dial(host, &self.address, self.tcp, tls).await.map(Dialled::from);
        }
        let transport = Transport::connect(&self.address, self.tcp).await?;
        Ok(transport.into())
    }
}
