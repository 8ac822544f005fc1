//! The running of a server: accepting for ever, and then the end in order.

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{task::unconstrained, time::Instant};

use crate::{
    connections::Connections,
    listener::{Listener, pause_after_error},
    trace,
};

/// Accepts for ever.
pub(crate) async fn accept(
    listener: &Listener,
    connections: &mut Connections,
    max_connections: usize,
) -> Infallible {
    let mut pause = Duration::ZERO;
    loop {
        let accepted = {
            let mut accepting = pin!(listener.accept());
            poll_fn(|cx| {
                // Tasks that ended are let go of, and their places with them.
                while let Poll::Ready(Some(())) = connections.poll_ended(cx) {}
                if connections.len() < max_connections {
                    accepting.as_mut().poll(cx)
                } else {
                    Poll::Pending
                }
            })
            .await
        };
        match accepted {
            Ok(accepted) => connections.spawn(accepted),
            // The connection was gone before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                pause = pause_after_error(pause);
                trace::accept_failed(&error, pause);
                tokio::time::sleep(pause).await;
                continue;
            }
        }
        pause = Duration::ZERO;
    }
}

/// More connections than this do not wait in the queue of a listener.
const MAX_QUEUE: usize = 65_536;

/// Accepts what has connected already: a client in the queue of a listener that is closed would not learn whether its calls ran. On a
/// connection that drains it is told that they did not.
pub(crate) fn accept_rest(listener: &Listener, connections: &mut Connections, most: usize) {
    let mut cx = Context::from_waker(Waker::noop());
    // A task's budget would let in some of them only; what bounds them is the queue of the listener, which has no more than it had.
    for _ in 0..MAX_QUEUE {
        if connections.len() >= most {
            return;
        }
        let mut accepting = pin!(unconstrained(listener.accept()));
        let Poll::Ready(Ok(accepted)) = accepting.as_mut().poll(&mut cx) else {
            return;
        };
        connections.spawn(accepted);
    }
}

/// Lets the connections finish, until the timeout, or until a second signal comes.
pub(crate) async fn drain(
    connections: &mut Connections,
    timeout: Duration,
    second_signal: impl Future<Output = ()>,
) {
    connections.drain();
    let deadline = Instant::now() + timeout;
    let mut second_signal = pin!(second_signal);
    let ended = poll_fn(|cx| {
        while let Poll::Ready(ended) = connections.poll_ended(cx) {
            if ended.is_none() {
                return Poll::Ready(());
            }
        }
        second_signal.as_mut().poll(cx)
    });
    let _ = tokio::time::timeout_at(deadline, ended).await;
}
