//! What the server and its followers share.

use rpc::{Context, Error, Stream};
use serde::{Deserialize, Serialize};

/// A place behind a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The file's number in its file system: one that is put under the name of another has another.
    pub(crate) file: u64,
    /// Bytes from the file's start.
    pub(crate) offset: u64,
}

/// A line of the file, without its newline.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) end: Place,
    pub(crate) text: String,
}

/// A file that grows. A place in a file that is no longer there, or is shorter now, stands for the start of the one that is.
#[rpc::service]
pub(crate) trait LogTail {
    /// Where the last line ends.
    #[rpc(idempotent)]
    async fn end(&self) -> Place;

    /// The lines from there to the file's present end, at the pace of who takes them.
    async fn history(
        &self,
        from: Place,
        contains: &str,
    ) -> Result<impl Stream<Item = Result<Line, Error>>, Error>;

    /// The lines from there on, as they are appended, until the server ends. Who takes them too slowly loses the oldest.
    #[rpc(drop_oldest = 1024)]
    async fn follow(
        &self,
        ctx: &Context,
        from: Place,
        contains: &str,
    ) -> Result<impl Stream<Item = Result<Line, Error>>, Error>;
}
