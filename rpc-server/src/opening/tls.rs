//! A connection with TLS: its handshake, and then what comes with any other.
//!
//! Each connection goes by what was current when it was accepted. The handshake has the time of the whole opening, less where the server
//! drains. Where it fails, the client is sent the alert that says why, and the connection is kept for a moment, because bytes that arrive
//! at a closed socket would take the alert with them.

use std::{pin::Pin, sync::Arc};

use rpc_core::tls::{Current, failed_at_server};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    driver::LINGER,
    end::End,
    opening::{self, Opening, part},
    shared::Shared,
    trace,
    wakes::Wakes,
};

/// So many bytes of a client whose handshake failed are read and thrown away.
const LEFTOVERS: u64 = 256 << 10;

/// Serves one connection to its end. Boxed, so that tasks without TLS are no larger for it.
pub(crate) fn serve(
    stream: TcpStream,
    current: Arc<Current>,
    mut opening: Opening,
    shared: Arc<Shared>,
    wakes: Arc<Wakes>,
) -> Pin<Box<impl Future<Output = ()> + Send>> {
    Box::pin(async move {
        // What a handshake needs is more than what is left of it.
        let opened = Box::pin(open(stream, &current, &mut opening, &shared, &wakes)).await;
        drop(current);
        match opened {
            Ok(stream) => opening::serve(stream, opening, shared, wakes).await,
            Err(end) => trace::Connection::open(&opening.peer).end(&end),
        }
    })
}

async fn open(
    stream: TcpStream,
    current: &Current,
    opening: &mut Opening,
    shared: &Shared,
    wakes: &Wakes,
) -> Result<TlsStream<TcpStream>, End> {
    let accepting = TlsAcceptor::from(current.config()).accept(stream).into_fallible();
    match opening.in_time(accepting, shared, wakes).await? {
        Ok(stream) => {
            let (_, connection) = stream.get_ref();
            match current.certificate(connection) {
                Ok(certificate) => opening.proof.certificate = certificate,
                // The handshake is over: the client is told as any other that is not served.
                Err(error) => {
                    opening.refusal.get_or_insert(error);
                }
            }
            Ok(stream)
        }
        Err((error, stream)) => {
            let end = End::Tls(failed_at_server(&error));
            let farewell = timeout(LINGER, part(stream, LEFTOVERS));
            let _ = opening.in_time(farewell, shared, wakes).await;
            Err(end)
        }
    }
}
