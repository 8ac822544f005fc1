//! Both ends of a connection over nothing but bytes, fed the way their drivers do it, and a reader of what they write.

use std::{sync::Arc, time::Instant};

use bytes::{Buf, BytesMut};
use rpc_core::{
    Code, Error, Metadata, Peer, Request, Surroundings, Violation,
    connection::{
        client,
        server::{self, CallKey, Shape},
    },
    dispatch::Blank,
    frame::{Frame, FrameCodec, FrameError, take_preface},
    msgpack::Reader,
    payload::Payload,
    value::Encoder,
};
use tokio_util::codec::Decoder;

/// The smallest message limit that there is.
pub(crate) const LEAST: usize = 64 << 10;

/// The preface of this version.
pub(crate) const PREFACE: [u8; 8] = [0, b'R', b'P', b'C', 0, 1, 0, 0];

/// A hello that says nothing, framed.
pub(crate) const EMPTY_HELLO: [u8; 7] = [0, 0, 0, 3, 0x92, 14, 0x80];

/// What the server's end was asked.
#[derive(Debug)]
pub(crate) enum Asked {
    Call(CallKey, Request),
    Cancel(u32),
    Item(Result<Payload, Error>, u64),
    EndOfItems(Result<(), Error>),
    GoAway(Option<Error>),
}

/// The server's end.
pub(crate) struct Server {
    pub(crate) machine: server::Connection,
    pub(crate) codec: FrameCodec,
    pub(crate) input: BytesMut,
    pub(crate) now: Instant,
    /// Whether a call is noted as pending before the next frame is read; its handle is 0.
    pub(crate) pends: bool,
    /// What calls are then noted as streaming, if they are.
    pub(crate) shape: Option<Shape>,
}

impl Server {
    /// An end from which nothing was read.
    pub(crate) fn new(config: server::Config) -> Self {
        Self {
            machine: server::Connection::new(config),
            codec: FrameCodec::new(config.max_message_size),
            input: BytesMut::new(),
            now: Instant::now(),
            pends: false,
            shape: None,
        }
    }

    /// An end that has said and heard its preface and hello.
    pub(crate) fn opened(config: server::Config) -> Self {
        let mut end = Self::new(config);
        end.feed(&PREFACE).expect("the preface is right");
        end.feed(&EMPTY_HELLO).expect("the hello is right");
        assert!(end.machine.is_open());
        drain(end.machine.output());
        end
    }

    /// An end whose client is of this project, with these limits.
    pub(crate) fn greeted(config: server::Config, client: client::Config) -> Self {
        let mut end = Self::new(config);
        end.feed(&Client::connected(client).written()).expect("a client's opening is right");
        drain(end.machine.output());
        end
    }

    /// The same, whose calls are all of a method that streams.
    pub(crate) fn streaming(config: server::Config, client: client::Config, takes: bool) -> Self {
        let shape = Some(Shape { takes });
        Self { pends: true, shape, ..Self::greeted(config, client) }
    }

    /// Takes bytes, and says what they ask for.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Asked>, Violation> {
        self.input.extend_from_slice(bytes);
        let mut asked = Vec::new();
        if self.machine.awaits_preface() {
            match take_preface(&mut self.input)? {
                Some(version) => self.machine.open(version),
                None => return Ok(asked),
            }
        }
        while let Some(mut frame) = self.codec.decode(&mut self.input).map_err(violation)? {
            match self.machine.receive(&mut frame, self.now)? {
                server::Event::None | server::Event::Refused { .. } | server::Event::Room => {}
                server::Event::Call(key, incoming) => {
                    if self.pends {
                        self.machine.pending(key, 0, incoming.deadline());
                    }
                    if let Some(shape) = self.shape {
                        self.machine.streams(key, 0, shape);
                    }
                    let blank = Blank::new(Arc::new(Surroundings::new(Peer::Local)));
                    asked.push(Asked::Call(key, blank.fill(incoming, 0)));
                }
                server::Event::Cancel { handle } => asked.push(Asked::Cancel(handle)),
                server::Event::Item { handle: 0, item, cost } => {
                    asked.push(Asked::Item(item, cost))
                }
                server::Event::EndOfItems { handle: 0, end } => asked.push(Asked::EndOfItems(end)),
                server::Event::GoAway(error) => asked.push(Asked::GoAway(error)),
                other => unreachable!("no call has another handle: {other:?}"),
            }
            if let Frame::Whole(body) = frame {
                self.codec.recycle(body);
            }
        }
        Ok(asked)
    }

    /// Takes bytes that are one call.
    pub(crate) fn call(&mut self, bytes: &[u8]) -> (CallKey, Request) {
        let mut asked = self.feed(bytes).expect("the call breaks no rule");
        match (asked.pop(), asked.len()) {
            (Some(Asked::Call(key, request)), 0) => (key, request),
            other => unreachable!("one call was expected, not {other:?}"),
        }
    }

    /// What the stream's end means here.
    pub(crate) fn end(&mut self) -> Result<(), Violation> {
        self.codec.decode_eof(&mut self.input).map(|_| ()).map_err(violation)
    }

    /// What was written since this was asked last, with large messages behind the others.
    pub(crate) fn written(&mut self) -> Vec<u8> {
        let mut written = drain(self.machine.output());
        while self.machine.next_part() {
            written.extend(drain(self.machine.output()));
        }
        written
    }
}

