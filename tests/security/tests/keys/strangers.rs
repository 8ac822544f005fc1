//! Who has no key: recordings, mirrors, and whoever stands between.

use rpc::{Channel, Code};
use rpc_core::{auth::server::Challenge, frame::preface, msgpack::Reader};

use super::support::{
    CALL, Doorway, HELLO, Running, WhoClient, Wire, begin, both, client, convinced, key, proof,
    ring,
};

/// Asserts that a server refuses who is at the other end: it says hello, why it goes away, and at most of a call that it was not started.
async fn assert_refused(mut wire: Wire) {
    assert_eq!(wire.frame().await.expect("a hello")[5], 14);
    let farewell = wire.frame().await.expect("a go-away");
    let mut reader = Reader::new(&farewell[4..]);
    reader.array_len().expect("an array");
    assert_eq!(reader.unsigned(), Ok(13));
    assert_eq!(reader.unsigned(), Ok(0), "no call is taken");
    reader.array_len().expect("an error");
    assert_eq!(reader.unsigned(), Ok(16), "unauthenticated");
    let text = reader.str().expect("a message");
    assert_eq!(text, "the key is not known here, or the client does not have it");
    assert!(matches!(wire.rest().await.0[..], [] | [1]), "no call is answered but with a refusal");
}

/// One who stands between a client and a server, and may change what the client says.
async fn between(
    doorway: &Doorway,
    server: &str,
    change: impl Fn(Vec<u8>) -> Vec<u8>,
) -> (Vec<u8>, Wire, Wire) {
    let mut client = doorway.accept().await;
    let mut first = client.bytes(8).await.expect("a preface");
    first.extend(client.frame().await.expect("a first message"));
    let mut server = Wire::connect(server).await;
    server.say(&change(first.clone())).await;
    (first, client, server)
}

#[test]
fn a_recording_of_a_client_is_nobody() {
    both(async |network| {
        let server = Running::new(network, |server| server.key(key("a", 1))).await;
        let doorway = Doorway::new(network).await;
        let calling = tokio::spawn({
            let address = doorway.address();
            async move { client(&address, key("a", 1)).await?.key().await }
        });
        let (mut recording, mut client, mut wire) =
            between(&doorway, &server.address, |said| said).await;
        // The challenge goes to the client; its proof, hello and call go to the server.
        client.say(&wire.bytes(8).await.expect("a preface")).await;
        client.say(&wire.frame().await.expect("a challenge")).await;
        let mut has_greeted = false;
        for _ in 0..3 {
            let frame = client.frame().await.expect("proof, hello, call");
            recording.extend_from_slice(&frame);
            wire.say(&frame).await;
            if frame[5] == 14 && !has_greeted {
                has_greeted = true;
                client.say(&wire.frame().await.expect("a hello")).await;
            }
        }
        client.say(&wire.frame().await.expect("an answer")).await;
        let id = calling.await.expect("it does not panic").expect("it is served");
        assert_eq!((id.as_deref(), server.calls()), (Some("a"), 1));

        let mut replay = Wire::connect(&server.address).await;
        replay.say(&recording).await;
        replay.preface().await;
        assert_eq!(replay.frame().await.expect("a challenge")[5], 19);
        assert_refused(replay).await;
        assert_eq!(server.calls(), 1, "the recorded call is not run");
        server.stop().await;
    });
}

#[test]
fn what_comes_behind_a_right_proof_at_once_is_served() {
    both(async |network| {
        let server = Running::new(network, |server| server.key(key("a", 1))).await;
        let (mut wire, mut output) = convinced(&server.address, key("a", 1)).await;
        output.extend([&HELLO[..], &CALL].concat());
        wire.say(&output).await;
        assert_eq!(wire.frame().await.expect("a hello")[5], 14);
        let answer = wire.frame().await.expect("an answer");
        assert_eq!(answer[4..], *b"\x94\x01\x07\xc0\xa1a");
        drop(wire);
        server.stop().await;
    });
}

#[test]
fn the_servers_proof_is_not_the_clients() {
    both(async |network| {
        let server = Running::new(network, |server| server.key(key("a", 1))).await;
        for id in ["a", "z"] {
            let (_, said) = begin(key(id, 9));
            let mut wire = Wire::connect(&server.address).await;
            wire.say(&said).await;
            wire.preface().await;
            let challenge = wire.frame().await.expect("a challenge");
            let mirrored = proof(&challenge[challenge.len() - 33..challenge.len() - 1]);
            wire.say(&[&mirrored[..], &HELLO, &CALL].concat()).await;
            assert_refused(wire).await;
        }
        assert_eq!(server.calls(), 0);
        server.stop().await;
    });
}

/// What a client with a key ends with at a server that answers its first message with what `answer` makes of it. Asserts that the client
/// says nothing more.
async fn deceived(network: super::support::Network, answer: fn(&[u8]) -> Vec<u8>) -> rpc::Error {
    let doorway = Doorway::new(network).await;
    let channel = Channel::builder(doorway.address()).key(key("a", 1)).connect_lazy();
    let client = WhoClient::new(channel);
    let call = tokio::spawn(client.key());
    let mut wire = doorway.accept().await;
    wire.bytes(8).await.expect("a preface");
    let first = wire.frame().await.expect("a first message");
    wire.say(&answer(&first)).await;
    let error = call.await.expect("it does not panic").expect_err("it is deceived");
    assert_eq!(wire.bytes(1).await, None, "nothing is said to a server that proved nothing");
    assert!(error.is_not_started(), "{error:?}");
    error
}

