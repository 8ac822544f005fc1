//! The two ends as their drivers run them: bytes in, bytes out, and the events in between.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio_util::codec::Decoder;

use crate::{
    Error, Metadata, Value,
    arguments::Arguments,
    connection::{
        client::{self, LinkId, Transmitted},
        server::{self, CallKey},
    },
    dispatch::Incoming,
    frame::{Frame, FrameCodec, take_preface},
    limits::ASSUMED_CALLS,
    payload::Payload,
    random::Random,
    value::Encoder,
};

use super::{
    script::Script,
    streams::{AtCaller, AtHandler},
};

/// How long a handler asks its caller to wait.
const PUSHED_BACK: Duration = Duration::from_micros(700);

/// What the client's machine keeps for a caller.
#[derive(Debug, Default)]
pub(super) struct Waiter {
    /// The caller's number, from 1.
    pub(super) caller: usize,
    pub(super) outcome: Option<Result<Payload, Error>>,
    pub(super) settled: u32,
    /// What came with the response, where that was asked for.
    pub(super) metadata: Option<Metadata>,
    /// What it streams, if it does.
    pub(super) streams: Option<Box<AtCaller>>,
}

impl Waiter {
    pub(super) fn settle(&mut self, outcome: Result<Payload, Error>) {
        self.settled += 1;
        assert_eq!(self.settled, 1, "caller {} got two outcomes", self.caller);
        self.outcome = Some(outcome);
    }

    /// The streams of a call that has some, and has not ended.
    fn streaming(&mut self) -> &mut AtCaller {
        assert_eq!(self.settled, 0, "nothing comes behind the end of a call");
        self.streams.as_mut().expect("the call streams")
    }

    pub(super) fn notify(&mut self) {
        if let Some(streams) = &mut self.streams {
            streams.notify();
        }
    }
}

/// What the client's end has of one connection.
pub(super) struct ClientSide {
    pub(super) codec: FrameCodec,
    pub(super) input: BytesMut,
    pub(super) has_preface: bool,
}

impl ClientSide {
    pub(super) fn new(max_message_size: usize) -> Self {
        Self {
            codec: FrameCodec::new(max_message_size),
            input: BytesMut::new(),
            has_preface: false,
        }
    }

    /// Handles what has arrived; callers whose remains came back go to `gone`.
    pub(super) fn handle(
        &mut self,
        machine: &mut client::Channel<Waiter>,
        id: LinkId,
        now: Instant,
        gone: &mut Vec<Waiter>,
    ) {
        if self.input.is_empty() {
            return;
        }
        machine.heard(id, now);
        if !self.has_preface {
            self.has_preface = take_preface(&mut self.input).expect("a right preface").is_some();
        }
        while self.has_preface {
            let decoded =
                self.codec.decode(&mut self.input).expect("the server's frames are right");
            let Some(mut frame) = decoded else { break };
            match machine.receive(id, &mut frame, now).expect("the server keeps the protocol") {
                client::Event::None | client::Event::GoAway(_) => {}
                client::Event::Room => machine.unblock(id, Waiter::notify),
                client::Event::Writable(waiter) => waiter.notify(),
                client::Event::Item { waiter, item, cost } => waiter.streaming().item(&item, cost),
                client::Event::LostItems { waiter, count, cost } => {
                    waiter.streaming().lost(count, cost);
                }
                client::Event::Begun(waiter) => waiter.streaming().begun(),
                client::Event::Stopped(waiter) => waiter.streaming().stopped(),
                client::Event::Answered(waiter, outcome) => waiter.settle(outcome),
                client::Event::AnsweredWith(waiter, outcome, metadata) => {
                    waiter.metadata = Some(metadata);
                    waiter.settle(outcome);
                }
                client::Event::Gone(_, waiter) => gone.push(waiter),
            }
            if let Frame::Whole(body) = frame {
                self.codec.recycle(body);
            }
        }
    }
}

/// Sends what may be sent, to servers that accept `max_calls`.
pub(super) fn transmit(machine: &mut client::Channel<Waiter>, now: Instant, max_calls: u32) {
    let Some(active) = machine.active() else {
        assert!(machine.transmit(now).is_none(), "there is nothing to send it on");
        return;
    };
    let assumed = if machine.is_open(active) { max_calls } else { ASSUMED_CALLS };
    loop {
        match machine.transmit(now) {
            None => return,
            Some(Transmitted::Request) => assert!(machine.in_flight(active) <= assumed),
            Some(Transmitted::Upload(waiter)) => {
                waiter.streaming().transmitted();
                assert!(machine.in_flight(active) <= assumed);
            }
            Some(Transmitted::Notification(waiter)) => waiter.settle(Ok(Payload::nil())),
            Some(Transmitted::Refused(waiter, error)) => waiter.settle(Err(error)),
        }
    }
}

