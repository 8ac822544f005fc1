//! How a peer can break the protocol. A violation ends its connection; nothing else does.

use std::time::Duration;

use crate::{
    Error,
    limits::{FREE_FRAMES, MAX_CHALLENGE_MESSAGE, MAX_FRAME_SIZE, MAX_KEY_ID, MAX_MESSAGE_SIZE},
    msgpack::Malformed,
};

/// What the peer did, with the rule that it broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The first bytes are not those of this protocol.
    #[error(
        "the first bytes are {found:02x?}, which is not this protocol (PROTOCOL 1.3); {}", suspicion(*found)
    )]
    Preface {
        /// The four bytes.
        found: [u8; 4],
    },
    /// A major version that this end does not speak.
    #[error("the peer speaks version {major}.{minor}, this end 1.0 (PROTOCOL 1.4)")]
    Version {
        /// The peer's major version.
        major: u16,
        /// The peer's minor version.
        minor: u16,
    },
    /// The first message was not a hello.
    #[error("the first message has type {kind}, not a hello (PROTOCOL 1.5)")]
    HelloExpected {
        /// The type that came.
        kind: u64,
    },
    /// A second hello.
    #[error("a second hello (PROTOCOL 1.5)")]
    SecondHello,
    /// A frame of length 0.
    #[error("a frame of length 0 (PROTOCOL 2.2)")]
    EmptyFrame,
    /// A length that no end accepts.
    #[error(
        "a frame of {announced} bytes, more than the {MAX_FRAME_SIZE} that any end accepts (PROTOCOL 2.3)"
    )]
    FrameTooLarge {
        /// The announced length.
        announced: u32,
    },
    /// A message above the limit that belongs to no call.
    #[error(
        "a message of type {kind} with {size} bytes, more than the limit (PROTOCOL 2.4); the default is {MAX_MESSAGE_SIZE}"
    )]
    MessageTooLarge {
        /// The message's type.
        kind: u64,
        /// Its size.
        size: usize,
    },
    /// The stream ended inside a preface or a frame.
    #[error("the stream ended inside a frame (PROTOCOL 2.6)")]
    Truncated,
    /// A message whose elements in front of the payload are not what its type wants.
    #[error("{part} of a message: {malformed} (PROTOCOL 3.3)")]
    Malformed {
        /// Which element.
        part: &'static str,
        /// What is wrong with it.
        malformed: Malformed,
    },
    /// A message with too few or too many elements.
    #[error("a message of type {kind} with {found} elements (PROTOCOL 3.3)")]
    Elements {
        /// The message's type.
        kind: u64,
        /// How many elements it has.
        found: u32,
    },
    /// A type that this version does not know and may not ignore.
    #[error("unknown message type {kind} (PROTOCOL 3.4)")]
    UnknownType {
        /// The type.
        kind: u64,
    },
    /// A type that only the other side may send.
    #[error("a message of type {kind} from the wrong side (PROTOCOL 3.4)")]
    WrongSide {
        /// The type.
        kind: u64,
    },
    /// A part whose state is none.
    #[error("a part with the state {state} (PROTOCOL 2.7)")]
    PartState {
        /// What stands for the state.
        state: u64,
    },
    /// A part that holds a part, or the end of a message that did not begin.
    #[error("{what} (PROTOCOL 2.8)")]
    Part {
        /// What came.
        what: &'static str,
    },
    /// More parts received than were sent, or told again.
    #[error(
        "{bytes} bytes of parts were received, which is not more than before, or more than were sent (PROTOCOL 2.9)"
    )]
    Received {
        /// The bytes.
        bytes: u64,
    },
    /// More of a stream's items than there was room for.
    #[error("an item of {size} bytes for which there was no room (PROTOCOL 10.6)")]
    Overrun {
        /// The size of the item's message.
        size: usize,
    },
    /// Items of calls that are over, or take none, beyond what can have crossed the answers.
    #[error("more items than can have crossed the answer to their call (PROTOCOL 10.8)")]
    LateItems,
    /// A stream that has begun begins.
    #[error("the stream of the call with id {id} begins twice (PROTOCOL 10.3)")]
    BegunTwice {
        /// The id.
        id: u32,
    },
    /// Credit for more than was sent.
    #[error("credit for {bytes} bytes, which is none or more than are outstanding (PROTOCOL 10.7)")]
    Credit {
        /// The bytes.
        bytes: u64,
    },
    /// A request whose id is outstanding.
    #[error("a request with id {id}, which is outstanding (PROTOCOL 4.1)")]
    DuplicateId {
        /// The id.
        id: u32,
    },
    /// More pings, pongs or ignored messages than are taken.
    #[error(
        "more than {FREE_FRAMES} pings, pongs or ignored messages at once, and more than one every {interval:?} (PROTOCOL 8.3)"
    )]
    Flood {
        /// How often one more is taken.
        interval: Duration,
    },
    /// More cancels than requests.
    #[error("more cancels than requests (PROTOCOL 4.5)")]
    TooManyCancels,
    /// A response to an id that is not outstanding.
    #[error("a response to id {id}, which is not outstanding (PROTOCOL 4.3)")]
    NotOutstanding {
        /// The id.
        id: u32,
    },
    /// A message of the challenge with a shared key where none is under way.
    #[error(
        "a message of type {kind}, which belongs to the challenge with a shared key, where none is under way; does this end ask for keys? (PROTOCOL 12.1)"
    )]
    NoChallenge {
        /// The type.
        kind: u64,
    },
    /// Another message than the one that the challenge with a shared key waits for.
    #[error("a message of type {kind} where one of type {expected} is due (PROTOCOL 12.1)")]
    ChallengeExpected {
        /// The type that is due.
        expected: u64,
        /// The type that came.
        kind: u64,
    },
    /// A message of the challenge that is too large.
    #[error(
        "a message of type {kind} with {size} bytes where {MAX_CHALLENGE_MESSAGE} are the most (PROTOCOL 12.8)"
    )]
    ChallengeTooLarge {
        /// The message's type.
        kind: u64,
        /// Its size.
        size: usize,
    },
    /// The id of a key that is empty or too long.
    #[error("a key's id of {size} bytes, where it has from 1 to {MAX_KEY_ID} (PROTOCOL 12.2)")]
    KeyId {
        /// Its size.
        size: usize,
    },
    /// A nonce or a proof of the wrong length.
    #[error("{part} has {size} bytes instead of {expected} (PROTOCOL 12.2)")]
    ChallengeField {
        /// Which of both.
        part: &'static str,
        /// Its size.
        size: usize,
        /// What it is to be.
        expected: usize,
    },
    /// Bytes behind a challenge, which come before the client's proof can have.
    #[error("bytes behind the challenge, before the proof was sent (PROTOCOL 12.3)")]
    Hasty,
}

/// What the first bytes of another protocol suggest.
fn suspicion(found: [u8; 4]) -> &'static str {
    match found {
        // The type of a record, and the major version, which every version of TLS has kept (RFC 8446, 5.1).
        [0x15, 0x03, ..] => "they are an alert of TLS: connect with tls://",
        [0x16, 0x03, ..] => {
            "they begin a handshake of TLS: connect with tcp://, or set `tls` on the server"
        }
        _ => "does the peer speak another one?",
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::internal(format!("the peer broke the protocol: {violation}")).with_source(violation)
    }
}
