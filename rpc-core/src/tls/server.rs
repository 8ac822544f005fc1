//! TLS at a server: its certificate, and what it wants of its clients.
//!
//! The handle is shared by its clones and the server that it was given to: what it holds can be exchanged while the server runs. A handshake
//! takes what is current when its connection is accepted. Every exchange begins new tickets and sessions, so a session that began under the
//! old configuration is not resumed under the new one.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use rustls::{
    HandshakeKind, ServerConfig, ServerConnection,
    pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime},
    server::{ServerSessionMemoryCache, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::SingleCertAndKey,
};

use super::{
    ALPN, Provider, Versions, certificate,
    pem::{self, Identity, Listed, Source},
    words,
};
use crate::{Certificate, Error};

/// So many sessions of TLS 1.2 can be resumed; those of 1.3 are in tickets that the clients keep.
const SESSIONS: usize = 1024;

/// The certificate of a server, and which clients it serves.
///
/// A handle: clones share what it holds, and [`reload`](Self::reload) and [`replace`](Self::replace) exchange it for all of them, and for the
/// servers that have it. The methods that take `self` make a handle of its own.
///
/// ```no_run
/// # fn example() -> Result<(), rpc_core::Error> {
/// use rpc_core::tls::ServerTls;
///
/// let tls = ServerTls::from_pem_files("server.pem", "server.key")?
///     // Only clients with a certificate of this authority are served.
///     .client_roots_pem_file("clients.pem")?;
/// // When the files have changed:
/// tls.reload()?;
/// # Ok(())
/// # }
/// ```
///
/// TLS 1.3 is spoken; 1.2 where [`allow_tls12`](Self::allow_tls12) says so. Sessions are resumed. A certificate that expires or is revoked
/// ends no connection that is open: `max_connection_age` on the server bounds how long one can be.
#[derive(Clone)]
pub struct ServerTls(Arc<Handle>);

struct Handle {
    /// Held while what is current is exchanged.
    parts: Mutex<Parts>,
    current: RwLock<Arc<Current>>,
}

/// What a configuration is made of.
#[derive(Clone, Debug)]
struct Parts {
    identity: Identity,
    client_roots: Vec<Listed<CertificateDer<'static>>>,
    client_crls: Vec<Listed<CertificateRevocationListDer<'static>>>,
    /// Whether a client without a certificate is served where there are roots.
    is_optional: bool,
    versions: Versions,
    provider: Provider,
}

