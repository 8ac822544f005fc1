//! A whole connection of a server that is fed bytes, while its handlers end, are cancelled, or expire.
//!
//! The input is a row of instructions for the world, each followed by what it takes, so that a mutation changes what happens, not only what
//! is said.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use rpc_core::{
    Error, Metadata, Violation,
    connection::server::{CallKey, Config, Connection, Event, Permits, Shape},
    frame::{Frame, FrameCodec, FrameError, take_preface},
    msgpack::Reader,
    stream::Content,
    value::Encoder,
};
use tokio_util::codec::Decoder;

use crate::link::{LARGE, held, most_untaken};

const MAX_CALLS: u32 = 4;
const HIGH_WATER: usize = 4096;
const STREAM_WINDOW: usize = 200;
const CONNECTION_WINDOW: usize = 500;

/// What the next handlers do.
#[derive(Clone, Copy)]
enum Handling {
    /// They answer at once.
    AtOnce,
    /// They answer later.
    Later,
    /// They stream, and take a stream or do not.
    Streams(Shape),
}

struct Handler {
    handle: u32,
    key: CallKey,
    /// Whether the client's stream is taken, and what has come of it and was not.
    takes: bool,
    untaken: Vec<u64>,
    /// Whether the handler's next item waits for room.
    is_held: bool,
}

struct World {
    machine: Connection,
    codec: FrameCodec,
    input: BytesMut,
    now: Instant,
    handlers: Vec<Handler>,
    next: u32,
    handling: Handling,
    requests: usize,
    written: Vec<u8>,
}

/// Instructions: so many bytes arrive; a handler ends; time passes; the next handlers answer at once, later, or stream; what was written is
/// sent; a handler takes or sends items; the server goes away.
pub fn run(input: &[u8]) {
    let permits = Permits::new(MAX_CALLS * 2);
    let config = Config {
        write_high_water: HIGH_WATER,
        keepalive_idle: Duration::from_millis(300),
        keepalive_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_secs(2),
        max_timeout: Duration::from_secs(1),
        stream_window: STREAM_WINDOW,
        connection_window: CONNECTION_WINDOW,
        ..Config::new(0, MAX_CALLS)
    };
    let mut world = World {
        machine: Connection::sharing(config, permits.clone(), None),
        codec: FrameCodec::new(config.max_message_size),
        input: BytesMut::new(),
        now: Instant::now(),
        handlers: Vec::new(),
        next: 0,
        handling: Handling::AtOnce,
        requests: 0,
        written: Vec::new(),
    };
    let end = world.follow(input);
    if let Err(violation) = &end {
        world.machine.violated(violation);
    }
    world.finish_all();
    assert_eq!(permits.taken(), 0);
    let answers = world.answers();
    assert!(answers <= world.requests, "{answers} answers to {} requests", world.requests);
}

