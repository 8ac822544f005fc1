//! The file of a Unix socket: made with the permissions that were asked for, put in the place of one that nobody listens at, and removed
//! at the end.
//!
//! A file outlives a server that was killed, and bind(2) never takes a name that is taken. So a file in the way is tested by connecting,
//! and removed only if the system says that nobody listens. What could go wrong then, and what prevents it:
//!
//! * A socket that is bound and does not listen yet looks like one that was left. Servers of this project make theirs one at a time, under a
//!   [`LockFile`] that lies beside, from before bind(2) to after listen(2): none sees another's half-made socket, and of several that start at once
//!   the first one wins while the others find it listening.
//! * A program that takes no lock may put its socket there between the test and the removal. The file is moved aside first, which takes exactly
//!   one file along, and compared with the one that was tested: device, inode, and time of making, for inodes are used again. Another one is put back by
//!   link(2), which never takes a name that is taken. If the name was taken meanwhile, the error says where the file is.
//! * It may bind between the removal and our bind(2): that fails, and the file in the way is tested like any other.
//! * It may remove our socket before we listen: the name is looked at again afterwards, and the server does not start.
//!
//! Permissions are set between bind(2) and listen(2), when nobody can connect yet. What is no socket is never touched, links are not
//! followed, and where it cannot be known whether somebody listens, the file stays.

use std::{
    fs::{self, Metadata, Permissions},
    io,
    os::{
        unix::ffi::OsStrExt,
        unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
        unix::net::UnixListener,
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};

use super::lock_file::LockFile;

/// So often is the name tried while files come and go in its place.
const ATTEMPTS: usize = 16;

/// The file of a socket that was bound here. It is removed when this is dropped, unless another one has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// Listens at a path, with these permissions or those that the process's umask leaves. Blocks its thread, for a few system calls or until
/// another server has started there.
pub(crate) fn listen(
    path: &Path,
    mode: Option<u32>,
    backlog: i32,
) -> io::Result<(UnixListener, SocketFile)> {
    let place = Place::of(path)?;
    let lock = match LockFile::take(place.beside("starting")) {
        // Where there are no locks, nothing is replaced.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => None,
        lock => Some(lock?),
    };
    for _ in 0..ATTEMPTS {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        match socket.bind(&place.address) {
            Ok(()) => return place.open(socket, mode, backlog),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                place.make_way(lock.is_some())?;
            }
            Err(error) => return Err(error),
        }
    }
    Err(in_use("files come and go in its place"))
}

/// Where a socket is to be.
struct Place {
    /// As it was given: a longer path may be too long for an address.
    address: SockAddr,
    /// With its directory resolved, so that it leads to the same file when the program has changed its own. The last part is never resolved.
    path: PathBuf,
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().as_bytes().contains(&0) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "its path has a zero byte"));
        }
        let address = SockAddr::unix(path)?;
        let Some(name) = path.file_name() else {
            return Err(in_use("a directory is there"));
        };
        let directory = match path.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => directory,
            _ => Path::new("."),
        };
        Ok(Self { address, path: directory.canonicalize()?.join(name) })
    }

    /// The path of a hidden file beside, for this purpose.
    fn beside(&self, purpose: &str) -> PathBuf {
        let mut name = std::ffi::OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".");
        name.push(purpose);
        self.path.with_file_name(name)
    }

    /// Lets clients connect to a socket that is bound here.
    fn open(
        &self,
        socket: Socket,
        mode: Option<u32>,
        backlog: i32,
    ) -> io::Result<(UnixListener, SocketFile)> {
        let replaced = || in_use("another program has replaced the socket while it was made");
        let made = self.path.symlink_metadata()?;
        // Before permissions are set, which would be those of whatever a link leads to.
        if !made.file_type().is_socket() {
            return Err(replaced());
        }
        let file = SocketFile { path: self.path.clone(), device: made.dev(), inode: made.ino() };
        if let Some(mode) = mode {
            fs::set_permissions(&self.path, Permissions::from_mode(mode))?;
        }
        socket.set_nonblocking(true)?;
        socket.listen(backlog)?;
        if !file.is_there() {
            return Err(replaced());
        }
        Ok((UnixListener::from(std::os::fd::OwnedFd::from(socket)), file))
    }

    /// Removes the file that is here if it is a socket at which nobody listens.
    ///
    /// # Errors
    ///
    /// Why it stays.
    fn make_way(&self, may_replace: bool) -> io::Result<()> {
        let tested = match self.path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            there => there?,
        };
        let kind = tested.file_type();
        if !kind.is_socket() {
            return Err(in_use(match () {
                () if kind.is_dir() => "a directory is there",
                () if kind.is_symlink() => {
                    "a symbolic link is there, and sockets are not made through links"
                }
                () => "a file is there which is no socket; it is not replaced",
            }));
        }
        match self.has_listener() {
            Ok(true) => Err(in_use("somebody listens there")),
            Ok(false) if may_replace => self.remove(&tested),
            Ok(false) => Err(in_use(
                "a socket is there at which nobody listens, but it cannot be replaced safely: its file system has no locks; remove it",
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(in_use(&format!(
                "a socket is there, and whether somebody listens cannot be known ({error}); remove it if nobody does"
            ))),
        }
    }

    /// Whether somebody listens at the socket that is here, as far as connecting to it tells.
    fn has_listener(&self) -> io::Result<bool> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&self.address) {
            Ok(()) => Ok(true),
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => Ok(false),
                // Its queue is full: nobody has a queue who does not listen.
                io::ErrorKind::WouldBlock => Ok(true),
                _ => Err(error),
            },
        }
    }

    /// Removes the file that was tested, and no other one.
    fn remove(&self, tested: &Metadata) -> io::Result<()> {
        let aside = self.beside("stale");
        match aside.symlink_metadata() {
            // One that a server left there which was killed just then goes with this one.
            Ok(left) if left.file_type().is_socket() => {}
            Ok(_) => return Err(in_use(&format!("{} is in the way", aside.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        match fs::rename(&self.path, &aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            moved => moved?,
        }
        let moved = aside.symlink_metadata()?;
        let identity = |file: &Metadata| (file.dev(), file.ino(), file.mtime(), file.mtime_nsec());
        if identity(&moved) == identity(tested) {
            return fs::remove_file(&aside);
        }
        match fs::hard_link(&aside, &self.path) {
            Ok(()) => {
                fs::remove_file(&aside)?;
                Err(in_use("another program has just made a socket there"))
            }
            Err(error) => Err(in_use(&format!(
                "other programs make sockets there; that of one is {} now, and could not be put back: {error}",
                aside.display()
            ))),
        }
    }
}

impl SocketFile {
    /// Whether the name still is that of this file.
    fn is_there(&self) -> bool {
        // The socket is open, so nobody else has its inode.
        self.path
            .symlink_metadata()
            .is_ok_and(|there| (there.dev(), there.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_there() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn in_use(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, why)
}

#[cfg(test)]
mod tests;
