//! How a connection opens: from the accepted socket to the task that serves it.
//!
//! ```text
//!   accepted ──▶ its address may connect ──▶ TLS ──▶ shared key ──▶ preface, hello ──▶ calls
//!                (connections.rs)            (this file)            (driver)
//! ```
//!
//! What must come is to come before one deadline, that of the handshake, and sooner where the server drains.

use bytes::BytesMut;
use rpc_core::{Error, Peer, Proof};
use tokio::time::Instant;

/// What is known of a connection before its client has introduced itself.
pub(crate) struct Opening {
    pub(crate) peer: Peer,
    /// What the client has proved.
    pub(crate) proof: Proof,
    /// Why nobody is served here; the client is told, once it has introduced itself.
    pub(crate) refusal: Option<Error>,
    /// Until when the client must have introduced itself.
    pub(crate) deadline: Instant,
    /// Whether the prefaces have been exchanged.
    pub(crate) has_preface: bool,
    /// What was read and not used.
    pub(crate) input: BytesMut,
}

impl Opening {
    /// That of a connection of which nothing was read.
    pub(crate) fn new(peer: Peer, refusal: Option<Error>, deadline: Instant) -> Self {
        Self {
            peer,
            proof: Proof::default(),
            refusal,
            deadline,
            has_preface: false,
            input: BytesMut::new(),
        }
    }
}
