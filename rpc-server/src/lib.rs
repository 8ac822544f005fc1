//! The server of `rpc`: a listener, one task per connection that drives its dispatchers, and an end in order.
//!
//! Users reach it through the facade, `rpc`. The way of a call through the files: `server` lets `accept` take a connection from the
//! `listener`, and `connections` give it a task, if `admission` lets it; `opening` is what comes before the protocol, TLS and the challenge with a
//! key; `driver` is the task's own work, which finds the method in `router` and lets `handlers` run it, unless `hooks` are against it; `methods` are those that are
//! closures, `builtin` the services that every server answers, `directory` says what there is, and `nearest` what somebody may have meant.
//! `wakes` tells which handlers want to be polled, `tasks` holds those that run elsewhere, `slice` bounds a turn. `shutdown` is how the end is
//! asked for, and `trace` what all of them tell.

mod accept;
mod admission;
mod builtin;
mod connections;
mod directory;
mod driver;
mod end;
mod handlers;
mod hooks;
mod listener;
mod methods;
mod nearest;
mod opening;
mod router;
mod server;
mod shared;
mod shutdown;
mod slice;
mod tasks;
mod timer;
mod trace;
mod wakes;

pub use admission::AddressRules;
pub use builtin::HealthHandle;
pub use listener::{ListenOptions, Listener};
pub use methods::{Callable, Methods, Parameters, Returned};
pub use server::{Server, serve_stream, serve_stream_with};
pub use shutdown::{ServerState, ShutdownHandle, StateHandle, shutdown_signal};
