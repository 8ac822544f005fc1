//! A whole channel that is fed the bytes of servers, while calls are made and dropped, time passes, and connections are lost.
//!
//! As for the server, the input is a row of instructions, each followed by what it takes.

use std::time::Duration;

use bytes::BytesMut;
use rpc_core::frame::{Frame, FrameCodec, FrameError, take_preface};
use tokio_util::codec::Decoder;

use crate::link::Client;

/// Instructions: so many bytes arrive; a call is made, or dropped; time passes; callers look, take items, and send some; the output is
/// sent; the connection is lost; another one is made.
pub fn run(mut input: &[u8]) {
    let mut client = Client::new();
    let mut stream = Stream::new();
    client.connect();
    while let Some((instruction, rest)) = input.split_first() {
        input = rest;
        let amount = usize::from(instruction >> 3);
        match instruction & 7 {
            0..=2 => {
                let count = (amount * 4 + 1).min(input.len());
                stream.input.extend_from_slice(&input[..count]);
                input = &input[count..];
                if !stream.read(&mut client) {
                    client.lose(true);
                    stream = Stream::new();
                }
            }
            3 if client.made < 200 => client.submit(amount),
            4 => client.pass(Duration::from_millis(5) * u32::try_from(amount).unwrap_or(0)),
            5 if amount < 16 => client.take(),
            5 => client.send(),
            6 => {
                client.lose(false);
                stream = Stream::new();
                client.connect();
            }
            7 if amount >= 8 => client.stream(amount - 8),
            _ => client.drop_call(),
        }
        if client.link.is_none() {
            // Lost by itself; and a server that goes away is left when the next call wants a connection.
            stream = Stream::new();
            client.connect();
        }
    }
    client.lose(false);
    client.end();
}

struct Stream {
    codec: FrameCodec,
    input: BytesMut,
    has_preface: bool,
}

impl Stream {
    fn new() -> Self {
        Self { codec: FrameCodec::new(0), input: BytesMut::new(), has_preface: false }
    }

    /// Hands the frames on; whether they broke no rule.
    fn read(&mut self, client: &mut Client) -> bool {
        if !self.has_preface {
            match take_preface(&mut self.input) {
                Ok(Some(_)) => self.has_preface = true,
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        loop {
            match self.codec.decode(&mut self.input) {
                Ok(Some(mut frame)) => {
                    if client.receive_frame(&mut frame).is_err() {
                        return false;
                    }
                    if let Frame::Whole(body) = frame {
                        self.codec.recycle(body);
                    }
                }
                Ok(None) => return true,
                Err(FrameError::Violation(_)) => return false,
                Err(error) => unreachable!("no transport can fail here: {error}"),
            }
        }
    }
}
