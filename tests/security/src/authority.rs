//! An authority that issues certificates, good ones and such with one mistake, and says which it has revoked.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

/// When a certificate holds.
#[derive(Clone, Copy, Debug)]
pub enum Validity {
    Now,
    /// Until the first of January 2001.
    Past,
    /// From the first of January 4000 on.
    Future,
    /// Until so many seconds from now.
    For(u64),
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
    pub der: Vec<u8>,
    serial: u64,
}

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    serials: AtomicU64,
}

fn key() -> KeyPair {
    KeyPair::generate().expect("there is randomness")
}

fn ia5(name: &str) -> rcgen::string::Ia5String {
    name.try_into().expect("it is ASCII")
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Example, Ltd");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority(name), key()).expect("it is sound");
        Self { issuer, serials: AtomicU64::new(1) }
    }

    /// The authority's own certificate.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server's, for `localhost` and 127.0.0.1.
    pub fn server(&self) -> Issued {
        self.server_with(Validity::Now, &["localhost"])
    }

    /// A server's for these names; `localhost` has its address with it.
    pub fn server_with(&self, validity: Validity, names: &[&str]) -> Issued {
        let mut params = named("server");
        params.subject_alt_names = names.iter().map(|name| SanType::DnsName(ia5(name))).collect();
        if names.contains(&"localhost") {
            params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, validity)
    }

    /// A client's, with a name of each kind.
    pub fn client(&self, name: &str) -> Issued {
        self.client_with(name, Validity::Now)
    }

    pub fn client_with(&self, name: &str, validity: Validity) -> Issued {
        let mut params = named(name);
        params.subject_alt_names = vec![
            SanType::DnsName(ia5("worker.example")),
            SanType::IpAddress("2001:db8::7".parse().expect("it is an address")),
            SanType::URI(ia5("spiffe://example/worker")),
            SanType::Rfc822Name(ia5("worker@example.org")),
        ];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, validity)
    }

    fn issue(&self, mut params: CertificateParams, validity: Validity) -> Issued {
        let serial = self.serials.fetch_add(1, Ordering::Relaxed);
        params.serial_number = Some(serial.into());
        params.use_authority_key_identifier_extension = true;
        match validity {
            Validity::Now => {}
            Validity::Past => {
                params.not_before = date_time_ymd(2000, 1, 1);
                params.not_after = date_time_ymd(2001, 1, 1);
            }
            Validity::For(seconds) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is behind 1970");
                let end = Duration::from_secs(now.as_secs() + seconds);
                params.not_after = date_time_ymd(1970, 1, 1) + end;
            }
            Validity::Future => {
                params.not_before = date_time_ymd(4000, 1, 1);
                params.not_after = date_time_ymd(4001, 1, 1);
            }
        }
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("it is sound");
        Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
            serial,
        }
    }

    /// The list of what this authority has revoked.
    pub fn revoked(&self, revoked: &[&Issued]) -> String {
        let date = date_time_ymd(2020, 1, 1);
        let params = CertificateRevocationListParams {
            this_update: date,
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .iter()
                .map(|issued| RevokedCertParams {
                    serial_number: issued.serial.into(),
                    revocation_time: date,
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).and_then(|list| list.pem()).expect("it is sound")
    }
}

/// A server's certificate that nobody else has signed; as an authority's, which is what `openssl req -x509` makes, or not.
pub fn self_signed(is_authority: bool) -> Issued {
    let mut params = if is_authority { authority("server") } else { named("server") };
    params.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))];
    let key = key();
    let certificate = params.self_signed(&key).expect("it is sound");
    Issued {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        der: certificate.der().to_vec(),
        serial: 0,
    }
}
