//! What a program meets of a stream that it receives: [`Streaming`], at a client the result of a call, at a server an argument.

use std::{
    fmt,
    marker::PhantomData,
    mem,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use futures_core::Stream;

use super::{
    Upload,
    inbox::{Chunk, Found, Inbox, read_block},
};
use crate::{
    Code, Encode, Error, Failure, Metadata, Value,
    limits::MAX_NESTING,
    message,
    payload::{Body, Payload},
    value::Encoded,
};

/// What a source of items gives.
#[derive(Debug)]
pub enum Taken {
    /// Items.
    Chunk(Chunk),
    /// The end, which is explicit: a connection that is lost is an error; and what came with the response.
    End(Result<(), Error>, Metadata),
}

/// Where a client's stream comes from: a call.
pub trait Source: Send {
    /// Takes what has arrived. `spare` is a block that was read, whose memory may be used again.
    fn poll_take(&mut self, cx: &mut Context<'_>, spare: Vec<u8>) -> Poll<Taken>;

    /// Sets how long the call may take, if it was not sent yet.
    fn set_timeout(&mut self, timeout: Duration);

    /// Sends a key and its text along, if the call was not sent yet.
    fn set_metadata(&mut self, key: &str, value: &str);

    /// Marks the call as one that may be repeated, if it was not sent yet.
    fn set_idempotent(&mut self);

    /// Takes the stream that the call sends, if it was not sent yet.
    fn set_upload(&mut self, upload: Upload);
}

/// A stream of values from the other end: what a streaming method gives its caller, and what a handler gets for a parameter
/// `numbers: Streaming<i64>`.
///
/// Each item is a `Result`: [`Error`] where `E` is that, else [`CallError<E>`](crate::CallError). The end is explicit: a stream whose
/// connection was lost, or whose call was cancelled or expired, ends with an error, never as if it were complete. An item that is the
/// method's own error (`Item = Result<T, E>`) does not end it.
///
/// At a client the call is sent when the stream is first polled. It has no timeout, unless [`timeout`](Self::timeout) sets one for the
/// whole of it. Items flow as they are taken: one who stops to take them stops the producer, and nobody else.
///
/// It is a [`Stream`](futures_core::Stream), so all of `StreamExt` works on it; [`next`](Self::next) needs no import.
///
/// # Cancel safety
///
/// Dropping it cancels the call: the stream at the other end is dropped. At a server, dropping it tells the client to send no more.
#[must_use = "a stream is asked for when it is polled"]
pub struct Streaming<T, E = Error> {
    origin: Origin,
    /// What was taken last, and how far it was read.
    block: Vec<u8>,
    at: usize,
    max_nesting: u8,
    /// The items that came in one message and were not read, in the block, or in a large payload.
    run: Option<Range<usize>>,
    large: Option<Payload>,
    lost: u64,
    items: PhantomData<fn() -> (T, E)>,
}

enum Origin {
    Client(Box<dyn Source>),
    Server(Arc<ServerInbox>),
    Ended(Metadata),
}

impl<T, E> Streaming<T, E> {
    /// The stream of a call.
    #[doc(hidden)]
    pub fn from_call(source: Box<dyn Source>) -> Self {
        Self::new(Origin::Client(source))
    }

    /// The stream that a handler receives.
    pub(crate) fn from_client(inbox: Arc<ServerInbox>) -> Self {
        Self::new(Origin::Server(inbox))
    }

    fn new(origin: Origin) -> Self {
        Self {
            origin,
            block: Vec::new(),
            at: 0,
            max_nesting: MAX_NESTING,
            run: None,
            large: None,
            lost: 0,
            items: PhantomData,
        }
    }

    /// Sets how long the whole of the stream may take, from its first poll on. Without it there is no bound. Ignored where the stream was polled,
    /// and at a server.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if let Origin::Client(source) = &mut self.origin {
            source.set_timeout(timeout);
        }
        self
    }

    /// Sends a key and its text along, which the handler reads from its context. Ignored where the stream was polled, and at a server.
    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        if let Origin::Client(source) = &mut self.origin {
            source.set_metadata(key, value);
        }
        self
    }

    /// The metadata of the response, which comes with the end of the stream, be that an error: `None` until the stream has given its end. Empty where
    /// the handler set none, where the call was cancelled or lost, and at a server.
    ///
    /// Above 8 KiB (`max_metadata_size` on the channel's builder) the stream ends with `resource_exhausted`.
    pub fn response_metadata(&self) -> Option<&Metadata> {
        match &self.origin {
            Origin::Ended(metadata) => Some(metadata),
            Origin::Client(_) | Origin::Server(_) => None,
        }
    }

    /// Marks the call as one that may be repeated when it is not known whether it ran, as `#[rpc(idempotent)]` does for a method. Ignored where
    /// the stream was polled, and at a server.
    pub fn idempotent(mut self) -> Self {
        if let Origin::Client(source) = &mut self.origin {
            source.set_idempotent();
        }
        self
    }

    /// Sends the items of a stream, to a method that takes one: for calls by name. The stream that comes back polls it. Ignored where that was
    /// polled, and at a server.
    pub fn sending<S>(mut self, stream: S) -> Self
    where
        S: Stream<Item: Encode> + Send + 'static,
    {
        if let Origin::Client(source) = &mut self.origin {
            source.set_upload(Upload::new(stream, Encode::append));
        }
        self
    }

    /// How many items the producer has dropped until here, because this end took them too slowly and the method is marked
    /// `#[rpc(drop_oldest = …)]`.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

