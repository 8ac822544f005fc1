//! One call: a future that is sent when it is first polled, and cancelled when it is dropped.
//!
//! [`Call`] is the future of one answer, [`StreamCall`] that of a stream, and a [`Streaming`] that a stub returns begins its call itself. All
//! three are the same [`Course`] with another end. A stream that the call sends is polled by the call: whoever awaits the answer, or the
//! items that come back, moves it on, and dropping the call drops it. A call that gives the metadata of its response along is a
//! [`WithMetadata`] (`call/with_metadata.rs`).

mod passed;
mod with_metadata;

use std::{
    fmt,
    marker::PhantomData,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;

use rpc_core::{
    Error, Failure, Metadata, Outcome, Streaming, Value,
    buffer::give_buffer,
    connection::client::{CallRef, Outgoing},
    current,
    payload::Payload,
    stream::{Chunk, Source, Taken, Upload},
    value::{Encoded, Encoder},
};

pub use self::{
    passed::{Came, Passed},
    with_metadata::WithMetadata,
};
use crate::{
    bearing::Bearing,
    channel::Options,
    ready::Ready,
    shared::{Awaited, Found},
    trace,
    upload::Sending,
};

/// A call whose arguments are being encoded; what the generated stub uses.
#[doc(hidden)]
pub struct Prepared {
    channel: Arc<Options>,
    ready: Ready,
    sending: Option<Box<Sending>>,
    error: Option<Error>,
}

impl Prepared {
    pub(crate) fn new(channel: Arc<Options>, outgoing: Outgoing) -> Self {
        let inherited = current::inherited().deadline;
        let ready = Ready { outgoing, timeout: None, inherited };
        Self { channel, ready, sending: None, error: None }
    }

    /// Takes the stream that the call sends, each item as `encode` appends it.
    pub fn upload<S, F>(&mut self, stream: S, encode: F)
    where
        S: Stream + Send + 'static,
        F: FnMut(&S::Item, &mut Encoder) -> Result<(), Error> + Send + 'static,
    {
        let structs = self.ready.outgoing.arguments.structs();
        self.sending = Some(Box::new(Sending::new(Upload::new(stream, encode), structs)));
    }

    /// What takes the next argument.
    pub fn encoder(&mut self) -> &mut Encoder {
        &mut self.ready.outgoing.arguments
    }

    /// Notes how the encoding of the argument `name` ended.
    pub fn encoded(&mut self, name: &'static str, result: Result<(), Error>) {
        if let Err(error) = result {
            let error = Error::invalid_argument(format!(
                "argument \"{name}\" cannot be encoded: {}",
                error.message()
            ));
            self.fail(Err(error));
        }
    }

    /// Notes why the call cannot be sent, if that is so.
    pub(crate) fn fail(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.error.get_or_insert(error.not_started(true));
        }
    }

    /// The call of a method with one answer.
    pub fn call<T, E>(self) -> Call<T, E> {
        Call { course: self.course(), answer: PhantomData }
    }

    /// The call of a method that is `async` and returns a stream.
    pub fn stream_call<T, E, I>(mut self) -> StreamCall<T, E, I> {
        // The deadline of a handler that makes the call holds for all of it.
        self.ready.outgoing.opens_only = self.ready.inherited.is_none();
        StreamCall { course: Some(Box::new(self.course())), items: PhantomData }
    }

    /// The call of a method that returns a stream.
    pub fn streaming<T, E>(self) -> Streaming<T, E> {
        Streaming::from_call(Box::new(self.course()))
    }

    fn course(self) -> Course {
        let stage = match self.error {
            None => Stage::Ready(self.ready),
            Some(error) => Stage::Failed(error),
        };
        let trace = trace::Call::default();
        Course { channel: self.channel, stage, sending: self.sending, trace }
    }
}

