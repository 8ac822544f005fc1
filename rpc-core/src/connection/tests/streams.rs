//! Streams of a call at its caller and at its handler: what came of them.

use std::{collections::VecDeque, rc::Rc};

use super::{
    ends::{Handler, ServerSide, Waiter, answer},
    script::{Arrival, Script, append, encoded, failure, read, split},
};
use crate::{
    Error,
    connection::{
        client::{self, CallRef, Room},
        server::CallKey,
    },
    payload::Payload,
    random::Random,
    stream::Content,
    value::Encoder,
};

/// The streams of one call at its caller.
#[derive(Debug)]
pub(super) struct AtCaller {
    caller: usize,
    pub(super) script: Rc<Script>,
    arrived: usize,
    taken: usize,
    /// What has arrived and was not taken counts for so much.
    inbox: VecDeque<u64>,
    pub(super) has_begun: bool,
    sent: usize,
    upload: Uploading,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Uploading {
    Ready,
    Blocked,
    Over,
}

impl AtCaller {
    pub(super) fn new(caller: usize, script: Rc<Script>) -> Self {
        let upload = if script.takes { Uploading::Ready } else { Uploading::Over };
        Self {
            caller,
            script,
            arrived: 0,
            taken: 0,
            inbox: VecDeque::new(),
            has_begun: false,
            sent: 0,
            upload,
        }
    }

    /// Whether an item has passed, as far as this end knows.
    pub(super) fn has_passed(&self) -> bool {
        self.has_begun || self.arrived > 0 || self.sent > 0
    }

    pub(super) fn begun(&mut self) {
        assert!(!self.has_begun && self.arrived == 0, "a stream begins once, before its items");
        assert!(self.script.begins, "this one does not say so");
        self.has_begun = true;
    }

    pub(super) fn item(&mut self, item: &Result<Payload, Error>, cost: u64) {
        let mut cost = cost;
        for item in split(item) {
            let (caller, arrival) = read(&item);
            assert_eq!(caller, self.caller, "an item reaches its caller");
            // What came together counts together.
            self.arrival(arrival, std::mem::take(&mut cost));
        }
    }

    pub(super) fn lost(&mut self, count: u64, cost: u64) {
        self.arrival(Arrival::Lost(count), cost);
    }

    fn arrival(&mut self, arrival: Arrival, cost: u64) {
        let next = self.script.arrivals().nth(self.arrived);
        assert_eq!(Some(arrival), next, "caller {}: items arrive in order", self.caller);
        self.arrived += 1;
        self.has_begun = true;
        self.inbox.push_back(cost);
    }

    /// The stream has ended well.
    pub(super) fn ended(&self) {
        let all = self.script.arrivals().count();
        assert_eq!(self.arrived, all, "a stream that ends well is complete");
    }

    /// What has arrived and was not taken.
    pub(super) fn untaken(&self) -> u64 {
        self.inbox.iter().sum()
    }

    pub(super) fn is_drained(&self) -> bool {
        self.inbox.is_empty()
    }

    /// The next item of what the caller sends may find room.
    pub(super) fn notify(&mut self) {
        if self.upload == Uploading::Blocked {
            self.upload = Uploading::Ready;
        }
    }

    /// The call was sent.
    pub(super) fn transmitted(&mut self) {
        assert_eq!(self.sent, 0, "items are not kept: such a call is not sent again");
        self.notify();
    }

    /// The server takes no more.
    pub(super) fn stopped(&mut self) {
        assert_ne!(self.upload, Uploading::Over, "what has ended is not stopped");
        self.upload = Uploading::Over;
    }
}

/// What a caller did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moved {
    pub(super) taken: usize,
    pub(super) sent: usize,
    pub(super) blocked: usize,
    /// It leaves.
    pub(super) leaves: bool,
}

/// Lets the caller of a call that streams take up to `count` items, and send as many.
pub(super) fn consume(channel: &mut client::Channel<Waiter>, call: CallRef, count: usize) -> Moved {
    fn streams(waiter: &mut Waiter) -> &mut AtCaller {
        waiter.streams.as_mut().expect("the call streams")
    }
    let mut moved = Moved::default();
    for _ in 0..count {
        let at_caller = streams(channel.waiter(call));
        if at_caller.script.caller_leaves.is_some_and(|most| at_caller.taken >= most) {
            return Moved { leaves: true, ..moved };
        }
        let Some(cost) = at_caller.inbox.pop_front() else { break };
        at_caller.taken += 1;
        moved.taken += 1;
        channel.took(call, cost);
    }
    for _ in 0..count {
        let at_caller = streams(channel.waiter(call));
        if at_caller.upload != Uploading::Ready {
            break;
        }
        let (caller, index) = (at_caller.caller, at_caller.sent);
        let script = Rc::clone(&at_caller.script);
        let end = script.is_cut_short.then(|| Error::aborted("cut short"));
        let room = match script.up.get(index) {
            Some(item) => {
                let mut item = encoded(caller, index, item.size);
                channel.send_item(call, &mut item).expect("it is not too large")
            }
            None => channel.end_items(call, end.as_ref()),
        };
        let at_caller = streams(channel.waiter(call));
        match room {
            Room::Sent => {
                at_caller.sent += 1;
                moved.sent += 1;
                if index >= script.up.len() {
                    at_caller.upload = Uploading::Over;
                }
            }
            Room::Blocked => {
                at_caller.upload = Uploading::Blocked;
                moved.blocked += 1;
            }
            Room::Closed => at_caller.upload = Uploading::Over,
        }
    }
    moved
}

