//! What the server and the members share.

use rpc::{Context, Stream, Streaming};
use serde::{Deserialize, Serialize};

/// The longest line that can be said, in bytes.
pub(crate) const LONGEST_LINE: usize = 4 << 10;

/// The longest name of a member or a room, in bytes.
pub(crate) const LONGEST_NAME: usize = 32;

/// What a member hears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// It is in the room, with these.
    Welcome(Vec<String>),
    Joined(String),
    Left(String),
    Said {
        name: String,
        line: String,
    },
    /// So many messages passed while the server was too busy to hear them for this member.
    Missed(u64),
}

/// Why somebody cannot join.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum ChatError {
    #[error("{name:?} is in the room {room:?} already: take another name")]
    Taken { name: String, room: String },
    #[error("{0:?} is not a name: it wants 1 to {LONGEST_NAME} bytes, and no control characters")]
    Name(String),
}

/// Rooms in which people talk.
#[rpc::service]
pub(crate) trait Chat {
    /// Joins a room, and says these lines there. The messages begin with a welcome, and end behind the last line.
    #[rpc(drop_oldest = 64)]
    async fn join(
        &self,
        ctx: &Context,
        name: &str,
        room: &str,
        lines: Streaming<String>,
    ) -> Result<impl Stream<Item = Message>, ChatError>;
}
