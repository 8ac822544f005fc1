//! Shared keys, over TCP and Unix sockets: who has one is let in, and each end learns who the other is before a call is read or sent.
//!
//! [`strangers`] has those who try without one.

mod strangers;
mod support;

use std::time::Duration;

use rpc::{Channel, ChannelState, Code, Key, Keyring, Server};
use rpc_core::frame::preface;

use self::support::{
    Doorway, HELLO, Running, WhoClient, Wire, begin, both, convinced, free_address, key, keyless,
    proof, ring,
};

#[test]
fn who_has_the_key_is_known_to_the_handler() {
    both(async |network| {
        let server = Running::new(network, |server| server.key(key("a", 1)).key(key("b", 2))).await;
        for (id, secret) in [("a", 1), ("b", 2)] {
            let client = server.client(key(id, secret)).await.expect("it has the key");
            assert_eq!(client.key().await.expect("it is served").as_deref(), Some(id));
            // What comes behind the first call is served too.
            assert_eq!(client.key().await.expect("it is served").as_deref(), Some(id));
        }
        assert_eq!(server.calls(), 4);
        server.stop().await;
    });
}

#[test]
fn a_server_without_keys_asks_for_none() {
    both(async |network| {
        let server = Running::new(network, |server| server).await;
        let client = WhoClient::connect(&server.address).await.expect("none is asked for");
        assert_eq!(client.key().await.expect("it is served"), None);
        server.stop().await;
    });
}

#[test]
fn a_channel_proves_its_key_on_every_connection() {
    both(async |network| {
        let server = Running::new(network, |server| server.key(key("a", 1))).await;
        let channel = Channel::builder(&server.address).key(key("a", 1)).connect_lazy();
        let client = WhoClient::new(channel);
        assert!(client.key().await.is_ok());
        let address = server.address.clone();
        server.stop().await;
        let server = Running::at(&address, |server| server.key(key("a", 1))).await;
        assert_eq!(client.key().await.expect("it connects again").as_deref(), Some("a"));
        server.stop().await;
    });
}

#[test]
fn keys_are_rotated_while_the_server_runs() {
    both(async |network| {
        let keys = ring([key("2025", 1)]);
        let handle = keys.clone();
        let server = Running::new(network, |server| server.keys(keys)).await;
        let old = server.client(key("2025", 1)).await.expect("the key is known");
        assert!(old.key().await.is_ok());

        handle.replace([key("2025", 1), key("2026", 2)]).expect("two ids");
        let new = server.client(key("2026", 2)).await.expect("the new key is known");
        assert_eq!(new.key().await.expect("it is served").as_deref(), Some("2026"));
        assert!(server.client(key("2025", 1)).await.is_ok(), "the old one still is");

        handle.replace([key("2026", 2)]).expect("one id");
        let error = server.client(key("2025", 1)).await.expect_err("it is gone");
        assert_eq!(error.kind(), Code::Unauthenticated);
        // What was opened with it lives on.
        assert_eq!(old.key().await.expect("it is served").as_deref(), Some("2025"));
        assert!(server.client(key("2026", 2)).await.is_ok());
        server.stop().await;
    });
}

#[test]
fn a_ring_without_keys_accepts_nobody() {
    both(async |network| {
        let server = Running::new(network, |server| server.keys(Keyring::default())).await;
        let error = server.client(key("a", 1)).await.expect_err("no key is known");
        assert_eq!(error.kind(), Code::Unauthenticated);
        let error = keyless(&server.address).await;
        assert_eq!(error.kind(), Code::Unauthenticated, "{error:?}");
        assert_eq!(server.calls(), 0);
        server.stop().await;
    });
}

#[test]
fn another_secret_and_an_unknown_id_are_one_error() {
    both(async |network| {
        let server = Running::new(network, |server| server.key(key("a", 1))).await;
        let wrong = server.client(key("a", 7)).await.expect_err("another secret");
        let unknown = server.client(key("z", 1)).await.expect_err("an unknown id");
        for error in [&wrong, &unknown] {
            assert_eq!(error.kind(), Code::Unauthenticated);
        }
        assert_eq!(
            wrong.message(),
            "the server has another secret for key \"a\", or does not know it"
        );
        assert_eq!(wrong.message(), unknown.message().replace("\"z\"", "\"a\""));
        assert_eq!(server.calls(), 0);
        server.stop().await;
    });
}

#[test]
fn calls_of_a_lazy_channel_learn_it_at_once() {
    both(async |network| {
        let server = Running::new(network, |server| server.key(key("a", 1))).await;
        let channel = Channel::builder(&server.address).key(key("a", 7)).connect_lazy();
        // It does not wait for another connection, which would fail for the same reason.
        let error = WhoClient::new(channel).key().await.expect_err("another secret");
        assert_eq!(error.kind(), Code::Unauthenticated);
        assert!(error.is_not_started(), "{error:?}");
        server.stop().await;
    });
}

#[test]
fn a_client_without_a_key_is_told_what_it_lacks() {
    both(async |network| {
        let server = Running::new(network, |server| server.key(key("a", 1))).await;
        let error = keyless(&server.address).await;
        assert_eq!(error.kind(), Code::Unauthenticated, "{error:?}");
        assert!(error.message().contains("this server wants a shared key"), "{error}");
        assert!(error.message().contains("`key` on the channel's builder"), "{error}");
        assert_eq!(server.calls(), 0);
        server.stop().await;
    });
}

