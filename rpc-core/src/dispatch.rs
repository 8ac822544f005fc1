//! The seam between a connection and a service: [`Dispatcher`], [`Session`], [`Request`], [`Answer`].
//!
//! A connection's task lends its dispatchers to sessions: one [`Session`] per connection and method, made at the
//! method's first call. A session is a row of slots over one future type, each a box that is filled again and
//! again, so a call allocates nothing, needs no `Arc`, and its arguments may borrow from its request:
//!
//! ```text
//!   Blank ──fill──▶ Request ──start──▶ slot: future of the method ──▶ Answer ──▶ Blank
//!                                        │ pending: polled when its waker fired
//!                                        ╰ cancelled: dropped in place
//! ```
//!
//! A slot is as large as its own method's future, so one method with a large future does not make the others
//! pay, and nothing need be boxed twice. Sessions know neither ids nor wakers nor the wire; they run inside of
//! the driver's guard against panics. The record inside of [`Request`] goes through the future and comes back
//! in the [`Answer`], with its buffers, to be used for the next call of the slot.

mod forward;

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
    time::Instant,
};

use futures_core::{Stream, future::BoxFuture};

use crate::{
    Context, Error, Failure, Metadata,
    arguments::Arguments,
    buffer::{give_buffer, take_buffer},
    context::{Extension, Surroundings},
    description::{self, Service},
    payload::{Body, Payload, Span},
    stream::{Outgo, Outlet, Produced, Run, ServerInbox, Streaming, Way},
    value::{Encoder, Structs, Value},
};

/// The method table of one service: what a connection's task drives.
///
/// The macro implements it for `…Dispatcher<S>`.
pub trait Dispatcher: Send + Sync + 'static {
    /// What the service is. A method is known by its index in [`Service::methods`] from here on.
    fn description(&self) -> &'static Service;

    /// Where the calls of a method run: what its description says, unless this dispatcher does something else with them than the service itself.
    fn run(&self, method: u32) -> description::Run {
        self.description().methods[method as usize].run
    }

    /// The slots of one method for one connection; made at the method's first call there.
    ///
    /// `method` is below the number of methods.
    fn session(&self, method: u32) -> Box<dyn Session + '_>;

    /// Runs one call as a future of its own, for a task of its own.
    fn owned(self: Arc<Self>, request: Request) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            let mut session = self.session(request.method());
            let mut request = Some(request);
            poll_fn(move |cx| match request.take() {
                Some(request) => session.start(0, request, cx),
                None => session.poll(0, cx),
            })
            .await
        })
    }

    /// Runs one call of a method for which [`run`](Self::run) says [`Run::Blocking`](description::Run::Blocking), on
    /// this thread.
    fn blocking(&self, request: Request) -> Answer {
        request.fail(Error::internal("the method does not run on the blocking pool"))
    }
}

