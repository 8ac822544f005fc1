//! What a driver gives to the client's end, and what it gets from it.

use std::time::Duration;

use super::{
    calls::Outgoing,
    link::{Late, LinkId},
};
use crate::{
    Backoff, Error, Metadata, Structs,
    buffer::WriteBuffer,
    connection::parts::Bulk,
    limits::{
        self, ASSUMED_MESSAGE_SIZE, LARGEST_METADATA, LARGEST_WINDOW, MAX_FRAME_SIZE, MAX_TIMEOUT,
        PARTS_TOLD,
    },
    payload::Payload,
};

/// What the client's end is told once.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Bytes of the largest message that is accepted; at least 64 KiB (PROTOCOL 1.6).
    pub max_message_size: usize,
    /// The timeout of calls that carry none.
    pub default_timeout: Option<Duration>,
    /// How the server is to write structs.
    pub structs: Structs,
    /// Bytes of the metadata of a response whose caller asks for it, encoded.
    pub max_metadata_size: usize,
    /// How deep answers may nest.
    pub max_nesting: u8,
    /// Bytes of a stream's items that may be untaken.
    pub stream_window: usize,
    /// The same over all streams of a connection.
    pub connection_window: usize,
    /// Bytes of parts that are sent ahead of what the peer has read.
    pub parts_ahead: usize,
    /// Unsent bytes above which calls wait for their turn.
    pub write_high_water: usize,
    /// How long one attempt to connect may take, up to the server's hello.
    pub connect_timeout: Duration,
    /// How long a call may wait while there is no connection. Zero: it fails with the first attempt that does.
    pub wait_for_connection: Duration,
    /// The pauses between attempts to connect.
    pub reconnect_backoff: Backoff,
    /// The pauses before a call is repeated.
    pub retry_backoff: Backoff,
    /// How often a call may be sent in all; at least once.
    pub max_attempts: u32,
    /// How many of a hundred calls may be repeated.
    pub retry_percent: u32,
    /// How many calls a second may be repeated besides.
    pub retries_per_second: u32,
    /// How long the server may be silent before it is asked whether it is there.
    pub keepalive_idle: Duration,
    /// How long it may be silent after that.
    pub keepalive_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_message_size: limits::MAX_MESSAGE_SIZE,
            default_timeout: Some(limits::CALL_TIMEOUT),
            structs: Structs::Named,
            max_metadata_size: limits::MAX_METADATA_SIZE,
            max_nesting: limits::MAX_NESTING,
            stream_window: limits::STREAM_WINDOW,
            connection_window: limits::CONNECTION_WINDOW,
            parts_ahead: limits::PARTS_AHEAD,
            write_high_water: limits::WRITE_HIGH_WATER,
            connect_timeout: limits::CONNECT_TIMEOUT,
            wait_for_connection: limits::WAIT_FOR_CONNECTION,
            reconnect_backoff: limits::RECONNECT_BACKOFF,
            retry_backoff: limits::RETRY_BACKOFF,
            max_attempts: limits::MAX_ATTEMPTS,
            retry_percent: limits::RETRY_PERCENT,
            retries_per_second: limits::RETRIES_PER_SECOND,
            keepalive_idle: limits::KEEPALIVE_IDLE,
            keepalive_timeout: limits::KEEPALIVE_TIMEOUT,
        }
    }
}

impl Config {
    /// The defaults but for these three.
    #[must_use]
    pub fn new(
        max_message_size: usize,
        default_timeout: Option<Duration>,
        structs: Structs,
    ) -> Self {
        Self { max_message_size, default_timeout, structs, ..Self::default() }.clamped()
    }

    /// The same, with what is outside of what the protocol allows brought to its nearest bound.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        self.max_message_size = self.max_message_size.clamp(ASSUMED_MESSAGE_SIZE, MAX_FRAME_SIZE);
        self.default_timeout = self.default_timeout.map(|timeout| timeout.min(MAX_TIMEOUT));
        self.connect_timeout = self.connect_timeout.min(MAX_TIMEOUT);
        self.wait_for_connection = self.wait_for_connection.min(MAX_TIMEOUT);
        self.max_metadata_size = self.max_metadata_size.min(LARGEST_METADATA);
        self.max_nesting = self.max_nesting.clamp(1, limits::MAX_NESTING);
        self.max_attempts = self.max_attempts.max(1);
        self.stream_window = self.stream_window.min(LARGEST_WINDOW);
        self.connection_window = self.connection_window.min(LARGEST_WINDOW);
        // The peer says how much it has read once that is so much.
        self.parts_ahead = self.parts_ahead.max(PARTS_TOLD);
        self.write_high_water = self.write_high_water.max(1);
        self
    }
}

