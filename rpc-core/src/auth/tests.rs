//! Both ends of the challenge against each other, and against who has no key.

mod strangers;

use bytes::BytesMut;

use super::{
    Key, Keyring, Nonce,
    client::{self, Refusal},
    server::{self, Verdict},
};
use crate::{
    Code, Error, Violation,
    frame::{PREFACE_LEN, preface},
    limits::MAX_CHALLENGE_MESSAGE,
    message::kind,
    msgpack,
};

const CLIENT_NONCE: Nonce = [0xc1; 32];
const SERVER_NONCE: Nonce = [0x5e; 32];

fn key(id: &str, secret: u8) -> Key {
    Key::new(id, [secret; 32]).expect("a key")
}

fn ring(keys: impl IntoIterator<Item = Key>) -> Keyring {
    Keyring::new(keys).expect("each has an id of its own")
}

fn server_with(keys: Keyring) -> server::Challenge {
    server::Challenge::new(keys, key("decoy", 0xdd), SERVER_NONCE)
}

fn server() -> server::Challenge {
    server_with(ring([key("a", 1), key("b", 2)]))
}

/// What one who says this to a server gets, and what comes of it.
fn say(server: &mut server::Challenge, bytes: &[u8]) -> (Vec<u8>, Outcome) {
    let mut input = BytesMut::from(bytes);
    let mut output = Vec::new();
    let outcome = server.receive(&mut input, &mut output);
    (output, outcome)
}

type Outcome = Result<Option<Verdict>, Violation>;

/// What a client hears whose server says this, and what it answers.
fn hear(client: &mut client::Challenge, bytes: &[u8]) -> (Vec<u8>, Result<bool, Refusal>) {
    let mut output = Vec::new();
    let outcome = client.receive(&mut BytesMut::from(bytes), &mut output);
    (output, outcome)
}

fn client(key: Key) -> (client::Challenge, Vec<u8>) {
    client_with(key, CLIENT_NONCE)
}

fn client_with(key: Key, nonce: Nonce) -> (client::Challenge, Vec<u8>) {
    let mut output = Vec::new();
    let client = client::Challenge::begin(key, nonce, &mut output);
    (client, output)
}

/// One of the three things that are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Authenticate,
    Challenge,
    Proof,
}

const PARTS: [Part; 3] = [Part::Authenticate, Part::Challenge, Part::Proof];

/// How far an exchange came whose bytes went through `between`.
#[derive(Debug)]
struct Exchange {
    said: Vec<Vec<u8>>,
    is_client_sure: bool,
    refusal: Option<Refusal>,
    outcome: Outcome,
}

impl Exchange {
    fn new(
        key: Key,
        mut server: server::Challenge,
        between: impl Fn(Part, &[u8]) -> Vec<u8>,
    ) -> Self {
        let (mut client, authenticate) = client(key);
        let (challenge, outcome) = say(&mut server, &between(Part::Authenticate, &authenticate));
        let mut exchange = Self {
            said: vec![authenticate, challenge.clone()],
            is_client_sure: false,
            refusal: None,
            outcome,
        };
        let (proof, sure) = hear(&mut client, &between(Part::Challenge, &challenge));
        match sure {
            Ok(is_sure) => exchange.is_client_sure = is_sure,
            Err(refusal) => exchange.refusal = Some(refusal),
        }
        assert_eq!(exchange.is_client_sure, !proof.is_empty(), "a proof goes to who proved");
        if matches!(exchange.outcome, Ok(None)) && exchange.is_client_sure {
            exchange.said.push(proof.clone());
            exchange.outcome = say(&mut server, &between(Part::Proof, &proof)).1;
        }
        exchange
    }

    fn plain(key: Key, server: server::Challenge) -> Self {
        Self::new(key, server, |_, bytes| bytes.to_vec())
    }

    fn is_proved(&self) -> bool {
        matches!(self.outcome, Ok(Some(Verdict::Proved(_))))
    }

    /// Asserts that whoever reads the tampered part is not fooled.
    #[track_caller]
    fn assert_refused(&self, part: Part, what: &str) {
        assert!(!self.is_proved(), "{part:?}, {what}: the server believes {self:?}");
        if part != Part::Proof {
            assert!(!self.is_client_sure, "{part:?}, {what}: the client believes {self:?}");
        }
    }
}

/// The three parts of an exchange that succeeds.
fn recorded() -> Vec<Vec<u8>> {
    let exchange = Exchange::plain(key("a", 1), server());
    assert!(exchange.is_proved());
    exchange.said
}