/// The slots of one method on one connection.
///
/// The caller hands out slot numbers, from zero without gaps, and starts a call only in a slot that is empty: new,
/// finished or cleared. A slot whose future panicked must be cleared before it is used again.
pub trait Session: Send {
    /// Puts a call into an empty slot and polls it once.
    fn start(&mut self, slot: usize, request: Request, cx: &mut TaskContext<'_>) -> Poll<Answer>;

    /// Polls the call in a slot; pending for ever where there is none.
    fn poll(&mut self, slot: usize, cx: &mut TaskContext<'_>) -> Poll<Answer>;

    /// Ends the call in a slot; whether the slot is empty now.
    ///
    /// A call that cannot be dropped in mid-run, such as a blocking one, is only told. Its slot wakes when it ended, and its
    /// next poll is ready, with an answer that nobody waits for.
    fn clear(&mut self, slot: usize) -> bool;
}

/// The [`Session`] of a method: `make` turns a request into the method's future.
pub fn slots<'a, M, F>(make: M) -> Box<dyn Session + 'a>
where
    M: Fn(Request) -> F + Send + 'a,
    F: Future<Output = Answer> + Send + 'a,
{
    Box::new(Slots { make, places: Vec::new() })
}

struct Slots<M, F> {
    make: M,
    places: Vec<Pin<Box<Option<F>>>>,
}

impl<M, F> Session for Slots<M, F>
where
    M: Fn(Request) -> F + Send,
    F: Future<Output = Answer> + Send,
{
    fn start(&mut self, slot: usize, request: Request, cx: &mut TaskContext<'_>) -> Poll<Answer> {
        if slot == self.places.len() {
            self.places.push(Box::pin(None));
        }
        let future = (self.make)(request);
        self.places[slot].set(Some(future));
        self.poll(slot, cx)
    }

    fn poll(&mut self, slot: usize, cx: &mut TaskContext<'_>) -> Poll<Answer> {
        let mut place = self.places[slot].as_mut();
        let Some(future) = place.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let answer = std::task::ready!(future.poll(cx));
        place.set(None);
        Poll::Ready(answer)
    }

    fn clear(&mut self, slot: usize) -> bool {
        self.places[slot].set(None);
        true
    }
}

/// What one call carries through its handler and back.
struct Record {
    context: Context,
    method: u32,
    output: Encoder,
    error: Option<Error>,
    /// The way out of the items, where the method streams.
    outlet: Option<Arc<Outlet>>,
    /// The items that come in, where the method takes a stream and has not taken it yet.
    inbox: Option<Arc<ServerInbox>>,
}

/// A call that arrived, on its way to its method.
#[derive(Debug)]
pub struct Incoming {
    pub(crate) payload: Payload,
    pub(crate) method: Span,
    pub(crate) metadata: Option<Span>,
    pub(crate) attempt: u32,
    pub(crate) deadline: Option<Instant>,
    pub(crate) structs: Structs,
}

impl Incoming {
    /// The method's full name, such as `Calc.add`. It may be anything, until it is found among the names that exist.
    pub fn method(&self) -> &[u8] {
        crate::payload::slice(self.payload.body(), &self.method)
    }

    /// When the call expires.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Which attempt of the call this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The frame, to be used again when the call is not dispatched.
    pub fn into_body(self) -> Body {
        self.payload.into_body()
    }
}

/// The record of a call before it is filled and after it was answered.
pub struct Blank(Box<Record>);

impl Blank {
    /// A record for calls of the connection with these `surroundings`.
    pub fn new(surroundings: Arc<Surroundings>) -> Self {
        Self(Box::new(Record {
            context: Context::new(surroundings),
            method: 0,
            output: Encoder::default(),
            error: None,
            outlet: None,
            inbox: None,
        }))
    }

    /// Makes it the request that `incoming` is, for the method with this index. Of an earlier call there is nothing left: see
    /// [`Answer::recycle`].
    pub fn fill(mut self, incoming: Incoming, method: u32) -> Request {
        let Record { context, method: index, output, .. } = &mut *self.0;
        context.payload = incoming.payload;
        context.method = incoming.method;
        context.metadata = incoming.metadata;
        context.deadline = incoming.deadline;
        context.attempt = incoming.attempt;
        *index = method;
        output.reset(incoming.structs);
        Request(self.0)
    }
}

impl std::fmt::Debug for Blank {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blank").finish_non_exhaustive()
    }
}

/// One call, on the way through its handler.
pub struct Request(Box<Record>);

impl Request {
    /// The method's index in the service's description.
    pub fn method(&self) -> u32 {
        self.0.method
    }

    /// The same call, whose items go out through `outlet` and come in through `inbox`.
    #[must_use]
    pub fn with_streams(
        mut self,
        outlet: Option<Arc<Outlet>>,
        inbox: Option<Arc<ServerInbox>>,
    ) -> Self {
        self.0.outlet = outlet;
        self.0.inbox = inbox;
        self
    }

    /// The stream that the caller sends. Taken once, by the parameter that is it.
    ///
    /// # Errors
    ///
    /// `internal` where the method's description says that it takes none.
    pub fn streaming<T, E>(&mut self) -> Result<Streaming<T, E>, Error> {
        let inbox = self.0.inbox.take();
        inbox.map(Streaming::from_client).ok_or_else(|| undescribed("takes"))
    }

    /// Tells the caller that the method has returned its stream.
    pub fn begin(&self) {
        if let Some(outlet) = &self.0.outlet {
            Outgo::new(outlet, &mut Encoder::default()).begin();
        }
    }

    /// Sends the items of a stream, each as `encode` appends it, and completes behind the last; the call is to be
    /// [`done`](Self::done) then. An item that `encode` fails for is that error.
    ///
    /// # Errors
    ///
    /// `internal` where the method's description says that it does not stream.
    pub async fn stream<S: Stream>(
        &self,
        stream: S,
        mut encode: impl FnMut(S::Item, &mut Encoder) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let outlet = self.0.outlet.as_ref().ok_or_else(|| undescribed("streams"))?;
        let mut stream = pin!(stream);
        let mut run = Run::new(outlet, Encoder::with_buffer(take_buffer(), self.structs()));
        let mut produce = |cx: &mut TaskContext<'_>, items: &mut Encoder| {
            let next = stream.as_mut().poll_next(cx);
            next.map(|item| item.map(|item| Produced { item: encode(item, items), lost: 0 }))
        };
        poll_fn(|cx| run.poll(cx, &mut produce)).await;
        give_buffer(run.into_buffer());
        Ok(())
    }

