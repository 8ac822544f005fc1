//! What is said of a handshake that failed: which mistake it was, whose, and what to do about it.
//!
//! A client in TLS 1.3 has finished its handshake before the server has seen its certificate, so a refusal of that comes with the first read.
//! An alert names a kind of mistake and no more; what this end found itself is told with its particulars.

use std::io;

use rustls::{
    AlertDescription, CertRevocationListError, CertificateError, InvalidMessage, PeerIncompatible,
    pki_types::UnixTime,
};
use x509_cert::der::DateTime;

use super::verifier::SelfSigned;
use crate::{Address, Error};

/// Why there is no secure connection; for the runtime alone.
#[doc(hidden)]
#[derive(Debug)]
pub struct Unsecured {
    /// The reason.
    pub error: Error,
    /// Whether the next attempt would fail for the same reason.
    pub is_hopeless: bool,
}

fn cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// The handshake of a client failed; for the runtime alone.
#[doc(hidden)]
pub fn failed_at_client(error: io::Error, address: &Address) -> Unsecured {
    let prefix = format!("no secure connection to {address}");
    let Some(cause) = cause(&error) else {
        let message = match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => format!(
                "{prefix}: the server closed the connection in the TLS handshake; if it does not speak TLS, connect with tcp://"
            ),
            _ => format!("{prefix}: {error}"),
        };
        return Unsecured {
            error: Error::unavailable(message).with_source(error),
            is_hopeless: false,
        };
    };
    let found = match cause {
        rustls::Error::InvalidCertificate(mistake) => {
            let (found, remedy) = (describe(mistake), remedy(mistake));
            Error::unauthenticated(format!("{prefix}: the server's certificate {found}; {remedy}"))
        }
        rustls::Error::AlertReceived(alert) => match refused(*alert) {
            Some(refused) => Error::unauthenticated(format!("{prefix}: {refused}")).from_remote(),
            None => {
                let told = told(*alert);
                Error::failed_precondition(format!("{prefix}: {told}")).from_remote()
            }
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Error::failed_precondition(format!(
                "{prefix}: the first bytes are not those of TLS; if the server does not speak it, connect with tcp://"
            ))
        }
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::ServerDoesNotSupportTls12Or13,
        ) => {
            let told = told(AlertDescription::ProtocolVersion);
            Error::failed_precondition(format!("{prefix}: {told}"))
        }
        other => Error::failed_precondition(format!("{prefix}: {other}")),
    };
    Unsecured { error: found.with_source(error), is_hopeless: true }
}

/// The server refused the certificate of this client, or wants one, which a read has brought; for the runtime alone.
#[doc(hidden)]
pub fn refused_by_server(error: &io::Error) -> Option<Error> {
    let Some(rustls::Error::AlertReceived(alert)) = cause(error) else {
        return None;
    };
    let source = rustls::Error::AlertReceived(*alert);
    refused(*alert).map(|refused| Error::unauthenticated(refused).with_source(source).from_remote())
}

/// Why the handshake of a server failed, for its log; for the runtime alone.
#[doc(hidden)]
pub fn failed_at_server(error: &io::Error) -> String {
    let Some(cause) = cause(error) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => "the client closed the connection".to_owned(),
            _ => error.to_string(),
        };
    };
    match cause {
        rustls::Error::NoCertificatesPresented => "the client showed no certificate".to_owned(),
        rustls::Error::InvalidCertificate(mistake) => {
            format!("the client's certificate {}", describe(mistake))
        }
        rustls::Error::AlertReceived(alert) => format!(
            "the client ended it with the alert {alert:?}; it may not trust this server's certificate"
        ),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the first bytes are not those of TLS; does the client connect with tcp://?".to_owned()
        }
        rustls::Error::NoApplicationProtocol => {
            "the client speaks other protocols than `rpc/1` inside of TLS".to_owned()
        }
        rustls::Error::PeerIncompatible(
            PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => {
            "the client does not speak TLS 1.3; `allow_tls12` on `ServerTls` lets 1.2 in".to_owned()
        }
        other => other.to_string(),
    }
}

/// A client's certificate held when its session began, and does not any more.
pub(super) fn lapsed(error: &rustls::Error) -> Error {
    let why = match error {
        rustls::Error::InvalidCertificate(mistake) => describe(mistake),
        other => format!("does not hold: {other}"),
    };
    Error::unauthenticated(format!("the client's certificate {why}")).with_source(error.clone())
}

/// A configuration that cannot be made although its parts are sound.
pub(super) fn unusable(error: rustls::Error) -> Error {
    Error::internal(format!("TLS cannot be set up: {error}")).with_source(error)
}

/// What is wrong with a revocation list, behind "a revocation list".
pub(super) fn revocation_list(error: &CertRevocationListError) -> String {
    match error {
        CertRevocationListError::ParseError | CertRevocationListError::Other(_) => {
            "is not encoded as such lists are".to_owned()
        }
        other => format!("cannot be used: {other:?}"),
    }
}