impl World {
    fn follow(&mut self, mut input: &[u8]) -> Result<(), Violation> {
        while let Some((instruction, rest)) = input.split_first() {
            input = rest;
            let amount = usize::from(instruction >> 3);
            match instruction & 7 {
                0..=2 => {
                    let count = (amount * 4 + 1).min(input.len());
                    self.input.extend_from_slice(&input[..count]);
                    input = &input[count..];
                    self.machine.heard(self.now);
                }
                3 => self.finish(amount),
                4 => {
                    self.now += Duration::from_millis(10) * u32::try_from(amount).unwrap_or(0);
                    if self.expire() {
                        return Ok(());
                    }
                }
                5 => {
                    self.handling = match amount % 8 {
                        6 | 7 => Handling::Streams(Shape { takes: amount % 2 == 0 }),
                        even if even % 2 == 0 => Handling::AtOnce,
                        _ => Handling::Later,
                    }
                }
                6 => self.send(),
                _ if amount >= 4 => self.stream(amount - 4),
                _ => self.machine.go_away(),
            }
            self.read()?;
            self.check();
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), Violation> {
        if self.machine.awaits_preface() {
            match take_preface(&mut self.input)? {
                Some(version) => self.machine.open(version),
                None => return Ok(()),
            }
        }
        while self.machine.unsent() < HIGH_WATER {
            let mut frame = match self.codec.decode(&mut self.input) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(()),
                Err(FrameError::Violation(violation)) => return Err(violation),
                Err(error) => unreachable!("no transport can fail here: {error}"),
            };
            self.count(&frame);
            match self.machine.receive(&mut frame, self.now)? {
                Event::None | Event::Refused { .. } | Event::GoAway(_) => {}
                Event::Call(key, incoming) => {
                    if let Handling::AtOnce = self.handling {
                        self.machine.answer(key, Err(&Error::aborted("at once")));
                    } else {
                        self.start(key, incoming.deadline());
                    }
                    self.codec.recycle(incoming.into_body());
                }
                Event::Item { handle, cost, .. } => {
                    let handler = self.handler(handle);
                    assert!(handler.takes, "somebody takes it");
                    handler.untaken.push(cost);
                }
                Event::EndOfItems { handle, .. } => {
                    let handler = self.handler(handle);
                    assert!(handler.takes, "a stream ends once");
                    handler.takes = false;
                }
                Event::Room => self.move_ready(),
                Event::Cancel { handle } => {
                    self.remove(handle);
                    self.move_ready();
                }
            }
            if let Frame::Whole(body) = frame {
                self.codec.recycle(body);
            }
        }
        Ok(())
    }

    fn start(&mut self, key: CallKey, deadline: Option<Instant>) {
        let handle = self.next;
        self.next += 1;
        self.machine.pending(key, handle, deadline);
        let mut takes = false;
        if let Handling::Streams(shape) = self.handling {
            self.machine.streams(key, handle, shape);
            takes = shape.takes;
        }
        let handler = Handler { handle, key, takes, untaken: Vec::new(), is_held: false };
        self.handlers.push(handler);
    }

    fn handler(&mut self, handle: u32) -> &mut Handler {
        let handler = self.handlers.iter_mut().find(|handler| handler.handle == handle);
        handler.expect("an event is about a handler that is pending")
    }

    /// Items that found no room are offered again.
    fn move_ready(&mut self) {
        while let Some(handle) = self.machine.next_ready() {
            // One that has ended is named, too.
            if let Some(handler) = self.handlers.iter_mut().find(|handler| handler.handle == handle)
            {
                handler.is_held = false;
            }
        }
    }

    /// A handler takes items, or takes no more, or sends something.
    fn stream(&mut self, action: usize) {
        let Some(index) = (action / 7).checked_rem(self.handlers.len()) else { return };
        let Handler { key, takes, untaken, is_held, .. } = &mut self.handlers[index];
        let lost = (action / 7 % 2) as u64;
        let mut item = Encoder::default();
        match action % 7 {
            0 => {
                let taken = untaken.drain(..untaken.len().min(3)).sum();
                self.machine.took(*key, taken);
            }
            1 => {
                *takes = false;
                untaken.clear();
                self.machine.stop_items(*key);
            }
            2 => {
                self.machine.send(*key, Content::Begin, 0);
            }
            _ if *is_held || self.machine.unsent() >= HIGH_WATER => {}
            3 => {
                let error = Error::aborted("no").with_details(vec![0; 100].into(), true);
                *is_held = !self.machine.send(*key, Content::Failure(&error), lost);
            }
            size => {
                item.bytes(&Bytes::from_static(&LARGE[..[10, 300, LARGE.len()][size - 4]]));
                *is_held = !self.machine.send(*key, Content::Item(&mut item), lost);
            }
        }
    }

    /// Requests, whatever becomes of them.
    fn count(&mut self, frame: &Frame) {
        let head = match frame {
            Frame::Whole(body) => body.as_slice(),
            Frame::Oversized { head, .. } => head,
        };
        let mut reader = Reader::new(head);
        let kind = reader.array_len().ok().and_then(|_| reader.unsigned().ok());
        // An array that announces more than the head of an oversized message holds is not read here; what is in parts may be a request.
        if matches!(kind, Some(0 | 3 | 10) | None) {
            self.requests += 1;
        }
    }

