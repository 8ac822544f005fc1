//! The server's end of a connection.
//!
//! Driven by the connection's task in `rpc-server`. It decides which calls may run, remembers those whose handlers are
//! pending, writes every answer, and knows when the next call expires. It does not know what a handler is: a pending
//! call is a number that its driver chose.
//!
//! ```text
//!            preface          hello           go_away           last call ended
//!  Preface ──────────▶ Hello ────────▶ Open ──────────▶ Draining ────────────────▶ finished
//! ```
//!
//! A call whose handler is ready at its first poll enters no table: [`Event::Call`] is answered before the next frame is
//! received. Bounds: calls in flight (`max_calls`), and output, which its driver keeps below the high-water mark by not
//! reading. A [`Violation`] ends the connection, everything else at most one call. PROTOCOL 1, 4, 8, 9.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::{
    Error,
    buffer::WriteBuffer,
    dispatch::Incoming,
    frame::{Frame, VERSION, preface},
    hello::Hello,
    limits::{ASSUMED_MESSAGE_SIZE, MAX_FRAME_SIZE, MAX_METADATA_SIZE, MAX_METHOD_NAME},
    message::{self, Message, kind},
    metadata::{self, Extras},
    payload::{Body, Payload, Span, slice},
    value::{Encoder, Structs},
    violation::Violation,
};

/// What the server's end is told once.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Bytes of the largest message that is accepted; at least 64 KiB (PROTOCOL 1.6).
    pub max_message_size: usize,
    /// Calls in flight that are accepted; at least 1.
    pub max_calls: u32,
}

impl Config {
    /// A configuration; what is outside of what the protocol allows is brought to its nearest bound.
    pub fn new(max_message_size: usize, max_calls: u32) -> Self {
        Self {
            max_message_size: max_message_size.clamp(ASSUMED_MESSAGE_SIZE, MAX_FRAME_SIZE),
            max_calls: max_calls.max(1),
        }
    }
}

/// What is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preface,
    Hello,
    Open,
    Draining,
}

/// One call, from when it arrived until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallKey(u64);

impl CallKey {
    fn of_request(id: u32) -> Self {
        Self(u64::from(id))
    }

    /// Notifications have no id; a key of their own begins above all ids.
    fn of_notification(ordinal: u64) -> Self {
        Self(ordinal | 1 << 63)
    }

    fn id(self) -> Option<u32> {
        u32::try_from(self.0).ok()
    }

    /// Whether its caller gets no answer.
    pub fn is_notification(self) -> bool {
        self.id().is_none()
    }
}

#[derive(Debug)]
struct Pending {
    handle: u32,
    deadline: Option<Instant>,
}

/// What a received frame asks of the driver.
#[derive(Debug)]
pub enum Event {
    /// Nothing.
    None,
    /// Run this call: poll its handler once, then [`answer`](Connection::answer) or [`pending`](Connection::pending).
    Call(CallKey, Incoming),
    /// Drop the handler with this handle; its call has been answered.
    Cancel {
        /// The number that the driver gave to [`pending`](Connection::pending).
        handle: u32,
    },
    /// The client goes away, for this reason if it had one.
    GoAway(Option<Error>),
}

/// The server's end of one connection.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    state: State,
    peer: Hello,
    calls: FxHashMap<CallKey, Pending>,
    /// Handlers that run on although their calls were answered; they count as in flight.
    leftovers: usize,
    /// At or before the earliest deadline in `calls`: a call that ends does not move it.
    timer: Option<Instant>,
    accepted: u64,
    output: WriteBuffer,
}

