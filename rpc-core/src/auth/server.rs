//! The server's end of the challenge.
//!
//! Driven by the task that opens a connection, in `rpc-server`. It takes what belongs to the challenge off what was read, and leaves the
//! rest: the hello and the calls behind a proof, or the first frame of a client that has no key.
//!
//! ```text
//!            preface                authenticate            proof
//!  Preface ──────────▶ Authenticate ─────────────▶ Proof ────────▶ Proved, Unproved
//!     ╰── another protocol ──╯╰── another message ──▶ Unasked
//! ```
//!
//! An id that the server does not know goes the same way with a decoy in the place of its key: the same messages, the same computations
//! (PROTOCOL 12.3). What differs is a look into a table. Bounds: a message has 256 bytes at most, and its driver bounds the time.

use std::sync::Arc;

use bytes::{Buf, BytesMut};

use super::{
    Key, Keyring, Nonce, messages,
    transcript::{Role, Transcript},
};
use crate::{
    Error,
    frame::{PREFACE_LEN, VERSION, preface, take_preface},
    message::{self, kind},
    violation::Violation,
};

/// What came out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client has the key with this id.
    Proved(Arc<str>),
    /// It does not have the key that it named; or no such key is known.
    Unproved,
    /// It did not begin the challenge. What it sent instead was left.
    Unasked,
}

/// The server's end of one challenge.
pub struct Challenge {
    keys: Keyring,
    decoy: Key,
    nonce: Nonce,
    state: State,
}

enum State {
    Preface,
    Authenticate { client_preface: [u8; PREFACE_LEN], server_preface: [u8; PREFACE_LEN] },
    Proof { transcript: Box<Transcript>, key: Key, is_known: bool },
    Over { has_preface: bool },
}

impl Challenge {
    /// An end from which nothing was read. `decoy` is a key that nobody has; `nonce` was drawn for this exchange.
    pub fn new(keys: Keyring, decoy: Key, nonce: Nonce) -> Self {
        Self { keys, decoy, nonce, state: State::Preface }
    }

    /// Takes what there is, and appends what is to be sent; what came out of it, once it is over.
    ///
    /// # Errors
    ///
    /// A [`Violation`]: the connection is over. [`violated`](Self::violated) has what to send.
    pub fn receive(
        &mut self,
        input: &mut BytesMut,
        output: &mut Vec<u8>,
    ) -> Result<Option<Verdict>, Violation> {
        loop {
            match &mut self.state {
                State::Preface => {
                    let mut first = BytesMut::from(&input[..input.len().min(PREFACE_LEN)]);
                    match take_preface(&mut first) {
                        Ok(None) => return Ok(None),
                        Ok(Some((_, minor))) => {
                            let mut client_preface = [0; PREFACE_LEN];
                            input.copy_to_slice(&mut client_preface);
                            // PROTOCOL 1.4
                            let server_preface = preface(VERSION.0, minor.min(VERSION.1));
                            output.extend_from_slice(&server_preface);
                            self.state = State::Authenticate { client_preface, server_preface };
                        }
                        // What is wrong with it, the connection's own machine finds and tells.
                        Err(_) => return Ok(Some(self.unasked(false))),
                    }
                }
                State::Authenticate { client_preface, server_preface } => {
                    let prefaces = (*client_preface, *server_preface);
                    match messages::next(input) {
                        None => return Ok(None),
                        Some(next @ (kind, _)) if kind == u64::from(kind::AUTHENTICATE) => {
                            let Some(message) = messages::take_small(input, next)? else {
                                return Ok(None);
                            };
                            self.challenge(prefaces, &message, output)?;
                        }
                        Some(_) => return Ok(Some(self.unasked(true))),
                    }
                }
                State::Proof { transcript, key, is_known } => {
                    let Some(next @ (kind, _)) = messages::next(input) else {
                        return Ok(None);
                    };
                    if kind != u64::from(kind::PROOF) {
                        let expected = u64::from(kind::PROOF);
                        return Err(Violation::ChallengeExpected { expected, kind });
                    }
                    let Some(message) = messages::take_small(input, next)? else {
                        return Ok(None);
                    };
                    let tag = messages::read_proof(&message)?;
                    let is_proof = transcript.is_proof(&tag, key, Role::Client);
                    let verdict = if is_proof && *is_known {
                        Verdict::Proved(key.shared_id())
                    } else {
                        Verdict::Unproved
                    };
                    self.state = State::Over { has_preface: true };
                    return Ok(Some(verdict));
                }
                State::Over { .. } => return Ok(None),
            }
        }
    }

    fn challenge(
        &mut self,
        (client_preface, server_preface): ([u8; PREFACE_LEN], [u8; PREFACE_LEN]),
        message: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        let (id, client_nonce) = messages::read_authenticate(message)?;
        let key = self.keys.get(id);
        let is_known = key.is_some();
        let key = key.unwrap_or_else(|| self.decoy.clone());
        let transcript = Box::new(Transcript {
            client_preface,
            server_preface,
            client_nonce,
            server_nonce: self.nonce,
            id: id.into(),
        });
        let tag = transcript.prove(&key, Role::Server);
        messages::write_challenge(output, &self.nonce, &tag);
        self.state = State::Proof { transcript, key, is_known };
        Ok(())
    }

    fn unasked(&mut self, has_preface: bool) -> Verdict {
        self.state = State::Over { has_preface };
        Verdict::Unasked
    }

    /// Whether the prefaces were exchanged.
    pub fn has_preface(&self) -> bool {
        match self.state {
            State::Preface => false,
            State::Authenticate { .. } | State::Proof { .. } => true,
            State::Over { has_preface } => has_preface,
        }
    }

    /// Appends what tells the client which rule it broke (PROTOCOL 9.4).
    pub fn violated(&self, violation: &Violation, output: &mut Vec<u8>) {
        if self.has_preface() {
            let error = Error::internal(violation.to_string());
            messages::write(output, |out| message::write_go_away(out, 0, Some(&error)));
        }
    }
}
