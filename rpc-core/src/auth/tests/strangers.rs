//! Who has not the key: other secrets, ids that are not known, recordings, mirrors, and who changes what is said.

use super::{
    Exchange, Outcome, Part, SERVER_NONCE, client, client_with, hear, key, recorded, ring, say,
    server, server_with,
};
use crate::{
    Code, Error,
    auth::{
        client::Refusal,
        messages,
        server::{Challenge, Verdict},
        transcript::COMPUTED,
    },
    frame::{PREFACE_LEN, preface},
};

#[test]
fn another_secret_and_an_unknown_id_are_the_same_to_the_client() {
    let wrong = Exchange::plain(key("a", 7), server());
    let unknown = Exchange::plain(key("z", 1), server());
    for exchange in [&wrong, &unknown] {
        assert!(matches!(exchange.refusal, Some(Refusal::Unproved { .. })), "{exchange:?}");
        assert_eq!(exchange.outcome, Ok(None), "it was told nothing");
    }
    let text = |exchange: Exchange| {
        let error = Error::from(exchange.refusal.expect("it was refused"));
        assert_eq!(error.kind(), Code::Unauthenticated);
        error.message().replace("\"z\"", "\"a\"")
    };
    assert_eq!(text(wrong), "the server has another secret for key \"a\", or does not know it");
    assert_eq!(text(unknown), text(Exchange::plain(key("a", 7), server())));
}

/// What a server says and computes for a client that names this id, and then makes up a proof.
fn work(id: &str) -> (Vec<usize>, usize, Outcome) {
    let before = COMPUTED.get();
    let mut server = server();
    let (_, authenticate) = client(key(id, 9));
    let (challenge, outcome) = say(&mut server, &authenticate);
    assert_eq!(outcome, Ok(None));
    let mut proof = Vec::new();
    messages::write_proof(&mut proof, &[9; 32]);
    let (nothing, outcome) = say(&mut server, &proof);
    (vec![challenge.len(), nothing.len()], COMPUTED.get() - before, outcome)
}

#[test]
fn another_secret_and_an_unknown_id_are_the_same_work_for_the_server() {
    let wrong = work("a");
    let unknown = work("z");
    assert_eq!(wrong.1, 2, "one proof to make, one to check");
    assert_eq!(wrong.2, Ok(Some(Verdict::Unproved)));
    assert_eq!(wrong, unknown);
}

#[test]
fn the_decoy_is_nobodys_key() {
    // Whoever had the decoy, which is drawn anew for each server and told nobody.
    let server = || server_with(ring([key("a", 1)]));
    let exchange = Exchange::plain(key("z", 0xdd), server());
    assert!(exchange.is_client_sure);
    assert_eq!(exchange.outcome, Ok(Some(Verdict::Unproved)));
}

#[test]
fn two_ids_of_one_secret_are_two_keys() {
    let server = server_with(ring([key("a", 1), key("b", 1)]));
    let exchange = Exchange::new(key("a", 1), server, |part, bytes| {
        let mut bytes = bytes.to_vec();
        if part == Part::Authenticate {
            let id = bytes.iter().rposition(|byte| *byte == b'a').expect("the id");
            bytes[id] = b'b';
        }
        bytes
    });
    exchange.assert_refused(Part::Authenticate, "another id");
}

#[test]
fn a_recorded_client_is_nobody() {
    let parts = recorded();
    let keys = ring([key("a", 1)]);
    let mut server = Challenge::new(keys, key("decoy", 0xdd), [0x77; 32]);
    let (_, outcome) = say(&mut server, &[&parts[0][..], &parts[2]].concat());
    assert_eq!(outcome, Ok(Some(Verdict::Unproved)));
}

#[test]
fn a_recorded_server_is_nobody() {
    let parts = recorded();
    let (mut client, _) = client_with(key("a", 1), [0x77; 32]);
    let (_, outcome) = hear(&mut client, &parts[1]);
    assert!(matches!(outcome, Err(Refusal::Unproved { .. })), "{outcome:?}");
}

#[test]
fn nobody_proves_with_what_the_other_said() {
    let parts = recorded();
    // The server's proof as the client's.
    let tag = &parts[1][parts[1].len() - 33..parts[1].len() - 1];
    let mut reflected = Vec::new();
    messages::write_proof(&mut reflected, tag.try_into().expect("32 bytes"));
    let mut server = server();
    let (_, outcome) = say(&mut server, &[&parts[0][..], &reflected].concat());
    assert_eq!(outcome, Ok(Some(Verdict::Unproved)));
    // The client's proof as the server's: with its own nonce, too, a client that plays both roles would make it.
    let tag = &parts[2][parts[2].len() - 33..parts[2].len() - 1];
    let mut challenge = preface(1, 0).to_vec();
    let tag = tag.try_into().expect("32 bytes");
    messages::write_challenge(&mut challenge, &SERVER_NONCE, tag);
    let (mut client, _) = client(key("a", 1));
    let (_, outcome) = hear(&mut client, &challenge);
    assert!(matches!(outcome, Err(Refusal::Unproved { .. })), "{outcome:?}");
}

#[test]
fn nobody_talks_them_down_to_another_version() {
    // The server would answer a client of a later version with its own.
    let exchange = Exchange::new(key("a", 1), server(), |part, bytes| {
        let mut bytes = bytes.to_vec();
        if part == Part::Authenticate {
            bytes[..PREFACE_LEN].copy_from_slice(&preface(1, 3));
        }
        bytes
    });
    exchange.assert_refused(Part::Authenticate, "a later minor version");
    let exchange = Exchange::new(key("a", 1), server(), |part, bytes| {
        let mut bytes = bytes.to_vec();
        if part == Part::Challenge {
            bytes[..PREFACE_LEN].copy_from_slice(&preface(1, 3));
        }
        bytes
    });
    exchange.assert_refused(Part::Challenge, "a later minor version");
}