/// One call of a remote method: a future of its answer.
///
/// The arguments are encoded when the call is made, so it borrows nothing and can be spawned, joined and selected like any
/// future. It is sent when it is first polled; its timeout counts from there. Options are to be set before; later ones are ignored.
///
/// The output is `Result<T, Error>`, or `Result<T, CallError<E>>` for a method with an application error `E`. Awaiting a
/// one-way call means that the connection's write buffer has it, not that it arrived.
///
/// # Cancel safety
///
/// Dropped before its first poll, nothing has happened. Dropped later, the call is cancelled: its handler is dropped
/// at the server, if it still runs.
#[must_use = "a call is sent when it is awaited"]
pub struct Call<T, E = Error> {
    course: Course,
    answer: PhantomData<fn() -> (T, E)>,
}

/// What of a call does not depend on its types. Dropping it cancels a call that was submitted.
pub(crate) struct Course {
    channel: Arc<Options>,
    stage: Stage,
    /// The stream that the call sends, until it has ended.
    sending: Option<Box<Sending>>,
    trace: trace::Call,
}

/// What a call has come to.
enum Reached {
    /// Items of its stream.
    Chunk(Chunk),
    /// Its stream has begun.
    Begun,
    /// Its outcome, and what came with the response.
    Outcome(Result<Payload, Error>, Metadata),
}

enum Stage {
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
    fn poll(
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
    fn take_outcome(&mut self) -> Option<Result<Payload, Error>> {
        let (Stage::Submitted(call, None), None) = (&self.stage, &self.sending) else {
            return None;
        };
        let outcome = self.channel.shared().take_outcome(*call)?;
        self.stage = Stage::Done;
        self.trace.end(|| outcome_of(&outcome));
        Some(outcome)
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<Payload, Error>> {
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

    fn failed(&mut self, error: Error) -> Reached {
        self.ended(Err(error), Metadata::new())
    }

    fn ended(&mut self, outcome: Result<Payload, Error>, metadata: Metadata) -> Reached {
        self.stage = Stage::Done;
        self.sending = None;
        self.trace.end(|| outcome_of(&outcome));
        Reached::Outcome(outcome, metadata)
    }

    fn set_timeout(&mut self, timeout: Duration) {
        if let Stage::Ready(ready) = &mut self.stage {
            ready.timeout = Some(timeout);
            ready.outgoing.opens_only = false;
        }
    }

    fn want_metadata(&mut self) {
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

    fn set_metadata(&mut self, key: &str, value: &str) {
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
                    "the server answers with one value what this client takes for a stream: their traits differ",
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

fn unasked() -> Error {
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

impl<T, E> Call<T, E> {
    pub(crate) fn course(&mut self) -> &mut Course {
        &mut self.course
    }

    /// The same call, of other types.
    pub(crate) fn typed<U, F>(self) -> Call<U, F> {
        Call { course: self.course, answer: PhantomData }
    }

    /// Sets how long the call may take, from its first poll on, whatever it waits for: for a connection, for its turn,
    /// for its answer. Replaces the channel's timeout (30 s by default). A call that a handler makes ends no later than the
    /// handler's own deadline in any case. A call that sends a stream has no timeout unless this sets one.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.course.set_timeout(timeout);
        self
    }

    /// Sends a key and its text along, which the handler reads from its context. Replaces the channel's value of that key.
    ///
    /// Metadata above 8 KiB fails the call with `resource_exhausted`.
    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        self.course.set_metadata(key, value);
        self
    }
}

impl<T: Value, E: Failure> Future for Call<T, E> {
    type Output = Result<T, E::Caller>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.course.poll_outcome(cx).map(answer::<T, E>)
    }
}

/// What a call ends with, to its caller.
#[inline]
fn answer<T: Value, E: Failure>(outcome: Result<Payload, Error>) -> Result<T, E::Caller> {
    match outcome {
        Ok(payload) => decode::<T>(payload).map_err(E::Caller::from),
        Err(error) => Err(E::from_error(error)),
    }
}

/// The answer in a payload, whose buffer then serves another call.
fn decode<T: Value>(payload: Payload) -> Result<T, Error> {
    let answer = T::decode(Encoded::of_payload("answer", &payload))
        .map_err(|error| Error::internal(error.message().to_owned()));
    if let Some(buffer) = payload.into_body().into_buffer() {
        give_buffer(buffer);
    }
    answer
}

impl<T, E> fmt::Debug for Call<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.course.describe("Call", f)
    }
}

impl Course {
    fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut description = f.debug_struct(name);
        if let Stage::Ready(ready) = &self.stage {
            description.field("method", &ready.outgoing.method);
        }
        description.finish_non_exhaustive()
    }
}

/// One call of a remote method that is `async` and returns a stream: a future of the [`Streaming`].
///
/// It completes when the method has returned its stream, before the first item; a method that returns `Result<impl Stream, E>` may fail
/// instead. It is sent when it is first polled, and borrows nothing.
///
/// The channel's timeout (30 s by default) bounds the wait for the stream, and not the stream. [`timeout`](Self::timeout) bounds the whole.
///
/// # Cancel safety
///
/// As for a [`Call`]. The stream that it gave goes on without it.
#[must_use = "a call is sent when it is awaited"]
pub struct StreamCall<T, E = Error, I = Error> {
    course: Option<Box<Course>>,
    items: PhantomData<Types<T, E, I>>,
}

/// What the call of a stream ends with.
type Begun<T, E, I> = Result<Streaming<T, I>, <E as Failure>::Caller>;

/// What a call only speaks of, and does not hold.
type Types<T, E, I> = fn() -> (T, E, I);

impl<T, E, I> StreamCall<T, E, I> {
    pub(crate) fn course(&mut self) -> Option<&mut Course> {
        self.course.as_deref_mut()
    }

