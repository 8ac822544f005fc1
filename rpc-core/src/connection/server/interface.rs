//! What a driver gives to the server's end, and what it gets from it.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use crate::{
    Error,
    dispatch::Incoming,
    limits::{
        self, ASSUMED_MESSAGE_SIZE, LARGEST_METADATA, LARGEST_WINDOW, MAX_FRAME_SIZE, MAX_TIMEOUT,
        PARTS_TOLD,
    },
    payload::Payload,
};

/// What the server's end is told once.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Bytes of the largest message that is accepted; at least 64 KiB (PROTOCOL 1.6).
    pub max_message_size: usize,
    /// Calls in flight that are accepted; at least 1.
    pub max_calls: u32,
    /// Bytes of the metadata of one call, encoded.
    pub max_metadata_size: usize,
    /// How deep arguments may nest.
    pub max_nesting: u8,
    /// Bytes of a stream's items that may be untaken.
    pub stream_window: usize,
    /// The same over all streams of the connection.
    pub connection_window: usize,
    /// Bytes of parts that are sent ahead of what the peer has read.
    pub parts_ahead: usize,
    /// Unsent bytes above which nothing is read.
    pub write_high_water: usize,
    /// The longest time that a call may take, whatever its caller asked for.
    pub max_timeout: Duration,
    /// How long the client may be silent before it is asked whether it is there.
    pub keepalive_idle: Duration,
    /// How long it may be silent after that.
    pub keepalive_timeout: Duration,
    /// How often the client may ask at most.
    pub ping_interval: Duration,
    /// How long there may be no call before the connection is closed.
    pub idle_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_message_size: limits::MAX_MESSAGE_SIZE,
            max_calls: limits::MAX_CALLS_PER_CONNECTION,
            max_metadata_size: limits::MAX_METADATA_SIZE,
            max_nesting: limits::MAX_NESTING,
            stream_window: limits::STREAM_WINDOW,
            connection_window: limits::CONNECTION_WINDOW,
            parts_ahead: limits::PARTS_AHEAD,
            write_high_water: limits::WRITE_HIGH_WATER,
            max_timeout: MAX_TIMEOUT,
            keepalive_idle: limits::KEEPALIVE_IDLE,
            keepalive_timeout: limits::KEEPALIVE_TIMEOUT,
            ping_interval: limits::PING_INTERVAL,
            idle_timeout: Duration::MAX,
        }
    }
}

impl Config {
    /// The defaults but for these two.
    #[must_use]
    pub fn new(max_message_size: usize, max_calls: u32) -> Self {
        Self { max_message_size, max_calls, ..Self::default() }.clamped()
    }

    /// The same, with what is outside of what the protocol allows brought to its nearest bound.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        self.max_message_size = self.max_message_size.clamp(ASSUMED_MESSAGE_SIZE, MAX_FRAME_SIZE);
        self.max_calls = self.max_calls.max(1);
        self.max_metadata_size = self.max_metadata_size.min(LARGEST_METADATA);
        self.max_nesting = self.max_nesting.clamp(1, limits::MAX_NESTING);
        self.stream_window = self.stream_window.min(LARGEST_WINDOW);
        self.connection_window = self.connection_window.min(LARGEST_WINDOW);
        // The peer says how much it has read once that is so much.
        self.parts_ahead = self.parts_ahead.max(PARTS_TOLD);
        self.write_high_water = self.write_high_water.max(1);
        self.max_timeout = self.max_timeout.min(MAX_TIMEOUT);
        self.ping_interval = self.ping_interval.min(MAX_TIMEOUT);
        self
    }
}

/// One call, from when it arrived until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallKey(u64);

impl CallKey {
    pub(super) fn of_request(id: u32) -> Self {
        Self(u64::from(id))
    }

    /// Notifications have no id; a key of their own begins above all ids.
    pub(super) fn of_notification(ordinal: u64) -> Self {
        Self(ordinal | 1 << 63)
    }

