//! What of a call does not depend on its types: whether it was sent, what it sends, and what it has come to.
//!
//! ```text
//!   Ready ──first poll──▶ Submitted ──answer──▶ Ended, Done
//!     │                    ▲      │ refused for its token, for the first time
//!     ╰─ with a token ─▶ Waiting ◀╯
//! ```
//!
//! Dropped while it is submitted, it is cancelled.

use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use rpc_core::{
    Error, Metadata, Outcome,
    connection::client::{CallRef, Outgoing},
    payload::Payload,
    stream::{Chunk, Source, Taken, Upload},
};

use super::{bearing::Bearing, ready::Ready};
use crate::{
    channel::Options,
    shared::{Awaited, Found},
    trace,
    upload::Sending,
};

/// What of a call does not depend on its types. Dropping it cancels a call that was submitted.
pub(crate) struct Course {
    pub(super) channel: Arc<Options>,
    pub(super) stage: Stage,
    /// The stream that the call sends, until it has ended.
    pub(super) sending: Option<Box<Sending>>,
    pub(super) trace: trace::Call,
}

/// What a call has come to.
pub(super) enum Reached {
    /// Items of its stream.
    Chunk(Chunk),
    /// Its stream has begun.
    Begun,
    /// Its outcome, and what came with the response.
    Outcome(Result<Payload, Error>, Metadata),
}

pub(super) enum Stage {
    /// It was not polled.
    Ready(Ready),
    /// It cannot be sent.
    Failed(Error),
    /// It waits for the token that it takes along.
    Waiting(Box<Bearing>),
    /// It was sent, or waits for its turn, with a token or without.
    Submitted(CallRef, Option<Box<Bearing>>),
    /// It has ended with this, which was not told.
    Ended(Payload, Metadata),
    Done,
}

impl Course {
    /// Sends the call if that was not done, moves the stream that it sends on, and looks for what is `awaited`.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        awaited: Awaited,
        mut spare: Vec<u8>,
    ) -> Poll<Reached> {
        loop {
            let shared = self.channel.shared();
            match &mut self.stage {
                Stage::Submitted(call, bearing) => {
                    let call = *call;
                    if let Some(sending) = &mut self.sending {
                        match sending.poll(shared, call, cx) {
                            Poll::Pending => {}
                            Poll::Ready(Ok(())) => self.sending = None,
                            Poll::Ready(Err(error)) => {
                                shared.cancel(call);
                                return Poll::Ready(self.failed(error));
                            }
                        }
                    }
                    let mut left = None;
                    let spare = mem::take(&mut spare);
                    match shared.poll(call, awaited, cx.waker(), spare, &mut left) {
                        Found::Nothing => return Poll::Pending,
                        Found::News => {}
                        Found::Stopped => self.sending = None,
                        Found::Begun => return Poll::Ready(Reached::Begun),
                        Found::Chunk(chunk) => return Poll::Ready(Reached::Chunk(chunk)),
                        Found::Outcome(outcome, metadata) => {
                            if let (Err(error), Some(bearing)) = (&outcome, bearing.take())
                                && self.is_again(bearing, error, left)
                            {
                                continue;
                            }
                            return Poll::Ready(self.ended(outcome, metadata));
                        }
                    }
                }
                Stage::Waiting(bearing) => {
                    let Some(tokens) = &shared.tokens else {
                        let error = Error::internal("the channel has no token source");
                        return Poll::Ready(self.failed(error));
                    };
                    let is_oneway = bearing.is_oneway();
                    match ready!(bearing.poll_submit(tokens, shared, cx)) {
                        Ok(Some(call)) => {
                            let Stage::Waiting(bearing) =
                                mem::replace(&mut self.stage, Stage::Done)
                            else {
                                continue;
                            };
                            self.stage = Stage::Submitted(call, Some(bearing));
                            if self.sending.is_none() && !is_oneway {
                                return Poll::Pending;
                            }
                        }
                        Ok(None) => {
                            return Poll::Ready(self.ended(Ok(Payload::nil()), Metadata::new()));
                        }
                        Err(error) => return Poll::Ready(self.failed(error)),
                    }
                }
                Stage::Ready(ready) => {
                    self.trace = trace::Call::begin(|| ready.outgoing.method.clone());
                    if shared.tokens.is_some() && !ready.has_credentials() {
                        self.stage = Stage::Waiting(ready.bearing(&self.channel));
                        continue;
                    }
                    let is_oneway = ready.outgoing.oneway;
                    match ready.submit(&self.channel, cx) {
                        Ok(Some(call)) => {
                            self.stage = Stage::Submitted(call, None);
                            if self.sending.is_none() && !is_oneway {
                                return Poll::Pending;
                            }
                        }
                        Ok(None) => {
                            return Poll::Ready(self.ended(Ok(Payload::nil()), Metadata::new()));
                        }
                        Err(error) => return Poll::Ready(self.failed(error)),
                    }
                }
                Stage::Ended(..) | Stage::Failed(_) | Stage::Done => {
                    let error = match mem::replace(&mut self.stage, Stage::Done) {
                        Stage::Ended(end, metadata) => {
                            return Poll::Ready(Reached::Outcome(Ok(end), metadata));
                        }
                        Stage::Failed(error) => error,
                        _ => Error::internal("the call was polled after it had completed"),
                    };
                    return Poll::Ready(Reached::Outcome(Err(error), Metadata::new()));
                }
            }
        }
    }

    /// The outcome, if it is there and nothing else is: what the second and last poll of nearly every call finds.
    #[inline]
    pub(super) fn take_outcome(&mut self) -> Option<Result<Payload, Error>> {
        let (Stage::Submitted(call, None), None) = (&self.stage, &self.sending) else {
            return None;
        };
        let outcome = self.channel.shared().take_outcome(*call)?;
        self.stage = Stage::Done;
        self.trace.end(|| outcome_of(&outcome));
        Some(outcome)
    }

    pub(super) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<Payload, Error>> {
        if let Some(outcome) = self.take_outcome() {
            return Poll::Ready(outcome);
        }
        self.poll(cx, Awaited::Outcome, Vec::new()).map(|reached| match reached {
            Reached::Outcome(outcome, _) => outcome,
            Reached::Begun | Reached::Chunk(_) => Err(unasked()),
        })
    }

    /// The server has refused a call that took a token along; whether it is to be sent again.
    #[cold]
    fn is_again(
        &mut self,
        mut bearing: Box<Bearing>,
        error: &Error,
        left: Option<Outgoing>,
    ) -> bool {
        let takes = left.as_ref().is_some_and(|left| left.takes);
        let is_whole = !takes || self.sending.as_ref().is_some_and(|sending| !sending.has_begun());
        let tokens = self.channel.shared().tokens.as_ref();
        let is_again = tokens.is_some_and(|tokens| bearing.is_again(tokens, error, left, is_whole));
        if is_again {
            self.stage = Stage::Waiting(bearing);
        }
        is_again
    }

    pub(super) fn failed(&mut self, error: Error) -> Reached {
        self.ended(Err(error), Metadata::new())
    }

    pub(super) fn ended(&mut self, outcome: Result<Payload, Error>, metadata: Metadata) -> Reached {
        self.stage = Stage::Done;
        self.sending = None;
        self.trace.end(|| outcome_of(&outcome));
        Reached::Outcome(outcome, metadata)
    }

    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        if let Stage::Ready(ready) = &mut self.stage {
            ready.timeout = Some(timeout);
            ready.outgoing.opens_only = false;
        }
    }

    pub(super) fn want_metadata(&mut self) {
        if let Stage::Ready(ready) = &mut self.stage {
            ready.outgoing.wants_metadata = true;
        }
    }

    /// The call and the stream that it sends, until it is sent itself.
    pub(crate) fn unsent(&mut self) -> Option<(&mut Outgoing, &mut Option<Box<Sending>>)> {
        match &mut self.stage {
            Stage::Ready(ready) => Some((&mut ready.outgoing, &mut self.sending)),
            _ => None,
        }
    }

    /// Fails a call that was not sent.
    pub(crate) fn refuse(&mut self, error: Error) {
        self.sending = None;
        self.stage = Stage::Failed(error.not_started(true));
    }

    pub(super) fn set_metadata(&mut self, key: &str, value: &str) {
        if let Stage::Ready(ready) = &mut self.stage {
            Arc::make_mut(ready.outgoing.metadata.get_or_insert_default()).insert(key, value);
        }
    }
}

