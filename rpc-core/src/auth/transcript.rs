//! What is proved: that one has the secret and takes part in this very exchange, in this very role (PROTOCOL 12.4).
//!
//! Both prefaces are in it, so that nobody can talk the two down to another version; both nonces, so that nothing of an earlier exchange
//! counts; the role, so that neither end's proof serves as the other's; and the id, so that two keys of one secret are two keys. All but the
//! id have fixed lengths, and the id is last, so no two exchanges have the same bytes.

use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::Key;
use crate::frame::PREFACE_LEN;

/// Bytes that were drawn for this exchange and no other.
pub type Nonce = [u8; 32];

/// That one has the secret.
pub(super) type Tag = [u8; 32];

/// Who proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Client,
}

impl Role {
    fn label(self) -> &'static [u8; 16] {
        match self {
            Self::Server => b"rpc server proof",
            Self::Client => b"rpc client proof",
        }
    }
}

/// What both ends have said.
pub(super) struct Transcript {
    pub(super) client_preface: [u8; PREFACE_LEN],
    pub(super) server_preface: [u8; PREFACE_LEN],
    pub(super) client_nonce: Nonce,
    pub(super) server_nonce: Nonce,
    pub(super) id: Arc<str>,
}

impl Transcript {
    /// The proof of one that has the key.
    pub(super) fn prove(&self, key: &Key, role: Role) -> Tag {
        self.mac(key, role).finalize().into_bytes().into()
    }

    /// Whether this is that proof; how long it takes to see does not depend on where it differs.
    pub(super) fn is_proof(&self, tag: &Tag, key: &Key, role: Role) -> bool {
        self.mac(key, role).verify_slice(tag).is_ok()
    }

    fn mac(&self, key: &Key, role: Role) -> Hmac<Sha256> {
        #[cfg(test)]
        COMPUTED.with(|computed| computed.set(computed.get() + 1));
        key.mac()
            .chain_update(role.label())
            .chain_update(self.client_preface)
            .chain_update(self.server_preface)
            .chain_update(self.client_nonce)
            .chain_update(self.server_nonce)
            .chain_update(self.id.as_bytes())
    }
}

#[cfg(test)]
thread_local! {
    /// How many proofs this thread has computed, to be made or to be checked.
    pub(super) static COMPUTED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
