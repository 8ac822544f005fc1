//! Items that are passed on as they came: what a gateway does with the streams of a call.
//!
//! They are walked over, which finds where each of them ends, and copied from block to block; a large one stays the slice that it is. Nothing is
//! asked for before what came before it has left, so the window at one side fills when nobody takes at the other.

use std::{
    future::poll_fn,
    mem,
    task::{Context, Poll},
};

use super::{Outgo, Outlet, Produced, Run, Streaming, Upload, upload::Uploaded};
use crate::{
    Error, Metadata, Raw, Structs,
    buffer::{give_buffer, take_buffer},
    value::Encoder,
};

/// Sends the items of a stream on through an outlet, and how many were dropped in front of each; how the stream ended, and what came with its end.
pub(crate) async fn send_on(
    outlet: &Outlet,
    mut items: Streaming<Raw>,
    structs: Structs,
) -> (Result<(), Error>, Metadata) {
    let (mut told, mut end) = (0, Ok(()));
    let (mut has_produced, mut is_begun) = (false, false);
    let mut run = Run::new(outlet, Encoder::with_buffer(take_buffer(), structs));
    poll_fn(|cx| {
        let polled = run.poll(cx, |cx, out| {
            let polled = items.poll_raw(cx, out);
            has_produced |= polled.is_ready();
            polled.map(|item| match item? {
                // What comes with the end of a stream is no item.
                Err(error) if items.response_metadata().is_some() => {
                    end = Err(error);
                    None
                }
                item => {
                    let lost = items.lost() - told;
                    told += lost;
                    Some(Produced { item, lost })
                }
            })
        });
        if !mem::replace(&mut is_begun, true) && !has_produced {
            // It is there, though nothing of it is.
            Outgo::new(outlet, &mut Encoder::default()).begin();
        }
        polled
    })
    .await;
    give_buffer(run.into_buffer());
    let metadata = items.response_metadata().cloned().unwrap_or_default();
    (end, metadata)
}

impl Streaming<Raw> {
    /// Appends the next item to `out` as it came.
    fn poll_raw(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Encoder,
    ) -> Poll<Option<Result<(), Error>>> {
        self.poll_item(cx, |item| item.append_to(out))
    }
}

impl Upload {
    /// Sends what a handler receives. An item that is an error ends the call: what is incomplete is not passed on as whole.
    pub fn forwarding(mut items: Streaming<Raw>) -> Self {
        Self::producing(move |cx, encoder| {
            items.poll_raw(cx, encoder).map(|next| match next {
                None => Uploaded::End,
                Some(Ok(())) => Uploaded::Item,
                Some(Err(error)) => Uploaded::Failed(error),
            })
        })
    }
}