/// What is wrong with a certificate, behind "the certificate".
pub(super) fn describe(mistake: &CertificateError) -> String {
    match mistake {
        CertificateError::Expired => "has expired".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => {
            format!("has expired: it was valid until {}, and now is {}", at(not_after), at(time))
        }
        CertificateError::NotValidYet => "is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => {
            format!("is not valid yet: it will be from {}, and now is {}", at(not_before), at(time))
        }
        CertificateError::Revoked => "was revoked by its authority".to_owned(),
        CertificateError::UnknownIssuer => {
            "was issued by an unknown authority, which this end does not trust".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("is not for \"{}\", but for {}", expected.to_str(), list(presented))
        }
        CertificateError::UnknownRevocationStatus => {
            "is of an authority of which there is no revocation list here, although there are lists of others".to_owned()
        }
        CertificateError::BadSignature => "is not signed with the key of its issuer".to_owned(),
        CertificateError::BadEncoding => "is not encoded as certificates are".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not for this purpose: its extended key usage leaves it out".to_owned()
        }
        CertificateError::Other(other) if other.0.is::<SelfSigned>() => {
            "is self-signed: no authority issued it that this end trusts".to_owned()
        }
        // The type of this one is that of a crate which rustls does not show.
        CertificateError::Other(other) if format!("{:?}", other.0) == "CaUsedAsEndEntity" => {
            "is that of an authority (CA:TRUE), which no server or client may show as its own".to_owned()
        }
        other => format!("cannot be accepted: {other}"),
    }
}

/// What a client can do about the server's certificate.
fn remedy(mistake: &CertificateError) -> &'static str {
    match mistake {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew it at the server, or set the clock here"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "set the clock of whichever end is wrong"
        }
        CertificateError::Revoked => "the server needs a new one",
        CertificateError::UnknownIssuer => {
            "if it is the right server, name its authority with `roots_pem_file` on `ClientTls`"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "connect to a name that it is for, or name the one to check with `server_name` on `ClientTls`"
        }
        CertificateError::UnknownRevocationStatus => {
            "add a list of that authority with `crls_pem_file` on `ClientTls`"
        }
        CertificateError::Other(other) if other.0.is::<SelfSigned>() => {
            "give the server one of an authority; or, for tests, make one without CA:TRUE and name it with `roots_pem_file` on `ClientTls`"
        }
        _ => "the server needs another one",
    }
}

/// What an alert says that is about the client's certificate.
fn refused(alert: AlertDescription) -> Option<String> {
    let why = match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "the server wants a client certificate; set one with `identity_pem_files` on `ClientTls`"
        }
        AlertDescription::UnknownCA => {
            "the server does not trust the authority of the client's certificate; get one from an authority among its `client_roots_pem_file`"
        }
        AlertDescription::CertificateExpired => {
            "the server says that the client's certificate has expired, or is not valid yet; renew it, or set the clock of whichever end is wrong"
        }
        AlertDescription::CertificateRevoked => {
            "the server says that the client's certificate was revoked; get a new one"
        }
        AlertDescription::UnsupportedCertificate => {
            "the server says that the client's certificate is of a kind, or for a purpose, that it does not accept; it must be for client authentication"
        }
        AlertDescription::AccessDenied
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown => {
            return Some(format!(
                "the server does not accept the client's certificate (alert {alert:?}); its log may say why"
            ));
        }
        _ => return None,
    };
    Some(why.to_owned())
}

/// What any other alert says, in a handshake.
fn told(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::ProtocolVersion => {
            "the server does not speak TLS 1.3; if it must be, allow 1.2 with `allow_tls12` on `ClientTls`".to_owned()
        }
        AlertDescription::NoApplicationProtocol => {
            "the server speaks other protocols than `rpc/1` inside of TLS; is the port right?".to_owned()
        }
        AlertDescription::HandshakeFailure => {
            "the server refused the handshake (alert HandshakeFailure): the ends have no cipher suite in common, or it wants a client certificate".to_owned()
        }
        other => format!("the server ended the handshake with the alert {other:?}"),
    }
}

fn at(time: &UnixTime) -> String {
    let seconds = time.as_secs();
    DateTime::from_unix_duration(std::time::Duration::from_secs(seconds))
        .map_or_else(|_| format!("{seconds} s behind 1970"), |time| time.to_string())
}

/// The names of a certificate as rustls tells them, such as `DnsName("calc.internal")`, without their kinds.
fn list(presented: &[String]) -> String {
    let names: Vec<_> = presented
        .iter()
        .map(|name| {
            let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
            inner.unwrap_or(name).trim_matches('"')
        })
        .collect();
    if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") }
}
