//! The challenge with a shared key: both ends prove to each other that they have it, before a hello is said (PROTOCOL 12).
//!
//! ```text
//!   client                                server
//!     preface, authenticate(id, nonce) ──▶
//!     ◀── preface, challenge(nonce, proof)        the server has the key
//!     proof, hello, calls ──────────────▶         the client has the key
//! ```
//!
//! A [`Key`] is what both have, a [`Keyring`] those that a server knows. [`client::Challenge`] and [`server::Challenge`] are the two ends:
//! pure machines that are fed bytes and give bytes. They have no socket, clock or randomness; their drivers draw the nonces. What is proved
//! is in `transcript.rs`, how it is written in `messages.rs`.
//!
//! It proves who is there when the connection opens. It neither hides nor protects what follows: that is for TLS.

pub mod client;
mod key;
mod keyring;
mod messages;
pub mod server;
mod transcript;

pub use self::{key::Key, keyring::Keyring, transcript::Nonce};

#[cfg(test)]
mod tests;
