//! The examples of shared keys. Their proofs were computed by another implementation of HMAC-SHA-256, and are computed here anew.

use bytes::BytesMut;
use rpc_core::auth::{Key, Keyring, client, server};

use super::{examples, same};
use crate::ends::PREFACE;

/// So many bytes from this one on.
fn bytes(from: u8) -> [u8; 32] {
    std::array::from_fn(|at| from + u8::try_from(at).expect("it is below 32"))
}

fn key() -> Key {
    Key::new("worker-7", bytes(0)).expect("a key")
}

fn client() -> (client::Challenge, Vec<u8>) {
    let mut said = Vec::new();
    (client::Challenge::begin(key(), bytes(0x20), &mut said), said)
}

fn server() -> server::Challenge {
    let keys = Keyring::new([key()]).expect("one key");
    let decoy = Key::new("decoy", [0xdd; 32]).expect("a key");
    server::Challenge::new(keys, decoy, bytes(0x40))
}

/// An example behind the preface, as it is said first.
fn opening(name: &str) -> Vec<u8> {
    let example = examples().into_iter().find(|(known, _)| *known == name);
    [&PREFACE[..], &example.expect("it is in the document").1].concat()
}

pub(super) fn authenticate(example: &[u8]) {
    let (_, said) = client();
    same(&said, &[&PREFACE, example].concat());
    let (mut input, mut output) = (BytesMut::from(&said[..]), Vec::new());
    assert_eq!(server().receive(&mut input, &mut output), Ok(None));
    assert!(input.is_empty());
    same(&output, &opening("challenge"));
}

pub(super) fn challenge(example: &[u8]) {
    let (mut client, _) = client();
    let (mut input, mut output) = (BytesMut::from(&PREFACE[..]), Vec::new());
    input.extend_from_slice(example);
    assert!(client.receive(&mut input, &mut output).expect("the server has the key"));
    assert!(input.is_empty());
    same(&output, &opening("proof")[PREFACE.len()..]);
}

pub(super) fn proof(example: &[u8]) {
    let mut server = server();
    let (mut input, mut output) = (BytesMut::from(&opening("authenticate")[..]), Vec::new());
    input.extend_from_slice(example);
    let verdict = server.receive(&mut input, &mut output).expect("nothing is wrong");
    assert_eq!(verdict, Some(server::Verdict::Proved("worker-7".into())));
    assert!(input.is_empty());
}