/// What a caller got.
pub(crate) type Outcome = Option<Result<Payload, Error>>;

/// What has come of a stream, or about one.
#[derive(Debug)]
pub(crate) enum Got {
    Item(Result<Payload, Error>, u64),
    Lost(u64, u64),
    Begun,
    Stopped,
    Room,
}

/// The client's end.
pub(crate) struct Client {
    pub(crate) machine: client::Channel<Outcome>,
    pub(crate) link: client::LinkId,
    pub(crate) codec: FrameCodec,
    pub(crate) input: BytesMut,
    pub(crate) has_preface: bool,
    pub(crate) now: Instant,
    /// What has come of streams.
    pub(crate) got: Vec<Got>,
    /// What came with the last response that brought something its caller asks for.
    pub(crate) metadata: Option<Metadata>,
}

impl Client {
    /// An end that has sent its preface and hello.
    pub(crate) fn connected(config: client::Config) -> Self {
        let now = Instant::now();
        let mut machine = client::Channel::new(config, 1);
        let link = machine.connected(now);
        Self {
            machine,
            link,
            codec: FrameCodec::new(config.max_message_size),
            input: BytesMut::new(),
            has_preface: false,
            now,
            got: Vec::new(),
            metadata: None,
        }
    }

    /// An end that a server with these limits has greeted.
    pub(crate) fn opened(config: client::Config, server: server::Config) -> Self {
        let mut end = Self::connected(config);
        let mut other = Server::new(server);
        other.feed(&end.written()).expect("a client's opening is right");
        end.feed(&other.written()).expect("a server's opening is right");
        assert!(end.machine.is_open(end.link));
        end
    }

    /// Submits a call and sends what may be sent.
    pub(crate) fn send(&mut self, outgoing: client::Outgoing) -> client::CallRef {
        let call = self.submit(outgoing, None);
        self.transmit();
        call
    }

    /// Submits a call.
    pub(crate) fn submit(
        &mut self,
        mut outgoing: client::Outgoing,
        deadline: Option<Instant>,
    ) -> client::CallRef {
        self.machine
            .submit(&mut outgoing, deadline, None, self.now)
            .expect("there is room for the call")
    }

    /// Sends what may be sent.
    pub(crate) fn transmit(&mut self) {
        while let Some(transmitted) = self.machine.transmit(self.now) {
            match transmitted {
                client::Transmitted::Request | client::Transmitted::Upload(_) => {}
                client::Transmitted::Notification(waiter) => *waiter = Some(Ok(Payload::nil())),
                client::Transmitted::Refused(waiter, error) => *waiter = Some(Err(error)),
            }
        }
    }

