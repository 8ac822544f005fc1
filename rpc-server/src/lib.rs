//! The server of `rpc`: a listener, one task per connection that drives its dispatchers, and an end in order.
//!
//! Users reach it through the facade, `rpc`. The way of a call through the files: `server` lets `accept` take a connection from the
//! `listener` (whose Unix socket has a `socket_file`), and `connections` give it a task, if `admission` and `address_rules` let it; `driver`
//! is that task, which finds the method in `router` and lets `handlers` run it, unless `hooks` are against it; `methods` are those that are
//! closures, `builtin` the services that every server answers, `directory` says what there is, and `nearest` what somebody may have meant.
//! `wakes` tells which handlers want to be polled, `tasks` holds those that run elsewhere, `slice` bounds a turn. `shutdown` is how the end is
//! asked for, and `trace` what all of them tell.

mod accept;
mod address_rules;
mod admission;
mod builtin;
mod connections;
mod directory;
mod driver;
mod end;
mod handlers;
mod hooks;
#[cfg(feature = "auth")]
mod keys;
mod listen_options;
mod listener;
mod lock_file;
mod methods;
mod nearest;
mod opening;
mod router;
mod server;
mod shared;
mod shutdown;
mod slice;
mod socket_file;
mod tasks;
mod timer;
#[cfg(feature = "tls")]
mod tls;
mod trace;
mod wakes;

pub use address_rules::AddressRules;
pub use builtin::HealthHandle;
pub use listen_options::ListenOptions;
pub use listener::Listener;
pub use methods::{Callable, Methods, Parameters, Returned};
pub use server::{Server, serve_stream, serve_stream_with};
pub use shutdown::{ServerState, ShutdownHandle, StateHandle, shutdown_signal};
