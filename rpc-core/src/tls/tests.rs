//! Certificates that are described, and mistakes that are named; with two certificates that OpenSSL has made.

use std::{io, sync::Arc, time::Duration};

use rustls::{
    AlertDescription, CertificateError, InvalidMessage, OtherError, PeerIncompatible,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use super::{
    ClientTls, ServerTls, certificate, failed_at_client, failed_at_server, refused_by_server,
    verifier::SelfSigned, words,
};
use crate::{Address, Code, Origin};

/// A name of every kind, and a subject with what must be escaped.
const NAMED: &str = "\
-----BEGIN CERTIFICATE-----
MIICkTCCAjegAwIBAgIUA4EXclpVOC9f4Y/1tJNg9L3cm/QwCgYIKoZIzj0EAwIw
ZjELMAkGA1UEBhMCR0IxFjAUBgNVBAoMDUV4YW1wbGUsIEx0ZC4xFzAVBgNVBAsM
DmEgPG5hbWVkPiB1bml0MQ8wDQYDVQQLDAZzZWNvbmQxFTATBgNVBAMMDCN3b3Jr
ZXI7NyDDqTAeFw0yNjExMjkwMTEwMjRaFw0zNjExMjYwMTEwMjRaMGYxCzAJBgNV
BAYTAkdCMRYwFAYDVQQKDA1FeGFtcGxlLCBMdGQuMRcwFQYDVQQLDA5hIDxuYW1l
ZD4gdW5pdDEPMA0GA1UECwwGc2Vjb25kMRUwEwYDVQQDDAwjd29ya2VyOzcgw6kw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQXbDK8/QqeWuVGrSYseuEoV6+iZDgL
+hyjUKa3KQzSD/0QxqCj1VdpSK2UvHpWRLfq+0iLAOd4gogKqEhBGuo3o4HCMIG/
MAwGA1UdEwEB/wQCMAAwgY8GA1UdEQSBhzCBhIIPKi5jYWxjLmludGVybmFshwTA
AAIBhxAgAQ24AAAAAAAAAAAAAAABhhdzcGlmZmU6Ly9leGFtcGxlL3dvcmtlcoEN
YUBleGFtcGxlLm9yZ6AOBgMqAwSgBwwFb3RoZXKIBCoDBAWkGzAZMRcwFQYDVQQD
DA4jd29ya2VyOzcgw4PCqTAdBgNVHQ4EFgQUdJ3nGokwqRSYJpV3cdHCzvmsRpMw
CgYIKoZIzj0EAwIDSAAwRQIgeb8Ua5Nd4mOI7+fKuSirWcePZ1oCNnomD4x5d3Ki
f9wCIQCevrQ5W55l4chDve+aFedwhoXjk18lv6+XMruV/l7sug==
-----END CERTIFICATE-----
";

/// An authority without a subject.
const NAMELESS: &str = "\
-----BEGIN CERTIFICATE-----
MIIBVDCB+6ADAgECAhQPatLuiMoP9uIlJGhMo7SPxHB0HDAKBggqhkjOPQQDAjAA
MB4XDTI2MTEyOTAxMTAxN1oXDTM2MTEyNjAxMTAxN1owADBZMBMGByqGSM49AgEG
CCqGSM49AwEHA0IABOKHIFUQE45aS8W5ITwNrw49m+YMFaBj0tD2wrPp3nzVFuQn
QQw/oDHq+ydAKzL/1b7ZGe/Vuen4TliYzQYf8Z+jUzBRMB0GA1UdDgQWBBQQ/JBO
5gBlMKL0OMsMtX15xT0hDDAfBgNVHSMEGDAWgBQQ/JBO5gBlMKL0OMsMtX15xT0h
DDAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCsttGe8A8mv27j
Wjh3FX+cWIBsmZOCh3baqaoxk4dMnwIgZvHyNxHzbYfbFi9p2DyY7mbR9R2h3mMT
bu1E4MYLZLg=
-----END CERTIFICATE-----
";

/// Of version 1, as `openssl x509 -req` makes them without extensions.
const OUTDATED: &str = "\
-----BEGIN CERTIFICATE-----
MIIBGDCBwAIUdB9EMdjvpq8eJGgufJioFvkebjIwCgYIKoZIzj0EAwIwETEPMA0G
A1UEAwwGdGVzdGNhMB4XDTI2MTEyOTAyMDc1OFoXDTM2MTEyNjAyMDc1OFowDjEM
MAoGA1UEAwwDb2xkMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEq5WRMCGrSEkc
YxOj/2j6koH9tP2CAyPgZTBJce3s2C6cFKK9XWsoZ9U9/zxw1Cc6ROUBzOWvqEMY
hNuo5ExQGTAKBggqhkjOPQQDAgNHADBEAiBAV0dbUPREfr/0mf3n8hoe7ryz7RI3
uTvJ7aN/6C7dkAIgOUYdftQHASLr4h1TqBX0uHaiE5j2dn8Y3DUV/ZmWk8w=
-----END CERTIFICATE-----
";

/// The key of the certificate before, which is used nowhere else.
const OUTDATED_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVBVHtHHU1b2W6Bvz
WTTUZexrAZupMA2/YUn0eChixZahRANCAASrlZEwIatISRxjE6P/aPqSgf20/YID
I+BlMElx7ezYLpwUor1dayhn1T3/PHDUJzpE5QHM5a+oQxiE26jkTFAZ
-----END PRIVATE KEY-----
";

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("it is PEM")
}

