//! What the tests of security share.

#![expect(
    missing_docs,
    reason = "only the tests of this package read it, and the names say what they need"
)]

pub mod authority;
pub mod vault;

/// The SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().try_into().expect("it has 32 bytes")
}