#[test]
fn who_has_the_key_is_known_by_its_id() {
    for (id, secret) in [("a", 1), ("b", 2)] {
        let exchange = Exchange::plain(key(id, secret), server());
        assert!(exchange.is_client_sure);
        assert_eq!(exchange.outcome, Ok(Some(Verdict::Proved(id.into()))));
    }
}

#[test]
fn where_the_bytes_are_cut_makes_no_difference() {
    let [authenticate, challenge, proof] = &recorded()[..] else {
        unreachable!("three parts");
    };
    let hello_and_calls = b"\0\0\0\x03\x92\x0e\x80 and calls";
    let said = [&authenticate[..], proof, hello_and_calls].concat();
    for cut in 0..=said.len() {
        let mut server = server();
        let (mut input, mut output) = (BytesMut::new(), Vec::new());
        let mut verdict = None;
        for piece in [&said[..cut], &said[cut..]] {
            input.extend_from_slice(piece);
            let outcome = server.receive(&mut input, &mut output).expect("nothing is wrong");
            verdict = verdict.or(outcome);
        }
        assert_eq!(verdict, Some(Verdict::Proved("a".into())), "cut at {cut}");
        assert_eq!(&input[..], hello_and_calls, "what is behind is left");
        assert_eq!(&output, challenge);
    }
    for cut in 0..=challenge.len() {
        let (mut client, _) = client(key("a", 1));
        let (mut input, mut output) = (BytesMut::new(), Vec::new());
        let mut is_sure = false;
        for piece in [&challenge[..cut], &challenge[cut..]] {
            assert!(!is_sure || piece.is_empty());
            input.extend_from_slice(piece);
            is_sure = client.receive(&mut input, &mut output).expect("nothing is wrong");
        }
        assert!(is_sure && input.is_empty());
        assert_eq!(&output, proof);
    }
}

