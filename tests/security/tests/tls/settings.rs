//! What is set and does not go together is told at once, with the culprit and the remedy.

use rpc::{
    Channel, Code, Error, Server,
    tls::{ClientTls, Provider, ServerTls},
};
use rpc_security_tests::{
    authority::Authority,
    vault::{MyVault, VaultDispatcher},
};

use crate::{Served, exchanging::Folder, identified, mutual, server_tls, trusting, within};

fn check(error: &Error, kind: Code, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "no \"{word}\" in: {error}");
    }
}

#[tokio::test]
async fn a_secure_address_wants_a_certificate() {
    let server = Server::bind("tls://127.0.0.1:0").await.expect("a port is free");
    let error = within(server.run()).await.expect_err("there is no certificate");
    check(&error, Code::InvalidArgument, &["tls://127.0.0.1:", "`tls` on the server"]);
}

#[tokio::test]
async fn a_unix_socket_has_no_tls() {
    let authority = Authority::new("the authority");
    let folder = Folder::new("unix");
    let address = format!("unix://{}", folder.path().join("socket").display());
    let server = Server::bind(&address).await.expect("it is free");
    let server = server.tls(server_tls(&authority.server()));
    assert_eq!(server.local_addr().expect("it is bound").to_string(), address);
    let error = within(server.run()).await.expect_err("it is a Unix socket");
    check(&error, Code::InvalidArgument, &["`tls`", "Unix socket"]);
    let connecting = Channel::builder(&address).tls(trusting(&authority)).connect();
    let error = within(connecting).await.expect_err("it is a Unix socket");
    check(&error, Code::InvalidArgument, &[&address, "tls://host:port"]);
}

#[tokio::test]
async fn a_plain_address_is_not_made_secure_by_the_client() {
    let tls = trusting(&Authority::new("the authority"));
    let connecting = Channel::builder("tcp://127.0.0.1:1").tls(tls).connect();
    let error = within(connecting).await.expect_err("it is plain");
    check(&error, Code::InvalidArgument, &["tcp://127.0.0.1:1", "tls://host:port"]);
}

#[tokio::test]
async fn an_inherited_listener_is_secure_if_it_is_said() {
    let authority = Authority::new("the authority");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let server = Server::new(listener).tls(server_tls(&authority.server()));
    let address = server.local_addr().expect("it is bound").to_string();
    assert!(address.starts_with("tls://"), "{address}");
    let (events, _heard) = tokio::sync::mpsc::unbounded_channel();
    let task = tokio::spawn(server.serve(VaultDispatcher::new(MyVault { events })));
    let connecting = Channel::builder(&address).tls(trusting(&authority)).connect();
    let client = within(connecting).await.expect("it listens");
    rpc_security_tests::vault::VaultClient::new(client).find(1).await.expect("it answers");
    task.abort();
}

