//! How to listen, where that is decided before anybody can connect.

use rpc_core::Error;

use crate::listener::Listener;

/// Options of a [`Listener`] that is about to be bound.
///
/// ```no_run
/// # async fn example(dispatcher: impl rpc_core::Dispatcher) -> Result<(), rpc_core::Error> {
/// use rpc_server::{ListenOptions, Server};
///
/// // For this user and the members of its group.
/// let listener = ListenOptions::new().unix_mode(0o660).bind("unix:///run/calc/socket").await?;
/// Server::new(listener).serve(dispatcher).await
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "options do nothing until something is bound with them"]
pub struct ListenOptions {
    pub(crate) unix_mode: Option<u32>,
    pub(crate) backlog: Option<u32>,
}

impl ListenOptions {
    /// The defaults, which are those of [`Listener::bind`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the permissions of a Unix socket's file, as chmod(2) has them, such as `0o660`; by default what the process's umask leaves of `0o777`.
    /// Does nothing for TCP.
    ///
    /// The umask has no say in it, and nobody can connect before they are set. On Linux, who may write to the file may connect, and who may not
    /// search a directory above it cannot; other systems have ignored the file's own permissions, so that a directory is the safer fence there. In a directory where others may replace
    /// files (writable for them, and not sticky as `/tmp` is) whoever does so just then has these permissions set on a file of their choice.
    pub fn unix_mode(mut self, mode: u32) -> Self {
        self.unix_mode = Some(mode);
        self
    }

    /// Sets how many connections the system holds that the server has not accepted yet; by default as many as the system lets it
    /// (`net.core.somaxconn` on Linux, which also bounds what is set here). Further clients try again: of TCP, their system does; of a Unix socket,
    /// they are told that it is full.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = Some(connections.max(1));
        self
    }

    /// Listens on an address, such as `tcp://127.0.0.1:0` or `unix:///run/calc.sock`.
    ///
    /// # Errors
    ///
    /// Those of [`Listener::bind`], and `invalid_argument` for permissions beyond `0o777`.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, a Unix socket that is just being made is closed and removed again.
    pub async fn bind(self, address: impl AsRef<str>) -> Result<Listener, Error> {
        if let Some(mode) = self.unix_mode.filter(|mode| *mode > 0o777) {
            return Err(Error::invalid_argument(format!(
                "{mode:#o} are no permissions of a socket; `unix_mode` takes up to 0o777"
            )));
        }
        Listener::bind_with(address.as_ref(), self).await
    }

    /// The backlog as the system has it.
    pub(crate) fn queue(self) -> i32 {
        // The system takes less where it allows less.
        self.backlog.and_then(|backlog| i32::try_from(backlog).ok()).unwrap_or(i32::MAX)
    }
}
