//! A call that is passed on: its answer is not decoded, and its stream neither.
//!
//! It has no time of its own but its maker's deadline: a gateway does not cut short what its caller has given time. Only where that has no deadline, a
//! call with one answer has the channel's timeout.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rpc_core::{
    Error, Metadata, Raw,
    connection::client::{MethodName, Outgoing},
    description::Method,
    limits::MAX_TIMEOUT,
    payload::Payload,
    stream::Upload,
    value::Encoder,
};

use super::{Awaited, Course, Prepared, Reached, StreamCall, WithMetadata, unasked};
use crate::{channel::Channel, upload::Sending};

/// What came with a call that is passed on.
#[doc(hidden)]
#[derive(Debug)]
pub struct Came {
    /// What it takes along.
    pub metadata: Option<Metadata>,
    /// Which attempt it is, from 1.
    pub attempt: u32,
}

impl Channel {
    /// Begins a call that somebody else has made of a server that passes it on. `pass` appends its arguments. What the channel itself sends along takes the place of
    /// what came under the same keys.
    #[doc(hidden)]
    pub fn pass(
        &self,
        name: MethodName,
        method: &'static Method,
        came: Came,
        pass: impl FnOnce(&mut Encoder),
    ) -> Prepared {
        let mut arguments = self.encoder();
        pass(&mut arguments);
        let metadata = match (self.shared_metadata(), came.metadata) {
            (own, None) => own,
            (None, Some(came)) => Some(Arc::new(came)),
            (Some(own), Some(mut came)) => {
                came.merge(own.view());
                Some(Arc::new(came))
            }
        };
        let before = came.attempt.saturating_sub(1);
        self.begin(Outgoing {
            method: name,
            arguments,
            metadata,
            oneway: method.oneway,
            idempotent: method.idempotent,
            streams: method.streams.is_some(),
            takes: method.takes.is_some(),
            opens_only: false,
            wants_metadata: !method.oneway,
            attempts_before: u8::try_from(before).unwrap_or(u8::MAX),
        })
    }
}

impl Prepared {
    /// Takes the stream that the call sends, as it came.
    pub fn upload_as(&mut self, upload: Upload) {
        let structs = self.ready.outgoing.arguments.structs();
        self.sending = Some(Box::new(Sending::new(upload, structs)));
    }

    /// The call of a method with one answer, which is passed on.
    pub fn passed(self) -> Passed {
        Passed(self.untimed())
    }

    /// The call of a method that returns a stream, which is passed on from when it has begun.
    pub fn passed_stream(self) -> WithMetadata<StreamCall<Raw>> {
        let course = Some(Box::new(self.untimed()));
        StreamCall::new(course).with_metadata()
    }

    fn untimed(mut self) -> Course {
        if self.ready.inherited.is_some() {
            self.ready.timeout = Some(MAX_TIMEOUT);
        }
        self.course()
    }
}

/// A call that is passed on: a future of its encoded answer, and what came with it.
///
/// # Cancel safety
///
/// That of a [`Call`](super::Call).
#[doc(hidden)]
#[must_use = "a call is sent when it is awaited"]
pub struct Passed(Course);

impl Future for Passed {
    type Output = (Result<Payload, Error>, Metadata);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let course = &mut self.0;
        if let Some(outcome) = course.take_outcome() {
            return Poll::Ready((outcome, Metadata::new()));
        }
        Poll::Ready(match ready!(course.poll(cx, Awaited::Outcome, Vec::new())) {
            Reached::Outcome(outcome, metadata) => (outcome, metadata),
            Reached::Begun | Reached::Chunk(_) => (Err(unasked()), Metadata::new()),
        })
    }
}

impl std::fmt::Debug for Passed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.describe("Passed", f)
    }
}