#[test]
fn files_are_named_with_what_they_lack() {
    let authority = Authority::new("the authority");
    let (own, another) = (authority.server(), authority.server());
    let folder = Folder::new("files");
    let certificate = folder.write("good.pem", &own.certificate);
    let key = folder.write("good.key", &own.key);
    ServerTls::from_pem_files(&certificate, &key).expect("they are sound");

    let cut = &own.certificate[..own.certificate.len() / 2];
    let empty = folder.write("empty.pem", "");
    for (certificate, key, kind, words) in [
        (&folder.path().join("none.pem"), &key, Code::NotFound, ["none.pem", "cannot read"]),
        (&certificate, &folder.path().join("none.key"), Code::NotFound, ["none.key", "cannot read"]),
        (&empty, &key, Code::InvalidArgument, ["empty.pem", "it is empty"]),
        (&key, &certificate, Code::InvalidArgument, ["good.key", "interchanged"]),
        (&certificate, &certificate, Code::InvalidArgument, ["good.pem", "no private key"]),
        (&key, &key, Code::InvalidArgument, ["good.key", "no certificate"]),
        (&folder.write("text.pem", "hello"), &key, Code::InvalidArgument, ["text.pem", "not PEM"]),
        (&folder.write("cut.pem", cut), &key, Code::InvalidArgument, ["cut.pem", "no END line"]),
        (&folder.write("own.der", &own.der), &key, Code::InvalidArgument, ["own.der", "DER"]),
        (&folder.write("garbled.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"), &key, Code::InvalidArgument, ["garbled.pem", "base64"]),
        (&folder.write("nonsense.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), &key, Code::InvalidArgument, ["nonsense.pem", "cannot be read"]),
        (&certificate, &folder.write("another.key", &another.key), Code::InvalidArgument, ["another.key", "is not that of the first certificate"]),
        (&certificate, &folder.write("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"), Code::InvalidArgument, ["locked.key", "is encrypted"]),
        (&certificate, &folder.write("odd.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), Code::InvalidArgument, ["odd.key", "not supported"]),
    ] {
        let error = ServerTls::from_pem_files(certificate, key).expect_err(words[0]);
        check(&error, kind, &words);
        let error = ClientTls::new().identity_pem_files(certificate, key).expect_err(words[0]);
        check(&error, kind, &words);
    }
    let tls = || server_tls(&own);
    let error = tls().client_roots_pem_file(&key).expect_err("it is a key");
    check(&error, Code::InvalidArgument, &["good.key", "no certificate"]);
    let error = ClientTls::new().roots_pem_file(&empty).expect_err("it is empty");
    check(&error, Code::InvalidArgument, &["empty.pem", "it is empty"]);
    let error = tls().client_crls_pem_file(&certificate).expect_err("there are no roots");
    check(&error, Code::FailedPrecondition, &["`client_roots_pem_file`"]);
    let mutual = tls().client_roots_pem(authority.pem()).expect("it is sound");
    let error = mutual.clone().client_crls_pem_file(&certificate).expect_err("it is no list");
    check(&error, Code::InvalidArgument, &["good.pem", "`X509 CRL`"]);
    let nonsense = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    let error = mutual.client_crls_pem(nonsense).expect_err("it is none");
    check(&error, Code::InvalidArgument, &["revocation list", "not encoded"]);
    let error = ClientTls::new().server_name("not a name").expect_err("it has spaces");
    check(&error, Code::InvalidArgument, &["\"not a name\"", "`server_name`"]);
}

#[test]
fn no_key_is_shown() {
    let authority = Authority::new("the authority");
    let issued = authority.server();
    let folder = Folder::new("shown");
    let path = folder.write("own.key", &issued.key);
    let (head, secret) = (folder.write("own.pem", &issued.certificate), &issued.key[40..80]);
    let server = ServerTls::from_pem_files(head, path).expect("they are sound");
    let client = identified(trusting(&authority), &issued);
    for text in [format!("{server:?}"), format!("{:?}", server_tls(&issued)), format!("{client:?}")]
    {
        assert!(text.contains("Identity") && !text.contains(secret), "{text}");
        assert!(!text.contains("PRIVATE KEY"), "{text}");
    }
    assert!(format!("{server:?}").contains("own.key"));
    assert!(format!("{:?}", Channel::builder("tls://a:1").tls(client)).contains("Identity"));
}

#[tokio::test]
async fn providers_understand_each_other() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let providers = [
        Provider::Ring,
        #[cfg(feature = "aws-lc-rs")]
        Provider::AwsLcRs,
    ];
    for at_server in providers {
        for at_client in providers {
            let tls = mutual(&servers.server(), &clients).provider(at_server);
            let served = Served::new(tls.expect("it is sound")).await;
            let tls = identified(trusting(&servers), &clients.client("worker")).provider(at_client);
            let client = served.client(&tls).await;
            assert!(client.whoami().await.expect("it answers").is_some());
        }
    }
}
