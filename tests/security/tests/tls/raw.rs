//! The wire as other programs see it: versions, ALPN, and sessions that are resumed, with rustls alone at the client's end.

use std::{io, sync::Arc};

use rpc_security_tests::authority::{Authority, Issued};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        version::{TLS12, TLS13},
    },
};

use crate::{Served, mutual, server_tls, trusting, within};

/// A client of rustls, without a line of this project.
pub(crate) struct Raw(Arc<ClientConfig>);

impl Raw {
    pub(crate) fn new(
        authority: &Authority,
        identity: Option<&Issued>,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&[u8]],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("it is PEM");
        roots.add(root).expect("it is a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .expect("they are known")
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let own = CertificateDer::from_pem_slice(issued.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes());
                let (own, key) = (own.expect("it is PEM"), key.expect("it is PEM"));
                builder.with_client_auth_cert(vec![own], key).expect("they go together")
            }
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Self(Arc::new(config))
    }

    pub(crate) async fn connect(&self, served: &Served) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(served.host()).await?;
        let name = "localhost".try_into().expect("it is a name");
        let mut stream =
            within(TlsConnector::from(Arc::clone(&self.0)).connect(name, stream)).await?;
        // The preface there and back, behind which the tickets have come, or the server's refusal.
        stream.write_all(b"\0RPC\0\x01\0\0").await?;
        let mut preface = [0; 8];
        within(stream.read_exact(&mut preface)).await?;
        assert_eq!(&preface, b"\0RPC\0\x01\0\0");
        Ok(stream)
    }

    pub(crate) async fn kind(&self, served: &Served) -> Option<HandshakeKind> {
        let stream = self.connect(served).await.expect("it is served");
        stream.get_ref().1.handshake_kind()
    }
}

#[tokio::test]
async fn version_1_2_is_spoken_where_it_is_allowed_alone() {
    let authority = Authority::new("the authority");
    let old = Raw::new(&authority, None, &[&TLS12], &[]);
    let served = Served::new(server_tls(&authority.server())).await;
    let error = old.connect(&served).await.expect_err("it is too old");
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    let served = Served::new(server_tls(&authority.server()).allow_tls12()).await;
    let stream = old.connect(&served).await.expect("it is allowed");
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    // Whoever can, speaks the newer one.
    let new = Raw::new(&authority, None, &[&TLS12, &TLS13], &[]);
    let stream = new.connect(&served).await.expect("it is served");
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn a_certificate_is_wanted_in_version_1_2_too() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let served = Served::new(mutual(&servers.server(), &clients).allow_tls12()).await;
    Raw::new(&servers, None, &[&TLS12], &[]).connect(&served).await.expect_err("it has none");
    let issued = clients.client("worker");
    let known = Raw::new(&servers, Some(&issued), &[&TLS12], &[]);
    assert_eq!(known.kind(&served).await, Some(HandshakeKind::Full));
    assert_eq!(known.kind(&served).await, Some(HandshakeKind::Resumed));
}

#[tokio::test]
async fn the_protocol_has_a_name() {
    let authority = Authority::new("the authority");
    let served = Served::new(server_tls(&authority.server())).await;
    let named = Raw::new(&authority, None, &[&TLS13], &[b"h2", b"rpc/1"]);
    let stream = named.connect(&served).await.expect("it is served");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"rpc/1".as_slice()));
    let unnamed = Raw::new(&authority, None, &[&TLS13], &[]);
    let stream = unnamed.connect(&served).await.expect("it is served");
    assert_eq!(stream.get_ref().1.alpn_protocol(), None);
    let another = Raw::new(&authority, None, &[&TLS13], &[b"h2"]);
    let error = another.connect(&served).await.expect_err("it is not spoken");
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

#[tokio::test]
async fn sessions_are_resumed() {
    let authority = Authority::new("the authority");
    for versions in [&[&TLS13], &[&TLS12]] {
        let served = Served::new(server_tls(&authority.server()).allow_tls12()).await;
        let client = Raw::new(&authority, None, versions, &[b"rpc/1"]);
        assert_eq!(client.kind(&served).await, Some(HandshakeKind::Full));
        assert_eq!(client.kind(&served).await, Some(HandshakeKind::Resumed));
    }
}

#[tokio::test]
async fn a_session_does_not_outlive_a_reload() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    for versions in [&[&TLS13], &[&TLS12]] {
        let issued = clients.client("worker");
        let tls = mutual(&servers.server(), &clients).allow_tls12();
        let served = Served::new(tls.clone()).await;
        let client = Raw::new(&servers, Some(&issued), versions, &[]);
        assert_eq!(client.kind(&served).await, Some(HandshakeKind::Full));
        assert_eq!(client.kind(&served).await, Some(HandshakeKind::Resumed));
        tls.reload().expect("nothing has changed");
        assert_eq!(client.kind(&served).await, Some(HandshakeKind::Full));
        // The tickets of that one were for a client that is revoked now.
        let revoking = mutual(&servers.server(), &clients)
            .allow_tls12()
            .client_crls_pem(clients.revoked(&[&issued]))
            .expect("it is sound");
        tls.replace(&revoking).expect("it is sound");
        let error = client.connect(&served).await.expect_err("it is revoked");
        assert!(error.to_string().contains("CertificateRevoked"), "{error}");
    }
}

#[tokio::test]
async fn a_server_of_version_1_2_is_named_as_such() {
    use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

    let authority = Authority::new("the authority");
    let issued = authority.server();
    let own = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).expect("it is PEM");
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("it is PEM");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS12])
        .expect("it is known")
        .with_no_client_auth()
        .with_single_cert(vec![own], key)
        .expect("they go together");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = format!("tls://{}", listener.local_addr().expect("it is bound"));
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("it listens");
        let _ = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
    });
    let connecting = rpc::Channel::builder(address).tls(trusting(&authority)).connect();
    let error = within(connecting).await.expect_err("it is too old");
    assert!(error.to_string().contains("`allow_tls12`"), "{error}");
    within(serving).await.expect("it has ended");
}
