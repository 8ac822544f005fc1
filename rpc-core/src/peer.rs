//! Who is at the other end of a connection: where it came from, and what it has proved.
//!
//! A [`Peer`] is what the system says of a connection when it is accepted. A [`Certificate`] is what TLS has verified, a key's id what the
//! challenge has. All of it is known before the first call, and the same for every call of the connection.

use std::{fmt, net::SocketAddr, sync::Arc};

use bytes::Bytes;

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// A TCP connection from this address, with TLS or without.
    Tcp(SocketAddr),
    /// A Unix socket, of a process with these credentials.
    Unix(Credentials),
    /// A connection inside of this process, or one that the program brought itself.
    Local,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Unix(credentials) => write!(f, "unix ({credentials})"),
            Self::Local => f.write_str("local"),
        }
    }
}

/// Whose process is at the other end of a Unix socket, as the kernel recorded it when the process connected (unix(7), `SO_PEERCRED`).
///
/// They are the effective ids of that moment: a process that changes its user later, or hands its socket on, keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Credentials {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's group. Supplementary groups are not recorded.
    pub gid: u32,
    /// The number of the process, where the system records it; Linux does. Processes end, and their numbers are used again: it is for logs.
    pub pid: Option<i32>,
}

impl Credentials {
    /// Those of a process.
    pub const fn new(uid: u32, gid: u32, pid: Option<i32>) -> Self {
        Self { uid, gid, pid }
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}, gid {}", self.uid, self.gid)?;
        match self.pid {
            Some(pid) => write!(f, ", pid {pid}"),
            None => Ok(()),
        }
    }
}

/// What TLS has verified of the other end: its certificate, which leads to a root that this end trusts.
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate(Arc<Verified>);

#[derive(PartialEq, Eq)]
struct Verified {
    subject: String,
    names: Vec<String>,
    fingerprint: [u8; 32],
    der: Bytes,
}

impl Certificate {
    /// What was verified; for the runtime alone.
    #[doc(hidden)]
    pub fn new(subject: String, names: Vec<String>, fingerprint: [u8; 32], der: Bytes) -> Self {
        Self(Arc::new(Verified { subject, names, fingerprint, der }))
    }

    /// The subject's distinguished name, as RFC 4514 writes it, such as `CN=worker-7,O=Example`. Empty where the certificate has none.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The names that the certificate is for (its subject alternative names), each with its kind in front: `DNS:calc.internal`, `IP:192.0.2.1`,
    /// `URI:spiffe://example/worker`, `email:a@example.org`. Kinds that are not these four are left out.
    pub fn names(&self) -> &[String] {
        &self.0.names
    }

    /// The SHA-256 of the certificate's DER, which names this very certificate and no other.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.0.fingerprint
    }

    /// The certificate itself, in DER.
    pub fn der(&self) -> &Bytes {
        &self.0.der
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fingerprint: String =
            self.0.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
        f.debug_struct("Certificate")
            .field("subject", &self.0.subject)
            .field("names", &self.0.names)
            .field("fingerprint", &fingerprint)
            .finish_non_exhaustive()
    }
}

/// What a connection has proved of its client, besides where it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proof {
    /// The client's certificate, where TLS asked for one and there was one.
    pub certificate: Option<Certificate>,
    /// The id of the shared key that the client has.
    pub key_id: Option<Arc<str>>,
}
