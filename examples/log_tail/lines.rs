//! Reads a file line by line, and goes on where it ended when the file has grown.

use std::{
    io::{self, SeekFrom},
    os::unix::fs::MetadataExt,
    path::Path,
};

use rpc::{Stream, stream};
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, BufReader},
};

use crate::service::{Line, Place};

/// The longest line, in bytes. A longer one comes in pieces.
const LONGEST: usize = 64 << 10;

/// A file that is read by lines. (`tokio::fs` reads on the pool for blocking work, so no connection waits for the disk.)
pub(crate) struct Lines {
    reader: BufReader<File>,
    /// Behind the last line that was given.
    place: Place,
    /// The file's size when it was opened.
    size: u64,
    /// The beginning of a line whose end was not written yet.
    begun: Vec<u8>,
}

impl Lines {
    /// Those behind a place, or all where the file is another one or shorter now.
    pub(crate) async fn open(path: &Path, from: Place) -> io::Result<Self> {
        let mut file = File::open(path).await?;
        let metadata = file.metadata().await?;
        let is_there = metadata.ino() == from.file && from.offset <= metadata.len();
        let offset = if is_there { from.offset } else { 0 };
        file.seek(SeekFrom::Start(offset)).await?;
        let place = Place { file: metadata.ino(), offset };
        let size = metadata.len();
        Ok(Self { reader: BufReader::new(file), place, size, begun: Vec::new() })
    }

    /// Those behind the last line that is there now.
    pub(crate) async fn open_at_end(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path).await?;
        let metadata = file.metadata().await?;
        let near = metadata.len().saturating_sub(LONGEST as u64);
        file.seek(SeekFrom::Start(near)).await?;
        let mut last = Vec::new();
        (&mut file).take(metadata.len() - near).read_to_end(&mut last).await?;
        let line = last.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        Self::open(path, Place { file: metadata.ino(), offset: near + line as u64 }).await
    }

    /// Behind the last line that was given.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Whether the file reached this place when it was opened: it is this file, and was not truncated.
    pub(crate) fn reaches(&self, place: Place) -> bool {
        place.file == self.place.file && place.offset <= self.size
    }

    /// Begins anew where the file is shorter than what was read of it.
    pub(crate) async fn rewind_if_truncated(&mut self) -> io::Result<bool> {
        let read = self.place.offset + self.begun.len() as u64;
        let is_truncated = self.reader.get_ref().metadata().await?.len() < read;
        if is_truncated {
            self.reader.rewind().await?;
            self.place.offset = 0;
            self.begun.clear();
        }
        Ok(is_truncated)
    }

    /// The next line; `None` where it was not written yet.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Line>> {
        let room = LONGEST - self.begun.len();
        (&mut self.reader).take(room as u64).read_until(b'\n', &mut self.begun).await?;
        let is_whole = self.begun.ends_with(b"\n") || self.begun.len() == LONGEST;
        Ok(if is_whole { self.rest() } else { None })
    }

    /// The line that has begun, as it is.
    pub(crate) fn rest(&mut self) -> Option<Line> {
        if self.begun.is_empty() {
            return None;
        }
        self.place.offset += self.begun.len() as u64;
        let line = self.begun.strip_suffix(b"\n").unwrap_or(&self.begun);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = String::from_utf8_lossy(line).into_owned();
        self.begun.clear();
        Some(Line { end: self.place, text })
    }

    /// The lines that end by this place, if the file reaches it.
    pub(crate) fn until(self, end: Place) -> impl Stream<Item = io::Result<Line>> {
        stream::try_unfold(self, move |mut lines| async move {
            if !lines.reaches(end) || lines.place.offset >= end.offset {
                return Ok(None);
            }
            Ok(lines.next().await?.map(|line| (line, lines)))
        })
    }
}
