//! The client of `rpc`: channels, calls, and the task that drives a connection.
//!
//! Users reach it through the facade, `rpc`. The way of a call through the files: a stub encodes its arguments into what `channel` prepares; `call` is
//! the future, which hands itself to `shared` at its first poll; `driver` is the channel's task, which connects; `connected` sends and hands out
//! answers; `transport` is what it writes to. `builder` has the options, `state` is for who watches.

mod arguments;
mod builder;
mod by_name;
mod call;
mod channel;
mod connected;
mod dialler;
mod driver;
mod shared;
mod state;
mod timer;
mod trace;
mod transport;
mod upload;

pub use arguments::{IntoArguments, Named};
pub use builder::ChannelBuilder;
pub use call::{Call, Prepared, StreamCall};
pub use channel::Channel;
pub use state::{ChannelState, StateWatch};
