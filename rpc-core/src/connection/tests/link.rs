//! One connection as the world sees it: both ends, and the bytes between them, which take their time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};

use super::ends::{ClientSide, ServerSide, Waiter};
use crate::{
    buffer::WriteBuffer,
    connection::{
        client::{self, LinkId},
        server,
    },
    random::Random,
};

/// One direction: pieces of bytes, each with the time at which it arrives, in order.
#[derive(Default)]
pub(super) struct Pipe(VecDeque<(Instant, Vec<u8>)>);

impl Pipe {
    /// Takes up to `count` bytes of what is to be sent, to arrive at this time or behind what was sent before. How many are left of `count`.
    pub(super) fn fill(
        &mut self,
        output: &mut WriteBuffer,
        mut count: usize,
        arrival: Instant,
    ) -> usize {
        let arrival = self.0.back().map_or(arrival, |(last, _)| arrival.max(*last));
        let mut piece = Vec::new();
        while count > 0 && output.has_remaining() {
            let part = output.chunk().len().min(count);
            piece.extend_from_slice(&output.chunk()[..part]);
            output.advance(part);
            count -= part;
        }
        if !piece.is_empty() {
            self.0.push_back((arrival, piece));
        }
        if !output.has_remaining() {
            output.release();
        }
        count
    }

    /// Hands on what has arrived, a piece at a time.
    pub(super) fn empty(&mut self, input: &mut BytesMut, now: Instant) {
        if self.0.front().is_some_and(|(arrival, _)| *arrival <= now)
            && let Some((_, piece)) = self.0.pop_front()
        {
            input.extend_from_slice(&piece);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One connection.
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) client: ClientSide,
    /// `None` once the server has closed: what it has sent still arrives.
    pub(super) server: Option<ServerSide>,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    /// Since when nothing is carried, in either direction.
    pub(super) stalled: Option<Instant>,
}

impl Link {
    pub(super) fn new(id: LinkId, config: server::Config, sizes: &'static [usize]) -> Self {
        Self {
            id,
            client: ClientSide::new(config.max_message_size),
            server: Some(ServerSide::new(config, sizes)),
            up: Pipe::default(),
            down: Pipe::default(),
            stalled: None,
        }
    }

    /// Moves up to `count` bytes towards the server; large messages go part by part, when nothing else is to be sent.
    pub(super) fn send_up(
        &mut self,
        channel: &mut client::Channel<Waiter>,
        mut count: usize,
        arrival: Instant,
    ) {
        channel.unblock(self.id, Waiter::notify);
        loop {
            count = self.up.fill(channel.output(self.id), count, arrival);
            channel.unblock(self.id, Waiter::notify);
            if count == 0 || channel.output(self.id).has_remaining() || !channel.next_part(self.id)
            {
                return;
            }
        }
    }

    /// The same towards the client.
    pub(super) fn send_down(&mut self, mut count: usize, arrival: Instant) {
        let Some(ServerSide { machine, .. }) = &mut self.server else {
            return;
        };
        loop {
            count = self.down.fill(machine.output(), count, arrival);
            if count == 0 || machine.output().has_remaining() || !machine.next_part() {
                return;
            }
        }
    }

    /// Whether nothing is under way, and nothing is to be sent.
    pub(super) fn is_quiet(&mut self, channel: &client::Channel<Waiter>) -> bool {
        let is_sent = self.server.as_mut().is_none_or(|server| {
            server.input.is_empty()
                && !server.machine.output().has_remaining()
                && !server.machine.has_parts()
        });
        is_sent && self.up.is_empty() && self.down.is_empty() && !channel.has_output(self.id)
    }

    /// Whether the server has closed, and all that it sent has arrived.
    pub(super) fn is_over(&self) -> bool {
        self.server.is_none() && self.down.is_empty() && self.stalled.is_none()
    }

    /// When a piece that is sent now arrives.
    pub(super) fn arrival(now: Instant, delay: Duration, random: &mut Random) -> Instant {
        if delay.is_zero() {
            return now;
        }
        let delay = u64::try_from(delay.as_nanos()).expect("it is short");
        now + Duration::from_nanos(random.number() % delay)
    }
}
