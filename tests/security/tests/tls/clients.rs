//! The client's certificate, as its server sees it: who is served, who is told what, and what a handler knows.

use rpc::{Code, Error, tls::ServerTls};
use rpc_security_tests::{
    authority::{Authority, Validity},
    vault::VaultClient,
};

use crate::{Served, identified, mutual, server_tls, trusting, within};

struct World {
    servers: Authority,
    clients: Authority,
}

impl World {
    fn new() -> Self {
        Self { servers: Authority::new("servers"), clients: Authority::new("clients") }
    }

    fn mutual(&self) -> ServerTls {
        mutual(&self.servers.server(), &self.clients)
    }
}

fn check(error: &Error, words: &[&str]) {
    assert_eq!(error.kind(), Code::Unauthenticated, "{error}");
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "no \"{word}\" in: {text}");
    }
}

/// A client is refused at once with these words, however it comes.
async fn is_refused(served: &Served, tls: &rpc::tls::ClientTls, words: &[&str]) {
    check(&served.channel(tls).await.expect_err("it is not served"), words);
    let patient = || served.builder(tls).wait_for_connection(std::time::Duration::MAX);
    for _ in 0..5 {
        let client = VaultClient::new(patient().connect_lazy());
        // One that is sent early, one that waits for the server's hello, and one that comes when all is known.
        let (early, late) = within(async { tokio::join!(client.find(7), client.whoami()) }).await;
        for error in [early.expect_err("not served"), late.expect_err("not served")] {
            check(&error, words);
            assert!(error.is_not_started(), "{error:?}");
        }
        check(&within(client.find(8)).await.expect_err("not served"), words);
    }
}

#[tokio::test]
async fn a_handler_knows_who_calls() {
    let world = World::new();
    let served = Served::new(world.mutual()).await;
    let issued = world.clients.client("worker, 7");
    let tls = identified(trusting(&world.servers), &issued);
    // The second connection resumes the session of the first.
    for _ in 0..2 {
        let client = served.client(&tls).await;
        let caller = client.whoami().await.expect("it answers").expect("it has a certificate");
        assert_eq!(caller.subject, r"CN=worker\, 7,O=Example\, Ltd");
        let names = [
            "DNS:worker.example",
            "IP:2001:db8::7",
            "URI:spiffe://example/worker",
            "email:worker@example.org",
        ];
        assert_eq!(caller.names, names);
        assert_eq!(caller.der, issued.der);
        let digest = rpc_security_tests::sha256(&issued.der);
        assert_eq!(caller.fingerprint, digest);
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_told_to_set_one() {
    let world = World::new();
    let served = Served::new(world.mutual()).await;
    let words = ["wants a client certificate", "`identity_pem_files`"];
    is_refused(&served, &trusting(&world.servers), &words).await;
}

#[tokio::test]
async fn a_client_of_another_authority_is_told() {
    let world = World::new();
    let served = Served::new(world.mutual()).await;
    let tls = identified(trusting(&world.servers), &world.servers.client("stranger"));
    is_refused(&served, &tls, &["does not trust the authority", "`client_roots_pem_file`"]).await;
}

#[tokio::test]
async fn a_client_whose_certificate_has_expired_is_told() {
    let world = World::new();
    let served = Served::new(world.mutual()).await;
    let issued = world.clients.client_with("worker", Validity::Past);
    let tls = identified(trusting(&world.servers), &issued);
    is_refused(&served, &tls, &["has expired", "renew it"]).await;
}

#[tokio::test]
async fn a_client_whose_certificate_is_revoked_is_told() {
    let world = World::new();
    let (good, bad) = (world.clients.client("good"), world.clients.client("bad"));
    let list = world.clients.revoked(&[&bad]);
    let served = Served::new(world.mutual().client_crls_pem(list).expect("it is sound")).await;
    is_refused(&served, &identified(trusting(&world.servers), &bad), &["was revoked"]).await;
    let client = served.client(&identified(trusting(&world.servers), &good)).await;
    assert!(client.whoami().await.expect("it answers").is_some());
}

#[tokio::test]
async fn a_servers_certificate_is_not_a_clients() {
    let world = World::new();
    let served = Served::new(world.mutual()).await;
    let tls = identified(trusting(&world.servers), &world.clients.server());
    is_refused(&served, &tls, &["for a purpose", "client authentication"]).await;
}

#[tokio::test]
async fn a_certificate_can_be_optional() {
    let world = World::new();
    let served = Served::new(world.mutual().optional_client_certificate()).await;
    let nobody = served.client(&trusting(&world.servers)).await;
    assert_eq!(nobody.whoami().await.expect("it answers"), None);
    let issued = world.clients.client("somebody");
    let somebody = served.client(&identified(trusting(&world.servers), &issued)).await;
    assert!(somebody.whoami().await.expect("it answers").is_some());
    // One that does not hold is none that may be left out.
    let tls = identified(trusting(&world.servers), &world.servers.client("stranger"));
    is_refused(&served, &tls, &["does not trust the authority"]).await;
}

#[tokio::test]
async fn a_certificate_that_nobody_asked_for_is_not_shown() {
    let world = World::new();
    let served = Served::new(server_tls(&world.servers.server())).await;
    let tls = identified(trusting(&world.servers), &world.clients.client("somebody"));
    assert_eq!(served.client(&tls).await.whoami().await.expect("it answers"), None);
}

#[tokio::test]
async fn a_resumed_session_does_not_outlive_its_certificate() {
    let world = World::new();
    let served = Served::new(world.mutual()).await;
    let issued = world.clients.client_with("worker", Validity::For(2));
    let tls = identified(trusting(&world.servers), &issued);
    let start = std::time::Instant::now();
    // Each resumes the session of the one before.
    let error = loop {
        assert!(start.elapsed() < crate::LONG, "it should have expired");
        match served.channel(&tls).await {
            Ok(channel) => match within(VaultClient::new(channel).find(7)).await {
                Ok(_) => {}
                Err(error) => break error,
            },
            Err(error) => break error,
        }
    };
    assert!(start.elapsed() > std::time::Duration::from_secs(1), "it was served at first");
    check(&error, &["the client's certificate has expired: it was valid until"]);
}
