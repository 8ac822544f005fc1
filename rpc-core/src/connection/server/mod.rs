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

mod answering;
mod expiring;
mod interface;
mod lifetime;
mod permits;
mod streaming;
mod writing;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rustc_hash::FxHashMap;

pub use self::{
    interface::{CallKey, Config, Event, Overdue, Retirement, Shape},
    permits::{Outliving, Permits},
};
use self::{
    interface::{request_too_large, shutting_down, too_many_calls, too_many_calls_in_all},
    lifetime::Lifetime,
    permits::Held,
    streaming::Streams,
};
use crate::{
    Error,
    buffer::WriteBuffer,
    connection::parts::{Assembled, Assembly, Bulk},
    dispatch::Incoming,
    frame::{Frame, VERSION, preface},
    hello::Hello,
    limits::{MAX_METHOD_NAME, MAX_TIMEOUT},
    message::{self, Control, Message, kind},
    metadata::{self, Extras},
    payload::{Body, Payload, Span, slice},
    value::Structs,
    violation::Violation,
};

/// What is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preface,
    Hello,
    Open,
    /// No further calls are taken.
    Draining,
}

#[derive(Debug)]
struct Pending {
    handle: u32,
    deadline: Option<Instant>,
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
    /// Whether a call has ended since it was looked for.
    has_ended: bool,
    /// One permit for each of both.
    permits: Held,
    /// At or before the earliest deadline: a call that ends does not move it.
    timer: Option<Instant>,
    accepted: u64,
    /// Requests that came, less the cancels that did.
    cancels_left: u64,
    /// When the connection is to end by itself; until it is open, the driver's business.
    retirement: Option<Retirement>,
    lifetime: Option<Lifetime>,
    /// When what is left is to be dropped.
    drained_by: Option<Instant>,
    streams: Streams,
    /// What arrives in parts.
    assembly: Assembly,
    /// What goes out in parts.
    bulk: Bulk,
    output: WriteBuffer,
}

impl Connection {
    /// The server's end of a connection from which nothing was read, by itself.
    pub fn new(config: Config) -> Self {
        Self::sharing(config, Permits::new(u32::MAX), None)
    }

    /// The same, of a server that has other connections besides, and that may want to end this one.
    pub fn sharing(config: Config, permits: Arc<Permits>, retirement: Option<Retirement>) -> Self {
        let config = config.clamped();
        Self {
            config,
            streams: Streams::new(&config),
            assembly: Assembly::default(),
            bulk: Bulk::default(),
            state: State::Preface,
            peer: Hello::default(),
            calls: FxHashMap::default(),
            leftovers: 0,
            has_ended: false,
            permits: Held::new(permits),
            timer: None,
            accepted: 0,
            cancels_left: 0,
            retirement,
            lifetime: None,
            drained_by: None,
            output: WriteBuffer::new(),
        }
    }

    /// Takes the version that the client's preface carried, and opens this side (PROTOCOL 1.4, 1.5).
    pub fn open(&mut self, (_, minor): (u16, u16)) {
        self.output.raw(&preface(VERSION.0, minor.min(VERSION.1)));
        self.open_behind_preface();
    }

    /// Opens this side where the prefaces were exchanged already (PROTOCOL 12.5).
    pub fn open_behind_preface(&mut self) {
        debug_assert_eq!(self.state, State::Preface, "there is one preface");
        self.state = State::Hello;
        let hello = Hello {
            max_calls: self.config.max_calls,
            max_message_size: self.config.max_message_size,
            stream_window: self.config.stream_window,
            connection_window: self.config.connection_window,
            ping_interval: self.config.ping_interval,
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
            return self.hello(message, body.as_slice(), now);
        }
        match message {
            Message::Call { id, method, metadata, payload } => {
                self.call(id, method, metadata, payload, body, now)
            }
            Message::Response { .. } => {
                Err(Violation::WrongSide { kind: message::kind_of(body.as_slice()) })
            }
            Message::Control(control) => self.control(control, frame, now),
        }
    }

