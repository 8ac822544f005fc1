//! The bytes on the wire: every example and every rule of `docs/PROTOCOL.md`, against what the code writes and reads.
//!
//! * [`golden`]: the examples of the document;
//! * [`violations`]: what ends a connection, and with which name;
//! * [`limits`]: what fails one call and leaves the connection as it was;
//! * [`response_metadata`]: what comes back with a response;
//! * [`leniency`]: what a receiver must accept that this project's writers never write.
//!
//! [`ends`] holds both ends without a transport.

mod ends;
mod golden;
mod leniency;
mod limits;
mod response_metadata;
mod violations;