#[test]
fn a_certificate_is_described() {
    let certificate = certificate::describe(&der(NAMED));
    let subject = r"CN=\#worker\;7 é,OU=second,OU=a \<named\> unit,O=Example\, Ltd.,C=GB";
    assert_eq!(certificate.subject(), subject);
    let names = [
        "DNS:*.calc.internal",
        "IP:192.0.2.1",
        "IP:2001:db8::1",
        "URI:spiffe://example/worker",
        "email:a@example.org",
    ];
    assert_eq!(certificate.names(), names);
    let fingerprint = certificate.fingerprint();
    assert_eq!(fingerprint[..4], [0x52, 0x60, 0x83, 0x40]);
    assert_eq!(fingerprint[28..], [0x56, 0x31, 0xbc, 0xfd]);
    assert_eq!(certificate.der()[..], der(NAMED)[..]);
}

#[test]
fn what_is_not_there_is_empty() {
    for der in [der(NAMELESS), CertificateDer::from(vec![0x30, 0x00]), Vec::new().into()] {
        let certificate = certificate::describe(&der);
        assert_eq!(certificate.subject(), "");
        assert!(certificate.names().is_empty());
        assert_eq!(certificate.der()[..], der[..]);
    }
}

#[test]
fn who_issued_its_own_certificate_is_found_out() {
    assert!(certificate::is_self_issued(&der(NAMED)));
    assert!(!certificate::is_self_issued(b"nonsense"));
}

fn address() -> Address {
    Address::Tls("calc.internal:7443".to_owned())
}

