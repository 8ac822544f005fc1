//! The bodies of the fuzz targets, as plain functions of bytes.
//!
//! Each one holds something for every input there is; a panic is a finding. `tests/replay.rs` runs them on stable Rust, over the
//! corpora and over mutations drawn from a seed; `libfuzzer/` runs them guided by coverage. Neither knows what they do.

pub mod arguments;
pub mod client;
pub mod frames;
pub mod handshake;
mod link;
pub mod messages;
pub mod mutate;
pub mod server;

/// A target: its name, which is also that of its corpus, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 6] = [
    ("frames", frames::run),
    ("handshake", handshake::run),
    ("messages", messages::run),
    ("arguments", arguments::run),
    ("server", server::run),
    ("client", client::run),
];
