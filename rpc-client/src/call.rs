//! One call: a future that is sent when it is first polled, and cancelled when it is dropped.

use std::{
    fmt,
    marker::PhantomData,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use rpc_core::{
    Error, Failure, Metadata, Value,
    buffer::give_buffer,
    connection::client::{CallRef, Outgoing},
    current,
    limits::MAX_TIMEOUT,
    msgpack,
    payload::Payload,
    value::{Encoded, Encoder},
};

use crate::channel::Handle;

/// A call whose arguments are being encoded; what the generated stub uses.
#[doc(hidden)]
#[derive(Debug)]
pub struct Prepared {
    pub(crate) ready: Ready,
}

impl Prepared {
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
            self.ready.error.get_or_insert(error.not_started(true));
        }
    }

    /// The call.
    pub fn call<T, E>(self) -> Call<T, E> {
        Call { stage: Stage::Ready(self.ready), answer: PhantomData }
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
    stage: Stage,
    answer: PhantomData<fn() -> (T, E)>,
}

enum Stage {
    Ready(Ready),
    Waiting(Waiting),
    Done,
}

/// What a call is before it is sent.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) handle: Arc<Handle>,
    pub(crate) outgoing: Outgoing,
    pub(crate) timeout: Option<Duration>,
    /// The deadline of the handler that made the call.
    pub(crate) inherited: Option<Instant>,
    pub(crate) error: Option<Error>,
}

impl Ready {
    pub(crate) fn new(
        handle: Arc<Handle>,
        mut outgoing: Outgoing,
        arguments: usize,
        timeout: Option<Duration>,
    ) -> Self {
        let count = u32::try_from(arguments).unwrap_or(u32::MAX);
        msgpack::write_array_len(outgoing.arguments.buffer(), count);
        let inherited = current::inherited().deadline;
        Self { handle, outgoing, timeout, inherited, error: None }
    }

    /// Hands the call to its channel.
    fn submit(mut self, cx: &mut Context<'_>) -> Result<Option<Waiting>, Error> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if let Some(metadata) = &self.outgoing.metadata {
            metadata.check()?;
        }
        let now = tokio::time::Instant::now().into_std();
        let deadline = self.timeout.map(|timeout| now + timeout.min(MAX_TIMEOUT));
        let deadline = deadline.into_iter().chain(self.inherited).min();
        if deadline.is_some_and(|deadline| deadline <= now) {
            let error = Error::deadline_exceeded("the deadline had passed before the call was sent");
            return Err(error.not_started(true));
        }
        let Self { handle, outgoing, .. } = self;
        let call = handle.shared().submit(outgoing, deadline, now, cx.waker().clone())?;
        Ok(call.map(|call| Waiting { handle, call, is_over: false }))
    }
}

/// A call that was sent, or waits for its turn. Dropping it cancels the call.
struct Waiting {
    handle: Arc<Handle>,
    call: CallRef,
    is_over: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_over {
            self.handle.shared().cancel(self.call);
        }
    }
}

impl Stage {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Payload, Error>> {
        if let Self::Ready(_) = self
            && let Self::Ready(ready) = mem::replace(self, Self::Done)
        {
            return match ready.submit(cx) {
                Ok(Some(waiting)) => {
                    *self = Self::Waiting(waiting);
                    Poll::Pending
                }
                Ok(None) => Poll::Ready(Ok(Payload::nil())),
                Err(error) => Poll::Ready(Err(error)),
            };
        }
        let Self::Waiting(waiting) = self else {
            return Poll::Ready(Err(Error::internal("the call was polled after it had completed")));
        };
        match waiting.handle.shared().poll(waiting.call, cx.waker()) {
            None => Poll::Pending,
            Some(outcome) => {
                waiting.is_over = true;
                *self = Self::Done;
                Poll::Ready(outcome)
            }
        }
    }
}

impl<T, E> Call<T, E> {
    /// Sets how long the call may take, from its first poll on, whatever it waits for: for a connection, for its turn,
    /// for its answer. Replaces the channel's timeout (30 s by default). A call that a handler makes ends no later than the
    /// handler's own deadline in any case.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if let Stage::Ready(ready) = &mut self.stage {
            ready.timeout = Some(timeout);
        }
        self
    }

    /// Sends a key and its text along, which the handler reads from its context. Replaces the channel's value of that key.
    ///
    /// Metadata above 8 KiB fails the call with `resource_exhausted`.
    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        if let Stage::Ready(ready) = &mut self.stage {
            let metadata = ready.outgoing.metadata.get_or_insert_with(|| Arc::new(Metadata::new()));
            Arc::make_mut(metadata).insert(key, value);
        }
        self
    }
}

impl<T: Value, E: Failure> Future for Call<T, E> {
    type Output = Result<T, E::Caller>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match std::task::ready!(self.stage.poll(cx)) {
            Ok(payload) => decode::<T>(payload).map_err(E::Caller::from),
            Err(error) => Err(E::from_error(error)),
        })
    }
}

/// The answer in a payload, whose buffer then serves another call.
fn decode<T: Value>(payload: Payload) -> Result<T, Error> {
    let answer = T::decode(Encoded::of_payload("answer", &payload)).map_err(|error| {
        Error::internal(error.message().to_owned())
    });
    if let Some(buffer) = payload.into_body().into_buffer() {
        give_buffer(buffer);
    }
    answer
}

impl<T, E> fmt::Debug for Call<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stage {
            Stage::Ready(ready) => {
                f.debug_struct("Call").field("method", &ready.outgoing.method).finish_non_exhaustive()
            }
            Stage::Waiting(_) => f.write_str("Call(sent)"),
            Stage::Done => f.write_str("Call(done)"),
        }
    }
}