    /// Takes a message that is no call; apart, so that calls are taken without a detour.
    #[inline(never)]
    fn control(
        &mut self,
        control: Control,
        frame: &mut Frame,
        now: Instant,
    ) -> Result<Event, Violation> {
        let Frame::Whole(body) = frame else {
            return Ok(Event::None);
        };
        match control {
            Control::Item { id, error, payload } => self.item(id, error, payload, body),
            Control::End { id, error } => self.end_of_items(id, error, body),
            Control::Credit { id, bytes } => self.credit(id, bytes, body.as_slice().len()),
            Control::Part { state, bytes } => {
                let limit = self.config.max_message_size;
                let part = slice(body, &bytes);
                match self.assembly.receive(state, part, limit, &mut self.output)? {
                    Assembled::Nothing => Ok(Event::None),
                    Assembled::Oversized { size, head } => {
                        let (kind, id) = message::oversized(&head)?;
                        self.oversized(kind, id, size)
                    }
                    Assembled::Whole(whole) => {
                        *frame = Frame::Whole(whole);
                        self.receive(frame, now)
                    }
                }
            }
            Control::Cancel { id } => {
                // Each request may be cancelled once: more cancels are for nothing.
                self.cancels_left =
                    self.cancels_left.checked_sub(1).ok_or(Violation::TooManyCancels)?;
                Ok(self.cancel(id))
            }
            Control::Ping { token } => {
                self.open_since(now).allow(now)?;
                self.output.message(|out| message::write_pong(out, token));
                Ok(Event::None)
            }
            Control::Pong => self.open_since(now).answered(now).map(|()| Event::None),
            Control::Ignored => self.open_since(now).allow(now).map(|()| Event::None),
            Control::GoAway { error, .. } => {
                self.open_since(now).allow(now)?;
                let reason = error.map(|span| message::error_in(body, &span)).transpose()?;
                Ok(Event::GoAway(reason))
            }
            Control::Hello(_) => Err(Violation::SecondHello),
            Control::Received { bytes } => self.bulk.received(bytes).map(|()| Event::None),
            Control::Response { .. } | Control::Begin { .. } | Control::Lost { .. } => {
                Err(Violation::WrongSide { kind: message::kind_of(body.as_slice()) })
            }
        }
    }

    fn hello(&mut self, message: Message, frame: &[u8], now: Instant) -> Result<Event, Violation> {
        let Message::Control(Control::Hello(hello)) = message else {
            return Err(Violation::HelloExpected { kind: message::kind_of(frame) });
        };
        self.peer = hello;
        self.streams.open(&hello);
        self.state = State::Open;
        let next = self.open_since(now).next_deadline();
        self.due(next);
        Ok(Event::None)
    }

    /// What ends the open connection.
    fn open_since(&mut self, now: Instant) -> &mut Lifetime {
        let Self { config, retirement, peer, .. } = self;
        self.lifetime.get_or_insert_with(|| {
            // The client ends connections on which it is asked more often than it likes (PROTOCOL 8.2).
            let idle = config.keepalive_idle.max(peer.ping_interval);
            Lifetime::new(config, idle, retirement.take(), now)
        })
    }

    /// Bytes have come from the client; or none could, because this end does not read.
    pub fn heard(&mut self, now: Instant) {
        if let Some(lifetime) = &mut self.lifetime {
            lifetime.heard(now);
        }
    }

    /// A call that was pending is over.
    fn call_ended(&mut self) {
        self.permits.give();
        self.has_ended = true;
    }

