//! Certificates, keys and revocation lists in PEM, out of files or memory.
//!
//! What was read remembers where it came from, so that it can be read again, and errors name the file. What a file holds instead of what it
//! should is found out, for the remedy depends on it. Text that may hold a key is overwritten when it is dropped, and is in no error.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    InconsistentKeys, RootCertStore,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::{CertifiedKey, SigningKey},
};
use zeroize::Zeroizing;

use super::{Provider, certificate::is_outdated, words};
use crate::Error;

/// Where PEM comes from.
#[derive(Clone)]
pub(super) enum Source {
    File(PathBuf),
    Memory(Arc<Zeroizing<Vec<u8>>>),
}

impl Source {
    pub(super) fn file(path: &Path) -> Self {
        Self::File(path.to_owned())
    }

    pub(super) fn memory(pem: &[u8]) -> Self {
        Self::Memory(Arc::new(Zeroizing::new(pem.to_vec())))
    }

    fn read(&self) -> Result<Arc<Zeroizing<Vec<u8>>>, Error> {
        let path = match self {
            Self::Memory(pem) => return Ok(Arc::clone(pem)),
            Self::File(path) => path,
        };
        fs::read(path).map(|pem| Arc::new(Zeroizing::new(pem))).map_err(|error| {
            let message = format!("cannot read {self}: {error}");
            let error_of = match error.kind() {
                io::ErrorKind::NotFound => Error::not_found,
                io::ErrorKind::PermissionDenied => Error::permission_denied,
                _ => Error::unavailable,
            };
            error_of(message).with_source(error)
        })
    }

    /// An error about what was read.
    fn wrong(&self, why: impl fmt::Display) -> Error {
        Error::invalid_argument(format!("{self}: {why}"))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "\"{}\"", path.display()),
            Self::Memory(_) => f.write_str("the PEM that was given"),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Certificates of authorities that are trusted, or lists of what they revoked.
#[derive(Clone)]
pub(super) struct Listed<T> {
    source: Source,
    items: Vec<T>,
}

impl<T: Sought> Listed<T> {
    pub(super) fn read(source: Source) -> Result<Self, Error> {
        let items = sections(&source, &source.read()?)?;
        Ok(Self { source, items })
    }

    /// Reads all of them again.
    pub(super) fn read_again(all: &[Self]) -> Result<Vec<Self>, Error> {
        all.iter().map(|listed| Self::read(listed.source.clone())).collect()
    }
}

impl<T> fmt::Debug for Listed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?}", self.items.len(), self.source)
    }
}

/// The roots in all of these.
pub(super) fn roots(all: &[Listed<CertificateDer<'static>>]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for listed in all {
        for (index, root) in listed.items.iter().enumerate() {
            roots.add(root.clone()).map_err(|error| {
                let why = format!("certificate {} cannot be used as a root", index + 1);
                listed.source.wrong(why).with_source(error)
            })?;
        }
    }
    Ok(roots)
}

/// The revocation lists in all of these.
pub(super) fn revocations(
    all: &[Listed<CertificateRevocationListDer<'static>>],
) -> Vec<CertificateRevocationListDer<'static>> {
    all.iter().flat_map(|listed| &listed.items).cloned().collect()
}

/// A certificate with its chain and its key.
#[derive(Clone)]
pub(super) struct Identity {
    certificate: Source,
    key: Source,
    certified: Arc<CertifiedKey>,
}

