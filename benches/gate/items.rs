//! What one item of a server's stream costs, from the handler to the consumer.
//!
//! Items go in batches as large as those that a server's task makes of a stream which always has another one; the consumer takes all of
//! a batch, and what it took is granted again.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use rpc::{Stream, Streaming};
use rpc_core::{
    Structs,
    buffer::take_buffer,
    connection::{
        client,
        server::{self, CallKey, Shape},
    },
    frame::Frame,
    msgpack,
    payload::{Body, Payload},
    stream::{Inbox, Offered, Outlet, Source, Taken, Upload},
    value::Encoder,
};
use tokio_util::codec::Decoder;

use crate::{
    allocations,
    pair::{Failure, Pair, carry},
};

pub(crate) const NAME: &str = "item";

/// The cost is the difference between so many items and twice as many.
pub(crate) const COUNT: u64 = 10_000;

/// The method's index in its service.
const METHOD: u32 = 5;
const SLOT: u32 = 0;
const BATCH: u64 = 128;

/// What has arrived, shared with the consumer.
#[derive(Clone, Default)]
pub(crate) struct Arrived(Arc<Mutex<(Inbox, u64)>>);

impl Arrived {
    pub(crate) fn push(&self, item: Payload, cost: u64) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.push(item, cost)
    }

    /// The bytes that were taken since this was asked last.
    fn taken(&self) -> u64 {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}

impl Source for Arrived {
    fn poll_take(&mut self, _: &mut Context<'_>, spare: Vec<u8>) -> Poll<Taken> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (inbox, taken) = &mut *guard;
        inbox.recycle(spare);
        match inbox.take() {
            Some((chunk, cost)) => {
                *taken += cost;
                Poll::Ready(Taken::Chunk(chunk))
            }
            None => {
                inbox.shrink();
                Poll::Pending
            }
        }
    }

    fn set_timeout(&mut self, _: Duration) {}

    fn set_metadata(&mut self, _: &str, _: &str) {}

    fn set_idempotent(&mut self) {}

    fn set_upload(&mut self, _: Upload) {}
}

/// The allocations that so many items take.
pub(crate) fn allocations(pair: Pair<'_, Arrived>, count: u64) -> Result<u64, Failure> {
    let mut open = Open::new(pair)?;
    // Everything that is made once is made here.
    open.carry(10 * BATCH)?;
    let before = allocations::count();
    open.carry(count)?;
    Ok(allocations::count() - before)
}

/// A stream that is open.
struct Open<'a> {
    pair: Pair<'a, Arrived>,
    call: client::CallRef,
    key: CallKey,
    outlet: Arc<Outlet>,
    arrived: Arrived,
    items: Streaming<u64>,
}

impl<'a> Open<'a> {
    fn new(mut pair: Pair<'a, Arrived>) -> Result<Self, Failure> {
        let arrived = Arrived::default();
        let mut arguments = Encoder::with_buffer(take_buffer(), Structs::Named);
        msgpack::write_array_len(arguments.buffer(), 0);
        let mut outgoing = client::Outgoing {
            method: "Bench.numbers".into(),
            arguments,
            streams: true,
            ..client::Outgoing::default()
        };
        let submitted = pair.client.submit(&mut outgoing, None, arrived.clone(), pair.now);
        let call = submitted.map_err(|(error, _)| error)?;
        while pair.client.transmit(pair.now).is_some() {}
        carry(pair.client.output(pair.link), &mut pair.to_server);

        // One item a message, as where they come one by one.
        let outlet = Arc::new(Outlet::new(None, 1));
        let mut frame = pair.server_codec.decode(&mut pair.to_server)?.ok_or("there is a call")?;
        let server::Event::Call(key, incoming) = pair.server.receive(&mut frame, pair.now)? else {
            return Err("it is a call".into());
        };
        pair.server.pending(key, SLOT, None);
        pair.server.streams(key, SLOT, Shape { takes: false });
        let blank = pair.blank.take().ok_or("one call at a time")?;
        let request = blank.fill(incoming, METHOD).with_streams(Some(Arc::clone(&outlet)), None);
        let mut cx = Context::from_waker(Waker::noop());
        let session = &mut pair.sessions[METHOD as usize];
        assert!(session.start(SLOT as usize, request, &mut cx).is_pending(), "it has no end");
        let items = Streaming::from_call(Box::new(arrived.clone()));
        Ok(Self { pair, call, key, outlet, arrived, items })
    }

    /// So many items, from the handler to the consumer.
    fn carry(&mut self, count: u64) -> Result<(), Failure> {
        let mut left = count;
        while left > 0 {
            let batch = left.min(BATCH);
            self.send(batch);
            self.pair.receive(|event, codec| {
                if let client::Event::Item { waiter, item, cost } = event
                    && let Some(body) = waiter.push(item?, cost)
                {
                    codec.recycle(body);
                }
                Ok(())
            })?;
            assert_eq!(self.take()?, batch, "each item has come");
            self.grant()?;
            left -= batch;
        }
        Ok(())
    }

    fn send(&mut self, batch: u64) {
        let Pair { server, sessions, to_client, .. } = &mut self.pair;
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..batch {
            let offered = self.outlet.offer(|content, lost| server.send(self.key, content, lost));
            assert_eq!(offered, Offered::Sent, "there is room for a batch");
            let polled = sessions[METHOD as usize].poll(SLOT as usize, &mut cx);
            assert!(polled.is_pending(), "the stream has no end");
        }
        carry(server.output(), to_client);
    }

    fn take(&mut self) -> Result<u64, Failure> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut count = 0;
        while let Poll::Ready(Some(item)) = Pin::new(&mut self.items).poll_next(&mut cx) {
            assert_eq!(item?, 7, "the item is right");
            count += 1;
        }
        Ok(count)
    }

    fn grant(&mut self) -> Result<(), Failure> {
        let Pair { client, link, to_server, server, server_codec, now, .. } = &mut self.pair;
        client.took(self.call, self.arrived.taken());
        carry(client.output(*link), to_server);
        while let Some(mut frame) = server_codec.decode(to_server)? {
            server.receive(&mut frame, *now)?;
            if let Frame::Whole(body) = frame {
                server_codec.recycle(body);
            }
        }
        while server.next_ready().is_some() {}
        Ok(())
    }
}