impl<T> Streaming<T> {
    /// The same stream, whose own errors are `F`: those of its items, and the one of the method that returns it. For calls by name.
    pub fn app_error<F: Failure>(mut self) -> Streaming<T, F> {
        Streaming {
            origin: mem::replace(&mut self.origin, Origin::Ended(Metadata::new())),
            block: mem::take(&mut self.block),
            at: self.at,
            max_nesting: self.max_nesting,
            run: self.run.take(),
            large: self.large.take(),
            lost: self.lost,
            items: PhantomData,
        }
    }
}

impl<T: Value, E: Failure> Streaming<T, E> {
    /// The next item; `None` at the end.
    ///
    /// # Cancel safety
    ///
    /// No item is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<T, E::Caller>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<T, E: Failure> Streaming<T, E> {
    /// The next of the items that came in one message, as `read` takes it.
    #[inline]
    fn next_of_run<R>(
        &mut self,
        read: impl FnOnce(Encoded<'_>) -> Result<R, Error>,
    ) -> Option<Result<R, E::Caller>> {
        let run = self.run.take()?;
        let (bytes, max_nesting) = match &self.large {
            Some(payload) => (payload.as_slice(), payload.max_nesting()),
            None => (&self.block[..], self.max_nesting),
        };
        let (item, next) =
            Encoded::first("item", &bytes[run.clone()], max_nesting, self.large.as_ref());
        let decoded = read(item);
        let next = run.start + next..run.end;
        if next.is_empty() {
            self.large = None;
        } else {
            self.run = Some(next);
        }
        Some(decoded.map_err(|error| {
            // At a server it is the client's fault, which is what the error says already.
            E::Caller::from(match self.origin {
                Origin::Client(_) | Origin::Ended(_) => {
                    Error::new(Code::Internal, error.message().to_owned())
                }
                Origin::Server(_) => error,
            })
        }))
    }

    /// The next item, as `read` takes it.
    #[inline]
    pub(super) fn poll_item<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(Encoded<'_>) -> Result<R, Error>,
    ) -> Poll<Option<Result<R, E::Caller>>> {
        loop {
            if let Some(item) = self.next_of_run(&mut read) {
                return Poll::Ready(Some(item));
            }
            if let Some((found, next)) = read_block(&self.block, self.at) {
                match found {
                    Found::Items(items) => self.run = Some(items),
                    Found::Failure(error) => {
                        let error = failure::<E>(&self.block[error]);
                        self.at = next;
                        return Poll::Ready(Some(Err(error)));
                    }
                    Found::Lost(count) => self.lost = self.lost.saturating_add(count),
                }
                self.at = next;
                continue;
            }
            self.at = 0;
            let spare = mem::take(&mut self.block);
            let taken = match &mut self.origin {
                Origin::Client(source) => ready!(source.poll_take(cx, spare)),
                Origin::Server(inbox) => ready!(inbox.poll_take(cx, spare)),
                Origin::Ended(_) => return Poll::Ready(None),
            };
            match taken {
                Taken::Chunk(Chunk::Block(block, max_nesting)) => {
                    self.block = block;
                    self.max_nesting = max_nesting;
                }
                Taken::Chunk(Chunk::Items(payload)) => {
                    self.run = Some(0..payload.as_slice().len());
                    self.large = Some(payload);
                }
                Taken::End(end, metadata) => {
                    self.origin = Origin::Ended(metadata);
                    return Poll::Ready(end.err().map(|error| Err(E::from_error(error))));
                }
            }
        }
    }
}

/// An item that is an error, out of a block, where it was written as it came.
fn failure<E: Failure>(bytes: &[u8]) -> E::Caller {
    let error = message::read_error(bytes);
    let unread = |malformed| Error::internal(format!("an error among the items: {malformed}"));
    E::from_error(error.unwrap_or_else(unread))
}

impl<T: Value, E: Failure> Stream for Streaming<T, E> {
    type Item = Result<T, E::Caller>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(cx, T::decode)
    }
}

