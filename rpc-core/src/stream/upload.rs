//! The stream that a client's call sends, whatever its type: one item after the other, encoded.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;

use crate::{Error, value::Encoder};

/// What the stream has next.
#[derive(Debug)]
pub enum Uploaded {
    /// An item, which was encoded.
    Item,
    /// An item that cannot be encoded.
    Failed(Error),
    /// Nothing more.
    End,
}

type Produce = dyn FnMut(&mut Context<'_>, &mut Encoder) -> Poll<Uploaded> + Send;

/// A stream that is sent.
pub struct Upload(Box<Produce>);

impl Upload {
    /// Sends the items of `stream`, each as `encode` appends it.
    pub fn new<S, F>(stream: S, mut encode: F) -> Self
    where
        S: Stream + Send + 'static,
        F: FnMut(&S::Item, &mut Encoder) -> Result<(), Error> + Send + 'static,
    {
        let mut stream: Pin<Box<S>> = Box::pin(stream);
        Self::producing(move |cx, encoder| {
            stream.as_mut().poll_next(cx).map(|next| match next {
                None => Uploaded::End,
                Some(item) => match encode(&item, encoder) {
                    Ok(()) => Uploaded::Item,
                    Err(error) => Uploaded::Failed(error),
                },
            })
        })
    }

    /// Sends what `produce` appends.
    pub(super) fn producing(
        produce: impl FnMut(&mut Context<'_>, &mut Encoder) -> Poll<Uploaded> + Send + 'static,
    ) -> Self {
        Self(Box::new(produce))
    }

    /// Asks for the next item, which is appended to `encoder`.
    pub fn poll_next(&mut self, cx: &mut Context<'_>, encoder: &mut Encoder) -> Poll<Uploaded> {
        (self.0)(cx, encoder)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").finish_non_exhaustive()
    }
}