    /// Takes bytes; the go-aways among them are returned.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Option<Error>>, Violation> {
        self.input.extend_from_slice(bytes);
        let mut farewells = Vec::new();
        if !self.has_preface {
            match take_preface(&mut self.input)? {
                Some(_) => self.has_preface = true,
                None => return Ok(farewells),
            }
        }
        while let Some(mut frame) = self.codec.decode(&mut self.input).map_err(violation)? {
            match self.machine.receive(self.link, &mut frame, self.now)? {
                client::Event::None | client::Event::Gone(..) => {}
                client::Event::Answered(waiter, outcome) => *waiter = Some(outcome),
                client::Event::AnsweredWith(waiter, outcome, metadata) => {
                    *waiter = Some(outcome);
                    self.metadata = Some(metadata);
                }
                client::Event::Item { item, cost, .. } => self.got.push(Got::Item(item, cost)),
                client::Event::LostItems { count, cost, .. } => {
                    self.got.push(Got::Lost(count, cost));
                }
                client::Event::Begun(_) => self.got.push(Got::Begun),
                client::Event::Stopped(_) => self.got.push(Got::Stopped),
                client::Event::Room | client::Event::Writable(_) => self.got.push(Got::Room),
                client::Event::GoAway(error) => farewells.push(error),
            }
            if let Frame::Whole(body) = frame {
                self.codec.recycle(body);
            }
        }
        Ok(farewells)
    }

    /// The outcome of a call that has ended.
    pub(crate) fn outcome(&mut self, call: client::CallRef) -> Result<Payload, Error> {
        let outcome = self.machine.waiter(call).take().expect("the call has ended");
        self.machine.release(call);
        outcome
    }

    /// What the stream's end means here.
    pub(crate) fn end(&mut self) -> Result<(), Violation> {
        self.codec.decode_eof(&mut self.input).map(|_| ()).map_err(violation)
    }

    /// What was written since this was asked last, with large messages behind the others.
    pub(crate) fn written(&mut self) -> Vec<u8> {
        let mut written = drain(self.machine.output(self.link));
        while self.machine.next_part(self.link) {
            written.extend(drain(self.machine.output(self.link)));
        }
        written
    }
}

/// A call of `method` with what `arguments` writes.
pub(crate) fn call(method: &'static str, arguments: impl FnOnce(&mut Encoder)) -> client::Outgoing {
    let mut encoder = Encoder::default();
    arguments(&mut encoder);
    client::Outgoing { method: method.into(), arguments: encoder, ..client::Outgoing::default() }
}

/// The same, of a method that may be called again, and so may be sent before the server's hello has come.
pub(crate) fn early(outgoing: client::Outgoing) -> client::Outgoing {
    client::Outgoing { idempotent: true, ..outgoing }
}

/// A call of a method that answers with a stream, or takes one, or both.
pub(crate) fn streaming(streams: bool, takes: bool) -> client::Outgoing {
    let outgoing = call("S.m", |out| rpc_core::msgpack::write_array_len(out.buffer(), 0));
    client::Outgoing { streams, takes, ..outgoing }
}

/// An item, or an argument, that is this number.
pub(crate) fn number(number: u8) -> Encoder {
    let mut encoder = Encoder::default();
    rpc_core::msgpack::write_uint(encoder.buffer(), number.into());
    encoder
}

/// A call of `Echo.ping` with an argument of so many bytes.
pub(crate) fn ping(size: usize) -> client::Outgoing {
    call("Echo.ping", |out| {
        rpc_core::msgpack::write_array_len(out.buffer(), 1);
        out.bin(&vec![7; size]);
    })
}

/// Everything that is to be sent.
pub(crate) fn drain(output: &mut impl Buf) -> Vec<u8> {
    output.copy_to_bytes(output.remaining()).to_vec()
}

/// `message` as a frame.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).expect("a test's message is small");
    [&len.to_be_bytes(), message].concat()
}

/// A response with an error, as far as a test looks at it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) id: u64,
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) flags: u64,
    pub(crate) retry_after: Option<u64>,
}

/// The only frame in `bytes`, which is a response with an error.
pub(crate) fn refusal(bytes: &[u8]) -> Refusal {
    let mut reader = Reader::new(&bytes[4..]);
    assert_eq!(bytes[..4], u32::try_from(bytes.len() - 4).expect("a small frame").to_be_bytes());
    assert_eq!(reader.array_len(), Ok(4));
    assert_eq!(reader.unsigned(), Ok(1), "a response");
    let id = reader.unsigned().expect("an id");
    let elements = reader.array_len().expect("an error");
    let code = Code::from_number(reader.unsigned().expect("a code"));
    let message = reader.str().expect("a message").to_owned();
    assert!(reader.take_nil(), "no details");
    let flags = reader.unsigned().expect("flags");
    let retry_after = (elements == 5).then(|| reader.unsigned().expect("microseconds"));
    assert!(reader.take_nil() && reader.rest().is_empty(), "nil in the place of the result");
    Refusal { id, code, message, flags, retry_after }
}

fn violation(error: FrameError) -> Violation {
    match error {
        FrameError::Violation(violation) => violation,
        other => unreachable!("no transport can fail here: {other}"),
    }
}