    fn finish(&mut self, which: usize) {
        if !self.handlers.is_empty() {
            let Handler { key, .. } = self.handlers.swap_remove(which % self.handlers.len());
            let mut result = Encoder::default();
            result.bytes(&Bytes::from_static(&LARGE[..if which == 31 { LARGE.len() } else { 20 }]));
            // Some with metadata, of which some is too much.
            let mut metadata = Metadata::new();
            if which % 5 == 1 {
                metadata.insert("node", "b");
                metadata.insert_bin("large", &LARGE[..[0, 9000][which / 5 % 2]]);
                self.machine.finish_with(key, Ok(&mut result), &metadata);
            } else {
                self.machine.finish(key, Ok(&mut result));
            }
        }
    }

    fn remove(&mut self, handle: u32) {
        let index = self.handlers.iter().position(|handler| handler.handle == handle);
        self.handlers.swap_remove(index.expect("a handler is stopped once, while it is pending"));
    }

    /// Whether the connection is given up.
    fn expire(&mut self) -> bool {
        let mut expired = Vec::new();
        let overdue = self.machine.expire(self.now, |handle| expired.push(handle));
        expired.into_iter().for_each(|handle| self.remove(handle));
        self.move_ready();
        overdue.is_some()
    }

    fn send(&mut self) {
        loop {
            let output = self.machine.output();
            let sent = output.copy_to_bytes(output.remaining());
            self.written.extend_from_slice(&sent);
            if !self.machine.next_part() {
                break;
            }
        }
    }

    fn check(&mut self) {
        assert_eq!(self.machine.in_flight(), self.handlers.len());
        assert!(self.handlers.len() <= MAX_CALLS as usize);
        // Above the mark nothing is read; what was pending then may still be answered, and a refusal is a sentence.
        let unsent = self.machine.output().remaining();
        assert!(unsent <= HIGH_WATER + 8192, "{unsent} bytes are unsent");
        let mut all = 0;
        for handler in &self.handlers {
            let untaken = held(&handler.untaken);
            assert!(untaken <= most_untaken(STREAM_WINDOW), "{untaken} bytes of a stream");
            all += untaken;
        }
        assert!(all <= most_untaken(CONNECTION_WINDOW), "{all} bytes of all streams");
    }

    fn finish_all(&mut self) {
        while !self.handlers.is_empty() {
            self.finish(0);
        }
        assert_eq!(self.machine.in_flight(), 0);
        self.machine.finish_parts();
        self.send();
    }

    /// The responses among what was written.
    fn answers(&self) -> usize {
        let mut input = BytesMut::from(&self.written[..]);
        if !matches!(take_preface(&mut input), Ok(Some(_))) {
            return 0;
        }
        let mut codec = FrameCodec::new(usize::MAX);
        let mut answers = 0;
        let mut parts = Vec::new();
        while let Ok(Some(Frame::Whole(body))) = codec.decode(&mut input) {
            let mut message = body.as_slice().to_vec();
            let mut reader = Reader::new(&message);
            reader.array_len().expect("a server writes arrays");
            let mut kind = reader.unsigned().expect("a type");
            if kind == 10 {
                let state = reader.unsigned().expect("a state");
                parts.extend_from_slice(reader.bin().expect("bytes"));
                if state == 1 {
                    continue;
                }
                message = std::mem::take(&mut parts);
                if state == 2 {
                    continue;
                }
                let mut reader = Reader::new(&message);
                reader.array_len().expect("parts make an array");
                kind = reader.unsigned().expect("a type");
            }
            answers += usize::from(matches!(kind, 1 | 5));
        }
        assert!(input.is_empty(), "a server writes whole frames");
        answers
    }
}
