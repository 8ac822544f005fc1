//! The connections of a running server: their tasks, and the way to wake them all.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll},
};

use rpc_core::Peer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
};

use crate::{
    driver::{Shared, serve},
    wakes::Wakes,
};

/// The tasks of a server's connections. Dropping it ends them all, and with them every handler.
pub(crate) struct Connections {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    /// What wakes each task; pruned when it has grown to twice the number of connections.
    wakes: Mutex<Vec<Weak<Wakes>>>,
}

impl Connections {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, tasks: JoinSet::new(), wakes: Mutex::new(Vec::new()) }
    }

    /// Serves a connection in a task of its own.
    pub(crate) fn spawn(
        &mut self,
        transport: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
    ) {
        let wakes = Arc::new(Wakes::default());
        let registered = self.wakes.get_mut().unwrap_or_else(PoisonError::into_inner);
        if registered.len() > 2 * self.tasks.len() + 16 {
            registered.retain(|wakes| wakes.strong_count() > 0);
        }
        registered.push(Arc::downgrade(&wakes));
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            serve(transport, peer, shared, wakes).await;
        });
    }

    /// Completes when a connection has ended; ready with `None` when there is none.
    pub(crate) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.tasks.poll_join_next(cx).map(|ended| ended.map(drop))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Tells every connection to finish what it has accepted and to take no more.
    pub(crate) fn drain(&mut self) {
        self.shared.drain();
        for wakes in self.wakes.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Some(wakes) = wakes.upgrade() {
                wakes.wake_task();
            }
        }
    }
}
