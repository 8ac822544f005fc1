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

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        pin::pin,
        task::{Context, Poll, Waker},
        time::Duration,
    };

    use super::send_on;
    use crate::{
        Error, Metadata, Structs,
        payload::{Body, Payload},
        stream::{Content, Inbox, Outlet, Source, Streaming, Taken, Upload},
    };

    /// Gives what it was given; nothing at first, where it begins late.
    struct Given {
        begins_late: bool,
        taken: VecDeque<Taken>,
    }

    impl Source for Given {
        fn poll_take(&mut self, _: &mut Context<'_>, _: Vec<u8>) -> Poll<Taken> {
            if std::mem::take(&mut self.begins_late) {
                return Poll::Pending;
            }
            self.taken.pop_front().map_or(Poll::Pending, Poll::Ready)
        }

        fn set_timeout(&mut self, _: Duration) {}

        fn set_metadata(&mut self, _: &str, _: &str) {}

        fn set_idempotent(&mut self) {}

        fn set_upload(&mut self, _: Upload) {}
    }

    /// What leaves an outlet: the items of a message or the error in their place, and how many were dropped in front of them.
    type Left = Vec<(Result<Vec<u8>, String>, u64)>;

    /// Sends a stream on to its end.
    fn sent_on(given: Given) -> (Left, (Result<(), Error>, Metadata)) {
        let outlet = Outlet::new(None, 1_000);
        let items = Streaming::from_call(Box::new(given));
        let mut sending = pin!(send_on(&outlet, items, Structs::Named));
        let mut left = Vec::new();
        loop {
            let polled = sending.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(end) = polled {
                return (left, end);
            }
            outlet.offer(|content, lost| {
                left.push(match content {
                    Content::Begin => (Ok(Vec::new()), lost),
                    Content::Item(items) | Content::Items(items, _) => {
                        (Ok(items.as_run().expect("they are small").to_vec()), lost)
                    }
                    Content::Failure(error) => (Err(error.message().to_owned()), lost),
                });
                true
            });
        }
    }

    fn given(begins_late: bool, inbox: &mut Inbox, end: Result<(), Error>) -> Given {
        let mut metadata = Metadata::new();
        metadata.insert("node", "b");
        let mut taken = VecDeque::new();
        while let Some((chunk, _)) = inbox.take() {
            taken.push_back(Taken::Chunk(chunk));
        }
        taken.push_back(Taken::End(end, metadata));
        Given { begins_late, taken }
    }

    fn item(number: u8) -> Payload {
        Payload::new(Body::Small(vec![number]), 0)
    }

    #[test]
    fn gaps_and_errors_stay_where_they_were() {
        let mut inbox = Inbox::default();
        inbox.push(item(1), 0);
        inbox.push(item(2), 0);
        inbox.push_lost(3, 0);
        inbox.push(item(3), 0);
        inbox.push(item(4), 0);
        inbox.push_failure(&Error::not_found("five"), 0);
        inbox.push_lost(1, 0);
        inbox.push_lost(1, 0);
        inbox.push_failure(&Error::not_found("six"), 0);
        inbox.push(item(7), 0);
        let (left, (end, metadata)) =
            sent_on(given(false, &mut inbox, Err(Error::aborted("torn"))));
        let failure = |text: &str| Err(text.to_owned());
        assert_eq!(
            left,
            [
                (Ok(vec![1, 2]), 0),
                (Ok(vec![3]), 3),
                (Ok(vec![4]), 0),
                (failure("five"), 0),
                (failure("six"), 2),
                (Ok(vec![7]), 0),
            ]
        );
        assert_eq!(end.expect_err("it was torn").message(), "torn");
        assert_eq!(metadata.get("node"), Some("b"));
    }

    #[test]
    fn a_stream_that_has_nothing_yet_has_begun() {
        let mut inbox = Inbox::default();
        inbox.push(item(1), 0);
        let (left, (end, _)) = sent_on(given(true, &mut inbox, Ok(())));
        assert_eq!(left, [(Ok(Vec::new()), 0), (Ok(vec![1]), 0)]);
        assert!(end.is_ok());
        // One that is over has nothing to say of that.
        let (left, (end, _)) = sent_on(given(false, &mut inbox, Ok(())));
        assert!(left.is_empty() && end.is_ok());
    }
}
