//! Streams of a call: what they are to hold, and what came of them at either end.
//!
//! A [`Script`] is drawn from a number that the call carries, so both ends, and the model, know what each stream holds. An item says whose it
//! is and which; so what is lost, repeated, invented or out of order is seen where it arrives.

use std::{collections::VecDeque, rc::Rc};

use super::ends::{Handler, ServerSide, Waiter, answer};
use crate::{
    Error, Value,
    arguments::Arguments,
    connection::{
        client::{self, CallRef, Room},
        server::{CallKey, Shape},
    },
    payload::Payload,
    random::Random,
    stream::Content,
    value::Encoder,
};

/// What one call streams.
#[derive(Debug)]
pub(super) struct Script {
    /// What the caller takes for a fact about the method.
    pub(super) streams: bool,
    pub(super) takes: bool,
    /// What is one.
    serves: bool,
    accepts: bool,
    /// Whether the handler says that its stream begins.
    begins: bool,
    down: Vec<Item>,
    up: Vec<Item>,
    /// How the caller's stream ends.
    is_cut_short: bool,
    /// The handler takes so many items and no more.
    handler_stops: Option<usize>,
    handler_fails: bool,
    /// The caller takes so many items and leaves.
    caller_leaves: Option<usize>,
    /// Whether the call's deadline holds until its stream begins.
    pub(super) opens_only: bool,
}

/// One item.
#[derive(Clone, Copy, Debug)]
struct Item {
    size: usize,
    /// Whether it is an error.
    fails: bool,
    /// So many are dropped in front of it.
    lost: u64,
}

/// What arrives of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    Item(usize, usize),
    Failure(usize, usize),
    Lost(u64),
}

impl Script {
    /// The script of this number, with items of these sizes.
    pub(super) fn draw(number: u64, sizes: &[usize]) -> Self {
        let random = &mut Random::new(number);
        let (streams, takes) = random.pick(&[(true, false), (false, true), (true, true)]);
        let differs = random.once_in(20);
        let (serves, accepts) = if differs {
            random.pick(&[(true, false), (false, true), (true, true), (false, false)])
        } else {
            (streams, takes)
        };
        let mut items = |is_there: bool, plain: bool| {
            let count = random.pick(&[0, 1, 3, 12, 30]) * usize::from(is_there);
            let mut item = || Item {
                size: random.pick(sizes),
                fails: !plain && random.once_in(6),
                lost: if plain { 0 } else { random.pick(&[0, 0, 0, 0, 1, 300]) },
            };
            (0..count).map(|_| item()).collect::<Vec<_>>()
        };
        let (down, up) = (items(serves, false), items(takes, true));
        Self {
            streams,
            takes,
            serves,
            accepts,
            begins: random.once_in(2),
            is_cut_short: random.once_in(5),
            handler_stops: random.once_in(4).then(|| random.below(10)),
            handler_fails: random.once_in(6),
            caller_leaves: random.once_in(8).then(|| random.below(10)),
            opens_only: streams && random.once_in(3),
            down,
            up,
        }
    }

    pub(super) fn shape(&self) -> Option<Shape> {
        (self.serves || self.accepts).then_some(Shape { takes: self.accepts })
    }

    /// What is to arrive at the caller.
    fn arrivals(&self) -> impl Iterator<Item = Arrival> {
        self.down.iter().enumerate().flat_map(|(index, item)| {
            let lost = (item.lost > 0).then_some(Arrival::Lost(item.lost));
            let what = if item.fails {
                Arrival::Failure(index, item.size)
            } else {
                Arrival::Item(index, item.size)
            };
            lost.into_iter().chain([what])
        })
    }
}

/// The item with this index of the stream of this caller's call.
fn encoded(caller: usize, index: usize, size: usize) -> Encoder {
    let mut encoder = Encoder::default();
    crate::msgpack::write_array_len(encoder.buffer(), 3);
    crate::msgpack::write_uint(encoder.buffer(), caller as u64);
    crate::msgpack::write_uint(encoder.buffer(), index as u64);
    encoder.bin(&vec![0; size]);
    encoder
}

/// The same, as an error.
fn failure(caller: usize, index: usize, size: usize) -> Error {
    Error::not_found(format!("{caller} {index}")).with_details(vec![0; size].into(), true)
}

/// What a message has in front of its items at most.
const ITEM_HEAD: usize = 10;

/// The largest message that an item of this size makes.
pub(super) fn largest_message(size: usize) -> usize {
    size + 64
}

/// What has come: whose, and what.
fn read(item: &Result<Payload, Error>) -> (usize, Arrival) {
    match item {
        Ok(payload) => {
            let mut arguments = Arguments::new(payload);
            let caller = usize::decode(arguments.take("caller")).expect("a number");
            let index = usize::decode(arguments.take("index")).expect("a number");
            let size = arguments.take("padding").bin().expect("bytes").len();
            (caller, Arrival::Item(index, size))
        }
        Err(error) => {
            let (caller, index) = error.message().split_once(' ').expect("two numbers");
            let size = error.details().map_or(0, bytes::Bytes::len);
            let index = index.parse().expect("a number");
            (caller.parse().expect("a number"), Arrival::Failure(index, size))
        }
    }
}

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
        let (caller, arrival) = read(item);
        assert_eq!(caller, self.caller, "an item reaches its caller");
        self.arrival(arrival, cost);
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
                self.handlers.swap_remove(index);
                self.machine.finish(key, Err(&Error::aborted("the handler gave up")));
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
            self.machine.finish(key, Err(&Error::aborted("the stream failed")));
        } else if serves {
            let mut nil = Encoder::default();
            crate::msgpack::write_nil(nil.buffer());
            self.machine.finish(key, Ok(&mut nil));
        } else {
            self.machine.finish(key, Ok(&mut answer(caller, 0)));
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
        let is_sent = if item.fails {
            send(Content::Failure(&failure(self.caller, self.sent, item.size)), item.lost)
        } else {
            send(Content::Item(&mut encoded(self.caller, self.sent, item.size)), item.lost)
        };
        self.sent += usize::from(is_sent);
        self.is_held = !is_sent;
        is_sent
    }
}

/// What of a window may be untaken.
pub(super) fn most_untaken(window: usize, largest: usize) -> u64 {
    window.max(window / 2 + ITEM_HEAD + largest_message(largest)) as u64
}
