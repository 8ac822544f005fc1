//! The server of `rpc`: a listener, one task per connection that drives its dispatchers, and an end in order.
//!
//! Users reach it through the facade, `rpc`. The way of a call through the files: `server` lets `accept` take a connection from the
//! `listener`, and `connections` give it a task; `driver` is that task, which finds the method in `router` and lets `handlers` run it;
//! `methods` are those that are closures, and `nearest` those that somebody may have meant; `wakes` tells which handlers want to be polled, `tasks` holds those that run elsewhere, `slice` bounds a turn. `shutdown` is how the end
//! is asked for, and `trace` what all of them tell.

mod accept;
mod connections;
mod driver;
mod end;
mod handlers;
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

pub use listener::Listener;
pub use methods::{Callable, MethodDescription, Methods, Parameters, Returned};
pub use server::{Server, serve_stream};
pub use shutdown::{ServerState, ShutdownHandle, StateHandle, shutdown_signal};
