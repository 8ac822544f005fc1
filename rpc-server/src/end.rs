//! Why a connection ended, as its task knows and logs say.

use std::fmt;

use rpc_core::Violation;

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The client closed it.
    Closed,
    /// It was drained: nothing is left to answer.
    Drained,
    /// Its preface and hello did not come in time.
    Handshake,
    /// There was no secure connection, for this reason.
    #[cfg(feature = "tls")]
    Tls(String),
    /// The transport failed.
    Transport,
    /// The client was silent, and did not answer a ping either.
    Silent,
    /// It was refused.
    Refused,
    /// The system had no random bytes for the challenge.
    #[cfg(feature = "auth")]
    NoRandomness,
    /// It was to end, and the calls that were left took too long.
    Overtime,
    /// The client broke the protocol.
    Violation(Violation),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the client closed it",
            Self::Drained => "it was drained",
            Self::Handshake => "preface and hello did not come in time",
            #[cfg(feature = "tls")]
            Self::Tls(reason) => return write!(f, "the TLS handshake failed: {reason}"),
            Self::Transport => "the transport failed",
            Self::Silent => "the client was silent, and did not answer a ping either",
            Self::Refused => "it was refused",
            #[cfg(feature = "auth")]
            Self::NoRandomness => "the system had no random bytes",
            Self::Overtime => "it was to end, and its calls took too long",
            Self::Violation(violation) => return violation.fmt(f),
        })
    }
}