/// A handler that is pending.
pub(super) struct Handler {
    pub(super) key: CallKey,
    pub(super) handle: u32,
    pub(super) caller: usize,
    /// What it streams, if it does.
    pub(super) streams: Option<Box<AtHandler>>,
}

/// What a call asks of its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// An answer at once, of this size.
    Ready(usize),
    /// An answer later.
    Pending,
    /// An error at once, which claims that the call did not start.
    Fail,
    /// An error that asks to be called again a little later.
    PushBack,
    /// Streams, as the script of this number says.
    Stream(u32),
}

/// From here on a plan's number is that of a script.
const FIRST_SCRIPT: u64 = 1 << 40;

impl Plan {
    fn number(self) -> u64 {
        match self {
            Self::Pending => 0,
            Self::Fail => 1,
            Self::PushBack => 2,
            Self::Ready(size) => 3 + size as u64,
            Self::Stream(script) => FIRST_SCRIPT + u64::from(script),
        }
    }

    fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Pending,
            1 => Self::Fail,
            2 => Self::PushBack,
            number if number >= FIRST_SCRIPT => {
                Self::Stream(u32::try_from(number - FIRST_SCRIPT).expect("a script's number"))
            }
            size => Self::Ready(usize::try_from(size - 3).expect("a small answer")),
        }
    }

    /// Appends the arguments of a call: who calls, what it asks for, and padding.
    pub(super) fn write(self, caller: usize, padding: usize, out: &mut Encoder) {
        crate::msgpack::write_array_len(out.buffer(), 3);
        crate::msgpack::write_uint(out.buffer(), caller as u64);
        crate::msgpack::write_uint(out.buffer(), self.number());
        out.bin(&vec![0; padding]);
    }

    fn read(incoming: &Incoming) -> (usize, Self) {
        let mut arguments = Arguments::new(&incoming.payload);
        let caller = usize::decode(arguments.take("caller")).expect("a number");
        let plan = u64::decode(arguments.take("plan")).expect("a number");
        (caller, Self::from_number(plan))
    }
}

/// A handler that starts.
pub(super) struct Start {
    pub(super) caller: usize,
    /// Which attempt of its call it sees.
    pub(super) attempt: u32,
}

/// The server's end of one connection.
pub(super) struct ServerSide {
    pub(super) machine: server::Connection,
    pub(super) codec: FrameCodec,
    pub(super) input: BytesMut,
    pub(super) handlers: Vec<Handler>,
    next_handle: u32,
    /// The sizes of items.
    sizes: &'static [usize],
    pub(super) high_water: usize,
    /// Items that handlers have taken.
    pub(super) taken: usize,
}

impl ServerSide {
    pub(super) fn new(config: server::Config, sizes: &'static [usize]) -> Self {
        Self {
            machine: server::Connection::new(config),
            codec: FrameCodec::new(config.max_message_size),
            input: BytesMut::new(),
            handlers: Vec::new(),
            next_handle: 0,
            sizes,
            high_water: config.write_high_water,
            taken: 0,
        }
    }

    /// Handles what has arrived; the callers whose handlers start go to `started`.
    pub(super) fn handle(&mut self, now: Instant, started: &mut Vec<Start>) {
        if self.input.is_empty() {
            return;
        }
        self.machine.heard(now);
        if self.machine.awaits_preface() {
            match take_preface(&mut self.input).expect("a right preface") {
                Some(version) => self.machine.open(version),
                None => return,
            }
        }
        while self.machine.unsent() < self.high_water {
            let decoded =
                self.codec.decode(&mut self.input).expect("the client's frames are right");
            let Some(mut frame) = decoded else { break };
            match self.machine.receive(&mut frame, now).expect("the client keeps the protocol") {
                server::Event::None | server::Event::Refused { .. } | server::Event::GoAway(_) => {}
                server::Event::Room => self.move_ready(),
                server::Event::Item { handle, item, cost } => {
                    self.streams(handle).item(&item, cost);
                }
                server::Event::EndOfItems { handle, end } => self.streams(handle).end(&end),
                server::Event::Call(key, incoming) => self.start(key, incoming, started),
                server::Event::Cancel { handle } => {
                    self.remove(handle);
                    self.move_ready();
                }
            }
            if let Frame::Whole(body) = frame {
                self.codec.recycle(body);
            }
        }
    }

