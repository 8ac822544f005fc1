//! The server of `rpc`: a listener, one task per connection that drives its dispatchers, and an end in order.
//!
//! Users reach it through the facade, `rpc`. The way of a call through the files: `server` accepts a connection, `driver` is its task, which finds
//! the method in `router` and lets `handlers` run it; `wakes` tells which handlers want to be polled, `tasks` holds those
//! that run elsewhere, `slice` bounds a turn.

mod connections;
mod driver;
mod handlers;
mod listener;
mod router;
mod server;
mod slice;
mod tasks;
mod timer;
mod wakes;

pub use listener::Listener;
pub use server::{Server, ShutdownHandle, serve_stream, shutdown_signal};
