//! What one call, or one item of a stream, costs both machines and a session, in memory, on one thread: instructions and
//! allocations, which do not drift as times do.
//!
//! `benches/gate/run` counts with callgrind and compares with `baseline.txt`. By itself this program makes
//! `calls` calls of a workload, or as many items, and prints the allocations that they took: `gate WORKLOAD CALLS`.

use std::{
    error::Error,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use rpc::{
    __private::{Dispatcher, Session},
    Value,
};
use rpc_core::{
    Peer, Structs, Surroundings,
    buffer::{WriteBuffer, give_buffer, take_buffer},
    connection::{client, server},
    dispatch::Blank,
    frame::{Frame, FrameCodec, PREFACE_LEN, take_preface},
    limits, msgpack,
    payload::Payload,
    value::{Encoded, Encoder},
};
use tokio_util::codec::Decoder;

#[path = "../throughput/allocations.rs"]
mod allocations;
mod items;
#[path = "../throughput/service.rs"]
mod service;

type Failure = Box<dyn Error + Send + Sync>;

/// A method of the benchmark's service, by its index there.
struct Workload {
    name: &'static str,
    method: &'static str,
    index: u32,
    arguments: u32,
    encode: fn(&mut Encoder),
    check: fn(&Payload) -> bool,
    /// Whether the handler is pending at its first poll.
    is_pending: bool,
}

const WORKLOADS: [Workload; 4] = [
    Workload {
        name: "ping",
        method: "Bench.ping",
        index: 0,
        arguments: 1,
        encode: |encoder| encoder.bin(&[7; 16]),
        check: |answer| {
            <Vec<u8> as Value>::decode(Encoded::of_payload("answer", answer))
                .is_ok_and(|data| data == [7; 16])
        },
        is_pending: false,
    },
    Workload {
        name: "echo",
        method: "Bench.echo",
        index: 1,
        arguments: 1,
        encode: |encoder| encode(7, encoder),
        check: |answer| {
            <u64 as Value>::decode(Encoded::of_payload("answer", answer))
                .is_ok_and(|number| number == 7)
        },
        is_pending: false,
    },
    Workload {
        name: "yielding",
        method: "Bench.yielding",
        index: 2,
        arguments: 1,
        encode: |encoder| encode(7, encoder),
        check: |answer| {
            <u64 as Value>::decode(Encoded::of_payload("answer", answer))
                .is_ok_and(|number| number == 7)
        },
        is_pending: true,
    },
    Workload {
        name: "borrowed",
        method: "Bench.borrowed",
        index: 3,
        arguments: 2,
        encode: |encoder| {
            encoder.str("name");
            encoder.bin(&[7; 16]);
        },
        check: |answer| {
            <u64 as Value>::decode(Encoded::of_payload("answer", answer))
                .is_ok_and(|number| number == 20)
        },
        is_pending: true,
    },
];

fn encode(number: u64, encoder: &mut Encoder) {
    <u64 as Value>::encode(&number, encoder).expect("a number can be encoded");
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, calls, ..] = &arguments[..] else {
        let names = WORKLOADS.iter().map(|workload| workload.name).chain([items::NAME]);
        println!("{}", names.collect::<Vec<_>>().join(" "));
        return Ok(());
    };
    let count = calls.parse::<u64>()?;
    let dispatcher = service::BenchDispatcher(Arc::new(service::Bench));
    if name == items::NAME {
        println!("{}", items::allocations(Pair::new(&dispatcher)?, count)?);
        return Ok(());
    }
    let workload =
        WORKLOADS.iter().find(|workload| workload.name == name).ok_or("no such workload")?;
    let mut pair = Pair::new(&dispatcher)?;
    // Everything that is made once is made here.
    for _ in 0..100 {
        pair.call(workload)?;
    }
    let before = allocations::count();
    for _ in 0..count {
        pair.call(workload)?;
    }
    println!("{}", allocations::count() - before);
    Ok(())
}

/// Both ends of a connection, and the bytes between them. Of each call the client keeps a `W`.
struct Pair<'a, W> {
    now: Instant,
    client: client::Channel<W>,
    link: client::LinkId,
    client_codec: FrameCodec,
    to_client: BytesMut,
    server: server::Connection,
    server_codec: FrameCodec,
    to_server: BytesMut,
    sessions: Vec<Box<dyn Session + 'a>>,
    blank: Option<Blank>,
}

impl<'a, W: Default> Pair<'a, W> {
    fn new(dispatcher: &'a service::BenchDispatcher) -> Result<Self, Failure> {
        let now = Instant::now();
        let mut client = client::Channel::new(client::Config::default(), 1);
        let link = client.connected(now);
        let mut pair = Self {
            now,
            client,
            link,
            client_codec: FrameCodec::new(limits::MAX_MESSAGE_SIZE),
            to_client: BytesMut::with_capacity(limits::IO_BUFFER),
            server: server::Connection::new(server::Config::new(limits::MAX_MESSAGE_SIZE, 1024)),
            server_codec: FrameCodec::new(limits::MAX_MESSAGE_SIZE),
            to_server: BytesMut::with_capacity(limits::IO_BUFFER),
            sessions: (0..6).map(|method| dispatcher.session(method)).collect(),
            blank: Some(Blank::new(Arc::new(Surroundings::new(Peer::Local)))),
        };
        carry(pair.client.output(pair.link), &mut pair.to_server);
        let version = take_preface(&mut pair.to_server)?.ok_or("there is a preface")?;
        pair.server.open(version);
        pair.serve(&WORKLOADS[0])?;
        pair.to_client.advance(PREFACE_LEN);
        pair.receive(|_, _| Ok(()))?;
        Ok(pair)
    }

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
                        self.server.answer(key, answer.outcome());
                        answer
                    }
                    Poll::Pending => {
                        self.server.pending(key, 0, deadline);
                        let Poll::Ready(mut answer) = session.poll(0, &mut cx) else {
                            return Err("the handler is ready at its second poll".into());
                        };
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
    fn receive(
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
    fn call(&mut self, workload: &Workload) -> Result<(), Failure> {
        let mut arguments = Encoder::with_buffer(take_buffer(), Structs::Named);
        msgpack::write_array_len(arguments.buffer(), workload.arguments);
        (workload.encode)(&mut arguments);
        let mut outgoing =
            client::Outgoing { method: workload.method, arguments, ..client::Outgoing::default() };
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
fn carry(output: &mut WriteBuffer, input: &mut BytesMut) {
    while output.has_remaining() {
        let chunk = output.chunk();
        input.extend_from_slice(chunk);
        let count = chunk.len();
        output.advance(count);
    }
}
