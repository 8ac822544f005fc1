//! The one reader of the file, and those who hear of its lines.

use std::{
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rpc::{Error, Stream, stream};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{
    lines::Lines,
    service::{Line, Place},
};

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_millis(50);

/// Lines that the reader may be ahead of a connection. A follower that it leaves behind begins again at its place.
const AHEAD: usize = 8192;

/// A file that is followed.
pub(crate) struct Tail {
    pub(crate) path: PathBuf,
    lines: broadcast::Sender<Line>,
    /// Behind the last line that was told.
    place: Mutex<Place>,
}

impl Tail {
    /// The file as it is now, and the lines that will come, for [`run`](Self::run).
    pub(crate) async fn new(path: PathBuf) -> io::Result<(Self, Lines)> {
        let lines = Lines::open_at_end(&path).await?;
        let place = Mutex::new(lines.place());
        Ok((Self { path, lines: broadcast::Sender::new(AHEAD), place }, lines))
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Behind the last line that was told.
    pub(crate) fn place(&self) -> Place {
        *self.lock()
    }

    /// The lines that will be told, and where they begin.
    pub(crate) fn subscribe(&self) -> (Place, impl Stream<Item = Result<Line, Error>> + use<>) {
        let place = self.lock();
        let receiver = self.lines.subscribe();
        let lines = stream::unfold(Some(receiver), async |receiver| {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Ok(line) => Some((Ok(line), Some(receiver))),
                Err(RecvError::Closed) => None,
                Err(RecvError::Lagged(count)) => {
                    let message = format!("the server was too busy to pass on {count} lines");
                    Some((Err(Error::aborted(message)), None))
                }
            }
        });
        (*place, lines)
    }

    /// Tells the lines of the file for ever.
    pub(crate) async fn run(&self, mut lines: Lines) {
        let mut complaint = None;
        loop {
            let result = self.read(&mut lines).await;
            let error = result.err().map(|error| error.to_string());
            // The same one is told once.
            if error != complaint {
                if let Some(error) = &error {
                    eprintln!("{}: {error}", self.path.display());
                }
                complaint = error;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Tells what was appended, and begins anew where the file was truncated or is another one now.
    async fn read(&self, lines: &mut Lines) -> io::Result<()> {
        self.tell_all(lines).await?;
        if lines.rewind_if_truncated().await? {
            *self.lock() = lines.place();
            self.tell_all(lines).await?;
        }
        let file = match tokio::fs::metadata(&self.path).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            metadata => metadata?.ino(),
        };
        if file != lines.place().file {
            // What was written to the old one until then.
            self.tell_all(lines).await?;
            if let Some(line) = lines.rest() {
                self.tell(line);
            }
            *lines = Lines::open(&self.path, Place { file, offset: 0 }).await?;
            *self.lock() = lines.place();
            self.tell_all(lines).await?;
        }
        Ok(())
    }

    async fn tell_all(&self, lines: &mut Lines) -> io::Result<()> {
        while let Some(line) = lines.next().await? {
            self.tell(line);
        }
        Ok(())
    }

    fn tell(&self, line: Line) {
        let mut place = self.lock();
        *place = line.end;
        // Nobody may be listening.
        let _ = self.lines.send(line);
    }
}
