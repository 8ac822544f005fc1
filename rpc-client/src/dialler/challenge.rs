//! The challenge with a shared key, as a part of an attempt to connect (PROTOCOL 12).

use std::{future::poll_fn, io};

use bytes::BytesMut;
use rpc_core::{
    Error, Violation,
    auth::{Key, client::Challenge},
    buffer::WriteBuffer,
    connection::client::Outlook,
    limits::MAX_CHALLENGE_MESSAGE,
};

use crate::{
    connected::lost,
    dialler::{Dialled, Undialled},
    transport::Transport,
};

/// Proves the key to the server, behind the server's own proof.
///
/// # Errors
///
/// Whatever keeps the server from proving that it has the key.
pub(crate) async fn challenge(mut dialled: Dialled, key: &Key) -> Result<Dialled, Undialled> {
    let transport = &mut dialled.transport;
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce)
        .map_err(|error| Error::internal(format!("the system has no random bytes: {error}")))?;
    let mut output = Vec::new();
    let mut input = BytesMut::with_capacity(2 * MAX_CHALLENGE_MESSAGE);
    let mut machine = Challenge::begin(key.clone(), nonce, &mut output);
    loop {
        send(transport, &output).await?;
        output.clear();
        let read = match poll_fn(|cx| transport.poll_read(cx, &mut input)).await {
            // As TLS says it.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read.map_err(unheard)?,
        };
        if read == 0 {
            return Err(closed(&machine).into());
        }
        let is_proved = machine.receive(&mut input, &mut output).map_err(|refusal| {
            let outlook = if refusal.is_passing() { Outlook::Open } else { Outlook::Hopeless };
            Undialled { error: refusal.into(), outlook }
        })?;
        if is_proved {
            if !input.is_empty() {
                return Err(Undialled::hopeless(Violation::Hasty.into()));
            }
            send(transport, &output).await?;
            dialled.has_preface = true;
            return Ok(dialled);
        }
    }
}

async fn send(transport: &mut Transport, bytes: &[u8]) -> Result<(), Error> {
    let mut output = WriteBuffer::new();
    output.raw(bytes);
    poll_fn(|cx| transport.poll_write(cx, &mut output)).await.map_err(lost)
}

/// The server was not heard out.
fn unheard(error: io::Error) -> Undialled {
    // TLS may have let this client in before the server has looked at its certificate.
    #[cfg(feature = "tls")]
    if let Some(error) = rpc_core::tls::refused_by_server(&error) {
        return Undialled::hopeless(error);
    }
    lost(error).into()
}

fn closed(machine: &Challenge) -> Error {
    Error::unavailable(if machine.has_preface() {
        "the server closed the connection before it proved that it has the key"
    } else {
        "the server closed the connection before it introduced itself; does it speak this protocol?"
    })
}
