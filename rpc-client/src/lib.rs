//! The client of `rpc`: channels, calls, and the task that drives a connection.
//!
//! Users reach it through the facade, `rpc`. The way of a call through the files: a stub encodes its arguments into what `channel` prepares; `call` is
//! the future, which hands itself to `shared` at its first poll; `driver` is the channel's task, which connects; `connected` sends and hands out
//! answers; `dialler` is how it connects, and `transport` what it writes to. `builder` has the options, `state` is for who watches. Where calls take a
//! token along, `tokens` keeps it for all of them. `by_name` are the calls without a stub; `reflection` and `health` are the clients of what every server
//! answers.

mod arguments;
mod builder;
mod by_name;
mod call;
mod channel;
mod connected;
mod dialler;
mod driver;
mod health;
mod reflection;
mod shared;
mod state;
mod timer;
mod tokens;
mod trace;
mod transport;
mod upload;

pub use arguments::{IntoArguments, Named};
pub use builder::ChannelBuilder;
pub use call::{Call, Prepared, StreamCall, WithMetadata};
#[doc(hidden)]
pub use call::{Came, Passed};
pub use channel::Channel;
pub use health::{Health, HealthWatch};
pub use reflection::Reflection;
pub use state::{ChannelState, StateWatch};
pub use tokens::{Token, TokenSource};
