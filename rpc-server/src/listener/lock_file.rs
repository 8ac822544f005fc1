//! A lock file: what only one program at a time may hold, and nobody once its holder is gone.
//!
//! The lock is the kernel's, on the open file (flock(2)), so it ends with its holder, however that ends. The file only gives it a name;
//! its holder removes it. Who waited for it meanwhile gets the lock of a file that has no name any more, and a third one may have made
//! a new file: so a lock counts only if its file still is the one that bears the name. The file is made for its owner alone: whoever may
//! not open it cannot hold others up either.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// How long another holder is waited for. It needs a few system calls.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before the next try.
const PAUSE: Duration = Duration::from_millis(1);

/// A lock file that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct LockFile {
    path: PathBuf,
    _file: File,
}

impl LockFile {
    /// Takes it, waiting for another holder if there is one. Blocks its thread.
    ///
    /// # Errors
    ///
    /// `TimedOut` where another program keeps it, `Unsupported` where the file system has no locks, `AlreadyExists` where something else has
    /// its name; what the system says otherwise.
    pub(crate) fn take(path: PathBuf) -> io::Result<Self> {
        let latest = Instant::now() + PATIENCE;
        loop {
            if let Some(file) = try_take(&path)? {
                return Ok(Self { path, _file: file });
            }
            if Instant::now() >= latest {
                let text = format!("another program holds {} and does not let go", path.display());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // While it is still locked: its name is this holder's to remove.
        let _ = fs::remove_file(&self.path);
    }
}

fn try_take(path: &PathBuf) -> io::Result<Option<File>> {
    let Some(file) = open(path)? else {
        return Ok(None);
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let named = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        named => named?,
    };
    let held = file.metadata()?;
    let is_named = held.is_file() && (held.dev(), held.ino()) == (named.dev(), named.ino());
    Ok(is_named.then_some(file))
}

/// Makes the file, or opens the one that is there; `None` where that one has gone meanwhile.
fn open(path: &PathBuf) -> io::Result<Option<File>> {
    // This never follows a link.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.map(Some),
    }
    let opened = path.symlink_metadata().and_then(|there| {
        // What is in the way belongs to somebody else if it is no empty file, and would be removed in the end.
        if !there.is_file() || there.len() > 0 {
            let text = format!("{} is in the way: it is no lock file", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        // For writing, too, as network file systems want it of who locks alone; and one that is put there just now, such as a pipe,
        // does not hold this up until somebody writes to it.
        OpenOptions::new().read(true).write(true).open(path)
    });
    match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs, process,
        sync::{
            Arc, Barrier,
            atomic::{AtomicU32, Ordering},
        },
        thread,
    };

    use super::{LockFile, PathBuf, try_take};

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("rpc-lock-{}-{name}", process::id()))
    }

    #[test]
    fn one_at_a_time_has_it_and_nothing_is_left() {
        const THREADS: usize = 8;
        let path = path("many");
        let (inside, entered) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let start = Arc::new(Barrier::new(THREADS));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (path, inside, entered) = (path.clone(), inside.clone(), entered.clone());
                let start = Arc::clone(&start);
                thread::spawn(move || {
                    start.wait();
                    for _ in 0..50 {
                        let lock = LockFile::take(path.clone()).expect("it is let go of");
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "it is held alone");
                        thread::yield_now();
                        assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1, "it is held alone");
                        entered.fetch_add(1, Ordering::SeqCst);
                        drop(lock);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("it was held by one at a time");
        }
        assert_eq!(entered.load(Ordering::SeqCst), 400);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_killed_holder_left_can_be_taken() {
        let path = path("left");
        fs::write(&path, "").expect("the directory is writable");
        let lock = LockFile::take(path.clone()).expect("nobody holds it");
        assert!(try_take(&path).expect("it can be opened").is_none(), "it is held");
        drop(lock);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_lock_file_stays() {
        let path = path("other");
        fs::write(&path, "notes").expect("the directory is writable");
        let error = LockFile::take(path.clone()).expect_err("it belongs to somebody else");
        assert!(error.to_string().contains("in the way"), "{error}");
        assert_eq!(fs::read(&path).expect("it is there"), b"notes");
        fs::remove_file(&path).expect("it is there");
    }
}
