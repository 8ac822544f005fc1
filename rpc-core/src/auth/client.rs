//! The client's end of the challenge.
//!
//! Driven by an attempt to connect, in `rpc-client`. It never goes on without the server's proof: whatever a server says instead, and
//! whoever stands between, the outcome is a [`Refusal`].
//!
//! ```text
//!            preface             challenge with the right proof
//!  Preface ──────────▶ Challenge ───────────────────────────────▶ over: proof sent, hello and calls behind it
//! ```

use bytes::BytesMut;

use super::{
    Key, Nonce, messages,
    transcript::{Role, Transcript},
};
use crate::{
    Code, Error,
    frame::{PREFACE_LEN, VERSION, preface, take_preface},
    limits::MAX_ERROR_MESSAGE,
    message::{self, Control, Message, kind},
    payload::Body,
    violation::Violation,
};

/// The largest go-away that is read: one with an error's longest message, and details.
const MAX_GO_AWAY: usize = 2 * MAX_ERROR_MESSAGE;

/// Why the client does not go on.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The server broke the protocol.
    Violation(Violation),
    /// The server has not the key.
    Unproved {
        /// The key's id.
        id: String,
    },
    /// The server asked for no key.
    Unasked,
    /// The server sent the client away.
    SentAway(Option<Error>),
}

impl Refusal {
    /// Whether the next attempt may end otherwise.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Violation(_) | Self::Unproved { .. } | Self::Unasked => false,
            Self::SentAway(reason) => reason.as_ref().is_none_or(|reason| {
                matches!(reason.kind(), Code::Unavailable | Code::ResourceExhausted)
            }),
        }
    }
}

impl From<Violation> for Refusal {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Violation(violation) => violation.into(),
            Refusal::Unproved { id } => Self::unauthenticated(format!(
                "the server has another secret for key \"{id}\", or does not know it"
            )),
            Refusal::Unasked => Self::unauthenticated(
                "the server asks for no key, so it has not proved that it has it; set keys on the server, or remove `key` from the channel's builder",
            ),
            Refusal::SentAway(None) => Self::unavailable("the server takes no calls: it goes away"),
            Refusal::SentAway(Some(reason)) => {
                let message = format!("the server closed the connection: {}", reason.message());
                let error = Self::unavailable(message);
                let delay = reason.retry_after();
                let error = error.with_source(reason);
                delay.map_or(error.clone(), |delay| error.with_retry_after(delay))
            }
        }
    }
}

/// The client's end of one challenge.
pub struct Challenge {
    key: Key,
    nonce: Nonce,
    client_preface: [u8; PREFACE_LEN],
    state: State,
}

enum State {
    Preface,
    Challenge { server_preface: [u8; PREFACE_LEN] },
    Over,
}

impl Challenge {
    /// An end that has this key; appends what it begins with. `nonce` was drawn for this exchange.
    pub fn begin(key: Key, nonce: Nonce, output: &mut Vec<u8>) -> Self {
        let client_preface = preface(VERSION.0, VERSION.1);
        output.extend_from_slice(&client_preface);
        messages::write_authenticate(output, key.id(), &nonce);
        Self { key, nonce, client_preface, state: State::Preface }
    }

    /// Takes what there is. Once the server has proved that it has the key, appends the client's proof, and is true: hello and calls go
    /// right behind it.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]: the connection is not to be used.
    pub fn receive(&mut self, input: &mut BytesMut, output: &mut Vec<u8>) -> Result<bool, Refusal> {
        loop {
            match self.state {
                State::Preface => match take_preface(input)? {
                    None => return Ok(false),
                    Some((major, minor)) => {
                        let server_preface = preface(major, minor);
                        self.state = State::Challenge { server_preface };
                    }
                },
                State::Challenge { server_preface } => {
                    let Some(next @ (kind, _)) = messages::next(input) else {
                        return Ok(false);
                    };
                    match u8::try_from(kind).unwrap_or(u8::MAX) {
                        kind::CHALLENGE => {
                            let Some(message) = messages::take_small(input, next)? else {
                                return Ok(false);
                            };
                            self.prove(server_preface, &message, output)?;
                            self.state = State::Over;
                            return Ok(true);
                        }
                        kind::HELLO => return Err(Refusal::Unasked),
                        kind::GO_AWAY => {
                            let Some(message) = messages::take(input, next, MAX_GO_AWAY)? else {
                                return Ok(false);
                            };
                            return Err(sent_away(&message));
                        }
                        _ => {
                            let expected = u64::from(kind::CHALLENGE);
                            return Err(Violation::ChallengeExpected { expected, kind }.into());
                        }
                    }
                }
                State::Over => return Ok(true),
            }
        }
    }

    /// Whether the server's preface has come.
    pub fn has_preface(&self) -> bool {
        !matches!(self.state, State::Preface)
    }

    fn prove(
        &self,
        server_preface: [u8; PREFACE_LEN],
        message: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let (server_nonce, tag) = messages::read_challenge(message)?;
        let transcript = Transcript {
            client_preface: self.client_preface,
            server_preface,
            client_nonce: self.nonce,
            server_nonce,
            id: self.key.shared_id(),
        };
        if !transcript.is_proof(&tag, &self.key, Role::Server) {
            return Err(Refusal::Unproved { id: self.key.id().to_owned() });
        }
        messages::write_proof(output, &transcript.prove(&self.key, Role::Client));
        Ok(())
    }
}

fn sent_away(message: &[u8]) -> Refusal {
    let reason = || {
        let Message::Control(Control::GoAway { error, .. }) = Message::parse(message)? else {
            return Ok(None);
        };
        let body = Body::Small(message.to_vec());
        error.map(|span| message::error_in(&body, &span)).transpose()
    };
    reason().map_or_else(Refusal::Violation, Refusal::SentAway)
}
