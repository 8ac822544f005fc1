//! TLS at a client: whom it trusts, and who it is.
//!
//! The handle is shared by its clones and the channels that it was given to. The configuration is made when the first handshake wants it, for
//! the roots of the system take a while to read; sessions are kept in it, so channels that share a handle resume each other's.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustls::{
    ClientConfig, RootCertStore,
    client::WebPkiServerVerifier,
    pki_types::{CertificateDer, CertificateRevocationListDer, ServerName},
    sign::SingleCertAndKey,
};

use super::{
    ALPN, Provider, Versions,
    pem::{self, Identity, Listed, Source},
    verifier::Verifier,
    words,
};
use crate::Error;

/// Which servers a client trusts, and the certificate that it shows them.
///
/// A handle: clones share what it holds, and [`reload`](Self::reload) reads it again for all of them, and for the channels that have it. The
/// methods that take `self` make a handle of its own.
///
/// ```no_run
/// # fn example() -> Result<(), rpc_core::Error> {
/// use rpc_core::tls::ClientTls;
///
/// let tls = ClientTls::new()
///     // Instead of the authorities that the system trusts.
///     .roots_pem_file("ca.pem")?
///     // For servers that ask who it is.
///     .identity_pem_files("client.pem", "client.key")?;
/// # Ok(())
/// # }
/// ```
///
/// TLS 1.3 is spoken; 1.2 where [`allow_tls12`](Self::allow_tls12) says so. Sessions are resumed. The server's certificate must lead to a
/// root that is trusted, and be for the host of the address; nothing switches that off.
#[derive(Clone)]
pub struct ClientTls(Arc<Handle>);

struct Handle(Mutex<State>);

struct State {
    parts: Parts,
    /// What was made of them, if it was.
    config: Option<Arc<ClientConfig>>,
}

/// What a configuration is made of.
#[derive(Clone, Debug, Default)]
struct Parts {
    /// Those of the system, if there are none.
    roots: Vec<Listed<CertificateDer<'static>>>,
    crls: Vec<Listed<CertificateRevocationListDer<'static>>>,
    identity: Option<Identity>,
    server_name: Option<ServerName<'static>>,
    versions: Versions,
    provider: Provider,
}

impl Default for ClientTls {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientTls {
    /// A client that trusts the authorities which the system trusts, and shows no certificate.
    ///
    /// Where the system has none, connecting fails and says so. The environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
    pub fn new() -> Self {
        Self::of(Parts::default())
    }

    fn of(parts: Parts) -> Self {
        Self(Arc::new(Handle(Mutex::new(State { parts, config: None }))))
    }

    fn changed(self, change: impl FnOnce(&mut Parts)) -> Self {
        let mut parts = self.state().parts.clone();
        change(&mut parts);
        Self::of(parts)
    }

    /// Trusts the servers whose certificates lead to one of these, and no others; called again, these too.
    ///
    /// # Errors
    ///
    /// Those of the file, with its name: `not_found`, `permission_denied`, or `invalid_argument` for what is not PEM, or holds no certificate.
    pub fn roots_pem_file(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        self.roots(Source::file(path.as_ref()))
    }

    /// The same from memory.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for what is not PEM, or holds no certificate.
    pub fn roots_pem(self, pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        self.roots(Source::memory(pem.as_ref()))
    }

    fn roots(self, source: Source) -> Result<Self, Error> {
        let listed = Listed::read(source)?;
        pem::roots(std::slice::from_ref(&listed))?;
        Ok(self.changed(|parts| parts.roots.push(listed)))
    }

    /// Does not trust the servers whose certificates are in these lists of their authorities.
    ///
    /// Where there is any list, every authority between a server and its root must have one: of whom nothing is known is refused.
    ///
    /// # Errors
    ///
    /// Those of [`roots_pem_file`](Self::roots_pem_file).
    pub fn crls_pem_file(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        self.crls(Source::file(path.as_ref()))
    }

    /// The same from memory.
    ///
    /// # Errors
    ///
    /// Those of [`roots_pem`](Self::roots_pem).
    pub fn crls_pem(self, pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        self.crls(Source::memory(pem.as_ref()))
    }

    fn crls(self, source: Source) -> Result<Self, Error> {
        let listed = Listed::read(source)?;
        Ok(self.changed(|parts| parts.crls.push(listed)))
    }

