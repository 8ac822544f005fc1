//! The challenge with a shared key, between an accepted connection and the task's driver (PROTOCOL 12).
//!
//! Where the server asks for no key, nothing happens here. Where it does, what follows is in a box of its own, so that the task of a
//! connection without one is no larger. Whoever fails is refused by the driver, once it has introduced itself, which takes as
//! long as the handshake at most: that, the limits on connections, and the small messages bound what strangers can hold.

use std::sync::Arc;

use bytes::BytesMut;
use futures_util::future::Either;
use rpc_core::{
    Error,
    auth::server::{Challenge, Verdict},
    limits::MAX_CHALLENGE_MESSAGE,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Opening, part};
use crate::{
    driver::{self, LINGER},
    end::End,
    opening::keys::{Keys, random},
    shared::Shared,
    trace,
    wakes::Wakes,
};

/// Serves a connection to its end, behind the challenge where there are keys.
///
/// Not an `async fn`: its future would hold what it is given a second time.
pub(crate) fn serve<T: AsyncRead + AsyncWrite + Unpin>(
    transport: T,
    opening: Opening,
    shared: Arc<Shared>,
    wakes: Arc<Wakes>,
) -> impl Future<Output = ()> {
    match shared.keys.clone() {
        None => Either::Left(driver::serve(transport, opening, shared, wakes)),
        Some(keys) => {
            Either::Right(Box::pin(serve_behind(keys, transport, opening, shared, wakes)))
        }
    }
}

async fn serve_behind<T: AsyncRead + AsyncWrite + Unpin>(
    keys: Keys,
    mut transport: T,
    mut opening: Opening,
    shared: Arc<Shared>,
    wakes: Arc<Wakes>,
) {
    match challenge(keys, &mut transport, &mut opening, &shared, &wakes).await {
        Ok(()) => driver::serve(transport, opening, shared, wakes).await,
        Err(end) => {
            let told = trace::Connection::open(&opening.peer);
            if let End::Violation(_) = end {
                // A client that does not close on its side in time is not waited for.
                let _ = tokio::time::timeout(LINGER, part(transport, u64::MAX)).await;
            }
            told.end(&end);
        }
    }
}

/// Holds the client against the keys. What comes of it is in `opening`.
///
/// # Errors
///
/// Why the connection is over.
async fn challenge<T: AsyncRead + AsyncWrite + Unpin>(
    keys: Keys,
    transport: &mut T,
    opening: &mut Opening,
    shared: &Shared,
    wakes: &Wakes,
) -> Result<(), End> {
    let nonce = random().map_err(|_| End::NoRandomness)?;
    let mut machine = Challenge::new(keys.ring, keys.decoy, nonce);
    let mut input = std::mem::take(&mut opening.input);
    let talk = talk(transport, &mut machine, &mut input);
    let verdict = opening.in_time(talk, shared, wakes).await??;
    opening.input = input;
    let refusal = match verdict {
        Verdict::Proved(id) => {
            opening.proof.key_id = Some(id);
            None
        }
        Verdict::Unproved => Some("the key is not known here, or the client does not have it"),
        // The driver has an objection to whoever has proved nothing.
        Verdict::Unasked => None,
    };
    opening.has_preface = machine.has_preface();
    // Who is not served for another reason need not hear that one.
    let refusal = refusal.map(Error::unauthenticated);
    opening.refusal = opening.refusal.take().or(refusal);
    Ok(())
}

/// Moves the bytes of the challenge; what is read behind it stays in `input`.
async fn talk<T: AsyncRead + AsyncWrite + Unpin>(
    transport: &mut T,
    machine: &mut Challenge,
    input: &mut BytesMut,
) -> Result<Verdict, End> {
    let mut output = Vec::new();
    loop {
        let outcome = machine.receive(input, &mut output);
        if let Err(violation) = &outcome {
            machine.violated(violation, &mut output);
        }
        if !output.is_empty() {
            transport.write_all(&output).await.map_err(|_| End::Transport)?;
            transport.flush().await.map_err(|_| End::Transport)?;
            output.clear();
        }
        if let Some(verdict) = outcome.map_err(End::Violation)? {
            return Ok(verdict);
        }
        input.reserve(2 * MAX_CHALLENGE_MESSAGE);
        if transport.read_buf(input).await.map_err(|_| End::Transport)? == 0 {
            return Err(End::Closed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use rpc_core::{
        Code, Peer, Proof, TypeMap,
        auth::{Key, Keyring},
        connection::server::Config,
    };
    use tokio::time::Instant;

    use super::serve;
    use crate::{
        directory::Directory,
        driver,
        hooks::Hooks,
        methods::Methods,
        opening::Opening,
        opening::keys::Keys,
        router::Router,
        shared::{Bounds, Shared},
    };

    fn shared() -> Shared {
        let directory = Directory::new(Vec::new(), Vec::new(), Methods::default());
        let router =
            Router::new(Vec::new(), Vec::new(), Arc::new(directory), false, Hooks::default())
                .expect("no two services have one name");
        Shared::new(router, Config::default(), Bounds::default(), TypeMap::new())
    }

    #[test]
    fn whatever_way_a_connection_took_it_is_not_served_without_a_key() {
        let mut shared = shared();
        let nothing = Proof::default();
        assert!(shared.objection(&nothing).is_none(), "no key is asked for");
        let decoy = Key::new("decoy", [0xdd; 32]).expect("a key");
        shared.keys = Some(Keys { ring: Keyring::default(), decoy });
        let objection = shared.objection(&nothing).expect("it has proved nothing");
        assert_eq!(objection.kind(), Code::Unauthenticated);
        let mut proof = nothing;
        proof.key_id = Some("a".into());
        assert!(shared.objection(&proof).is_none());
    }

    #[test]
    fn a_connection_without_a_challenge_is_no_larger() {
        let shared = Arc::new(shared());
        let pipe = || tokio::io::duplex(1).0;
        let deadline = Instant::now() + Duration::from_secs(10);
        let opening = || Opening::new(Peer::Local, None, deadline);
        let plain = driver::serve(pipe(), opening(), Arc::clone(&shared), Arc::default());
        let here = serve(pipe(), opening(), shared, Arc::default());
        let word = size_of::<usize>();
        assert!(size_of_val(&here) <= size_of_val(&plain) + word, "{}", size_of_val(&plain));
    }
}
