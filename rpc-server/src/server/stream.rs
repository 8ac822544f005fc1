//! Serving one transport that the program brings: a pipe in memory, in tests above all.

use std::sync::Arc;

use rpc_core::{Dispatcher, Error, Peer, TypeMap, connection::server::Config};

use crate::{
    directory::Directory,
    hooks::Hooks,
    methods::Methods,
    opening::Opening,
    router::Router,
    shared::{Bounds, Shared},
};

/// Serves these services on a transport that the program brings, such as a pipe, until it is closed. Nothing else: what a [`Server`](crate::Server) answers by
/// itself, about what it offers and how it does, there is nobody to ask here who does not know it.
///
/// Who is at its other end is the program's own affair: there are no hooks as of [`Server::authorize`](crate::Server::authorize), and what methods require is not checked.
///
/// # Errors
///
/// `already_exists` where two services have one name.
///
/// # Cancel safety
///
/// Dropping the future closes the connection and drops its handlers.
pub async fn serve_stream(
    transport: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    dispatchers: Vec<Arc<dyn Dispatcher>>,
) -> Result<(), Error> {
    serve_stream_with(transport, dispatchers, TypeMap::new()).await
}

/// The same, with what [`Server::state`](crate::Server::state) would give the handlers. For tests without a socket, whose client is a channel over the pipe's other end.
///
/// # Errors
///
/// Those of [`serve_stream`].
///
/// # Cancel safety
///
/// That of [`serve_stream`].
pub async fn serve_stream_with(
    transport: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    dispatchers: Vec<Arc<dyn Dispatcher>>,
    state: TypeMap,
) -> Result<(), Error> {
    let services = dispatchers.iter().map(|dispatcher| dispatcher.description()).collect();
    let directory = Arc::new(Directory::new(services, Vec::new(), Methods::default()));
    let router = Router::new(dispatchers, Vec::new(), directory, false, Hooks::default())?;
    let shared = Arc::new(Shared::new(router, Config::default(), Bounds::default(), state));
    let deadline = tokio::time::Instant::now() + shared.bounds.handshake_timeout;
    let opening = Opening::new(Peer::Local, None, deadline);
    crate::driver::serve(transport, opening, shared, Arc::default()).await;
    Ok(())
}
