//! A connection with TLS: connect, and the handshake, as one attempt.
//!
//! What comes of it is a stream like any other. What stands in the way of a certificate stands there the next time too, so it is told at once.

use rpc_core::{
    Address, Error,
    tls::{ClientTls, Unsecured, failed_at_client},
};
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;

use crate::{
    dialler::Undialled,
    transport::{TcpOptions, Transport, unconnected},
};

/// One attempt.
pub(crate) async fn dial(
    host: &str,
    address: &Address,
    tcp: TcpOptions,
    tls: &ClientTls,
) -> Result<Transport, Undialled> {
    let (own, named) = (tls.clone(), host.to_owned());
    // The roots of the system are read from files, the first time.
    let made = spawn_blocking(move || Ok((own.name_at(&named)?, own.config()?))).await;
    let (name, config) = made
        .unwrap_or_else(|error| Err(Error::internal("no roots were read").with_source(error)))
        .map_err(Undialled::hopeless)?;
    let stream = tcp.connect(host).await.map_err(|error| unconnected(address, error))?;
    match TlsConnector::from(config).connect(name, stream).await {
        Ok(stream) => Ok(Transport::Stream(Box::new(stream))),
        Err(error) => {
            let Unsecured { error, is_hopeless } = failed_at_client(error, address);
            Err(if is_hopeless { Undialled::hopeless(error) } else { error.into() })
        }
    }
}