#[test]
fn a_server_without_the_key_hears_no_call() {
    both(async |network| {
        // It mirrors what it heard, nonce for nonce.
        let error = deceived(network, |first| {
            let nonce = &first[first.len() - 33..first.len() - 1];
            let challenge =
                [&b"\0\0\0\x47\x94\x13\xc4\x20"[..], nonce, b"\xc4\x20", nonce, b"\xc0"];
            [&preface(1, 0)[..], &challenge.concat()].concat()
        })
        .await;
        assert_eq!(error.kind(), Code::Unauthenticated);
        assert!(error.message().contains("another secret for key \"a\""), "{error}");

        // It sends the message itself back.
        let error = deceived(network, |first| [&preface(1, 0)[..], first].concat()).await;
        assert!(error.message().contains("type 18 where one of type 19 is due"), "{error}");

        // It acts as if no key was asked for, and as if the call was answered.
        let error = deceived(network, |_| {
            [&preface(1, 0)[..], &HELLO, b"\0\0\0\x06\x94\x01\0\xc0\xa1z"].concat()
        })
        .await;
        assert_eq!(error.kind(), Code::Unauthenticated);
        assert!(error.message().contains("the server asks for no key"), "{error}");
    });
}

#[test]
fn a_server_that_speaks_before_its_client_has_proved_anything_breaks_a_rule() {
    both(async |network| {
        let doorway = Doorway::new(network).await;
        let channel = Channel::builder(doorway.address()).key(key("a", 1)).connect_lazy();
        let call = tokio::spawn(WhoClient::new(channel).key());
        let mut wire = doorway.accept().await;
        let mut heard = wire.bytes(8).await.expect("a preface");
        heard.extend(wire.frame().await.expect("a first message"));
        let (mut said, mut input) = (Vec::new(), heard[..].into());
        let mut challenge = Challenge::new(ring([key("a", 1)]), key("decoy", 0), [0x5e; 32]);
        assert_eq!(challenge.receive(&mut input, &mut said), Ok(None));
        // In one write, which is read as one: it is far smaller than what a socket holds.
        said.extend_from_slice(&HELLO);
        wire.say(&said).await;
        let error = call.await.expect("it does not panic").expect_err("it is too early");
        assert_eq!(error.kind(), Code::Internal);
        assert!(error.message().contains("(PROTOCOL 12.3)"), "{error}");
    });
}

#[test]
fn who_takes_the_key_out_of_the_conversation_gains_nothing() {
    both(async |network| {
        let server = Running::new(network, |server| server.key(key("a", 1))).await;
        let doorway = Doorway::new(network).await;
        let channel = Channel::builder(doorway.address()).key(key("a", 1)).connect_lazy();
        let call = tokio::spawn(WhoClient::new(channel).key());
        // The server hears of a client that has no key.
        let without = |_| [&preface(1, 0)[..], &HELLO, &CALL].concat();
        let (_, mut client, mut wire) = between(&doorway, &server.address, without).await;
        client.say(&wire.bytes(8).await.expect("a preface")).await;
        client.say(&wire.frame().await.expect("a hello")).await;
        let error = call.await.expect("it does not panic").expect_err("nothing was proved");
        assert_eq!(error.kind(), Code::Unauthenticated);
        assert!(error.message().contains("the server asks for no key"), "{error}");
        assert_eq!(client.bytes(1).await, None, "the client closes");
        assert_eq!(wire.frame().await.expect("a go-away")[5], 13);
        assert_eq!(server.calls(), 0);
        server.stop().await;
    });
}

#[test]
fn who_changes_a_version_on_the_way_gains_nothing() {
    both(async |network| {
        let server = Running::new(network, |server| server.key(key("a", 1))).await;
        let doorway = Doorway::new(network).await;
        let channel = Channel::builder(doorway.address()).key(key("a", 1)).connect_lazy();
        let call = tokio::spawn(WhoClient::new(channel).key());
        let later = |mut said: Vec<u8>| {
            said[7] = 1;
            said
        };
        let (_, mut client, mut wire) = between(&doorway, &server.address, later).await;
        client.say(&wire.bytes(8).await.expect("a preface")).await;
        client.say(&wire.frame().await.expect("a challenge")).await;
        let error = call.await.expect("it does not panic").expect_err("it was changed");
        assert_eq!(error.kind(), Code::Unauthenticated);
        assert_eq!(client.bytes(1).await, None, "the client closes");
        drop(wire);
        server.stop().await;
    });
}

#[test]
fn what_breaks_a_rule_is_said() {
    both(async |network| {
        let server = Running::new(network, |server| server.key(key("a", 1))).await;
        for (frame, rule) in [
            (b"\0\0\x01\x01\x94\x12".to_vec(), "(PROTOCOL 12.8)"),
            (b"\0\0\0\x05\x94\x12\xa0\xc0\xc0".to_vec(), "(PROTOCOL 12.2)"),
            (b"\0\0\0\x05\x93\x12\xa1a\xc0".to_vec(), "(PROTOCOL 3.3)"),
        ] {
            let mut wire = Wire::connect(&server.address).await;
            // What a frame is too large for is decided by its head, of which there is enough.
            wire.say(&[&preface(1, 0)[..], &frame, &[0; 32]].concat()).await;
            wire.preface().await;
            let (kinds, last) = wire.rest().await;
            assert_eq!(kinds, [13]);
            let text = String::from_utf8_lossy(&last).into_owned();
            assert!(text.contains(rule), "{text} is not {rule}");
        }
        server.stop().await;
    });
}
