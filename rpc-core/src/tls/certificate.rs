//! What is to be known of a certificate, out of its DER.
//!
//! The names are for rules and logs; whether the certificate is to be trusted has been decided elsewhere. What cannot be read here is left
//! out, so that a rule about it does not match.

use std::net::IpAddr;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use x509_cert::{
    Certificate as X509, Version,
    der::Decode,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use crate::Certificate;

/// The facts about a certificate that was verified.
pub(super) fn describe(der: &[u8]) -> Certificate {
    let parsed = X509::from_der(der).ok();
    let subject = parsed.as_ref().map(|parsed| parsed.tbs_certificate().subject().to_string());
    let names = parsed.as_ref().map(names);
    Certificate::new(
        subject.unwrap_or_default(),
        names.unwrap_or_default(),
        Sha256::digest(der).into(),
        Bytes::copy_from_slice(der),
    )
}

/// Whether a certificate says that its subject issued it.
pub(super) fn is_self_issued(der: &[u8]) -> bool {
    X509::from_der(der).is_ok_and(|parsed| {
        let certificate = parsed.tbs_certificate();
        certificate.issuer() == certificate.subject()
    })
}

/// Whether a certificate is of a version before 3, the first one with extensions, without which nobody verifies any (RFC 5280, 4.1.2.1).
pub(super) fn is_outdated(der: &[u8]) -> bool {
    X509::from_der(der).is_ok_and(|parsed| parsed.tbs_certificate().version() != Version::V3)
}

fn names(certificate: &X509) -> Vec<String> {
    let extension = certificate.tbs_certificate().get_extension::<SubjectAltName>();
    let Ok(Some((_, SubjectAltName(names)))) = extension else {
        return Vec::new();
    };
    names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(format!("DNS:{name}")),
        GeneralName::IpAddress(octets) => address(octets.as_bytes()).map(|ip| format!("IP:{ip}")),
        GeneralName::UniformResourceIdentifier(uri) => Some(format!("URI:{uri}")),
        GeneralName::Rfc822Name(address) => Some(format!("email:{address}")),
        GeneralName::OtherName(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EdiPartyName(_)
        | GeneralName::RegisteredId(_) => None,
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(octets.into());
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}
