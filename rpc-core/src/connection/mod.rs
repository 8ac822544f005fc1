//! Both ends of a connection as pure state machines: frames and `now` in, frames, events and the next deadline out.
//!
//! Neither has a clock, randomness, a task, a lock or a socket; whoever drives one moves the bytes, sleeps until the
//! deadline and runs what an event asks for. So two ends can be run against each other in virtual time. An event is
//! handed out one at a time, as its frame is received: there is no queue of events.
//!
//! * [`server::Connection`]: calls come in, answers go out.
//! * [`client::Channel`]: the calls of one channel, and the connections that carry them.

pub mod client;
mod flood;
mod keepalive;
mod parts;
pub mod server;
#[cfg(test)]
mod tests;

/// What a test may know of the streams of one connection, at one end.
#[cfg(test)]
#[derive(Debug)]
struct Gauge {
    /// Calls that stream.
    streams: usize,
    /// Bytes that were sent and for which no credit came; that arrived and for which none was given; and of those the untaken ones.
    sent: u64,
    arrived: u64,
    untaken: u64,
    /// Whether no part of a message waits, in either direction.
    is_idle: bool,
    /// Streams that wait for room although there is some for an item of any size.
    stuck: usize,
}