    /// The streams of the handler with this handle.
    fn streams(&mut self, handle: u32) -> &mut AtHandler {
        let handler = self.handlers.iter_mut().find(|handler| handler.handle == handle);
        handler.and_then(|handler| handler.streams.as_deref_mut()).expect("a handler that streams")
    }

    fn start(&mut self, key: CallKey, incoming: Incoming, started: &mut Vec<Start>) {
        let (caller, plan) = Plan::read(&incoming);
        started.push(Start { caller, attempt: incoming.attempt });
        match plan {
            Plan::Ready(size) => {
                let mut result = answer(caller, size);
                match metadata_of(caller) {
                    Some(metadata) => self.machine.answer_with(key, Ok(&mut result), &metadata),
                    None => self.machine.answer(key, Ok(&mut result)),
                };
            }
            Plan::Fail => {
                // As a handler's error leaves it: it cannot claim that it did not run.
                let error = Error::unavailable("the handler failed").not_started(true);
                let error = crate::Failure::into_error(error, self.machine.structs());
                self.machine.answer(key, Err(&error));
            }
            Plan::PushBack => {
                let error = Error::aborted("a conflict").with_retry_after(PUSHED_BACK);
                match metadata_of(caller) {
                    Some(metadata) => self.machine.answer_with(key, Err(&error), &metadata),
                    None => self.machine.answer(key, Err(&error)),
                };
            }
            Plan::Pending => {
                let handle = self.pend(key, &incoming);
                self.handlers.push(Handler { key, handle, caller, streams: None });
            }
            Plan::Stream(script) => {
                let handle = self.pend(key, &incoming);
                let script = Script::draw(script.into(), self.sizes);
                if let Some(shape) = script.shape() {
                    self.machine.streams(key, handle, shape);
                }
                let streams = Some(Box::new(AtHandler::new(caller, script)));
                self.handlers.push(Handler { key, handle, caller, streams });
            }
        }
        self.codec.recycle(incoming.into_body());
    }

    fn pend(&mut self, key: CallKey, incoming: &Incoming) -> u32 {
        let handle = self.next_handle;
        self.next_handle += 1;
        self.machine.pending(key, handle, incoming.deadline());
        handle
    }

    /// Ends the pending handler with this index, or lets it do something if it streams.
    pub(super) fn finish(&mut self, index: usize, is_ending: bool, random: &mut Random) {
        if self.handlers[index].streams.is_some() {
            return self.act(index, is_ending, random);
        }
        let Handler { key, caller, .. } = self.handlers.swap_remove(index);
        self.respond(key, caller, Ok(&mut answer(caller, 0)));
    }

    /// Ends a pending handler, with the metadata that the handlers of its caller set.
    pub(super) fn respond(
        &mut self,
        key: CallKey,
        caller: usize,
        outcome: Result<&mut Encoder, &Error>,
    ) {
        match metadata_of(caller) {
            Some(metadata) => self.machine.finish_with(key, outcome, &metadata),
            None => self.machine.finish(key, outcome),
        };
    }

    /// Does what is due; whether the connection is given up.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let mut expired = Vec::new();
        let overdue = self.machine.expire(now, |handle| expired.push(handle));
        for handle in expired {
            self.remove(handle);
        }
        self.move_ready();
        overdue.is_some()
    }

    fn remove(&mut self, handle: u32) {
        let index = self.handlers.iter().position(|handler| handler.handle == handle);
        self.handlers.swap_remove(index.expect("a handler is stopped once, while it is pending"));
    }
}

/// What the handlers of this caller send back with their response: some do.
pub(super) fn metadata_of(caller: usize) -> Option<Metadata> {
    let size = *[0, 100].get(caller % 11)?;
    let mut metadata = Metadata::new();
    metadata.insert("caller", &caller.to_string());
    metadata.insert_bin("padding", &vec![0; size]);
    Some(metadata)
}

/// Whether this caller asks for it. One that receives a stream does in any case.
pub(super) fn wants_metadata(caller: usize) -> bool {
    caller.is_multiple_of(2)
}

/// The answer to this caller.
pub(super) fn answer(caller: usize, size: usize) -> Encoder {
    let mut encoder = Encoder::default();
    crate::msgpack::write_array_len(encoder.buffer(), 2);
    crate::msgpack::write_uint(encoder.buffer(), caller as u64);
    encoder.bin(&vec![0; size]);
    encoder
}

/// The caller to whom an answer was written.
pub(super) fn answered(payload: &Payload) -> usize {
    let mut arguments = Arguments::new(payload);
    usize::decode(arguments.take("caller")).expect("a number")
}
