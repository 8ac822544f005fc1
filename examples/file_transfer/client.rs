//! The client: a copy in either direction is a row of attempts, each of which goes on where the one before was cut.

use std::{
    error::Error,
    future::ready,
    io::{self, SeekFrom},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use rpc::{CallError, Code, StreamExt};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use crate::{
    disk::{extent_of, part_of, pieces},
    progress::Progress,
    service::{FileError, FilesClient},
};

/// How long it may take to read a file for its checksum.
const READING: Duration = Duration::from_secs(600);

/// The pause behind the first attempt that failed. Each is twice as long as the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub(crate) enum Wish {
    List,
    Get(Copy),
    Put(Copy),
}

/// A file on the server, and one here.
pub(crate) struct Copy {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) attempts: u32,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Call(#[from] CallError<FileError>),
    #[error("{}: {error}", path.display())]
    Disk { path: PathBuf, error: io::Error },
    #[error("what was copied does not have the checksum of its source")]
    Differs,
}

impl Failure {
    /// Whether another attempt may succeed.
    fn is_passing(&self) -> bool {
        match self {
            Self::Call(CallError::Rpc(error)) => {
                matches!(error.kind(), Code::Unavailable | Code::ResourceExhausted)
            }
            Self::Call(CallError::App(error)) => matches!(
                error,
                FileError::Busy(_)
                    | FileError::Gap { .. }
                    | FileError::Differs
                    | FileError::BrokenOff(_)
            ),
            Self::Disk { .. } => false,
            Self::Differs => true,
        }
    }
}

pub(crate) async fn run(wish: Wish, address: &str) -> Result<(), Box<dyn Error>> {
    let files = FilesClient::connect(address).await?;
    match wish {
        Wish::List => {
            for entry in files.list().await? {
                println!("{:>15}  {}", entry.size, entry.name);
            }
            Ok(())
        }
        Wish::Get(mut copy) => {
            if copy.file.is_dir() {
                copy.file.push(&copy.name);
            }
            let transfer = Transfer::new(files, copy);
            transfer.run(async || transfer.download().await).await
        }
        Wish::Put(copy) => {
            let transfer = Transfer::new(files, copy);
            transfer.run(async || transfer.upload().await).await
        }
    }
}

struct Transfer {
    files: FilesClient,
    copy: Copy,
    progress: Arc<Mutex<Progress>>,
}

impl Transfer {
    fn new(files: FilesClient, copy: Copy) -> Self {
        let progress = Arc::new(Mutex::new(Progress::new(&copy.name)));
        Self { files, copy, progress }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    /// Attempts it until it succeeds, or fails in a way that does not pass.
    async fn run(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<(), Failure>,
    ) -> Result<(), Box<dyn Error>> {
        let mut pause = FIRST_PAUSE;
        let mut left = self.copy.attempts;
        loop {
            let Err(failure) = attempt().await else {
                self.progress().end();
                return Ok(());
            };
            left -= 1;
            if !failure.is_passing() {
                self.progress().clear();
                return Err(failure.into());
            }
            if left == 0 {
                self.progress().clear();
                return Err(format!("{failure}; run this again to go on").into());
            }
            self.progress().say(&format!("{failure}; attempts left: {left}"));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn download(&self) -> Result<(), Failure> {
        let Copy { name, file: target, .. } = &self.copy;
        let part = &part_of(target);
        let failed = |error| Failure::Disk { path: part.clone(), error };
        let size = self.files.size(name).await?;
        let here = extent_of(part, u64::MAX).await.map_err(failed)?;
        let is_beginning =
            here.length > 0 && self.files.extent(name, here.length).timeout(READING).await? == here;
        let offset = if is_beginning { here.length } else { 0 };
        self.progress().begin(offset, size);

        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options.create(true).write(true).open(part).await.map_err(failed)?;
        file.set_len(offset).await.map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).await.map_err(failed)?;
        let mut pieces = self.files.get(name, offset).await?;
        let mut end = Ok(());
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => {
                    file.write_all(&piece).await.map_err(failed)?;
                    self.progress().advance(piece.len());
                }
                Err(error) => end = Err(error),
            }
        }
        file.sync_all().await.map_err(failed)?;
        end?;
        let whole = self.files.extent(name, u64::MAX).timeout(READING).await?;
        if extent_of(part, u64::MAX).await.map_err(failed)? != whole {
            tokio::fs::remove_file(part).await.map_err(failed)?;
            return Err(Failure::Differs);
        }
        tokio::fs::rename(part, target).await.map_err(failed)
    }

    async fn upload(&self) -> Result<(), Failure> {
        let Copy { name, file: source, .. } = &self.copy;
        let failed = |error| Failure::Disk { path: source.clone(), error };
        tokio::fs::metadata(source).await.map_err(failed)?;
        let whole = extent_of(source, u64::MAX).await.map_err(failed)?;
        let there = self.files.arrived(name).timeout(READING).await?;
        let is_beginning =
            there.length > 0 && extent_of(source, there.length).await.map_err(failed)? == there;
        let offset = if is_beginning { there.length } else { 0 };
        self.progress().begin(offset, whole.length);

        // A stream to the server cannot end with an error, so one of the disk is kept here; the server sees that bytes are missing.
        let broken = Arc::new(OnceLock::new());
        let (breaks, progress) = (Arc::clone(&broken), Arc::clone(&self.progress));
        let pieces = pieces(source, offset).await.map_err(failed)?.scan((), move |(), piece| {
            ready(match piece {
                Ok(piece) => {
                    lock(&progress).advance(piece.len());
                    Some(piece)
                }
                Err(error) => {
                    let _ = breaks.set(error);
                    None
                }
            })
        });
        let end = self.files.put(name, offset, whole, pieces).await;
        match Arc::into_inner(broken).and_then(OnceLock::into_inner) {
            Some(error) => Err(failed(error)),
            None => Ok(end?),
        }
    }
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}