    /// The timer fires at this time at the latest.
    fn due(&mut self, time: Option<Instant>) {
        self.timer = match (self.timer, time) {
            (Some(timer), Some(time)) => Some(timer.min(time)),
            (timer, time) => timer.or(time),
        };
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
            && self.is_outstanding(id)
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
        if id.is_some() {
            self.cancels_left += 1;
            self.streams.expect();
        }
        if self.state == State::Draining {
            return Ok(self.refuse(id, Some(method), shutting_down()));
        }
        self.accepted += 1;
        if let Some(lifetime) = &mut self.lifetime {
            lifetime.called(now);
        }
        if self.calls.len() + self.leftovers >= self.config.max_calls as usize {
            return Ok(self.refuse(id, Some(method), too_many_calls(self.config.max_calls)));
        }
        if !self.permits.has_room() {
            return Ok(self.refuse(id, Some(method), too_many_calls_in_all(self.permits.limit())));
        }
        if metadata_size > self.config.max_metadata_size {
            let limit = self.config.max_metadata_size;
            let error = metadata::too_large(metadata_size, limit, "on the server");
            return Ok(self.refuse(id, Some(method), error));
        }
        if method.len() > MAX_METHOD_NAME {
            let error = Error::invalid_argument(format!(
                "the method's name has {} bytes, more than the {MAX_METHOD_NAME} allowed",
                method.len()
            ));
            return Ok(self.refuse(id, Some(method), error));
        }
        let incoming = Incoming {
            payload: Payload::new(std::mem::take(body), payload).nesting(self.config.max_nesting),
            method,
            metadata,
            attempt: extras.attempt.unwrap_or(1),
            deadline: self.timeout(extras.timeout).map(|timeout| now + timeout),
            structs: self.peer.structs,
        };
        Ok(Event::Call(key, incoming))
    }

    /// Whether the response to this id has not gone out whole.
    fn is_outstanding(&self, id: u32) -> bool {
        let is_pending =
            !self.calls.is_empty() && self.calls.contains_key(&CallKey::of_request(id));
        is_pending || self.bulk.holds(id)
    }

    /// How long a call may take that asks for so much.
    fn timeout(&self, asked: Option<Duration>) -> Option<Duration> {
        // A client with a default says so of a call that is to have none (PROTOCOL 4.7).
        let asked = asked.or(self.peer.default_timeout).filter(|asked| *asked < MAX_TIMEOUT);
        let most = self.config.max_timeout;
        if most == MAX_TIMEOUT { asked } else { Some(asked.map_or(most, |asked| asked.min(most))) }
    }

    fn oversized(&mut self, kind: u64, id: Option<u32>, size: usize) -> Result<Event, Violation> {
        if self.state == State::Hello && kind != u64::from(kind::HELLO) {
            return Err(Violation::HelloExpected { kind });
        }
        match u8::try_from(kind).unwrap_or(u8::MAX) {
            kind::REQUEST | kind::REQUEST_WITH_METADATA => {
                if let Some(id) = id
                    && self.is_outstanding(id)
                {
                    return Err(Violation::DuplicateId { id });
                }
                self.cancels_left += u64::from(id.is_some());
                self.streams.expect();
                if self.state == State::Draining {
                    return Ok(self.refuse(id, None, shutting_down()));
                }
                self.accepted += 1;
                let limit = self.config.max_message_size;
                Ok(self.refuse(id, None, request_too_large(size, limit)))
            }
            kind::NOTIFICATION | kind::NOTIFICATION_WITH_METADATA => {
                self.accepted += u64::from(self.state != State::Draining);
                let limit = self.config.max_message_size;
                Ok(self.refuse(None, None, request_too_large(size, limit)))
            }
            _ => Err(Violation::MessageTooLarge { kind, size }),
        }
    }

    /// Frees what the table of calls held at its fullest.
    pub fn shrink(&mut self) {
        self.calls.shrink_to_fit();
        self.streams.shrink();
    }

    /// Takes no further calls and tells the client so (PROTOCOL 9.1).
    pub fn go_away(&mut self) {
        if self.state == State::Open {
            self.state = State::Draining;
            let accepted = self.accepted;
            self.output.message(|out| message::write_go_away(out, accepted, None));
        }
    }

    /// Serves nobody here, for this reason: the client is told, and the connection ends behind it.
    pub fn refuse_client(&mut self, error: &Error) {
        if self.state == State::Open {
            self.state = State::Draining;
            self.output.message(|out| message::write_go_away(out, 0, Some(error)));
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

    /// Whether it takes no further calls.
    pub fn is_draining(&self) -> bool {
        self.state == State::Draining
    }

    /// Whether it drains and nothing is left to answer or to send.
    pub fn is_finished(&self) -> bool {
        self.state == State::Draining
            && self.calls.is_empty()
            && self.bulk.is_empty()
            && !bytes::Buf::has_remaining(&self.output)
    }

    /// The number of calls whose handlers are pending.
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    /// Unsent bytes above which nothing is to be read.
    pub fn high_water(&self) -> usize {
        self.config.write_high_water
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
}