impl<T, E> fmt::Debug for Streaming<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").field("lost", &self.lost).finish_non_exhaustive()
    }
}

/// What of a handler's stream concerns its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Bytes that were taken since this was asked last.
    pub taken: u64,
    /// The handler has dropped its stream, and this is told the first time.
    pub is_dropped: bool,
}

/// The items that a handler receives, between it and its connection's task, which may be one task or two.
#[derive(Debug)]
pub struct ServerInbox {
    state: Mutex<Incoming>,
    /// Whom to wake when something was taken.
    connection: Waker,
}

#[derive(Debug, Default)]
struct Incoming {
    inbox: Inbox,
    end: Option<Result<(), Error>>,
    consumer: Option<Waker>,
    taken: u64,
    reader: Reader,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reader {
    #[default]
    There,
    Dropped,
    Told,
}

impl ServerInbox {
    /// An empty inbox, whose connection is woken through `connection`.
    pub fn new(connection: Waker) -> Self {
        Self { state: Mutex::default(), connection }
    }

    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An item arrived. What comes back is the frame, if its buffer can be used again.
    pub fn push(&self, item: Result<Payload, Error>, cost: u64) -> Option<Body> {
        let mut state = self.lock();
        if state.reader != Reader::There {
            // It is counted when the connection learns that nobody takes it.
            drop(state);
            return item.ok().map(Payload::into_body);
        }
        let body = match item {
            Ok(payload) => state.inbox.push(payload, cost),
            Err(error) => {
                state.inbox.push_failure(&error, cost);
                None
            }
        };
        Self::wake(state);
        body
    }

    /// The client's stream has ended.
    pub fn end(&self, end: Result<(), Error>) {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        Self::wake(state);
    }

    fn wake(mut state: MutexGuard<'_, Incoming>) {
        let consumer = state.consumer.take();
        drop(state);
        if let Some(consumer) = consumer {
            consumer.wake();
        }
    }

    /// What has happened since this was asked last.
    pub fn arrivals(&self) -> Arrivals {
        let mut state = self.lock();
        let is_dropped = state.reader == Reader::Dropped;
        if is_dropped {
            state.reader = Reader::Told;
        }
        Arrivals { taken: mem::take(&mut state.taken), is_dropped }
    }

    fn poll_take(&self, cx: &mut Context<'_>, spare: Vec<u8>) -> Poll<Taken> {
        let mut state = self.lock();
        state.inbox.recycle(spare);
        if let Some((chunk, cost)) = state.inbox.take() {
            state.taken += cost;
            drop(state);
            if cost > 0 {
                self.connection.wake_by_ref();
            }
            return Poll::Ready(Taken::Chunk(chunk));
        }
        state.inbox.shrink();
        if let Some(end) = state.end.clone() {
            return Poll::Ready(Taken::End(end, Metadata::new()));
        }
        if !state.consumer.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            drop(state);
            let waker = Some(cx.waker().clone());
            let mut again = self.lock();
            let has_come = !again.inbox.is_empty() || again.end.is_some();
            let before = mem::replace(&mut again.consumer, waker);
            drop(again);
            drop(before);
            if has_come {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}

impl<T, E> Drop for Streaming<T, E> {
    fn drop(&mut self) {
        if let Origin::Server(inbox) = &self.origin {
            let mut state = inbox.lock();
            state.reader = Reader::Dropped;
            let left = mem::take(&mut state.inbox);
            let is_news = state.end.is_none() || !left.is_empty();
            drop(state);
            drop(left);
            if is_news {
                inbox.connection.wake_by_ref();
            }
        }
    }
}
