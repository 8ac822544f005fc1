//! The protocol of `rpc`: what both ends share, without a socket, clock or task.
pub mod arguments;
pub mod context;
pub mod current;
pub mod description;
pub mod dispatch;
mod error;
mod failure;
pub mod limits;
pub mod metadata;
pub mod msgpack;
pub mod payload;
pub mod value;

pub use context::{Context, Peer};
pub use dispatch::{Answer, Dispatcher, Request, Session};
pub use error::{CallError, Code, Error, Origin};
pub use failure::Failure;
pub use metadata::{Metadata, MetadataRef, MetadataValue};
pub use value::{Structs, Value};
