//! Files in pieces, and their checksums.

use std::{
    fs,
    io::{self, Read, SeekFrom},
    path::{Path, PathBuf},
};

use rpc::{Bytes, Stream, stream};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::service::Extent;

/// The size of the items on the wire.
const PIECE: usize = 64 << 10;

/// What is at the end of the name of a file that is not complete.
pub(crate) const PART: &str = ".part";

/// Where a file is until it is complete.
pub(crate) fn part_of(file: &Path) -> PathBuf {
    let mut part = file.as_os_str().to_owned();
    part.push(PART);
    part.into()
}

/// The bytes of a file from there on, in pieces.
pub(crate) async fn pieces(
    path: &Path,
    offset: u64,
) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>> {
    let mut file = tokio::fs::File::open(path).await?;
    file.seek(SeekFrom::Start(offset)).await?;
    Ok(stream::try_unfold(file, async |mut file| {
        let mut piece = Vec::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    }))
}

/// The first so many bytes of a file, or all where it has fewer; none where there is no file. Blocks its thread.
pub(crate) fn extent(path: &Path, length: u64) -> io::Result<Extent> {
    let mut checksum = crc32fast::Hasher::new();
    let mut read_in_all = 0;
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Extent { length: 0, checksum: checksum.finalize() });
        }
        file => file?,
    };
    let mut file = file.take(length);
    let mut buffer = vec![0; PIECE];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Extent { length: read_in_all, checksum: checksum.finalize() });
        }
        checksum.update(&buffer[..read]);
        read_in_all += read as u64;
    }
}

/// The same, on the pool for blocking work.
pub(crate) async fn extent_of(path: &Path, length: u64) -> io::Result<Extent> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || extent(&path, length)).await?
}
