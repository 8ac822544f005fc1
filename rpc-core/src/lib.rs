//! The protocol of `rpc`: what both ends share, without a socket, clock or task.
//!
//! Users depend on the facade, `rpc`; this crate is where its types live. From the outside in:
//!
//! * what a program meets: [`Error`] and [`CallError`], [`Value`] and [`Failure`], [`Context`], [`Metadata`];
//! * what a service is made of: [`description`], and the seam to a connection in [`dispatch`];
//! * what goes over the wire: [`frame`], [`hello`], [`msgpack`], [`payload`];
//! * the two ends as pure state machines: [`connection`], and in front of it, with the feature `auth`, the challenge with a shared key;
//! * with the feature `tls`, what both ends make of certificates: `tls`.
//!
//! `docs/PROTOCOL.md` in the repository is the specification; comments cite its rules by number. Every bound stands in
//! [`limits`].

mod address;
pub mod arguments;
#[cfg(feature = "auth")]
pub mod auth;
mod backoff;
pub mod buffer;
pub mod builtin;
pub mod connection;
pub mod context;
pub mod current;
pub mod description;
mod discard;
pub mod dispatch;
mod error;
mod failure;
pub mod frame;
mod health;
pub mod hello;
pub mod limits;
mod message;
pub mod metadata;
pub mod msgpack;
mod outcome;
pub mod payload;
mod peer;
pub mod probe;
pub mod random;
mod raw;
pub mod stream;
#[cfg(feature = "tls")]
pub mod tls;
mod type_map;
pub mod value;
mod violation;

pub use address::Address;
pub use backoff::Backoff;
pub use context::{Context, Surroundings};
#[doc(hidden)]
pub use discard::discard;
pub use dispatch::{Answer, Dispatcher, Request, Session};
pub use error::{CallError, Code, Error, Origin};
pub use failure::Failure;
pub use health::HealthStatus;
pub use metadata::{Metadata, MetadataRef, MetadataValue};
pub use outcome::Outcome;
pub use peer::{Certificate, Credentials, Peer, Proof};
pub use raw::{Encode, Raw};
pub use stream::Streaming;
pub use type_map::TypeMap;
pub use value::{Structs, Value};
pub use violation::Violation;