#[test]
fn a_client_with_a_key_does_without_a_server_that_asks_for_none() {
    both(async |network| {
        let server = Running::new(network, |server| server).await;
        let error = server.client(key("a", 1)).await.expect_err("it proves nothing");
        assert_eq!(error.kind(), Code::Unauthenticated);
        assert!(error.message().contains("the server asks for no key"), "{error}");
        assert!(error.message().contains("remove `key` from the channel's builder"), "{error}");
        assert_eq!(server.calls(), 0);
        server.stop().await;
    });
}

#[test]
fn two_keys_with_one_id_do_not_start_a_server() {
    both(async |network| {
        let server = Server::bind(free_address(network)).await.expect("it is free");
        let error = server.key(key("a", 1)).key(key("a", 2)).run().await.expect_err("one id");
        assert_eq!(error.kind(), Code::AlreadyExists);
        assert!(error.message().contains("\"a\""), "{error}");
        let server = Server::bind(free_address(network)).await.expect("it is free");
        let server = server.key(key("a", 1)).keys(ring([key("b", 1)]));
        let error = server.run().await.expect_err("keys from both sides");
        assert_eq!(error.kind(), Code::InvalidArgument);
    });
}

/// Clients that stop in the midst of the challenge: when it began, behind the preface, in the first message, behind it, and behind a proof
/// that is wrong.
async fn stuck(address: &str) -> Vec<Wire> {
    let (_, said) = begin(key("a", 1));
    let wrong = [&said[..], &proof(&[0; 32])].concat();
    let mut wires = Vec::new();
    for said in [&[][..], &said[..8], &said[..30], &said, &wrong] {
        let mut wire = Wire::connect(address).await;
        wire.say(said).await;
        if said.len() >= 8 {
            wire.preface().await;
        }
        wires.push(wire);
    }
    wires
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    both(async |network| {
        let soon = Duration::from_millis(100);
        let configure = |server: Server| server.key(key("a", 1)).handshake_timeout(soon);
        let server = Running::new(network, configure).await;
        for mut wire in stuck(&server.address).await {
            // It is closed, without anything that says more than the challenge.
            wire.rest().await;
        }
        assert_eq!(server.calls(), 0);
        server.stop().await;
    });
}

#[test]
fn who_says_nothing_does_not_hold_up_the_end() {
    both(async |network| {
        // Far longer than a test may take.
        let long = Duration::from_secs(3600);
        let configure =
            |server: Server| server.key(key("a", 1)).handshake_timeout(long).drain_timeout(long);
        let server = Running::new(network, configure).await;
        let stuck = stuck(&server.address).await;
        server.stop().await;
        drop(stuck);
    });
}

#[test]
fn who_proves_while_the_server_drains_is_sent_elsewhere() {
    both(async |network| {
        let server = Running::new(network, |server| server.key(key("a", 1))).await;
        let (mut wire, proof) = convinced(&server.address, key("a", 1)).await;

        // A client that is told to go shows that every connection was told.
        let channel = Channel::builder(&server.address).key(key("a", 1)).connect().await;
        let mut watch = channel.as_ref().expect("it has the key").watch();
        server.shutdown.shutdown();
        while watch.state() == ChannelState::Ready {
            watch.changed().await;
        }
        wire.say(&[&proof[..], &HELLO].concat()).await;
        let (kinds, _) = wire.rest().await;
        assert_eq!(kinds, [14, 13], "a hello and a go-away");
        assert_eq!(server.calls(), 0);
        server.ended().await;
    });
}

#[test]
fn an_attempt_to_connect_covers_the_challenge() {
    both(async |network| {
        let doorway = Doorway::new(network).await;
        let builder = Channel::builder(doorway.address())
            .key(key("a", 1))
            .connect_timeout(Duration::from_millis(100));
        let error = builder.connect().await.expect_err("nothing is said");
        assert_eq!(error.kind(), Code::Unavailable);
        assert!(error.message().contains("`connect_timeout`"), "{error}");
    });
}

#[test]
fn a_server_that_ends_in_the_midst_is_tried_again() {
    both(async |network| {
        let doorway = Doorway::new(network).await;
        let address = doorway.address();
        let channel = Channel::builder(&address).key(key("a", 1)).connect_lazy();
        let call = tokio::spawn(WhoClient::new(channel).key());
        for said in [&[][..], &preface(1, 0), &[&preface(1, 0)[..], &[0, 0, 0, 70]].concat()] {
            let mut wire = doorway.accept().await;
            wire.bytes(8).await.expect("a preface");
            wire.frame().await.expect("the first message");
            wire.say(said).await;
        }
        drop(doorway);
        let server = Running::at(&address, |server| server.key(key("a", 1))).await;
        let id = call.await.expect("it does not panic").expect("it is served at last");
        assert_eq!(id.as_deref(), Some("a"));
        server.stop().await;
    });
}

#[test]
fn no_secret_is_shown() {
    both(async |network| {
        let secret = "5ec2e7".repeat(11);
        let key = Key::from_hex("a", &secret[..64]).expect("a key");
        let bytes: Vec<String> = (0..3)
            .map(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).expect("hex").to_string())
            .collect();
        let server = Server::bind(free_address(network)).await.expect("it is free");
        let server = server.key(key.clone()).keys(ring([key.clone()]));
        let builder = Channel::builder("tcp://127.0.0.1:1").key(key.clone());
        for text in [
            format!("{key:?}"),
            format!("{:#?}", ring([key.clone()])),
            format!("{server:?}"),
            format!("{builder:?}"),
        ] {
            assert!(!text.contains("5ec2e7") && !text.contains("5EC2E7"), "{text}");
            assert!(!text.contains(&bytes.join(", ")), "{text}");
        }
        let error = Key::from_hex("a", &secret[..63]).expect_err("an odd number");
        assert!(!format!("{error:?} {error}").contains("5ec2e7"), "{error:?}");
    });
}
