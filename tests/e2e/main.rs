//! What a user may rely on, over real sockets: one module per promise.
//!
//! Most behaviours are tried twice, over TCP on a runtime of one thread and over a Unix socket on one of several; see
//! [`support`]. A test waits for events only; where a timeout is the behaviour, either it is short and its end is awaited, or
//! time is paused. Each has an overall bound, so that what hangs fails.

mod address_rules;
mod addresses;
mod authorizing;
mod belongings;
mod by_name;
mod calls;
mod cancellation;
mod closures;
mod connecting;
mod connections;
mod context;
mod deadlines;
mod draining;
mod flow;
mod gateway;
mod health;
mod hostile_clients;
mod hostile_servers;
mod keepalive;
mod lifetimes;
mod limits;
mod listeners;
mod oneway;
mod panics;
mod parts;
mod reflection;
mod repeating;
mod response_metadata;
mod routing;
mod runtimes;
mod shutdown;
mod socket_files;
mod spawning;
mod state;
mod stream_ends;
mod stream_lives;
mod streams;
mod support;
mod tokens;
mod unix_peers;
mod waiting;
