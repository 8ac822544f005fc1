//! What a driver gives to the client's end, and what it gets from it.

use std::time::Duration;

use super::calls::Outgoing;
use crate::{
    Error, Structs,
    buffer::WriteBuffer,
    limits::{ASSUMED_MESSAGE_SIZE, MAX_FRAME_SIZE},
    payload::Payload,
};

/// What the client's end is told once.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Bytes of the largest message that is accepted; at least 64 KiB (PROTOCOL 1.6).
    pub max_message_size: usize,
    /// The timeout of calls that carry none.
    pub default_timeout: Option<Duration>,
    /// How the server is to write structs.
    pub structs: Structs,
}

impl Config {
    /// A configuration; a size outside of what the protocol allows is brought to its nearest bound.
    pub fn new(
        max_message_size: usize,
        default_timeout: Option<Duration>,
        structs: Structs,
    ) -> Self {
        Self {
            max_message_size: max_message_size.clamp(ASSUMED_MESSAGE_SIZE, MAX_FRAME_SIZE),
            default_timeout,
            structs,
        }
    }
}

/// What a received frame asks of the driver.
#[derive(Debug)]
pub enum Event<'a, W> {
    /// Nothing.
    None,
    /// A call ended; its caller takes the outcome and [`release`](super::Connection::release)s the slot.
    Answered(&'a mut W, Result<Payload, Error>),
    /// A call ended whose caller is gone; drop what is left of it outside of any lock.
    Gone(Outgoing, W),
    /// The server takes no more calls on this connection, for this reason if it had one.
    GoAway(Option<Error>),
}

/// What became of the first call of the queue.
#[derive(Debug)]
pub enum Transmitted<'a, W> {
    /// It was written and waits for its answer.
    Request,
    /// A one-way call was written, which ends it.
    Notification(&'a mut W),
    /// It cannot be sent.
    Refused(&'a mut W, Error),
}

/// What a lost connection leaves, to be dropped outside of any lock.
#[derive(Debug)]
#[must_use = "to be dropped outside of any lock"]
pub struct Remains<W> {
    /// What was not sent.
    pub output: WriteBuffer,
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
