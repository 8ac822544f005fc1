//! What callers do: they make calls, take what has come, send what they stream, leave, and look whether their calls have ended.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use super::{
    ends::{Plan, Waiter, answered, metadata_of, wants_metadata},
    script::Script,
    streams::{AtCaller, consume},
    world::World,
};
use crate::{
    Code,
    connection::client::{CallRef, Outgoing},
    limits::ASSUMED_MESSAGE_SIZE,
    value::Encoder,
};

/// A call as its caller holds it.
pub(super) struct Caller {
    pub(super) number: usize,
    pub(super) call: CallRef,
    pub(super) deadline: Option<Instant>,
    /// Whether the deadline holds until the stream has begun.
    pub(super) opens_only: bool,
    pub(super) oneway: bool,
}

/// What is true of one call, whatever its caller is told.
#[derive(Default)]
pub(super) struct Truth {
    pub(super) idempotent: bool,
    /// How often its handler has started.
    pub(super) started: u32,
    /// The last attempt that a handler saw.
    pub(super) attempt: u32,
    /// The attempt in which an item passed, as far as the caller knows: it is the last.
    pub(super) passed: Option<u32>,
    /// Its caller was told that it had not started.
    pub(super) told_not_started: bool,
}

impl World {
    pub(super) fn submit(&mut self) {
        self.made += 1;
        let number = self.made;
        let (often, sizes): (usize, &[usize]) =
            if self.rules.max_message_size > ASSUMED_MESSAGE_SIZE {
                (4, &[100 << 10, 131_032, 131_040, 300 << 10])
            } else {
                (8, &[10 << 10, 17 << 10, 20 << 10, 60 << 10, 64 << 10, 70 << 10])
            };
        let large = self.rules.large && self.random.once_in(often);
        let plan = match self.random.below(7) {
            _ if self.rules.streams && self.random.once_in(2) => {
                Plan::Stream(u32::try_from(self.random.number() >> 32).expect("32 bits"))
            }
            0..=2 => Plan::Pending,
            3 => Plan::Fail,
            4 => Plan::PushBack,
            _ if large => Plan::Ready(self.random.pick(sizes)),
            _ => Plan::Ready(self.random.below(100)),
        };
        let padding = if self.rules.large && self.random.once_in(often) {
            self.random.pick(sizes)
        } else {
            self.random.below(50)
        };
        let mut arguments = Encoder::default();
        plan.write(number, padding, &mut arguments);
        let script = match plan {
            Plan::Stream(script) => Some(Rc::new(Script::draw(script.into(), self.rules.sizes))),
            _ => None,
        };
        let oneway = self.random.once_in(8) && script.is_none();
        let idempotent = !oneway && self.random.once_in(3);
        let (streams, takes, opens_only) =
            script.as_ref().map_or((false, false, false), |script| {
                (script.streams, script.takes, script.opens_only)
            });
        let mut outgoing = Outgoing {
            method: "Test.run".into(),
            arguments,
            oneway,
            idempotent,
            streams,
            takes,
            opens_only,
            wants_metadata: wants_metadata(number),
            ..Outgoing::default()
        };
        let timeout = match self.random.below(4) {
            0 => None,
            1 => self.rules.default_timeout,
            2 => Some(Duration::from_millis(1 + self.random.number() % 60)),
            _ if script.is_some() && self.random.once_in(2) => None,
            _ => Some(Duration::from_micros(1 + self.random.number() % 3000)),
        };
        self.tell(|| {
            format!("call {number}: {plan:?}, {timeout:?}, idempotent: {idempotent}, {script:?}")
        });
        let streams = script.map(|script| Box::new(AtCaller::new(number, script)));
        let waiter = Waiter { caller: number, streams, ..Waiter::default() };
        let deadline = timeout.map(|timeout| self.now + timeout);
        match self.channel.submit(&mut outgoing, deadline, waiter, self.now) {
            Ok(call) => {
                self.calls.insert(number, Truth { idempotent, ..Truth::default() });
                self.waiting.push(Caller { number, call, deadline, opens_only, oneway });
            }
            Err((error, _)) => {
                // There is no connection, and the call does not wait for one.
                assert!(error.is_not_started() && self.rules.wait.is_zero(), "{error}");
                self.total.ended += 1;
            }
        }
    }

