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
    Error, Failure, Outcome, Value,
    buffer::give_buffer,
    connection::client::{CallRef, Outgoing},
    current,
    limits::MAX_TIMEOUT,
    payload::Payload,
    value::{Encoded, Encoder},
};

use crate::{channel::Options, shared::Shared, trace};

/// A call whose arguments are being encoded; what the generated stub uses.
#[doc(hidden)]
pub struct Prepared {
    channel: Arc<Options>,
    ready: Ready,
    error: Option<Error>,
}

impl Prepared {
    pub(crate) fn new(channel: Arc<Options>, outgoing: Outgoing) -> Self {
        let timeout = channel.timeout;
        let inherited = current::inherited().deadline;
        Self { channel, ready: Ready { outgoing, timeout, inherited }, error: None }
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
            self.error.get_or_insert(error.not_started(true));
        }
    }

    /// The call.
    pub fn call<T, E>(self) -> Call<T, E> {
        let stage = match self.error {
            None => Stage::Ready(self.ready),
            Some(error) => Stage::Failed(error),
        };
        let course = Course { channel: self.channel, stage, trace: trace::Call::default() };
        Call { course, answer: PhantomData }
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
struct Course {
    channel: Arc<Options>,
    stage: Stage,
    trace: trace::Call,
}

enum Stage {
    /// It was not polled.
    Ready(Ready),
    /// It cannot be sent.
    Failed(Error),
    /// It was sent, or waits for its turn.
    Submitted(CallRef),
    Done,
}

/// What a call is before it is sent.
struct Ready {
    outgoing: Outgoing,
    timeout: Duration,
    /// The deadline of the handler that made the call.
    inherited: Option<Instant>,
}

impl Course {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Payload, Error>> {
        let shared = self.channel.shared();
        match &mut self.stage {
            Stage::Submitted(call) => {
                let Some(outcome) = shared.poll(*call, cx.waker()) else {
                    return Poll::Pending;
                };
                self.stage = Stage::Done;
                self.trace.end(|| outcome_of(&outcome));
                Poll::Ready(outcome)
            }
            Stage::Ready(ready) => {
                self.trace = trace::Call::begin(ready.outgoing.method);
                let submitted = ready.submit(shared, cx);
                let (stage, polled) = match submitted {
                    Ok(Some(call)) => (Stage::Submitted(call), Poll::Pending),
                    Ok(None) => (Stage::Done, Poll::Ready(Ok(Payload::nil()))),
                    Err(error) => (Stage::Done, Poll::Ready(Err(error))),
                };
                self.stage = stage;
                if let Poll::Ready(outcome) = &polled {
                    self.trace.end(|| outcome_of(outcome));
                }
                polled
            }
            Stage::Failed(_) | Stage::Done => match mem::replace(&mut self.stage, Stage::Done) {
                Stage::Failed(error) => Poll::Ready(Err(error)),
                _ => {
                    Poll::Ready(Err(Error::internal("the call was polled after it had completed")))
                }
            },
        }
    }
}

fn outcome_of(outcome: &Result<Payload, Error>) -> Outcome {
    outcome.as_ref().err().map_or(Outcome::Ok, Outcome::from)
}

impl Ready {
    /// Hands the call to its channel; `None` where there will be no answer.
    fn submit(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Result<Option<CallRef>, Error> {
        if let Some(metadata) = &self.outgoing.metadata {
            metadata.check(shared.max_metadata_size)?;
        }
        let timeout = self.timeout.min(MAX_TIMEOUT);
        shared.submit(&mut self.outgoing, timeout, self.inherited, cx.waker().clone())
    }
}

impl Drop for Course {
    fn drop(&mut self) {
        if let Stage::Submitted(call) = self.stage {
            self.channel.shared().cancel(call);
            self.trace.end(|| Outcome::Cancelled);
        }
    }
}

impl<T, E> Call<T, E> {
    /// Sets how long the call may take, from its first poll on, whatever it waits for: for a connection, for its turn,
    /// for its answer. Replaces the channel's timeout (30 s by default). A call that a handler makes ends no later than the
    /// handler's own deadline in any case.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if let Stage::Ready(ready) = &mut self.course.stage {
            ready.timeout = timeout;
        }
        self
    }

    /// Sends a key and its text along, which the handler reads from its context. Replaces the channel's value of that key.
    ///
    /// Metadata above 8 KiB fails the call with `resource_exhausted`.
    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        if let Stage::Ready(ready) = &mut self.course.stage {
            Arc::make_mut(ready.outgoing.metadata.get_or_insert_default()).insert(key, value);
        }
        self
    }
}

impl<T: Value, E: Failure> Future for Call<T, E> {
    type Output = Result<T, E::Caller>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match std::task::ready!(self.course.poll(cx)) {
            Ok(payload) => decode::<T>(payload).map_err(E::Caller::from),
            Err(error) => Err(E::from_error(error)),
        })
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
        match &self.course.stage {
            Stage::Ready(ready) => f
                .debug_struct("Call")
                .field("method", &ready.outgoing.method)
                .finish_non_exhaustive(),
            Stage::Failed(_) | Stage::Submitted(_) | Stage::Done => {
                f.debug_struct("Call").finish_non_exhaustive()
            }
        }
    }
}