    /// The same for a producer that must not wait: while there is no room it is asked for more all the same, and of what it gives then all but the
    /// newest `capacity` items are dropped. The caller learns how many were.
    ///
    /// # Errors
    ///
    /// As for [`stream`](Self::stream).
    pub async fn stream_newest<S: Stream>(
        &self,
        stream: S,
        capacity: usize,
        mut encode: impl FnMut(S::Item, &mut Encoder) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let outlet = self.0.outlet.as_ref().ok_or_else(|| undescribed("streams"))?;
        let mut stream = pin!(stream);
        let mut encoder = Encoder::with_buffer(take_buffer(), self.structs());
        let mut outgo = Outgo::new(outlet, &mut encoder);
        let mut unsent = VecDeque::new();
        let (mut lost, mut has_ended) = (0, false);
        poll_fn(|cx| {
            for _ in 0..ASKED_AT_ONCE {
                match outgo.poll_way(cx) {
                    Way::Taken => return Poll::Pending,
                    Way::Free if !unsent.is_empty() => {}
                    Way::Free if has_ended => return Poll::Ready(()),
                    Way::Held if has_ended => return Poll::Pending,
                    Way::Free | Way::Held => match ready!(stream.as_mut().poll_next(cx)) {
                        Some(item) => unsent.push_back(item),
                        None => has_ended = true,
                    },
                }
                if outgo.poll_way(cx) == Way::Free {
                    if let Some(item) = unsent.pop_front() {
                        let before = std::mem::take(&mut lost);
                        outgo.put(before, |encoder| encode(item, encoder));
                    }
                } else if unsent.len() > capacity.max(1) {
                    unsent.pop_front();
                    lost += 1;
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        give_buffer(encoder.take_buffer());
        Ok(())
    }

    /// The arguments.
    pub fn arguments(&self) -> Arguments<'_> {
        Arguments::new(&self.0.context.payload)
    }

    /// The bytes that its arguments take, which are kept until the call has ended.
    pub fn size(&self) -> usize {
        self.0.context.payload.as_slice().len()
    }

    /// What the handler may know.
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// Ends the call with a result.
    pub fn answer<T: Value>(self, result: &T) -> Answer {
        self.answer_with(|encoder| T::encode(result, encoder))
    }

    /// Ends the call with the one value that `encode` appends.
    ///
    /// The generated code names the result's type in there, so that a type without [`Value`] is an error about
    /// the type, not about a bound of this function.
    pub fn answer_with(mut self, encode: impl FnOnce(&mut Encoder) -> Result<(), Error>) -> Answer {
        match encode(&mut self.0.output) {
            Ok(()) => Answer(self.0),
            Err(error) => self.fail(Error::internal(format!(
                "the result cannot be encoded: {}",
                error.message()
            ))),
        }
    }

    /// Attaches what the handler finds with [`Context::extension`]; for the runtime alone.
    #[doc(hidden)]
    pub fn attach(&mut self, extension: Extension) {
        self.0.context.attach(extension);
    }

    /// How structs are written in the answer.
    pub fn structs(&self) -> Structs {
        self.0.output.structs()
    }

    /// Ends a one-way call, or one whose result is nothing.
    pub fn done(self) -> Answer {
        self.answer(&())
    }

    /// Ends the call with the error that its method returned.
    pub fn fail_with<E: Failure>(self, error: E) -> Answer {
        let structs = self.0.output.structs();
        self.fail(error.into_error(structs))
    }

    /// Ends the call before its handler ran: its arguments are wrong, or its caller may not call it.
    pub fn refuse(self, error: Error) -> Answer {
        self.fail(error.not_started(true))
    }

    /// Ends the call with an error.
    pub fn fail(mut self, error: Error) -> Answer {
        self.0.error = Some(error);
        Answer(self.0)
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Request").field(&self.0.context).finish()
    }
}

/// A producer that must not wait is asked for so many items, and then others get their turn.
const ASKED_AT_ONCE: usize = 128;

fn undescribed(does: &str) -> Error {
    Error::internal(format!("the description of the method does not say that it {does} a stream"))
}

/// What a call ended with.
pub struct Answer(Box<Record>);

impl Answer {
    /// The encoded result, or the error.
    pub fn outcome(&mut self) -> Result<&mut Encoder, &Error> {
        match &self.0.error {
            Some(error) => Err(error),
            None => Ok(&mut self.0.output),
        }
    }

    /// Whether the handler has set metadata for the response.
    #[inline]
    pub fn has_metadata(&self) -> bool {
        self.0.context.has_response()
    }

    /// Takes the metadata that the handler has set for the response, if it has.
    pub fn take_metadata(&mut self) -> Option<Metadata> {
        self.0.context.take_response()
    }

    /// Takes it apart: the record, for the next call, and the frame, for the next read. What it answered with is dropped.
    pub fn recycle(mut self) -> (Blank, Body) {
        self.0.context.finish();
        // What was set for one caller is not for the next.
        if self.0.context.has_response() {
            drop(self.0.context.take_response());
        }
        // What was sent is not kept for the slot's next call, which may never come.
        let structs = self.0.output.structs();
        self.0.output.reset(structs);
        self.0.error = None;
        self.0.outlet = None;
        self.0.inbox = None;
        let payload = std::mem::take(&mut self.0.context.payload);
        (Blank(self.0), payload.into_body())
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("error", &self.0.error).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