    pub(super) fn drop_call(&mut self) {
        if !self.waiting.is_empty() {
            let index = self.random.below(self.waiting.len());
            self.leave(index);
        }
    }

    fn leave(&mut self, index: usize) {
        let Caller { number, call, .. } = self.waiting.swap_remove(index);
        self.tell(|| format!("the caller of {number} leaves"));
        self.total.dropped += 1;
        if let Some((_, waiter)) = self.channel.cancel(call) {
            assert_eq!(waiter.caller, number);
        }
    }

    /// A caller takes items, and sends some.
    pub(super) fn consume(&mut self) {
        let mut streaming = Vec::new();
        for (index, Caller { call, .. }) in self.waiting.iter().enumerate() {
            if self.channel.waiter(*call).streams.is_some() {
                streaming.push(index);
            }
        }
        if streaming.is_empty() {
            return;
        }
        let index = self.random.pick(&streaming);
        let Caller { number, call, .. } = self.waiting[index];
        let count = 1 + self.random.below(10);
        let moved = consume(&mut self.channel, call, count);
        self.total.taken += moved.taken;
        self.total.sent += moved.sent;
        self.total.blocked += moved.blocked;
        self.tell(|| format!("the caller of {number} moves on: {moved:?}"));
        if moved.leaves {
            self.leave(index);
        }
        self.note_passed();
    }

    /// Notes which calls are not to be sent again.
    pub(super) fn note_passed(&mut self) {
        for Caller { number, call, .. } in &self.waiting {
            let streams = &self.channel.waiter(*call).streams;
            if streams.as_ref().is_some_and(|streams| streams.has_passed()) {
                let attempt = self.channel.attempts(*call);
                let truth = self.calls.get_mut(number).expect("it was made");
                let passed = *truth.passed.get_or_insert(attempt);
                assert_eq!(passed, attempt, "items of caller {number} have passed before");
            }
        }
    }

    /// Callers look whether their calls have ended.
    pub(super) fn take_outcomes(&mut self) {
        let mut index = 0;
        while index < self.waiting.len() {
            let Caller { number, call, oneway, .. } = self.waiting[index];
            let waiter = self.channel.waiter(call);
            assert_eq!(waiter.caller, number, "a slot belongs to its caller while it is held");
            // What has come before the end is taken before it.
            let is_drained = waiter.streams.as_ref().is_none_or(|streams| streams.is_drained());
            let Some(outcome) = waiter.outcome.take_if(|_| is_drained) else {
                index += 1;
                continue;
            };
            let metadata = waiter.metadata.take();
            let streams = waiter.streams.take();
            self.tell(|| format!("call {number} ends: {:?}", outcome.as_ref().map(|_| ())));
            self.waiting.swap_remove(index);
            self.total.ended += 1;
            drop(self.channel.release(call));
            if let (Some(streams), Ok(_)) = (&streams, &outcome) {
                streams.ended();
                self.total.streamed += 1;
            }
            let asks = wants_metadata(number)
                || streams.as_ref().is_some_and(|streams| streams.script.streams);
            if let Some(metadata) = &metadata {
                assert!(asks, "{number} does not ask for it");
                assert_eq!(Some(metadata), metadata_of(number).as_ref(), "it reaches its caller");
                self.total.with_metadata += 1;
            } else if asks && outcome.is_ok() && !oneway {
                assert_eq!(metadata_of(number), None, "what a handler sends back is not lost");
            }
            let truth = self.calls.get_mut(&number).expect("it was made");
            match outcome {
                // The empty answer is that of a one-way call, which may not even have arrived.
                Ok(payload) if payload.as_slice() == [0xc0] => {}
                Ok(payload) => {
                    assert_eq!(answered(&payload), number, "an answer reaches its caller");
                    assert!(truth.started > 0, "there is no answer without a handler");
                }
                Err(error) if error.is_not_started() => {
                    assert_eq!(truth.started, 0, "caller {number}: {error}");
                    truth.told_not_started = true;
                }
                Err(error) => assert_ne!(error.kind(), Code::Ok),
            }
        }
    }
}
