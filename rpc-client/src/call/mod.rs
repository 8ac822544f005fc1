//! One call: a future that is sent when it is first polled, and cancelled when it is dropped.
//!
//! [`Call`] is the future of one answer, [`StreamCall`] that of a stream, and a [`Streaming`] that a stub returns begins its call itself. All
//! three are the same [`Course`] (`course.rs`) with another end. A stream that the call sends is polled by the call: whoever awaits the answer, or the
//! items that come back, moves it on, and dropping the call drops it. A call that gives the metadata of its response along is a
//! [`WithMetadata`].

mod bearing;
mod course;
mod passed;
mod ready;
mod stream_call;
mod with_metadata;

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;

use rpc_core::{
    Error, Failure, Streaming, Value,
    buffer::give_buffer,
    connection::client::Outgoing,
    current,
    payload::Payload,
    stream::Upload,
    value::{Encoded, Encoder},
};

pub(crate) use self::course::Course;
use self::{
    course::{Reached, Stage, unasked},
    ready::Ready,
    stream_call::Begun,
};
pub use self::{
    passed::{Came, Passed},
    stream_call::StreamCall,
    with_metadata::WithMetadata,
};
use crate::{channel::Options, shared::Awaited, trace, upload::Sending};

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
        StreamCall::new(Some(Box::new(self.course())))
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