impl Identity {
    pub(super) fn read(certificate: Source, key: Source) -> Result<Self, Error> {
        let chain = sections(&certificate, &certificate.read()?)?;
        let signing = signing_key(&key)?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            // A provider that does not tell the public key leaves it to the first handshake.
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                let message = format!(
                    "the private key in {key} is not that of the first certificate in {certificate}; the server's or client's own certificate comes first, and those of its authorities behind it"
                );
                return Err(Error::invalid_argument(message));
            }
            Err(error) => {
                let why = if certified.cert.first().is_some_and(|first| is_outdated(first)) {
                    "its first certificate has an old version of X.509, and 3 is needed, which `openssl x509 -req` makes when it is given extensions (`-extfile`)"
                } else {
                    "the first certificate cannot be read"
                };
                return Err(certificate.wrong(why).with_source(error));
            }
        }
        Ok(Self { certificate, key, certified: Arc::new(certified) })
    }

    pub(super) fn read_again(&self) -> Result<Self, Error> {
        Self::read(self.certificate.clone(), self.key.clone())
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

fn signing_key(source: &Source) -> Result<Arc<dyn SigningKey>, Error> {
    let pem = source.read()?;
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|error| source.wrong(unreadable::<PrivateKeyDer<'static>>(&pem, &error)))?;
    let mut reason = None;
    for provider in Provider::ALL {
        match provider.crypto().key_provider.load_private_key(key.clone_key()) {
            Ok(signing) => {
                zeroize::Zeroize::zeroize(&mut { key });
                return Ok(signing);
            }
            Err(error) => reason = Some(error),
        }
    }
    zeroize::Zeroize::zeroize(&mut { key });
    let why = "the private key is of a kind that is not supported; use one of ECDSA on P-256 or P-384, Ed25519, or RSA with 2048 bits or more";
    let error = source.wrong(why);
    Err(match reason {
        Some(reason) => error.with_source(reason),
        None => error,
    })
}

/// What is sought in PEM.
pub(super) trait Sought: PemObject {
    /// What a section of it is labelled.
    const LABEL: &'static str;
}

impl Sought for CertificateDer<'static> {
    const LABEL: &'static str = "CERTIFICATE";
}

impl Sought for CertificateRevocationListDer<'static> {
    const LABEL: &'static str = "X509 CRL";
}

impl Sought for PrivateKeyDer<'static> {
    const LABEL: &'static str = "PRIVATE KEY";
}

/// All sections of a kind, at least one.
fn sections<T: Sought>(source: &Source, pem: &[u8]) -> Result<Vec<T>, Error> {
    let items: Vec<T> = T::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| source.wrong(unreadable::<T>(pem, &error)))?;
    if items.is_empty() {
        return Err(source.wrong(unreadable::<T>(pem, &pem::Error::NoItemsFound)));
    }
    Ok(items)
}

/// Why there is none of what is sought, without a byte of what is there.
fn unreadable<T: Sought>(pem: &[u8], error: &pem::Error) -> String {
    let sought = T::LABEL;
    let has = |label: &str| {
        let begin = format!("-----BEGIN {label}");
        pem.windows(begin.len()).any(|window| window == begin.as_bytes())
    };
    let why = match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no END line; is it cut off?",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is malformed",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ if pem.is_empty() => "it is empty",
        // An ASN.1 sequence with a length of several bytes, as every certificate, key and list begins in DER.
        _ if pem.starts_with(&[0x30, 0x82]) || pem.starts_with(&[0x30, 0x81]) => {
            "it is DER, not PEM; convert it with `openssl`, `-inform der -outform pem`"
        }
        _ if has("ENCRYPTED PRIVATE KEY") => {
            "the private key is encrypted; decrypt it with `openssl pkey -in … -out …`"
        }
        _ if sought == "CERTIFICATE" && has("PRIVATE KEY") => {
            "it holds a private key and no certificate; are the two interchanged?"
        }
        _ if sought == "PRIVATE KEY" && has("CERTIFICATE") => {
            "it holds a certificate and no private key; are the two interchanged?"
        }
        _ if !has("") => "it is not PEM, which has lines such as `-----BEGIN CERTIFICATE-----`",
        _ => return format!("it holds no section `{sought}`"),
    };
    why.to_owned()
}

/// Why a verifier could not be made.
pub(super) fn unverifiable(
    error: &rustls::server::VerifierBuilderError,
    lists: &[Listed<CertificateRevocationListDer<'static>>],
) -> Error {
    let message = match error {
        rustls::server::VerifierBuilderError::InvalidCrl(reason) => {
            let list = words::revocation_list(reason);
            let sources: Vec<_> = lists.iter().map(|listed| listed.source.to_string()).collect();
            format!("a revocation list in {} {list}", sources.join(", "))
        }
        _ => error.to_string(),
    };
    Error::invalid_argument(message).with_source(error.clone())
}
