//! The call of a method that is `async` and returns a stream: [`StreamCall`].

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use rpc_core::{Error, Failure, Metadata, Streaming};

use super::{
    Awaited,
    course::{Course, Reached, Stage},
};

/// One call of a remote method that is `async` and returns a stream: a future of the [`Streaming`].
///
/// It completes when the method has returned its stream, before the first item; a method that returns `Result<impl Stream, E>` may fail
/// instead. It is sent when it is first polled, and borrows nothing.
///
/// The channel's timeout (30 s by default) bounds the wait for the stream, and not the stream. [`timeout`](Self::timeout) bounds the whole.
///
/// # Cancel safety
///
/// As for a [`Call`](super::Call). The stream that it gave goes on without it.
#[must_use = "a call is sent when it is awaited"]
pub struct StreamCall<T, E = Error, I = Error> {
    course: Option<Box<Course>>,
    items: PhantomData<Types<T, E, I>>,
}

/// What the call of a stream ends with.
pub(super) type Begun<T, E, I> = Result<Streaming<T, I>, <E as Failure>::Caller>;

/// What a call only speaks of, and does not hold.
type Types<T, E, I> = fn() -> (T, E, I);

impl<T, E, I> StreamCall<T, E, I> {
    pub(super) fn new(course: Option<Box<Course>>) -> Self {
        Self { course, items: PhantomData }
    }

    pub(crate) fn course(&mut self) -> Option<&mut Course> {
        self.course.as_deref_mut()
    }

    /// The same call, of other types.
    pub(crate) fn typed<U, F, J>(self) -> StreamCall<U, F, J> {
        StreamCall::new(self.course)
    }

    /// Sets how long the whole of the stream may take, from the first poll of the call on.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if let Some(course) = &mut self.course {
            course.set_timeout(timeout);
        }
        self
    }

    /// Sends a key and its text along, as [`Call::metadata`](super::Call::metadata) does.
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
    pub(super) fn poll_with(&mut self, cx: &mut Context<'_>) -> Poll<(Begun<T, E, I>, Metadata)> {
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