/// The streams of one call at its handler.
#[derive(Debug)]
pub(super) struct AtHandler {
    caller: usize,
    script: Script,
    has_begun: bool,
    sent: usize,
    /// Whether the next item has found no room, and waits to be asked for.
    is_held: bool,
    arrived: usize,
    taken: usize,
    inbox: VecDeque<u64>,
    has_ended: bool,
    has_stopped: bool,
}

impl AtHandler {
    pub(super) fn new(caller: usize, script: Script) -> Self {
        Self {
            caller,
            script,
            has_begun: false,
            sent: 0,
            is_held: false,
            arrived: 0,
            taken: 0,
            inbox: VecDeque::new(),
            has_ended: false,
            has_stopped: false,
        }
    }

    pub(super) fn item(&mut self, item: &Result<Payload, Error>, cost: u64) {
        assert!(self.script.accepts && !self.has_stopped && !self.has_ended, "nobody takes it");
        let (caller, arrival) = read(item);
        assert_eq!(caller, self.caller, "an item reaches its handler");
        let next =
            self.script.up.get(self.arrived).map(|item| Arrival::Item(self.arrived, item.size));
        assert_eq!(Some(arrival), next, "caller {caller}: items arrive in order");
        self.arrived += 1;
        self.inbox.push_back(cost);
    }

    pub(super) fn end(&mut self, end: &Result<(), Error>) {
        assert!(!self.has_ended && !self.has_stopped, "a stream ends once");
        assert_eq!(self.arrived, self.script.up.len(), "a stream ends behind its last item");
        assert_eq!(end.is_err(), self.script.is_cut_short);
        self.has_ended = true;
    }

    pub(super) fn untaken(&self) -> u64 {
        self.inbox.iter().sum()
    }

    fn is_done(&self) -> bool {
        let has_taken = !self.script.accepts || !self.script.takes || self.has_stopped;
        self.sent == self.script.down.len()
            && (has_taken || (self.has_ended && self.inbox.is_empty()))
    }
}

impl ServerSide {
    /// Lets the handler of a call that streams do something. At the end, when everything is to come to its end, it does not give up: nobody
    /// is to be helped out of a wait that has none.
    pub(super) fn act(&mut self, index: usize, is_ending: bool, random: &mut Random) {
        let Handler { key, streams: Some(streams), .. } = &mut self.handlers[index] else {
            return;
        };
        let key = *key;
        match random.below(8) {
            0..=3 => {
                for _ in 0..1 + random.below(8) {
                    let is_held = streams.is_held || self.machine.unsent() >= self.high_water;
                    if is_held
                        || !streams.offer(|content, lost| self.machine.send(key, content, lost))
                    {
                        break;
                    }
                }
            }
            4 | 5 => {
                let mut taken = 0;
                for _ in 0..1 + random.below(8) {
                    let most = streams.script.handler_stops.filter(|_| streams.script.accepts);
                    if most.is_some_and(|most| streams.taken >= most) && !streams.has_stopped {
                        streams.has_stopped = true;
                        streams.inbox.clear();
                        self.machine.took(key, taken);
                        return self.machine.stop_items(key);
                    }
                    let Some(cost) = streams.inbox.pop_front() else { break };
                    streams.taken += 1;
                    self.taken += 1;
                    taken += cost;
                }
                self.machine.took(key, taken);
            }
            6 if !is_ending && random.once_in(10) => {
                let caller = streams.caller;
                self.handlers.swap_remove(index);
                self.respond(key, caller, Err(&Error::aborted("the handler gave up")));
            }
            _ if streams.is_done() => {
                let (fails, serves) = (streams.script.handler_fails, streams.script.serves);
                let caller = streams.caller;
                self.handlers.swap_remove(index);
                self.end_stream(key, caller, fails, serves);
            }
            _ => {}
        }
    }

    fn end_stream(&mut self, key: CallKey, caller: usize, fails: bool, serves: bool) {
        if fails {
            self.respond(key, caller, Err(&Error::aborted("the stream failed")));
        } else if serves {
            let mut nil = Encoder::default();
            crate::msgpack::write_nil(nil.buffer());
            self.respond(key, caller, Ok(&mut nil));
        } else {
            self.respond(key, caller, Ok(&mut answer(caller, 0)));
        }
    }

    /// Items that found no room are offered again, as far as the machine says so.
    pub(super) fn move_ready(&mut self) {
        while let Some(handle) = self.machine.next_ready() {
            let handler = self.handlers.iter_mut().find(|handler| handler.handle == handle);
            if let Some(Handler { key, streams: Some(streams), .. }) = handler {
                assert!(streams.is_held, "what was not held is not asked for");
                streams.is_held = false;
                let key = *key;
                streams.offer(|content, lost| self.machine.send(key, content, lost));
            }
        }
    }
}

impl AtHandler {
    /// Gives what comes next to `send`; whether it was sent.
    fn offer(&mut self, send: impl FnOnce(Content<'_>, u64) -> bool) -> bool {
        if self.script.serves && self.script.begins && !self.has_begun {
            self.has_begun = true;
            return send(Content::Begin, 0);
        }
        let Some(item) = self.script.down.get(self.sent) else {
            return false;
        };
        let mut count = 1;
        let is_sent = if item.fails {
            send(Content::Failure(&failure(self.caller, self.sent, item.size)), item.lost)
        } else {
            count = self.script.together(self.sent);
            let items = &self.script.down[self.sent..self.sent + count];
            let mut run = Encoder::default();
            for (index, item) in (self.sent..).zip(items) {
                append(&mut run, self.caller, index, item.size);
            }
            match u32::try_from(count).expect("few") {
                1 => send(Content::Item(&mut run), item.lost),
                count => send(Content::Items(&mut run, count), item.lost),
            }
        };
        self.sent += if is_sent { count } else { 0 };
        self.is_held = !is_sent;
        is_sent
    }
}