    pub(super) fn id(self) -> Option<u32> {
        u32::try_from(self.0).ok()
    }

    /// Whether its caller gets no answer.
    pub fn is_notification(self) -> bool {
        self.id().is_none()
    }
}

/// What of a streaming method concerns its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Whether the caller sends a stream.
    pub takes: bool,
}

/// What a received frame asks of the driver.
#[derive(Debug)]
pub enum Event {
    /// Nothing.
    None,
    /// Run this call: poll its handler once, then [`answer`](super::Connection::answer) or [`pending`](super::Connection::pending).
    Call(CallKey, Incoming),
    /// A call was answered that did not start, or dropped where nobody waits for an answer.
    Refused {
        /// Where its method stands in the frame, if the frame is whole.
        method: Option<Range<u32>>,
        /// Why.
        error: Error,
    },
    /// Drop the handler with this handle; its call has been answered. Items of other calls may find room: see
    /// [`next_ready`](super::Connection::next_ready).
    Cancel {
        /// The number that the driver gave to [`pending`](super::Connection::pending).
        handle: u32,
    },
    /// An item has come of the stream that the client sends.
    Item {
        /// The number that the driver gave to [`pending`](super::Connection::pending).
        handle: u32,
        /// The item; or why there is none in its place.
        item: Result<Payload, Error>,
        /// What it counts for in the window, to be [`took`](super::Connection::took).
        cost: u64,
    },
    /// The stream that the client sends has ended.
    EndOfItems {
        /// The number that the driver gave to [`pending`](super::Connection::pending).
        handle: u32,
        /// How.
        end: Result<(), Error>,
    },
    /// Items that found no room may find some: see [`next_ready`](super::Connection::next_ready).
    Room,
    /// The client goes away, for this reason if it had one.
    GoAway(Option<Error>),
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// The client was silent, and did not answer a ping either.
    Silent,
    /// The connection was to end, and calls are left although their time is over.
    Drain,
}

/// The end of a connection that is to be drained, and the latest end of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retirement {
    /// When the client is told.
    pub at: Instant,
    /// How long its calls may take from then on.
    pub grace: Duration,
}

pub(super) fn shutting_down() -> Error {
    Error::unavailable("the server is shutting down")
}

pub(super) fn too_many_calls(limit: u32) -> Error {
    no_room(format!(
        "more than {limit} calls in flight on this connection; raise it with `max_calls_per_connection` on the server"
    ))
}

pub(super) fn too_many_calls_in_all(limit: u32) -> Error {
    no_room(format!(
        "more than {limit} calls in flight on this server; raise it with `max_calls` on the server"
    ))
}

/// There may be room a little later.
fn no_room(message: String) -> Error {
    Error::resource_exhausted(message).with_retry_after(limits::RETRY_AFTER)
}

pub(super) fn item_too_large(size: usize, limit: usize) -> Error {
    Error::resource_exhausted(format!(
        "an item has {size} bytes, more than the {limit} that its receiver accepts; raise it with `max_message_size` there, or send smaller items"
    ))
}

pub(super) fn request_too_large(size: usize, limit: usize) -> Error {
    Error::resource_exhausted(format!(
        "the request has {size} bytes, more than the {limit} that the server accepts; raise it with `max_message_size` on the server"
    ))
}

pub(super) fn answer_too_large(size: usize, limit: usize) -> Error {
    Error::resource_exhausted(format!(
        "the answer has {size} bytes, more than the {limit} that the client accepts; raise it with `max_message_size` on the channel's builder"
    ))
}

/// An error whose details are too large for the client.
pub(super) fn without_details(error: &Error, size: usize, limit: usize) -> Error {
    let message = format!(
        "{} (its details have {size} bytes, too many for the {limit} that the client accepts; raise it with `max_message_size` on the channel's builder)",
        error.message()
    );
    let stripped = Error::new(error.kind(), message).not_started(error.is_not_started());
    match error.retry_after() {
        Some(after) => stripped.with_retry_after(after),
        None => stripped,
    }
}
