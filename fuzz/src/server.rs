//! A whole connection of a server that is fed bytes, while its handlers end, are cancelled, or expire.
//!
//! The input is a row of instructions for the world, each followed by what it takes, so that a mutation changes what happens, not only what
//! is said.

use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use rpc_core::{
    Error, Violation,
    connection::server::{CallKey, Config, Connection, Event, Permits},
    frame::{Frame, FrameCodec, FrameError, take_preface},
    value::Encoder,
};
use tokio_util::codec::Decoder;

const MAX_CALLS: u32 = 4;
const HIGH_WATER: usize = 4096;

struct World {
    machine: Connection,
    codec: FrameCodec,
    input: BytesMut,
    now: Instant,
    handlers: Vec<(u32, CallKey)>,
    next: u32,
    answers_at_once: bool,
    requests: usize,
    written: Vec<u8>,
}

/// Instructions: so many bytes arrive; a handler ends; time passes; the next handlers answer at once or later; what was written is
/// sent; the server goes away.
pub fn run(input: &[u8]) {
    let permits = Permits::new(MAX_CALLS * 2);
    let config = Config {
        write_high_water: HIGH_WATER,
        keepalive_idle: Duration::from_millis(300),
        keepalive_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_secs(2),
        max_timeout: Duration::from_secs(1),
        ..Config::new(0, MAX_CALLS)
    };
    let mut world = World {
        machine: Connection::sharing(config, permits.clone(), None),
        codec: FrameCodec::new(config.max_message_size),
        input: BytesMut::new(),
        now: Instant::now(),
        handlers: Vec::new(),
        next: 0,
        answers_at_once: true,
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
                5 => self.answers_at_once = amount % 2 == 0,
                6 => self.send(),
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
        while self.machine.output().remaining() < HIGH_WATER {
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
                    if self.answers_at_once {
                        self.machine.answer(key, Err(&Error::aborted("at once")));
                    } else {
                        self.machine.pending(key, self.next, incoming.deadline());
                        self.handlers.push((self.next, key));
                        self.next += 1;
                    }
                    self.codec.recycle(incoming.into_body());
                }
                Event::Cancel { handle } => self.remove(handle),
            }
            if let Frame::Whole(body) = frame {
                self.codec.recycle(body);
            }
        }
        Ok(())
    }

    /// Requests, whatever becomes of them.
    fn count(&mut self, frame: &Frame) {
        let head = match frame {
            Frame::Whole(body) => body.as_slice(),
            Frame::Oversized { head, .. } => head,
        };
        let mut reader = rpc_core::msgpack::Reader::new(head);
        let kind = reader.array_len().ok().and_then(|_| reader.unsigned().ok());
        // An array that announces more than the head of an oversized message holds is not read here.
        if matches!(kind, Some(0 | 3) | None) {
            self.requests += 1;
        }
    }

    fn finish(&mut self, which: usize) {
        if !self.handlers.is_empty() {
            let (_, key) = self.handlers.swap_remove(which % self.handlers.len());
            let mut result = Encoder::default();
            result.bin(&[7; 20]);
            self.machine.finish(key, Ok(&mut result));
        }
    }

    fn remove(&mut self, handle: u32) {
        let index = self.handlers.iter().position(|(pending, _)| *pending == handle);
        self.handlers.swap_remove(index.expect("a handler is stopped once, while it is pending"));
    }

    /// Whether the connection is given up.
    fn expire(&mut self) -> bool {
        let mut expired = Vec::new();
        let overdue = self.machine.expire(self.now, |handle| expired.push(handle));
        expired.into_iter().for_each(|handle| self.remove(handle));
        overdue.is_some()
    }

    fn send(&mut self) {
        let output = self.machine.output();
        let sent = output.copy_to_bytes(output.remaining());
        self.written.extend_from_slice(&sent);
    }

    fn check(&mut self) {
        assert_eq!(self.machine.in_flight(), self.handlers.len());
        assert!(self.handlers.len() <= MAX_CALLS as usize);
        // Above the mark nothing is read; what was pending then may still be answered, and a refusal is a sentence.
        let unsent = self.machine.output().remaining();
        assert!(unsent <= HIGH_WATER + 8192, "{unsent} bytes are unsent");
    }

    fn finish_all(&mut self) {
        while !self.handlers.is_empty() {
            self.finish(0);
        }
        assert_eq!(self.machine.in_flight(), 0);
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
        while let Ok(Some(Frame::Whole(body))) = codec.decode(&mut input) {
            let mut reader = rpc_core::msgpack::Reader::new(body.as_slice());
            reader.array_len().expect("a server writes arrays");
            answers += usize::from(reader.unsigned().expect("a type") == 1);
        }
        assert!(input.is_empty(), "a server writes whole frames");
        answers
    }
}