fn wrapped(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

#[test]
fn each_mistake_of_a_servers_certificate_has_its_words() {
    let expected = ServerName::try_from("calc.internal").expect("it is a name");
    for (mistake, words) in [
        (
            CertificateError::ExpiredContext { time: at(86_400), not_after: at(3_600) },
            "has expired: it was valid until 1970-01-01T01:00:00Z, and now is 1970-01-02T00:00:00Z; renew it",
        ),
        (CertificateError::Expired, "has expired; renew it"),
        (
            CertificateError::NotValidYetContext { time: at(0), not_before: at(u64::MAX) },
            "it will be from 18446744073709551615 s behind 1970",
        ),
        (CertificateError::NotValidYet, "is not valid yet; set the clock"),
        (CertificateError::Revoked, "was revoked by its authority; the server needs a new one"),
        (CertificateError::UnknownIssuer, "an unknown authority"),
        (CertificateError::UnknownRevocationStatus, "no revocation list here"),
        (
            CertificateError::NotValidForNameContext {
                expected: expected.clone(),
                presented: vec![
                    "DnsName(\"a.example\")".to_owned(),
                    "IpAddress(192.0.2.1)".to_owned(),
                ],
            },
            "is not for \"calc.internal\", but for a.example, 192.0.2.1; connect to a name",
        ),
        (
            CertificateError::NotValidForNameContext { expected, presented: Vec::new() },
            "but for no name at all",
        ),
        (CertificateError::Other(OtherError(Arc::new(SelfSigned))), "is self-signed"),
        (CertificateError::BadSignature, "is not signed with the key of its issuer"),
        (CertificateError::BadEncoding, "is not encoded"),
        (CertificateError::InvalidPurpose, "is not for this purpose"),
        (CertificateError::UnhandledCriticalExtension, "cannot be accepted: "),
    ] {
        let failed = failed_at_client(wrapped(mistake.clone().into()), &address());
        assert!(failed.is_hopeless);
        assert_eq!(failed.error.kind(), Code::Unauthenticated);
        let text = failed.error.to_string();
        let prefix = "unauthenticated: no secure connection to tls://calc.internal:7443: the server's certificate ";
        assert!(text.starts_with(prefix) && text.contains(words), "{text}");
        let text = failed_at_server(&wrapped(mistake.into()));
        assert!(text.starts_with("the client's certificate "), "{text}");
    }
}

#[test]
fn each_refusal_of_a_clients_certificate_has_its_words() {
    for (alert, words) in [
        (AlertDescription::CertificateRequired, "`identity_pem_files`"),
        (AlertDescription::UnknownCA, "does not trust the authority"),
        (AlertDescription::CertificateExpired, "has expired"),
        (AlertDescription::CertificateRevoked, "was revoked"),
        (AlertDescription::UnsupportedCertificate, "client authentication"),
        (AlertDescription::BadCertificate, "BadCertificate"),
        (AlertDescription::CertificateUnknown, "CertificateUnknown"),
        (AlertDescription::AccessDenied, "AccessDenied"),
    ] {
        let alert = rustls::Error::AlertReceived(alert);
        let late = refused_by_server(&wrapped(alert.clone())).expect("it is about the certificate");
        let failed = failed_at_client(wrapped(alert), &address());
        assert!(failed.is_hopeless);
        for error in [late, failed.error] {
            assert_eq!(error.kind(), Code::Unauthenticated);
            assert_eq!(error.origin(), Origin::Remote);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

#[test]
fn what_is_not_about_a_certificate_is_not_said_to_be() {
    let alert = |alert| rustls::Error::AlertReceived(alert);
    for (error, words) in [
        (alert(AlertDescription::ProtocolVersion), "`allow_tls12`"),
        (
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into(),
            "`allow_tls12` on `ClientTls`",
        ),
        (alert(AlertDescription::NoApplicationProtocol), "`rpc/1`"),
        (alert(AlertDescription::HandshakeFailure), "no cipher suite in common"),
        (alert(AlertDescription::InternalError), "the alert InternalError"),
        (InvalidMessage::InvalidContentType.into(), "not those of TLS"),
        (rustls::Error::DecryptError, "decrypt"),
    ] {
        assert!(refused_by_server(&wrapped(error.clone())).is_none());
        let failed = failed_at_client(wrapped(error), &address());
        assert!(failed.is_hopeless);
        assert_eq!(failed.error.kind(), Code::FailedPrecondition);
        assert!(failed.error.to_string().contains(words), "{}", failed.error);
    }
}

#[test]
fn a_connection_that_ends_may_be_tried_again() {
    for (kind, words) in [
        (io::ErrorKind::UnexpectedEof, "tcp://"),
        (io::ErrorKind::ConnectionReset, "tcp://"),
        (io::ErrorKind::TimedOut, "timed out"),
    ] {
        assert!(refused_by_server(&kind.into()).is_none());
        let failed = failed_at_client(kind.into(), &address());
        assert!(!failed.is_hopeless);
        assert_eq!(failed.error.kind(), Code::Unavailable);
        assert!(failed.error.to_string().contains(words), "{}", failed.error);
    }
}

#[test]
fn a_server_logs_whose_mistake_it_was() {
    for (error, words) in [
        (rustls::Error::NoCertificatesPresented, "showed no certificate"),
        (rustls::Error::AlertReceived(AlertDescription::UnknownCA), "alert UnknownCA"),
        (rustls::Error::NoApplicationProtocol, "`rpc/1`"),
        (InvalidMessage::InvalidContentType.into(), "tcp://"),
        (PeerIncompatible::Tls12NotOfferedOrEnabled.into(), "`allow_tls12` on `ServerTls`"),
        (rustls::Error::DecryptError, "decrypt"),
    ] {
        let text = failed_at_server(&wrapped(error));
        assert!(text.contains(words), "{text}");
    }
    let closed = failed_at_server(&io::ErrorKind::UnexpectedEof.into());
    assert_eq!(closed, "the client closed the connection");
}

#[test]
fn a_certificate_that_lapsed_is_the_clients() {
    let error = words::lapsed(&CertificateError::Expired.into());
    assert_eq!(error.to_string(), "unauthenticated: the client's certificate has expired");
}

#[test]
fn what_is_given_is_not_shown_where_it_is_wrong() {
    let secret = "c2VjcmV0";
    for pem in [
        format!("-----BEGIN {secret}\n"),
        format!("-----BEGIN PRIVATE KEY-----\n{secret}"),
        format!("-----BEGIN PRIVATE KEY-----\n{secret}!\n-----END PRIVATE KEY-----\n"),
        format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n"),
        secret.to_owned(),
    ] {
        for error in [
            ServerTls::from_pem(NAMED, &pem).expect_err("it is no key"),
            ServerTls::from_pem(&pem, NAMED).expect_err("it is no certificate"),
            ClientTls::new().identity_pem(NAMED, &pem).expect_err("it is no key"),
        ] {
            assert_eq!(error.kind(), Code::InvalidArgument);
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("the PEM that was given"), "{shown}");
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn a_host_is_the_name_that_is_verified() {
    let tls = ClientTls::new();
    for (host, name) in [
        ("calc.internal:7443", "calc.internal"),
        ("192.0.2.1:7443", "192.0.2.1"),
        ("[2001:db8::1]:7443", "2001:db8::1"),
    ] {
        assert_eq!(tls.name_at(host).expect(host).to_str(), name);
    }
    let error = tls.name_at("under_score$:1").expect_err("it is no name");
    assert!(error.to_string().contains("`server_name`"), "{error}");
    let tls = tls.server_name("other.internal").expect("it is a name");
    assert_eq!(tls.name_at("calc.internal:7443").expect("it is set").to_str(), "other.internal");
}

#[test]
fn a_certificate_of_an_old_version_is_called_that() {
    let error = ServerTls::from_pem(OUTDATED, OUTDATED_KEY).expect_err("it has no extensions");
    assert_eq!(error.kind(), Code::InvalidArgument);
    assert!(error.message().contains("old version of X.509"), "{error}");
}
