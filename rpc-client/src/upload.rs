//! The stream that a call sends: polled by the call, one item at a time, as the server's window has room.

use std::task::{Context, Poll, ready};

use rpc_core::{
    Error, Structs,
    connection::client::{CallRef, Room},
    stream::{Upload, Uploaded},
    value::Encoder,
};

use crate::shared::Shared;

/// So many items, and the call looks for its answer.
const ITEMS_PER_POLL: u32 = 128;

/// A stream on its way out.
pub(crate) struct Sending {
    upload: Upload,
    encoder: Encoder,
    next: Next,
    /// Whether something was written since the last flush.
    has_written: bool,
    /// Whether something was taken out of the stream.
    has_begun: bool,
}

/// What is to be done next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Ask for an item.
    Ask,
    /// Send the item that was encoded.
    Send,
    /// Say that there are no more.
    End,
}

impl Sending {
    pub(crate) fn new(upload: Upload, structs: Structs) -> Self {
        Self {
            upload,
            encoder: Encoder::new(structs),
            next: Next::Ask,
            has_written: false,
            has_begun: false,
        }
    }

    /// Whether something was taken out of the stream, which cannot be put back.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Sends what there is and finds room; ready when nothing more is to be sent. Where it is pending for want of room, the call is told
    /// when there is some.
    ///
    /// # Errors
    ///
    /// Why an item cannot be sent, which ends the call.
    pub(crate) fn poll(
        &mut self,
        shared: &Shared,
        call: CallRef,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let polled = self.poll_items(shared, call, cx);
        if std::mem::take(&mut self.has_written) {
            shared.flush();
        }
        polled
    }

    fn poll_items(
        &mut self,
        shared: &Shared,
        call: CallRef,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        for _ in 0..ITEMS_PER_POLL {
            match self.next {
                Next::Ask => {
                    let uploaded = ready!(self.upload.poll_next(cx, &mut self.encoder));
                    self.has_begun = true;
                    self.next = match uploaded {
                        Uploaded::Item => Next::Send,
                        Uploaded::End => Next::End,
                        Uploaded::Failed(error) => {
                            return Poll::Ready(Err(Error::invalid_argument(format!(
                                "an item of the stream cannot be encoded: {}",
                                error.message()
                            ))));
                        }
                    };
                }
                Next::Send => match shared.send_item(call, &mut self.encoder)? {
                    Room::Sent => {
                        self.has_written = true;
                        let structs = self.encoder.structs();
                        self.encoder.reset(structs);
                        self.next = Next::Ask;
                    }
                    Room::Blocked => return Poll::Pending,
                    Room::Closed => return Poll::Ready(Ok(())),
                },
                Next::End => {
                    let room = shared.end_items(call);
                    self.has_written |= room == Room::Sent;
                    return match room {
                        Room::Sent | Room::Closed => Poll::Ready(Ok(())),
                        Room::Blocked => Poll::Pending,
                    };
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