impl Connection {
    /// The server's end of a connection from which nothing was read.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Preface,
            peer: Hello::default(),
            calls: FxHashMap::default(),
            leftovers: 0,
            timer: None,
            accepted: 0,
            output: WriteBuffer::new(),
        }
    }

    /// Takes the version that the client's preface carried, and opens this side (PROTOCOL 1.4, 1.5).
    pub fn open(&mut self, (_, minor): (u16, u16)) {
        debug_assert_eq!(self.state, State::Preface, "there is one preface");
        self.state = State::Hello;
        self.output.raw(&preface(VERSION.0, minor.min(VERSION.1)));
        let hello = Hello {
            max_calls: self.config.max_calls,
            max_message_size: self.config.max_message_size,
            ..Hello::default()
        };
        self.output.message(|out| message::write_hello(out, &hello));
    }

    /// Answers a preface with a version that this end does not speak; the connection ends behind it.
    pub fn refuse_version(&mut self) {
        self.output.raw(&preface(VERSION.0, VERSION.1));
    }

    /// Whether preface and hello have come.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::Draining)
    }

    /// Whether the first bytes have not come.
    pub fn awaits_preface(&self) -> bool {
        self.state == State::Preface
    }

    /// Takes one frame. What the event does not take out of `frame` can be used again.
    ///
    /// # Errors
    ///
    /// A [`Violation`]: the connection is over. Call [`violated`](Self::violated) and send what is left.
    pub fn receive(&mut self, frame: &mut Frame, now: Instant) -> Result<Event, Violation> {
        let body = match frame {
            Frame::Whole(body) => body,
            Frame::Oversized { size, head } => {
                let (kind, id) = message::oversized(head)?;
                return self.oversized(kind, id, *size);
            }
        };
        let message = Message::parse(body.as_slice())?;
        if self.state == State::Hello {
            return self.hello(message, body.as_slice());
        }
        match message {
            Message::Call { id, method, metadata, payload } => {
                self.call(id, method, metadata, payload, body, now)
            }
            Message::Cancel { id } => Ok(self.cancel(id)),
            Message::Ping { token } => {
                self.output.message(|out| message::write_pong(out, token));
                Ok(Event::None)
            }
            Message::Pong | Message::Ignored => Ok(Event::None),
            Message::GoAway { error, .. } => Ok(Event::GoAway(
                error.and_then(|span| message::read_error(slice(body, &span)).ok()),
            )),
            Message::Hello(_) => Err(Violation::SecondHello),
            Message::Response { .. } => {
                Err(Violation::WrongSide { kind: message::kind_of(body.as_slice()) })
            }
        }
    }

    fn hello(&mut self, message: Message, frame: &[u8]) -> Result<Event, Violation> {
        let Message::Hello(hello) = message else {
            return Err(Violation::HelloExpected { kind: message::kind_of(frame) });
        };
        self.peer = hello;
        self.state = State::Open;
        Ok(Event::None)
    }

    fn call(
        &mut self,
        id: Option<u32>,
        method: Span,
        metadata: Option<Span>,
        payload: u32,
        body: &mut Body,
        now: Instant,
    ) -> Result<Event, Violation> {
        let key = match id {
            Some(id) => CallKey::of_request(id),
            None => CallKey::of_notification(self.accepted),
        };
        if let Some(id) = id
            && !self.calls.is_empty()
            && self.calls.contains_key(&key)
        {
            return Err(Violation::DuplicateId { id });
        }
        let (extras, metadata_size) = match &metadata {
            Some(span) => {
                let map = slice(body, span);
                let (extras, _) = metadata::read(map).map_err(|malformed| {
                    Violation::Malformed { part: "the metadata", malformed }
                })?;
                (extras, map.len())
            }
            None => (Extras::default(), 0),
        };
        if self.state == State::Draining {
            return Ok(self.refuse(id, shutting_down()));
        }
        self.accepted += 1;
        if self.calls.len() + self.leftovers >= self.config.max_calls as usize {
            return Ok(self.refuse(id, too_many_calls(self.config.max_calls)));
        }
        if metadata_size > MAX_METADATA_SIZE {
            return Ok(self.refuse(id, metadata::too_large(metadata_size)));
        }
        if method.len() > MAX_METHOD_NAME {
            let error = Error::invalid_argument(format!(
                "the method's name has {} bytes, more than the {MAX_METHOD_NAME} allowed",
                method.len()
            ));
            return Ok(self.refuse(id, error));
        }
        let incoming = Incoming {
            payload: Payload::new(std::mem::take(body), payload),
            method,
            metadata,
            attempt: extras.attempt.unwrap_or(1),
            deadline: extras.timeout.or(self.peer.default_timeout).map(|timeout| now + timeout),
            structs: self.peer.structs,
        };
        Ok(Event::Call(key, incoming))
    }

    fn oversized(&mut self, kind: u64, id: Option<u32>, size: usize) -> Result<Event, Violation> {
        if self.state == State::Hello && kind != u64::from(kind::HELLO) {
            return Err(Violation::HelloExpected { kind });
        }
        match u8::try_from(kind).unwrap_or(u8::MAX) {
            kind::REQUEST | kind::REQUEST_WITH_METADATA => {
                if let Some(id) = id
                    && self.calls.contains_key(&CallKey::of_request(id))
                {
                    return Err(Violation::DuplicateId { id });
                }
                if self.state == State::Draining {
                    return Ok(self.refuse(id, shutting_down()));
                }
                self.accepted += 1;
                let limit = self.config.max_message_size;
                Ok(self.refuse(id, request_too_large(size, limit)))
            }
            kind::NOTIFICATION | kind::NOTIFICATION_WITH_METADATA => {
                self.accepted += u64::from(self.state != State::Draining);
                Ok(Event::None)
            }
            _ => Err(Violation::MessageTooLarge { kind, size }),
        }
    }

    /// Answers a call that did not start. A notification has nobody to tell.
    fn refuse(&mut self, id: Option<u32>, error: Error) -> Event {
        if let Some(id) = id {
            self.write_failure(id, &error.not_started(true));
        }
        Event::None
    }

    fn cancel(&mut self, id: u32) -> Event {
        match self.calls.remove(&CallKey::of_request(id)) {
            Some(Pending { handle, .. }) => {
                self.write_failure(id, &Error::cancelled("the caller cancelled the call"));
                Event::Cancel { handle }
            }
            None => Event::None,
        }
    }

    /// Notes that a call's handler did not end at its first poll. `handle` is what events will call it.
    pub fn pending(&mut self, key: CallKey, handle: u32, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            self.timer = Some(self.timer.map_or(deadline, |timer| timer.min(deadline)));
        }
        self.calls.insert(key, Pending { handle, deadline });
    }

    /// Answers a call whose handler ended at its first poll, or that has none.
    pub fn answer(&mut self, key: CallKey, outcome: Result<&mut Encoder, &Error>) {
        let Some(id) = key.id() else {
            return;
        };
        match outcome {
            Ok(result) => self.write_result(id, result),
            Err(error) => self.write_failure(id, error),
        }
    }

    /// Answers a call that was pending.
    pub fn finish(&mut self, key: CallKey, outcome: Result<&mut Encoder, &Error>) {
        let pending = self.calls.remove(&key);
        debug_assert!(pending.is_some(), "a call is finished once");
        self.answer(key, outcome);
    }

    /// Notes that the handler of a call that was cancelled or expired could not be dropped.
    pub fn left_over(&mut self) {
        self.leftovers += 1;
    }

    /// Notes that such a handler has ended.
    pub fn leftover_ended(&mut self) {
        debug_assert!(self.leftovers > 0, "a leftover ends once");
        self.leftovers -= 1;
    }

    /// Frees what the table of calls held at its fullest.
    pub fn shrink(&mut self) {
        self.calls.shrink_to_fit();
    }

    /// When [`expire`](Self::expire) is to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timer
    }

    /// Answers the calls whose deadline has passed, and hands each one's handle to `expired`.
    pub fn expire(&mut self, now: Instant, mut expired: impl FnMut(u32)) {
        if self.timer.is_none_or(|timer| timer > now) {
            return;
        }
        self.timer = None;
        let mut ended = Vec::new();
        for (key, pending) in &self.calls {
            match pending.deadline {
                Some(deadline) if deadline <= now => ended.push(*key),
                Some(deadline) => {
                    self.timer = Some(self.timer.map_or(deadline, |timer| timer.min(deadline)));
                }
                None => {}
            }
        }
        for key in ended {
            if let Some(Pending { handle, .. }) = self.calls.remove(&key) {
                expired(handle);
                let error = Error::deadline_exceeded("the deadline passed while the handler ran");
                self.answer(key, Err(&error));
            }
        }
    }

    /// Takes no further calls and tells the client so (PROTOCOL 9.1).
    pub fn go_away(&mut self) {
        if self.state == State::Open {
            self.state = State::Draining;
            let accepted = self.accepted;
            self.output.message(|out| message::write_go_away(out, accepted, None));
        }
    }

    /// Tells the client which rule it broke, where the connection has got that far (PROTOCOL 9.4).
    pub fn violated(&mut self, violation: &Violation) {
        match violation {
            Violation::Version { .. } => self.refuse_version(),
            _ if self.state == State::Preface => {}
            _ => {
                let error = Error::internal(violation.to_string());
                let accepted = self.accepted;
                self.output.message(|out| message::write_go_away(out, accepted, Some(&error)));
            }
        }
    }

    /// Whether it drains and nothing is left to answer or to send.
    pub fn is_finished(&self) -> bool {
        self.state == State::Draining
            && self.calls.is_empty()
            && !bytes::Buf::has_remaining(&self.output)
    }

    /// The number of calls whose handlers are pending.
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    /// What is to be sent.
    pub fn output(&mut self) -> &mut WriteBuffer {
        &mut self.output
    }

    /// How the client wants structs to be written.
    pub fn structs(&self) -> Structs {
        self.peer.structs
    }

    /// The timeout of the client's calls that carry none.
    pub fn default_timeout(&self) -> Option<Duration> {
        self.peer.default_timeout
    }

    fn write_result(&mut self, id: u32, result: &mut Encoder) {
        // The head of a response takes at most 8 bytes.
        let size = result.len() + 8;
        if size > self.peer.max_message_size {
            let error = answer_too_large(size, self.peer.max_message_size);
            return self.write_failure(id, &error);
        }
        self.output.frame(|out| message::write_result(out, id), result);
    }

    fn write_failure(&mut self, id: u32, error: &Error) {
        if error.details().is_some_and(|details| details.len() > self.peer.max_message_size / 2) {
            let error = Error::new(error.kind(), error.message().to_owned());
            return self.output.message(|out| message::write_failure(out, id, &error));
        }
        self.output.message(|out| message::write_failure(out, id, error));
    }
}

fn shutting_down() -> Error {
    Error::unavailable("the server is shutting down")
}

fn too_many_calls(limit: u32) -> Error {
    Error::resource_exhausted(format!(
        "more than {limit} calls in flight on this connection; raise it with `max_calls_per_connection` on the server"
    ))
}

fn request_too_large(size: usize, limit: usize) -> Error {
    Error::resource_exhausted(format!(
        "the request has {size} bytes, more than the {limit} that the server accepts; raise it with `max_message_size` on the server"
    ))
}

fn answer_too_large(size: usize, limit: usize) -> Error {
    Error::resource_exhausted(format!(
        "the answer has {size} bytes, more than the {limit} that the client accepts; raise it with `max_message_size` on the channel's builder"
    ))
}