/// How far a channel is with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// There is none, and nobody asked for one.
    Idle,
    /// One is being made.
    Connecting,
    /// The server has introduced itself, and takes calls.
    Ready,
    /// The last attempt failed, and the next one waits.
    Pausing,
}

/// What a received frame asks of the driver.
#[derive(Debug)]
pub enum Event<'a, W> {
    /// Nothing.
    None,
    /// A call ended; its caller takes the outcome and [`release`](super::Channel::release)s the slot.
    Answered(&'a mut W, Result<Payload, Error>),
    /// The same, with metadata of the response, which the call [asks for](Outgoing::wants_metadata).
    AnsweredWith(&'a mut W, Result<Payload, Error>, Metadata),
    /// A call ended whose caller is gone; drop what is left of it outside of any lock.
    Gone(Outgoing, W),
    /// An item has come of the stream that is a call's answer.
    Item {
        /// Whose call it is.
        waiter: &'a mut W,
        /// The item; or the error that is one.
        item: Result<Payload, Error>,
        /// What it counts for in the window, to be [`took`](super::Channel::took).
        cost: u64,
    },
    /// So many items were dropped at this place of a stream.
    LostItems {
        /// Whose call it is.
        waiter: &'a mut W,
        /// How many.
        count: u64,
        /// What the notice counts for in the window.
        cost: u64,
    },
    /// The stream that is a call's answer has begun.
    Begun(&'a mut W),
    /// The server takes no more of the items that a call sends.
    Stopped(&'a mut W),
    /// The next item that a call sends found no room, and may find some now.
    Writable(&'a mut W),
    /// Items that found no room may find some: see [`unblock`](super::Channel::unblock).
    Room,
    /// The server takes no more calls on this connection, for this reason if it had one.
    GoAway(Option<Error>),
}

/// Whether an item could be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It was.
    Sent,
    /// There is no room yet: its caller is woken when there may be.
    Blocked,
    /// Nobody takes it any more.
    Closed,
}

/// What became of the first call of the queue.
#[derive(Debug)]
pub enum Transmitted<'a, W> {
    /// It was written and waits for its answer.
    Request,
    /// It was written, and its caller may send items.
    Upload(&'a mut W),
    /// A one-way call was written, which ends it.
    Notification(&'a mut W),
    /// It cannot be sent.
    Refused(&'a mut W, Error),
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// The attempt to connect: drop it, and say that it [`failed`](super::Channel::failed).
    Attempt,
    /// The server on this connection: drop it, and say that it is [`lost`](super::Channel::lost).
    Connection(LinkId, Late),
}

/// Whether a failure to connect would only repeat itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// The next attempt may succeed.
    Open,
    /// It would fail for the same reason: whoever waits is told at once.
    Hopeless,
}

/// What a lost connection leaves, to be dropped outside of any lock.
#[derive(Debug)]
#[must_use = "to be dropped outside of any lock"]
pub struct Remains<W> {
    /// What was not sent.
    pub output: WriteBuffer,
    pub(super) bulk: Bulk,
    /// Calls whose callers were gone.
    pub calls: Vec<(Outgoing, W)>,
}

pub(super) fn too_large(size: usize, limit: usize) -> Error {
    Error::resource_exhausted(format!(
        "the request has {size} bytes, more than the {limit} that the server accepts; raise it with `max_message_size` on the server"
    ))
    .not_started(true)
}

pub(super) fn answer_too_large(size: usize, limit: usize) -> Error {
    Error::resource_exhausted(format!(
        "the answer has {size} bytes, more than the {limit} that this channel accepts; raise it with `max_message_size` on the channel's builder"
    ))
}

pub(super) fn item_too_large(size: usize, limit: usize) -> Error {
    Error::resource_exhausted(format!(
        "an item of the stream that the call sends has {size} bytes, more than the {limit} that the server accepts; raise it with `max_message_size` on the server, or send smaller items"
    ))
}

pub(super) fn streams_unasked(method: &str) -> Error {
    Error::internal(format!(
        "the server answers \"{method}\" with a stream, and this client expects one value: their traits differ, or, by name, it is to be called with `stream`"
    ))
}