    /// Shows this certificate, with those of its authorities behind it, to servers that ask for one.
    ///
    /// # Errors
    ///
    /// Those of the files, each with the file's name: `not_found`, `permission_denied`, or `invalid_argument` for what is not PEM, holds something
    /// else, or does not go together.
    pub fn identity_pem_files(
        self,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, Error> {
        self.identity(Source::file(certificate.as_ref()), Source::file(key.as_ref()))
    }

    /// The same from memory.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for what is not PEM, holds something else, or does not go together.
    pub fn identity_pem(
        self,
        certificate: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, Error> {
        self.identity(Source::memory(certificate.as_ref()), Source::memory(key.as_ref()))
    }

    fn identity(self, certificate: Source, key: Source) -> Result<Self, Error> {
        let identity = Identity::read(certificate, key)?;
        Ok(self.changed(|parts| parts.identity = Some(identity)))
    }

    /// Checks the server's certificate against this name, a host's or an IP address, instead of the host of the channel's address.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for what is neither.
    pub fn server_name(self, name: impl AsRef<str>) -> Result<Self, Error> {
        let name = server_name(name.as_ref())?;
        Ok(self.changed(|parts| parts.server_name = Some(name)))
    }

    /// Speaks TLS 1.2 with servers that speak nothing newer.
    pub fn allow_tls12(self) -> Self {
        self.changed(|parts| parts.versions = Versions::From12)
    }

    /// Sets whose cryptography is used; ring's by default.
    pub fn provider(self, provider: Provider) -> Self {
        self.changed(|parts| parts.provider = provider)
    }

    /// Reads its files, and the system's roots, again. Handshakes that begin from now on go by them, and no older session is resumed; open
    /// connections stay. It blocks its thread for as long as the files take.
    ///
    /// # Errors
    ///
    /// Those of the files. What was in force stays in force.
    pub fn reload(&self) -> Result<(), Error> {
        let mut state = self.state();
        let parts = state.parts.read_again()?;
        state.config = Some(Arc::new(parts.make()?));
        state.parts = parts;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next handshake goes by. The first time it blocks the thread while the system's roots are read; for the runtime alone.
    #[doc(hidden)]
    pub fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        let mut state = self.state();
        if let Some(config) = &state.config {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(state.parts.make()?);
        state.config = Some(Arc::clone(&config));
        Ok(config)
    }

    /// Whose certificate is wanted of the server at `host`; for the runtime alone.
    #[doc(hidden)]
    pub fn name_at(&self, host: &str) -> Result<ServerName<'static>, Error> {
        if let Some(name) = &self.state().parts.server_name {
            return Ok(name.clone());
        }
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        server_name(name.trim_start_matches('[').trim_end_matches(']'))
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(name.to_owned()).map_err(|error| {
        let message = format!(
            "\"{name}\" is neither the name of a host nor an IP address, so no certificate can be for it; set the name with `server_name` on `ClientTls`"
        );
        Error::invalid_argument(message).with_source(error)
    })
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientTls").field(&self.state().parts).finish()
    }
}

impl Parts {
    fn read_again(&self) -> Result<Self, Error> {
        Ok(Self {
            roots: Listed::read_again(&self.roots)?,
            crls: Listed::read_again(&self.crls)?,
            identity: self.identity.as_ref().map(Identity::read_again).transpose()?,
            ..self.clone()
        })
    }

    fn make(&self) -> Result<ClientConfig, Error> {
        let provider = self.provider.crypto();
        let roots = if self.roots.is_empty() { system_roots()? } else { pem::roots(&self.roots)? };
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .with_crls(pem::revocations(&self.crls))
                .build()
                .map_err(|error| pem::unverifiable(&error, &self.crls))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions.list())
            .map_err(words::unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier(verifier)));
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified()))),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(config)
    }
}

/// The authorities that the system trusts.
fn system_roots() -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    let reasons: String = found.errors.iter().map(|error| format!(" ({error})")).collect();
    Err(Error::failed_precondition(format!(
        "this system has no list of authorities that it trusts{reasons}; install one, which is often the package `ca-certificates`, or name the authority with `roots_pem_file` on `ClientTls`"
    )))
}