impl Source for Course {
    fn poll_take(&mut self, cx: &mut Context<'_>, spare: Vec<u8>) -> Poll<Taken> {
        self.poll(cx, Awaited::Items, spare).map(|reached| match reached {
            Reached::Chunk(chunk) => Taken::Chunk(chunk),
            Reached::Begun => Taken::End(Err(unasked()), Metadata::new()),
            Reached::Outcome(Ok(end), metadata) if end.as_slice() != [NIL] => {
                let error = Error::internal(
                    "the server answers with one value what this client takes for a stream: their traits differ, or, by name, it is to be called with `call`",
                );
                Taken::End(Err(error), metadata)
            }
            Reached::Outcome(outcome, metadata) => Taken::End(outcome.map(drop), metadata),
        })
    }

    fn set_timeout(&mut self, timeout: Duration) {
        Self::set_timeout(self, timeout);
    }

    fn set_metadata(&mut self, key: &str, value: &str) {
        Self::set_metadata(self, key, value);
    }

    fn set_idempotent(&mut self) {
        Self::set_idempotent(self);
    }

    fn set_upload(&mut self, upload: Upload) {
        Self::set_upload(self, upload);
    }
}

/// What ends a stream.
const NIL: u8 = 0xc0;

pub(super) fn unasked() -> Error {
    Error::internal("it was not asked for")
}

fn outcome_of(outcome: &Result<Payload, Error>) -> Outcome {
    outcome.as_ref().err().map_or(Outcome::Ok, Outcome::from)
}

impl Drop for Course {
    fn drop(&mut self) {
        match self.stage {
            Stage::Submitted(call, _) => self.channel.shared().cancel(call),
            Stage::Waiting(_) => {}
            Stage::Ready(_) | Stage::Failed(_) | Stage::Ended(..) | Stage::Done => return,
        }
        self.trace.end(|| Outcome::Cancelled);
    }
}

impl Course {
    pub(super) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut description = f.debug_struct(name);
        if let Stage::Ready(ready) = &self.stage {
            description.field("method", &ready.outgoing.method);
        }
        description.finish_non_exhaustive()
    }
}
