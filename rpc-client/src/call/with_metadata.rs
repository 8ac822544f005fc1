//! A call that gives the metadata of its response along: [`WithMetadata`].
//!
//! The call is the same one; what is asked for is noted before it is sent. The machine hands metadata on only where somebody asks for it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use rpc_core::{Failure, Metadata, Value};

use super::{Awaited, Begun, Call, Reached, StreamCall, answer, unasked};

impl<T, E> Call<T, E> {
    /// The same call, which gives the metadata of its response along: what its handler has set with `ctx.set_response_metadata`.
    ///
    /// Set the other options before. Errors have it, too; it is empty where the handler has set none, or none has answered: where the call was not
    /// sent, was refused, expired, or lost its connection. Of a call that was repeated it is that of the last attempt.
    ///
    /// ```no_run
    /// # async fn example(call: rpc_client::Call<i64>) -> Result<(), rpc_core::Error> {
    /// let (sum, metadata) = call.with_metadata().await;
    /// println!("{} of node {:?}", sum?, metadata.get("node"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Above 8 KiB ([`max_metadata_size`](crate::ChannelBuilder::max_metadata_size) on the channel's builder) the call ends with
    /// `resource_exhausted`, though its handler ran. A call that does not ask for the metadata does not care.
    pub fn with_metadata(mut self) -> WithMetadata<Self> {
        self.course.want_metadata();
        WithMetadata(self)
    }
}

impl<T, E, I> StreamCall<T, E, I> {
    /// The same call, which gives the metadata of a response that comes in place of a stream along. A stream that has begun has it at its end:
    /// [`Streaming::response_metadata`](rpc_core::Streaming::response_metadata); here it is empty then.
    pub fn with_metadata(self) -> WithMetadata<Self> {
        WithMetadata(self)
    }
}

/// A call that gives the metadata of its response along: a future of both.
///
/// Made by [`Call::with_metadata`] and [`StreamCall::with_metadata`].
///
/// # Cancel safety
///
/// That of the call.
#[derive(Debug)]
#[must_use = "a call is sent when it is awaited"]
pub struct WithMetadata<C>(C);

impl<T: Value, E: Failure> Future for WithMetadata<Call<T, E>> {
    type Output = (Result<T, E::Caller>, Metadata);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reached = ready!(self.0.course.poll(cx, Awaited::Outcome, Vec::new()));
        Poll::Ready(match reached {
            Reached::Outcome(outcome, metadata) => (answer::<T, E>(outcome), metadata),
            Reached::Begun | Reached::Chunk(_) => (answer::<T, E>(Err(unasked())), Metadata::new()),
        })
    }
}

impl<T, E: Failure, I> Future for WithMetadata<StreamCall<T, E, I>> {
    type Output = (Begun<T, E, I>, Metadata);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_with(cx)
    }
}
