//! The challenge with a shared key: nobody is believed but who said what only the key makes, and where the bytes are cut makes no difference.
//!
//! Nonces are fixed, so that the corpus can hold conversations that succeed.

use bytes::BytesMut;
use rpc_core::{
    Error, Violation,
    auth::{
        Key, Keyring, client,
        server::{self, Verdict},
    },
};

const CLIENT_NONCE: [u8; 32] = [0xc1; 32];
const SERVER_NONCE: [u8; 32] = [0x5e; 32];

/// More than an end of the challenge says, a go-away that names a rule included.
const MOST_SAID: usize = 1024;

fn key() -> Key {
    Key::new("a", [7; 32]).expect("a key")
}

fn server() -> server::Challenge {
    let keys = Keyring::new([key()]).expect("one key");
    let decoy = Key::new("decoy", [0xdd; 32]).expect("a key");
    server::Challenge::new(keys, decoy, SERVER_NONCE)
}

fn client() -> (client::Challenge, Vec<u8>) {
    let mut said = Vec::new();
    (client::Challenge::begin(key(), CLIENT_NONCE, &mut said), said)
}

/// What both say where nothing comes between: the client, the server, and the client again.
fn conversation() -> [Vec<u8>; 3] {
    let (mut client, opening) = client();
    let (mut challenge, mut proof) = (Vec::new(), Vec::new());
    let mut input = BytesMut::from(&opening[..]);
    assert_eq!(server().receive(&mut input, &mut challenge), Ok(None));
    let mut input = BytesMut::from(&challenge[..]);
    assert!(client.receive(&mut input, &mut proof).expect("the server has the key"));
    [opening, challenge, proof]
}

/// The first byte says what the rest is: what a server hears, what a client hears, or a mask. The second says how it is cut, or what is masked.
pub fn run(input: &[u8]) {
    let [what, how, rest @ ..] = input else { return };
    let size = 1 + usize::from(*how);
    match what % 3 {
        0 => {
            let whole = heard_by_server(rest, usize::MAX);
            assert_eq!(whole, heard_by_server(rest, size), "where it is cut makes no difference");
        }
        1 => {
            let whole = heard_by_client(rest, usize::MAX);
            assert_eq!(whole, heard_by_client(rest, size), "where it is cut makes no difference");
        }
        _ => masked(usize::from(how % 3), rest),
    }
}

/// The proof in what was said last.
fn tag(said: &[u8]) -> &[u8] {
    &said[said.len() - 33..said.len() - 1]
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn names_its_rule(violation: &Violation) {
    assert!(violation.to_string().contains("PROTOCOL"), "{violation} names its rule");
}

/// What a server makes of these bytes, which arrive in pieces: what comes of it, what it says, and what it leaves.
fn heard_by_server(
    bytes: &[u8],
    size: usize,
) -> (Result<Option<Verdict>, Violation>, Vec<u8>, Vec<u8>) {
    let mut server = server();
    let (mut input, mut said) = (BytesMut::new(), Vec::new());
    let mut outcome = Ok(None);
    for piece in bytes.chunks(size.min(bytes.len().max(1))) {
        input.extend_from_slice(piece);
        if matches!(outcome, Ok(None)) {
            outcome = server.receive(&mut input, &mut said);
        }
    }
    match &outcome {
        Ok(Some(Verdict::Proved(id))) => {
            assert_eq!(&**id, "a");
            assert!(holds(bytes, tag(&conversation()[2])), "nobody else has the key");
        }
        Ok(Some(Verdict::Unproved)) => assert!(server.has_preface()),
        Ok(Some(Verdict::Unasked) | None) => {}
        Err(violation) => {
            names_its_rule(violation);
            server.violated(violation, &mut said);
        }
    }
    assert!(said.len() <= MOST_SAID, "{} bytes", said.len());
    if !server.has_preface() {
        assert!(said.is_empty(), "nothing is said to who speaks another protocol");
    }
    // What is wrong with a message that is cut off behind its head is told before the rest has come.
    let left = if outcome.is_err() { Vec::new() } else { input.to_vec() };
    assert!(bytes.ends_with(&left), "what is left is as it came");
    (outcome, said, left)
}

/// What a client makes of them: whether it believes, what it says, and what it leaves.
fn heard_by_client(bytes: &[u8], size: usize) -> (String, Vec<u8>, Vec<u8>) {
    let (mut client, _) = client();
    let (mut input, mut said) = (BytesMut::new(), Vec::new());
    let mut outcome = Ok(false);
    for piece in bytes.chunks(size.min(bytes.len().max(1))) {
        input.extend_from_slice(piece);
        if matches!(outcome, Ok(false)) {
            outcome = client.receive(&mut input, &mut said);
        }
    }
    let is_sure = matches!(outcome, Ok(true));
    assert_eq!(is_sure, !said.is_empty(), "a proof goes to who has proved");
    if is_sure {
        assert!(holds(bytes, tag(&conversation()[1])), "nobody else has the key");
    }
    let left = if is_sure { input.to_vec() } else { Vec::new() };
    assert!(bytes.ends_with(&left), "what is left is as it came");
    let text = match outcome {
        Ok(is_sure) => is_sure.to_string(),
        // How much of a wrong preface has come is told, so only that it was wrong is compared.
        Err(client::Refusal::Violation(Violation::Preface { .. })) => "a preface".to_owned(),
        Err(refusal) => {
            if let client::Refusal::Violation(violation) = &refusal {
                names_its_rule(violation);
            }
            Error::from(refusal).to_string()
        }
    };
    (text, said, left)
}

/// A conversation of which one part has these bits turned over.
fn masked(part: usize, mask: &[u8]) {
    let mut parts = conversation();
    for (byte, mask) in parts[part].iter_mut().zip(mask) {
        *byte ^= mask;
    }
    let is_whole = parts == conversation();
    if part == 1 {
        let (text, ..) = heard_by_client(&parts[1], usize::MAX);
        assert_eq!(text == "true", is_whole, "the client believes");
    } else {
        let said = [&parts[0][..], &parts[2]].concat();
        let (outcome, ..) = heard_by_server(&said, usize::MAX);
        assert_eq!(
            matches!(outcome, Ok(Some(Verdict::Proved(_)))),
            is_whole,
            "the server believes"
        );
    }
}
