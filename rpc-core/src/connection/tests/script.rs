//! What the streams of a call are to hold.
//!
//! A [`Script`] is drawn from a number that the call carries, so both ends, and the model, know what each stream holds. An item says whose it
//! is and which; so what is lost, repeated, invented or out of order is seen where it arrives.

use crate::{
    Error, Value,
    arguments::Arguments,
    connection::server::Shape,
    payload::{Body, Payload},
    random::Random,
    value::Encoder,
};

/// What one call streams.
#[derive(Debug)]
pub(super) struct Script {
    /// What the caller takes for a fact about the method.
    pub(super) streams: bool,
    pub(super) takes: bool,
    /// What is one.
    pub(super) serves: bool,
    pub(super) accepts: bool,
    /// Whether the handler says that its stream begins.
    pub(super) begins: bool,
    /// Whether it sends small items together.
    pub(super) gathers: bool,
    pub(super) down: Vec<Item>,
    pub(super) up: Vec<Item>,
    /// How the caller's stream ends.
    pub(super) is_cut_short: bool,
    /// The handler takes so many items and no more.
    pub(super) handler_stops: Option<usize>,
    pub(super) handler_fails: bool,
    /// The caller takes so many items and leaves.
    pub(super) caller_leaves: Option<usize>,
    /// Whether the call's deadline holds until its stream begins.
    pub(super) opens_only: bool,
}

/// One item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) size: usize,
    /// Whether it is an error.
    pub(super) fails: bool,
    /// So many are dropped in front of it.
    pub(super) lost: u64,
}

/// What arrives of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
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
            gathers: random.once_in(2),
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

    /// How many items go out in one message from this one on: those that are small beside the largest, and nothing was dropped in front of.
    pub(super) fn together(&self, from: usize) -> usize {
        let largest = self.down.iter().map(|item| item.size).max().unwrap_or_default();
        let mut size = 0;
        let follow = self.down[from..].iter().enumerate().take_while(|(index, item)| {
            size += item.size + 30;
            *index == 0 || (self.gathers && !item.fails && item.lost == 0 && size <= largest)
        });
        follow.count()
    }

    /// What is to arrive at the caller.
    pub(super) fn arrivals(&self) -> impl Iterator<Item = Arrival> {
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
pub(super) fn encoded(caller: usize, index: usize, size: usize) -> Encoder {
    let mut encoder = Encoder::default();
    append(&mut encoder, caller, index, size);
    encoder
}

pub(super) fn append(encoder: &mut Encoder, caller: usize, index: usize, size: usize) {
    crate::msgpack::write_array_len(encoder.buffer(), 3);
    crate::msgpack::write_uint(encoder.buffer(), caller as u64);
    crate::msgpack::write_uint(encoder.buffer(), index as u64);
    encoder.bin(&vec![0; size]);
}

/// The same, as an error.
pub(super) fn failure(caller: usize, index: usize, size: usize) -> Error {
    Error::not_found(format!("{caller} {index}")).with_details(vec![0; size].into(), true)
}

/// What a message has in front of its items at most.
const ITEM_HEAD: usize = 10;

/// The largest message that an item of this size makes.
pub(super) fn largest_message(size: usize) -> usize {
    size + 64
}

/// The items that came in one message.
pub(super) fn split(items: &Result<Payload, Error>) -> Vec<Result<Payload, Error>> {
    let payload = match items {
        Ok(payload) => payload,
        Err(error) => return vec![Err(error.clone())],
    };
    let mut reader = payload.reader();
    let mut split = Vec::new();
    while !reader.rest().is_empty() {
        let item = reader.skip().expect("a whole value").to_vec();
        split.push(Ok(Payload::new(Body::Small(item), 0)));
    }
    split
}

/// What has come: whose, and what.
pub(super) fn read(item: &Result<Payload, Error>) -> (usize, Arrival) {
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

/// What of a window may be untaken.
pub(super) fn most_untaken(window: usize, largest: usize) -> u64 {
    window.max(window / 2 + ITEM_HEAD + largest_message(largest)) as u64
}
