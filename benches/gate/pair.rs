//! Both ends of a connection in one thread: two machines, two codecs, and the sessions of one service.
//!
//! A message arrives whole: reading a large one piece by piece is the drivers' part, and so is what their buffers grow by then.

use std::{
    error::Error,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use rpc::__private::{Dispatcher, Session};
use rpc_core::{
    Peer, Structs, Surroundings,
    buffer::{WriteBuffer, give_buffer, take_buffer},
    connection::{client, server},
    dispatch::Blank,
    frame::{Frame, FrameCodec, PREFACE_LEN, take_preface},
    limits,
    payload::Payload,
    value::Encoder,
};
use tokio_util::codec::Decoder;

use crate::workload::Workload;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Both ends of a connection, and the bytes between them. Of each call the client keeps a `W`.
pub(crate) struct Pair<'a, W> {
    pub(crate) now: Instant,
    pub(crate) client: client::Channel<W>,
    pub(crate) link: client::LinkId,
    client_codec: FrameCodec,
    pub(crate) to_client: BytesMut,
    pub(crate) server: server::Connection,
    pub(crate) server_codec: FrameCodec,
    pub(crate) to_server: BytesMut,
    pub(crate) sessions: Vec<Box<dyn Session + 'a>>,
    pub(crate) blank: Option<Blank>,
}

impl<'a, W: Default> Pair<'a, W> {
    /// A connection whose client has introduced itself.
    pub(crate) fn new(dispatcher: &'a dyn Dispatcher, structs: Structs) -> Result<Self, Failure> {
        let now = Instant::now();
        let config = client::Config { structs, ..client::Config::default() };
        let mut client = client::Channel::new(config, 1);
        let link = client.connected(now);
        let methods = 0..u32::try_from(dispatcher.description().methods.len())?;
        let mut pair = Self {
            now,
            client,
            link,
            client_codec: FrameCodec::new(limits::MAX_MESSAGE_SIZE),
            to_client: BytesMut::with_capacity(limits::IO_BUFFER),
            server: server::Connection::new(server::Config::new(limits::MAX_MESSAGE_SIZE, 1024)),
            server_codec: FrameCodec::new(limits::MAX_MESSAGE_SIZE),
            to_server: BytesMut::with_capacity(limits::IO_BUFFER),
            sessions: methods.map(|method| dispatcher.session(method)).collect(),
            blank: Some(Blank::new(Arc::new(Surroundings::new(Peer::Local)))),
        };
        carry(pair.client.output(pair.link), &mut pair.to_server);
        let version = take_preface(&mut pair.to_server)?.ok_or("there is a preface")?;
        pair.server.open(version);
        let mut hello = pair.server_codec.decode(&mut pair.to_server)?.ok_or("there is a hello")?;
        pair.server.receive(&mut hello, now)?;
        if let Frame::Whole(body) = hello {
            pair.server_codec.recycle(body);
        }
        carry(pair.server.output(), &mut pair.to_client);
        pair.to_client.advance(PREFACE_LEN);
        pair.receive(|_, _| Ok(()))?;
        assert_eq!(pair.server.structs(), structs, "the server knows how structs are written");
        Ok(pair)
    }

    // Not inlined, as no server is into its client.
    #[inline(never)]
    fn serve(&mut self, workload: &Workload) -> Result<(), Failure> {
        let mut cx = Context::from_waker(Waker::noop());
        while let Some(mut frame) = self.server_codec.decode(&mut self.to_server)? {
            if let server::Event::Call(key, incoming) = self.server.receive(&mut frame, self.now)? {
                let deadline = incoming.deadline();
                let blank = self.blank.take().ok_or("one call at a time")?;
                let session = &mut self.sessions[workload.index as usize];
                let request = blank.fill(incoming, workload.index);
                let mut answer = match session.start(0, request, &mut cx) {
                    Poll::Ready(mut answer) => {
                        assert!(!workload.is_pending, "the handler is ready at once");
                        assert!(!answer.has_metadata(), "no handler sets any");
                        self.server.answer(key, answer.outcome());
                        answer
                    }
                    Poll::Pending => {
                        self.server.pending(key, 0, deadline);
                        let Poll::Ready(mut answer) = session.poll(0, &mut cx) else {
                            return Err("the handler is ready at its second poll".into());
                        };
                        assert!(!answer.has_metadata(), "no handler sets any");
                        self.server.finish(key, answer.outcome());
                        answer
                    }
                };
                debug_assert!(answer.outcome().is_ok(), "the call succeeded");
                let (blank, body) = answer.recycle();
                self.blank = Some(blank);
                self.server_codec.recycle(body);
            }
            if let Frame::Whole(body) = frame {
                self.server_codec.recycle(body);
            }
        }
        carry(self.server.output(), &mut self.to_client);
        Ok(())
    }

    /// The client takes what has arrived, and gives each event to `take`.
    pub(crate) fn receive(
        &mut self,
        mut take: impl FnMut(client::Event<'_, W>, &mut FrameCodec) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.client.heard(self.link, self.now);
        while let Some(mut frame) = self.client_codec.decode(&mut self.to_client)? {
            let event = self.client.receive(self.link, &mut frame, self.now)?;
            take(event, &mut self.client_codec)?;
            if let Frame::Whole(body) = frame {
                self.client_codec.recycle(body);
            }
        }
        Ok(())
    }
}

impl Pair<'_, Option<Payload>> {
    pub(crate) fn call(&mut self, workload: &Workload) -> Result<(), Failure> {
        let mut arguments = Encoder::with_buffer(take_buffer(), workload.structs);
        (workload.encode)(&mut arguments);
        let mut outgoing = client::Outgoing {
            method: workload.method.into(),
            arguments,
            ..client::Outgoing::default()
        };
        let deadline = Some(self.now + Duration::from_secs(30));
        let submitted = self.client.submit(&mut outgoing, deadline, None, self.now);
        let call = submitted.map_err(|(error, _)| error)?;
        while self.client.transmit(self.now).is_some() {}
        carry(self.client.output(self.link), &mut self.to_server);
        self.serve(workload)?;
        self.receive(|event, _| {
            if let client::Event::Answered(waiter, outcome) = event {
                *waiter = Some(outcome?);
            }
            Ok(())
        })?;
        let answer = self.client.waiter(call).take().ok_or("the call was answered")?;
        drop(self.client.release(call));
        assert!((workload.check)(&answer), "the answer is right");
        if let Some(buffer) = answer.into_body().into_buffer() {
            give_buffer(buffer);
        }
        Ok(())
    }
}

/// What a socket does.
pub(crate) fn carry(output: &mut WriteBuffer, input: &mut BytesMut) {
    while output.has_remaining() {
        let chunk = output.chunk();
        input.extend_from_slice(chunk);
        let count = chunk.len();
        output.advance(count);
    }
}
