//! What the server and its clients share.

use rpc::{Bytes, Stream, Streaming};
use serde::{Deserialize, Serialize};

/// A file of the folder.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) size: u64,
}

/// The first bytes of a file: how many there are, and their CRC-32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extent {
    pub(crate) length: u64,
    pub(crate) checksum: u32,
}

/// Why a file cannot be copied.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum FileError {
    #[error("{0:?} is not the name of a file: {1}")]
    Name(String, String),
    #[error("there is no file {0:?} on the server")]
    NotFound(String),
    #[error("{0:?} is being written by another client")]
    Busy(String),
    #[error("the server has {has} bytes of the file, so it cannot go on at byte {offset}")]
    Gap { has: u64, offset: u64 },
    #[error("what was copied does not have the checksum of its source")]
    Differs,
    #[error("the server's disk: {0}")]
    Disk(String),
    #[error("the upload was broken off: {0}")]
    BrokenOff(String),
}

/// A folder of files.
#[rpc::service]
pub(crate) trait Files {
    /// The files that are complete, by name.
    #[rpc(blocking, idempotent)]
    fn list(&self) -> Result<Vec<Entry>, FileError>;

    /// The size of a file.
    #[rpc(blocking, idempotent)]
    fn size(&self, name: &str) -> Result<u64, FileError>;

    /// The first so many bytes of a file, or all where it has fewer.
    #[rpc(blocking, idempotent)]
    fn extent(&self, name: &str, length: u64) -> Result<Extent, FileError>;

    /// The bytes of a file from there on.
    #[rpc(spawn)]
    async fn get(
        &self,
        name: &str,
        offset: u64,
    ) -> Result<impl Stream<Item = Result<Bytes, FileError>>, FileError>;

    /// What has arrived of an upload that was not completed.
    #[rpc(blocking, idempotent)]
    fn arrived(&self, name: &str) -> Result<Extent, FileError>;

    /// Takes the bytes of a file from there on. When `whole` is there, the file has its name.
    #[rpc(spawn)]
    async fn put(
        &self,
        name: &str,
        offset: u64,
        whole: Extent,
        pieces: Streaming<Bytes>,
    ) -> Result<(), FileError>;
}
