//! A call of a channel with a token source: it waits for a token, takes it along, and is sent once more with another one where the server refused the
//! first.
//!
//! ```text
//!   waits for a token ──▶ submitted ──▶ answered
//!          ▲                  │ refused as `unauthenticated`, and not started: once
//!          ╰──────────────────╯
//! ```
//!
//! Waiting counts as the call's own time.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use rpc_core::{
    Code, Error, Origin,
    connection::client::{CallRef, Outgoing},
};

use crate::{
    shared::Shared,
    timer::Timer,
    tokens::{Asked, Held, Tokens},
};

/// What such a call needs besides what every call does.
pub(crate) struct Bearing {
    /// What is sent, while it is not.
    outgoing: Outgoing,
    timeout: Option<Duration>,
    /// When the timeout began to count.
    start: Instant,
    /// The deadline of the handler that made the call.
    inherited: Option<Instant>,
    wait: Option<Wait>,
    /// The token that was sent.
    held: Option<Arc<Held>>,
    /// Why it was refused.
    refusal: Option<Error>,
}

/// The wait for a token that is being fetched.
struct Wait {
    fetched: BoxFuture<'static, Result<Arc<Held>, Error>>,
    timer: Timer,
}

impl Bearing {
    pub(crate) fn new(
        outgoing: &mut Outgoing,
        timeout: Option<Duration>,
        inherited: Option<Instant>,
    ) -> Self {
        Self {
            outgoing: mem::take(outgoing),
            timeout,
            start: now(),
            inherited,
            wait: None,
            held: None,
            refusal: None,
        }
    }

    pub(crate) fn is_oneway(&self) -> bool {
        self.outgoing.oneway
    }

    /// Waits for a token, and hands the call in with it; `None` where there will be no answer.
    ///
    /// # Errors
    ///
    /// Why it cannot be sent, or the refusal, where there is no other token.
    pub(crate) fn poll_submit(
        &mut self,
        tokens: &Tokens,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<CallRef>, Error>> {
        let had_waited = self.wait.is_some() || self.refusal.is_some();
        let held = match self.poll_token(tokens, cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(held)) => held,
        };
        if let (Some(refused), Some(refusal)) = (&self.held, &self.refusal)
            && held.is_same(refused)
        {
            return Poll::Ready(Err(refusal.clone()));
        }
        held.put_into(&mut self.outgoing.metadata);
        self.held = Some(held);
        if let Some(metadata) = &self.outgoing.metadata {
            metadata.check(shared.max_metadata_size)?;
        }
        // What was not spent at all is the channel's default still, of which the server knows.
        let spent =
            if had_waited { now().saturating_duration_since(self.start) } else { Duration::ZERO };
        let timeout = self.timeout.map(|timeout| timeout.saturating_sub(spent));
        Poll::Ready(shared.submit(&mut self.outgoing, timeout, self.inherited, cx.waker().clone()))
    }

    fn poll_token(
        &mut self,
        tokens: &Tokens,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Arc<Held>, Error>> {
        let wait = match &mut self.wait {
            Some(wait) => wait,
            None => match tokens.ask(self.held.as_ref()) {
                Asked::Held(held) => return Poll::Ready(Ok(held)),
                Asked::Fetching(fetched) => {
                    self.wait.insert(Wait { fetched, timer: Timer::default() })
                }
            },
        };
        if let Poll::Ready(fetched) = wait.fetched.as_mut().poll(cx) {
            self.wait = None;
            return Poll::Ready(fetched);
        }
        let own = self.timeout.and_then(|timeout| self.start.checked_add(timeout));
        let deadline = own.into_iter().chain(self.inherited).min();
        // Whoever polls the call may be on no runtime.
        let _runtime = tokens.runtime.enter();
        wait.timer.poll(deadline.map(Into::into), cx).map(|()| {
            let error =
                Error::deadline_exceeded("the deadline passed while the call waited for a token");
            Err(error.not_started(true))
        })
    }

    /// The call has failed; whether it is to be sent once more with another token, because it did not start and its token was refused.
    ///
    /// `remains` is what is left of it, and `is_whole` whether it sends no stream of which something is gone.
    pub(crate) fn is_again(
        &mut self,
        tokens: &Tokens,
        error: &Error,
        remains: Option<Outgoing>,
        is_whole: bool,
    ) -> bool {
        let is_refused = error.kind() == Code::Unauthenticated
            && error.origin() == Origin::Remote
            && error.is_not_started();
        let (true, None, Some(held)) = (is_refused, &self.refusal, &self.held) else {
            return false;
        };
        let (true, Some(remains)) = (is_whole, remains) else {
            // The next call has use of another token, if this one has not.
            tokens.discard(held);
            return false;
        };
        self.outgoing = remains;
        self.refusal = Some(error.clone());
        true
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