    /// The same call, of other types.
    pub(crate) fn typed<U, F, J>(self) -> StreamCall<U, F, J> {
        StreamCall { course: self.course, items: PhantomData }
    }

    /// Sets how long the whole of the stream may take, from the first poll of the call on.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if let Some(course) = &mut self.course {
            course.set_timeout(timeout);
        }
        self
    }

    /// Sends a key and its text along, as [`Call::metadata`] does.
    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        if let Some(course) = &mut self.course {
            course.set_metadata(key, value);
        }
        self
    }
}

impl<T, E: Failure, I> Future for StreamCall<T, E, I> {
    type Output = Begun<T, E, I>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_with(cx).map(|(stream, _)| stream)
    }
}

impl<T, E: Failure, I> StreamCall<T, E, I> {
    /// The stream; or why there is none, with the metadata of the response.
    fn poll_with(&mut self, cx: &mut Context<'_>) -> Poll<(Begun<T, E, I>, Metadata)> {
        let Some(course) = &mut self.course else {
            let error = Error::internal("the call was polled after it had completed");
            return Poll::Ready((Err(E::Caller::from(error)), Metadata::new()));
        };
        let reached = ready!(course.poll(cx, Awaited::Begin, Vec::new()));
        let Some(mut course) = self.course.take() else {
            return Poll::Pending;
        };
        match reached {
            Reached::Outcome(Err(error), metadata) => {
                return Poll::Ready((Err(E::from_error(error)), metadata));
            }
            // A stream that ends before it began is empty.
            Reached::Outcome(Ok(end), metadata) => course.stage = Stage::Ended(end, metadata),
            Reached::Begun | Reached::Chunk(_) => {}
        }
        Poll::Ready((Ok(Streaming::from_call(course)), Metadata::new()))
    }
}

impl<T, E, I> fmt::Debug for StreamCall<T, E, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.course {
            Some(course) => course.describe("StreamCall", f),
            None => f.debug_struct("StreamCall").finish_non_exhaustive(),
        }
    }
}