/// What one handshake goes by; for the runtime alone.
#[doc(hidden)]
pub struct Current {
    config: Arc<ServerConfig>,
    /// That of the clients' certificates, if they are asked for one.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

impl ServerTls {
    /// Reads a certificate, with those of its authorities behind it, and its private key. The key is PKCS#8, PKCS#1 or SEC1.
    ///
    /// # Errors
    ///
    /// Those of the files, each with the file's name: `not_found`, `permission_denied`, or `invalid_argument` for what is not PEM, holds something
    /// else, or does not go together.
    pub fn from_pem_files(
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, Error> {
        Self::from_sources(Source::file(certificate.as_ref()), Source::file(key.as_ref()))
    }

    /// The same from memory.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for what is not PEM, holds something else, or does not go together.
    pub fn from_pem(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::from_sources(Source::memory(certificate.as_ref()), Source::memory(key.as_ref()))
    }

    fn from_sources(certificate: Source, key: Source) -> Result<Self, Error> {
        Self::of(Parts {
            identity: Identity::read(certificate, key)?,
            client_roots: Vec::new(),
            client_crls: Vec::new(),
            is_optional: false,
            versions: Versions::default(),
            provider: Provider::default(),
        })
    }

    fn of(parts: Parts) -> Result<Self, Error> {
        let current = RwLock::new(Arc::new(parts.make()?));
        Ok(Self(Arc::new(Handle { parts: Mutex::new(parts), current })))
    }

    /// Serves only clients that have a certificate which one of these authorities issued; called again, of further ones.
    ///
    /// The handler finds it in `Context::certificate`. What it may do there is the handler's decision.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem_files`](Self::from_pem_files).
    pub fn client_roots_pem_file(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        self.client_roots(Source::file(path.as_ref()))
    }

    /// The same from memory.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem`](Self::from_pem).
    pub fn client_roots_pem(self, pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        self.client_roots(Source::memory(pem.as_ref()))
    }

    fn client_roots(self, source: Source) -> Result<Self, Error> {
        let mut parts = self.parts().clone();
        parts.client_roots.push(Listed::read(source)?);
        Self::of(parts)
    }

    /// Serves clients without a certificate too; one that has a certificate must have one that holds. Without roots for clients, none is asked for.
    ///
    /// # Panics
    ///
    /// Where the system has no randomness.
    pub fn optional_client_certificate(self) -> Self {
        let parts = Parts { is_optional: true, ..self.parts().clone() };
        Self::of(parts).expect("it was made of them already, with stricter rules")
    }

    /// Refuses the clients whose certificates are in these lists of their authorities. Behind the roots, once for each file.
    ///
    /// Where there is any list, every authority between a client and its root must have one: of whom nothing is known is refused. That a list
    /// is older than it should be is not noticed; [`reload`](Self::reload) reads new ones.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem_files`](Self::from_pem_files); `failed_precondition` where there are no roots for clients.
    pub fn client_crls_pem_file(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        self.client_crls(Source::file(path.as_ref()))
    }

    /// The same from memory.
    ///
    /// # Errors
    ///
    /// Those of [`client_crls_pem_file`](Self::client_crls_pem_file).
    pub fn client_crls_pem(self, pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        self.client_crls(Source::memory(pem.as_ref()))
    }

    fn client_crls(self, source: Source) -> Result<Self, Error> {
        let mut parts = self.parts().clone();
        if parts.client_roots.is_empty() {
            return Err(Error::failed_precondition(
                "lists of revoked client certificates without authorities for clients; name these first, with `client_roots_pem_file`",
            ));
        }
        parts.client_crls.push(Listed::read(source)?);
        Self::of(parts)
    }

    /// Serves clients that speak TLS 1.2 too. They are refused otherwise.
    ///
    /// # Panics
    ///
    /// Where the system has no randomness.
    pub fn allow_tls12(self) -> Self {
        let parts = Parts { versions: Versions::From12, ..self.parts().clone() };
        Self::of(parts).expect("every provider has cipher suites for both versions")
    }

    /// Sets whose cryptography is used; ring's by default.
    ///
    /// # Errors
    ///
    /// `internal` where it has no source of randomness.
    pub fn provider(self, provider: Provider) -> Result<Self, Error> {
        let parts = Parts { provider, ..self.parts().clone() };
        Self::of(parts)
    }

    /// Reads its files again: for a certificate that was renewed, a client that was revoked. Handshakes that begin from now on go by them, and no
    /// older session is resumed; open connections stay. It blocks its thread for as long as the files take.
    ///
    /// # Errors
    ///
    /// Those of the files. What was in force stays in force.
    pub fn reload(&self) -> Result<(), Error> {
        let mut parts = self.parts();
        let read = parts.read_again()?;
        self.put(&mut parts, read)
    }

    /// Takes over what another handle holds now, in place of all that this one did. Otherwise as [`reload`](Self::reload).
    ///
    /// # Errors
    ///
    /// `internal` where there is no randomness. What was in force stays in force.
    pub fn replace(&self, other: &Self) -> Result<(), Error> {
        let theirs = other.parts().clone();
        self.put(&mut self.parts(), theirs)
    }

    fn put(&self, parts: &mut Parts, new: Parts) -> Result<(), Error> {
        let current = Arc::new(new.make()?);
        *parts = new;
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        Ok(())
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.0.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next handshake goes by; for the runtime alone.
    #[doc(hidden)]
    pub fn current(&self) -> Arc<Current> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTls").field(&*self.parts()).finish()
    }
}

impl Parts {
    fn read_again(&self) -> Result<Self, Error> {
        Ok(Self {
            identity: self.identity.read_again()?,
            client_roots: Listed::read_again(&self.client_roots)?,
            client_crls: Listed::read_again(&self.client_crls)?,
            ..self.clone()
        })
    }

    fn make(&self) -> Result<Current, Error> {
        let provider = self.provider.crypto();
        let verifier = self.verifier()?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.versions.list())
            .map_err(words::unusable)?;
        let builder = match &verifier {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
        };
        let identity = SingleCertAndKey::from(self.identity.certified());
        let mut config = builder.with_cert_resolver(Arc::new(identity));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        config.ticketer = match self.provider {
            Provider::Ring => rustls::crypto::ring::Ticketer::new(),
            #[cfg(feature = "tls-aws-lc-rs")]
            Provider::AwsLcRs => rustls::crypto::aws_lc_rs::Ticketer::new(),
        }
        .map_err(words::unusable)?;
        Ok(Current { config: Arc::new(config), verifier })
    }

    fn verifier(&self) -> Result<Option<Arc<dyn ClientCertVerifier>>, Error> {
        if self.client_roots.is_empty() {
            return Ok(None);
        }
        let roots = Arc::new(pem::roots(&self.client_roots)?);
        let mut builder =
            WebPkiClientVerifier::builder_with_provider(roots, self.provider.crypto())
                .with_crls(pem::revocations(&self.client_crls));
        if self.is_optional {
            builder = builder.allow_unauthenticated();
        }
        let verifier = builder.build();
        verifier.map(Some).map_err(|error| pem::unverifiable(&error, &self.client_crls))
    }
}

impl Current {
    /// What the handshake goes by.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The certificate of the client behind this connection, if it showed one.
    ///
    /// # Errors
    ///
    /// `unauthenticated` where it held when the session began that was resumed, and does not any more.
    pub fn certificate(&self, connection: &ServerConnection) -> Result<Option<Certificate>, Error> {
        let Some([own, chain @ ..]) = connection.peer_certificates() else {
            return Ok(None);
        };
        if connection.handshake_kind() == Some(HandshakeKind::Resumed)
            && let Some(verifier) = &self.verifier
        {
            // A ticket is worth as much as the certificate, and no longer.
            verifier
                .verify_client_cert(own, chain, UnixTime::now())
                .map_err(|error| words::lapsed(&error))?;
        }
        Ok(Some(certificate::describe(own)))
    }
}
