//! TLS for both ends: what a program configures, and what is said of a handshake that failed.
//!
//! [`ServerTls`] and [`ClientTls`] are handles to a configuration that may be exchanged while connections are served. Both are built from PEM;
//! what is wrong with it is told at once, with the file's name. Neither is a socket: the drivers of both ends hold the handshake, and ask here
//! for the configuration of the next one.
//!
//! | file | what is there |
//! |---|---|
//! | `pem.rs` | certificates, keys and revocation lists, out of files or memory |
//! | `server.rs`, `client.rs` | the two handles |
//! | `verifier.rs` | the client's check of the server's certificate |
//! | `certificate.rs` | what is to be known of a certificate |
//! | `words.rs` | errors of the handshake, for a person |
//!
//! The provider of cryptography is always named; none is installed for the process. TLS 1.2 has to be asked for. Nothing here switches the
//! verification of certificates off.

mod certificate;
mod client;
mod pem;
mod server;
mod verifier;
mod words;

use std::sync::Arc;

use rustls::{
    SupportedProtocolVersion,
    crypto::CryptoProvider,
    version::{TLS12, TLS13},
};

pub use client::ClientTls;
pub use server::{Current, ServerTls};
pub use words::{Unsecured, failed_at_client, failed_at_server, refused_by_server};

/// What both ends call the protocol inside of TLS (PROTOCOL 13.3, RFC 7301).
pub const ALPN: &[u8] = b"rpc/1";

/// Whose implementation of TLS's cryptography is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// ring.
    #[default]
    Ring,
    /// AWS-LC, with the feature `tls-aws-lc-rs`.
    #[cfg(feature = "tls-aws-lc-rs")]
    AwsLcRs,
}

impl Provider {
    /// All that are compiled in.
    const ALL: &[Self] = &[
        Self::Ring,
        #[cfg(feature = "tls-aws-lc-rs")]
        Self::AwsLcRs,
    ];

    fn crypto(self) -> Arc<CryptoProvider> {
        Arc::new(match self {
            Self::Ring => rustls::crypto::ring::default_provider(),
            #[cfg(feature = "tls-aws-lc-rs")]
            Self::AwsLcRs => rustls::crypto::aws_lc_rs::default_provider(),
        })
    }
}

/// The versions that are spoken.
#[derive(Clone, Copy, Debug, Default)]
enum Versions {
    #[default]
    Only13,
    From12,
}

impl Versions {
    fn list(self) -> &'static [&'static SupportedProtocolVersion] {
        static ALL: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::Only13 => &ALL[..1],
            Self::From12 => &ALL,
        }
    }
}

#[cfg(test)]
mod tests;
