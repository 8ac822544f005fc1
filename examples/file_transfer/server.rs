//! The server: a folder, and nothing outside of it.

use std::{
    collections::HashSet,
    error::Error,
    fs,
    io::{self, ErrorKind, SeekFrom},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rpc::{Bytes, Server, Stream, StreamExt, Streaming};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use crate::{
    disk::{self, PART, extent, extent_of, part_of},
    service::{Entry, Extent, FileError, Files, FilesDispatcher},
};

pub(crate) async fn serve(folder: PathBuf, address: &str) -> Result<(), Box<dyn Error>> {
    if !folder.is_dir() {
        return Err(format!("{}: this is not a folder", folder.display()).into());
    }
    let server = Server::bind(address).await?;
    println!("listening on {}", server.local_addr()?);
    let files = FilesDispatcher::new(Folder { folder, written: Mutex::default() });
    server.add(files).run_until(rpc::shutdown_signal()).await?;
    println!("stopped");
    Ok(())
}

struct Folder {
    folder: PathBuf,
    /// The names of the files that are being uploaded.
    written: Mutex<HashSet<String>>,
}

impl Folder {
    /// The path of a file in the folder itself.
    fn path(&self, name: &str) -> Result<PathBuf, FileError> {
        let fault = if name.is_empty() {
            "it is empty"
        } else if name.contains(['/', '\\']) {
            "a name has no folders in it"
        } else if name.starts_with('.') {
            "a name does not begin with a dot"
        } else if name.contains(char::is_control) {
            "it has a control character in it"
        } else if name.len() + PART.len() > 255 {
            "it is too long"
        } else if name.ends_with(PART) {
            "so are files named that are not complete"
        } else {
            return Ok(self.folder.join(name));
        };
        Err(FileError::Name(name.to_owned(), fault.to_owned()))
    }

    /// The path of a file that is there, and its size. What a link leads to may be outside of the folder, so it is no file here.
    fn existing(&self, name: &str) -> Result<(PathBuf, u64), FileError> {
        let path = self.path(name)?;
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok((path, metadata.len())),
            Ok(_) => Err(FileError::NotFound(name.to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(FileError::NotFound(name.to_owned()))
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn written(&self) -> MutexGuard<'_, HashSet<String>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that this upload writes the file, until the guard is dropped.
    fn begin(&self, name: &str) -> Result<Writing<'_>, FileError> {
        if !self.written().insert(name.to_owned()) {
            return Err(FileError::Busy(name.to_owned()));
        }
        Ok(Writing { folder: self, name: name.to_owned() })
    }
}

/// An upload that writes a file. It is dropped with its call, also where the client is gone.
struct Writing<'a> {
    folder: &'a Folder,
    name: String,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.folder.written().remove(&self.name);
    }
}

impl Files for Folder {
    fn list(&self) -> Result<Vec<Entry>, FileError> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if let Some((name, (_, size))) =
                name.to_str().and_then(|name| Some((name, self.existing(name).ok()?)))
            {
                entries.push(Entry { name: name.to_owned(), size });
            }
        }
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    fn size(&self, name: &str) -> Result<u64, FileError> {
        Ok(self.existing(name)?.1)
    }

    fn extent(&self, name: &str, length: u64) -> Result<Extent, FileError> {
        extent(&self.existing(name)?.0, length).map_err(failed)
    }

    async fn get(
        &self,
        name: &str,
        offset: u64,
    ) -> Result<impl Stream<Item = Result<Bytes, FileError>>, FileError> {
        let (path, _) = self.existing(name)?;
        let pieces = disk::pieces(&path, offset).await.map_err(failed)?;
        Ok(pieces.map(|piece| piece.map_err(failed)))
    }

    fn arrived(&self, name: &str) -> Result<Extent, FileError> {
        extent(&part_of(&self.path(name)?), u64::MAX).map_err(failed)
    }

    async fn put(
        &self,
        name: &str,
        offset: u64,
        whole: Extent,
        mut pieces: Streaming<Bytes>,
    ) -> Result<(), FileError> {
        let path = self.path(name)?;
        let part = part_of(&path);
        let _writing = self.begin(name)?;
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options.create(true).write(true).open(&part).await.map_err(failed)?;
        let has = file.metadata().await.map_err(failed)?.len();
        if has < offset {
            return Err(FileError::Gap { has, offset });
        }
        file.set_len(offset).await.map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).await.map_err(failed)?;
        let mut length = offset;
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| FileError::BrokenOff(error.to_string()))?;
            length += piece.len() as u64;
            if length > whole.length {
                break;
            }
            file.write_all(&piece).await.map_err(failed)?;
        }
        file.sync_all().await.map_err(failed)?;
        if length < whole.length {
            return Err(FileError::BrokenOff(format!("{length} of {} bytes came", whole.length)));
        }
        if length > whole.length || extent_of(&part, u64::MAX).await.map_err(failed)? != whole {
            tokio::fs::remove_file(&part).await.map_err(failed)?;
            return Err(FileError::Differs);
        }
        tokio::fs::rename(&part, &path).await.map_err(failed)
    }
}

fn failed(error: io::Error) -> FileError {
    FileError::Disk(error.to_string())
}
