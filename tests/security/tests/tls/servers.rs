//! The server's certificate, as its clients see it: each mistake by its name, told at once.

use std::time::Duration;

use rpc::{Code, tls::ClientTls};
use rpc_security_tests::{
    authority::{Authority, Issued, Validity, self_signed},
    vault::VaultClient,
};

use crate::{Served, server_tls, trusting, within};

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_accepted() {
    let authority = Authority::new("the authority");
    let served = Served::new(server_tls(&authority.server())).await;
    assert!(served.address.starts_with("tls://127.0.0.1:"), "{}", served.address);
    let client = served.client(&trusting(&authority)).await;
    assert_eq!(client.find(7).await.expect("it answers"), 7);
    assert_eq!(client.whoami().await.expect("it answers"), None);
}

#[tokio::test]
async fn the_name_to_check_can_be_another_than_that_of_the_address() {
    let authority = Authority::new("the authority");
    let issued = authority.server_with(Validity::Now, &["vault.internal"]);
    let served = Served::new(server_tls(&issued)).await;
    let tls = trusting(&authority).server_name("vault.internal").expect("it is a name");
    assert_eq!(served.client(&tls).await.find(7).await.expect("it answers"), 7);
}

/// Connects with this trust to a server with this certificate, and wants an error with each of these words.
async fn refuses(issued: &Issued, tls: &ClientTls, words: &[&str]) {
    let served = Served::new(server_tls(issued)).await;
    let check = |error: &rpc::Error| {
        assert_eq!(error.kind(), Code::Unauthenticated, "{error}");
        let text = error.to_string();
        assert!(text.contains(&served.address), "{error}");
        for word in words {
            assert!(text.contains(word), "no \"{word}\" in: {text}");
        }
    };
    check(&served.channel(tls).await.expect_err("it is not trusted"));
    // Waiting would not help, so nobody waits.
    let patient = served.builder(tls).wait_for_connection(Duration::MAX).connect_lazy();
    let client = VaultClient::new(patient);
    for _ in 0..2 {
        let error = within(client.find(7)).await.expect_err("it is not trusted");
        check(&error);
        assert!(error.is_not_started(), "{error:?}");
    }
}

#[tokio::test]
async fn an_expired_certificate_is_named_with_its_times() {
    let authority = Authority::new("the authority");
    let issued = authority.server_with(Validity::Past, &["localhost"]);
    let words = ["has expired", "until 2001-01-01T00:00:00Z", "now is 2", "renew it"];
    refuses(&issued, &trusting(&authority), &words).await;
}

#[tokio::test]
async fn a_certificate_of_the_future_is_named_with_its_times() {
    let authority = Authority::new("the authority");
    let issued = authority.server_with(Validity::Future, &["localhost"]);
    let words = ["is not valid yet", "from 4000-01-01T00:00:00Z", "clock"];
    refuses(&issued, &trusting(&authority), &words).await;
}

#[tokio::test]
async fn a_certificate_for_other_names_lists_them() {
    let authority = Authority::new("the authority");
    let issued = authority.server_with(Validity::Now, &["a.example", "b.example"]);
    let words = ["is not for \"127.0.0.1\", but for a.example, b.example", "`server_name`"];
    refuses(&issued, &trusting(&authority), &words).await;
}

#[tokio::test]
async fn an_unknown_authority_is_named_as_such() {
    let (authority, other) = (Authority::new("the authority"), Authority::new("another"));
    let words = ["an unknown authority", "`roots_pem_file`"];
    refuses(&authority.server(), &trusting(&other), &words).await;
}

#[tokio::test]
async fn a_self_signed_certificate_is_named_as_such() {
    let authority = Authority::new("the authority");
    for is_authority in [false, true] {
        let issued = self_signed(is_authority);
        refuses(&issued, &trusting(&authority), &["is self-signed"]).await;
    }
}

#[tokio::test]
async fn a_self_signed_certificate_that_is_named_as_a_root_is_accepted() {
    let issued = self_signed(false);
    let served = Served::new(server_tls(&issued)).await;
    let tls = ClientTls::new().roots_pem(&issued.certificate).expect("it is sound");
    assert_eq!(served.client(&tls).await.find(7).await.expect("it answers"), 7);
}

#[tokio::test]
async fn a_revoked_certificate_is_named_as_such() {
    let authority = Authority::new("the authority");
    let (good, bad) = (authority.server(), authority.server());
    let tls = trusting(&authority).crls_pem(authority.revoked(&[&bad])).expect("it is sound");
    refuses(&bad, &tls, &["was revoked"]).await;
    let served = Served::new(server_tls(&good)).await;
    assert_eq!(served.client(&tls).await.find(7).await.expect("it answers"), 7);
}

#[tokio::test]
async fn a_certificate_for_clients_is_not_a_servers() {
    let authority = Authority::new("the authority");
    let tls = trusting(&authority).server_name("worker.example").expect("it is a name");
    refuses(&authority.client("worker"), &tls, &["is not for this purpose"]).await;
}

#[tokio::test]
async fn the_systems_authorities_do_not_know_that_of_a_test() {
    let served = Served::new(server_tls(&Authority::new("the authority").server())).await;
    let error = within(rpc::Channel::connect(&served.address)).await.expect_err("it is unknown");
    // Or there are none at all on this machine, which is said too.
    let text = error.to_string();
    assert!(text.contains("an unknown authority") || text.contains("`ca-certificates`"), "{text}");
}