#[test]
fn every_bit_counts() {
    let parts = recorded();
    for (part, bytes) in PARTS.into_iter().zip(&parts) {
        for bit in 0..8 * bytes.len() {
            let exchange = Exchange::new(key("a", 1), server(), |which, bytes| {
                let mut bytes = bytes.to_vec();
                if which == part {
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
                bytes
            });
            exchange.assert_refused(part, &format!("bit {} of byte {}", bit % 8, bit / 8));
        }
    }
}

#[test]
fn every_byte_counts() {
    let parts = recorded();
    for (part, bytes) in PARTS.into_iter().zip(&parts) {
        for len in 0..bytes.len() {
            let exchange = Exchange::new(key("a", 1), server(), |which, bytes| {
                if which == part { bytes[..len].to_vec() } else { bytes.to_vec() }
            });
            exchange.assert_refused(part, &format!("the first {len} bytes"));
        }
        let exchange = Exchange::new(key("a", 1), server(), |which, bytes| {
            let mut bytes = bytes.to_vec();
            if which == part {
                // One more byte, in the frame.
                let prefix = if part == Part::Proof { 0 } else { PREFACE_LEN };
                bytes[prefix + 3] += 1;
                bytes.push(0xc0);
            }
            bytes
        });
        exchange.assert_refused(part, "one more byte");
    }
}

#[test]
fn who_has_no_key_is_left_to_the_connection() {
    let hello = b"\0\0\0\x03\x92\x0e\x80";
    let plain = [&preface(1, 0)[..], hello].concat();
    let mut server = server();
    let (mut input, mut output) = (BytesMut::from(&plain[..]), Vec::new());
    assert_eq!(server.receive(&mut input, &mut output), Ok(Some(Verdict::Unasked)));
    assert!(server.has_preface());
    assert_eq!(&input[..], hello);
    assert_eq!(output, preface(1, 0));
    // Another protocol, another version, a frame that is none.
    for (bytes, has_preface, left) in [
        (b"GET / HTTP".to_vec(), false, 10),
        (preface(9, 0).to_vec(), false, 8),
        ([&preface(1, 0)[..], &[0, 0, 0, 0]].concat(), true, 4),
        ([&preface(1, 0)[..], &[0xff; 18]].concat(), true, 18),
        ([&preface(1, 0)[..], &[0, 0, 0, 1, 0xc1]].concat(), true, 5),
    ] {
        let mut server = self::server();
        let (mut input, mut output) = (BytesMut::from(&bytes[..]), Vec::new());
        let outcome = server.receive(&mut input, &mut output);
        assert_eq!(outcome, Ok(Some(Verdict::Unasked)), "{bytes:02x?}");
        assert_eq!((server.has_preface(), input.len()), (has_preface, left), "{bytes:02x?}");
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(message.len()).expect("it is small").to_be_bytes().to_vec();
    frame.extend_from_slice(message);
    frame
}

/// An authenticate with this id, and a nonce of this length.
fn authenticate(id: &str, nonce: usize) -> Vec<u8> {
    let mut message = vec![0x94, kind::AUTHENTICATE];
    msgpack::write_str(&mut message, id);
    msgpack::write_bin(&mut message, &vec![1; nonce]);
    msgpack::write_nil(&mut message);
    message
}

#[test]
fn what_is_wrong_breaks_a_rule() {
    for (message, rule) in [
        (authenticate("", 32), "a key's id of 0 bytes, where it has from 1 to 64 (PROTOCOL 12.2)"),
        (authenticate(&"x".repeat(65), 32), "a key's id of 65 bytes"),
        (authenticate("a", 31), "the nonce has 31 bytes instead of 32 (PROTOCOL 12.2)"),
        (authenticate("a", 33), "the nonce has 33 bytes"),
        (authenticate("a", MAX_CHALLENGE_MESSAGE), "where 256 are the most (PROTOCOL 12.8)"),
        (
            [&[0x94, 18, 0xa1, b'a', 0xd9, 32][..], &[b'n'; 32], &[0xc0]].concat(),
            "the nonce of a message: expected bytes, found a string (PROTOCOL 3.3)",
        ),
        (vec![0x93, 18, 0xa1, b'a', 0xc0], "a message of type 18 with 3 elements (PROTOCOL 3.3)"),
        (vec![0x94, 18, 1, 0xc0, 0xc0], "the key's id of a message: expected a string"),
        (vec![0x94, 18, 0xa1, 0xff, 0xc0, 0xc0], "a string is not UTF-8 (PROTOCOL 3.3)"),
    ] {
        let mut server = server();
        let (said, outcome) = say(&mut server, &[&preface(1, 0), &framed(&message)[..]].concat());
        assert_eq!(said, preface(1, 0));
        let violation = outcome.expect_err(rule);
        assert!(violation.to_string().contains(rule), "{violation} is not {rule}");
        // PROTOCOL 9.4
        let mut farewell = preface(1, 0).to_vec();
        server.violated(&violation, &mut farewell);
        let (mut client, _) = client(key("a", 1));
        let (_, outcome) = hear(&mut client, &farewell);
        let refusal = outcome.expect_err("it is sent away");
        assert!(!refusal.is_passing());
        let error = Error::from(refusal);
        assert!(error.message().contains(rule), "{error} is not {rule}");
    }
}

#[test]
fn nothing_comes_in_the_place_of_the_proof() {
    let (_, mut said) = client(key("a", 1));
    said.extend_from_slice(b"\0\0\0\x03\x92\x0e\x80");
    let (_, outcome) = say(&mut server(), &said);
    assert_eq!(outcome, Err(Violation::ChallengeExpected { expected: 20, kind: 14 }));
}

#[test]
fn a_client_goes_on_with_nobody_who_does_not_prove() {
    let said = |message: &[u8]| {
        let (mut client, _) = client(key("a", 1));
        let bytes = [&preface(1, 0)[..], &framed(message)].concat();
        let (proof, outcome) = hear(&mut client, &bytes);
        assert!(proof.is_empty());
        let refusal = outcome.expect_err("it does not go on");
        (refusal.is_passing(), Error::from(refusal))
    };
    let (is_passing, error) = said(&[0x92, 14, 0x80]);
    assert!(!is_passing);
    assert_eq!(error.kind(), Code::Unauthenticated);
    assert!(error.message().starts_with("the server asks for no key"), "{error}");
    assert!(said(&[0x94, 13, 0, 0xc0, 0xc0]).0, "a server that goes away may come back");
    let (is_passing, error) = said(&[0x94, 1, 0, 0xc0, 0xc0]);
    assert!(!is_passing);
    assert!(error.message().contains("type 1 where one of type 19 is due"), "{error}");
}

#[test]
fn keys_change_while_challenges_go_on() {
    let keys = ring([key("a", 1)]);
    let mut early = server_with(keys.clone());
    let (mut client, authenticate) = client(key("a", 1));
    let (challenge, _) = say(&mut early, &authenticate);
    keys.replace([key("b", 2)]).expect("one key");
    let (proof, _) = hear(&mut client, &challenge);
    assert_eq!(say(&mut early, &proof).1, Ok(Some(Verdict::Proved("a".into()))));
    assert!(!Exchange::plain(key("a", 1), server_with(keys.clone())).is_proved());
    assert!(Exchange::plain(key("b", 2), server_with(keys)).is_proved());
}
