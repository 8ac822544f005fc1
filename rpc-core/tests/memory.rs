//! What a peer can make this process allocate, by what arrived and never by what was announced (PROTOCOL 2.5, 3.6).
//!
//! A process of its own with one test, because the allocator counts for all threads. It counts the bytes that are
//! allocated at once, at their highest, and moves on every reallocation, so that old and new are counted both.

use std::time::Instant;

use bytes::BytesMut;
use peak_alloc::PeakAlloc;
use rpc_core::{
    Error, Structs, Value,
    connection::{client, server},
    frame::{Frame, FrameCodec, PREFACE_LEN},
    limits::{MAX_FRAME_SIZE, MAX_MESSAGE_SIZE, MAX_NESTING, READ_AHEAD},
    msgpack,
    stream::Inbox,
    value::Encoded,
};
use serde::{Deserialize, Serialize};
use tokio_util::codec::Decoder;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

#[derive(Debug, Serialize, Deserialize)]
struct Tree(Vec<Tree>);

const LEVELS: usize = MAX_NESTING as usize;

/// How many elements serde reserves room for before it has seen them: as many as 1 MiB holds.
const RESERVED: usize = (1 << 20) / size_of::<Tree>();

#[test]
fn memory_is_bounded_by_what_arrived() {
    hostile_trees();
    announced_lengths();
    a_message_that_arrives_slowly();
    large_answers();
    large_requests();
    floods_of_calls();
    parts();
    floods_of_items();
    floods_that_nobody_takes();
    arbitrary_bytes();
}

/// What `run` returns, and by how much it raised the bytes that are allocated, at most.
fn peak<T>(run: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let value = run();
    (value, ALLOCATOR.peak_usage() - before)
}

fn array(elements: usize, element: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    msgpack::write_array_len(&mut out, u32::try_from(elements).expect("a test's array is small"));
    out.extend(element.repeat(elements));
    out
}

fn chain(levels: usize) -> Vec<u8> {
    let mut out = vec![0x91; levels - 1];
    out.push(0x90);
    out
}

fn hostile_trees() {
    let lie = [0xdd, 0xff, 0xff, 0xff, 0xff];
    let many = array(RESERVED, &[0x90]);
    let mut inputs = vec![
        lie.to_vec(),
        [&lie[..], &[0x90; 625]].concat(),
        lie.repeat(126),
        [&array(100, &[0x90])[..], &lie].concat(),
        array(630, &lie[..1]),
        chain(LEVELS),
        chain(LEVELS + 1),
        chain(100_000),
        many.clone(),
        array(4, &many),
        array(1000, &chain(LEVELS - 1)),
        array(1000, &array(1000, &[0x90])),
        array(20_000, &array(15, &[0x90])),
    ];
    inputs.extend([1, 2, 3, 4, 5, 15, 16, 17, 630, 1000, 10_000].map(|n| array(n, &[0x90])));
    let mut highest = 0.0;
    for input in inputs {
        let (_, peak) = peak(|| Tree::decode(Encoded::whole("tree", &input)));
        assert!(peak <= 64 * input.len() + 4096, "{peak} bytes for {} bytes", input.len());
        if input.len() > 4096 {
            highest = f64::max(highest, ratio(peak, input.len()));
        }
    }
    // Above what serde reserves a vector doubles: while it moves there are 24 bytes of the old one and 48 of the new
    // one for each element, if the allocator cannot grow it where it is.
    let mut moving = 0.0;
    for elements in [RESERVED + 1, RESERVED * 2 + 1, 1 << 20, RESERVED * 32 + 1] {
        let input = array(elements, &[0x90]);
        let (tree, peak) = peak(|| Tree::decode(Encoded::whole("tree", &input)));
        assert_eq!(tree.expect("a tree").0.len(), elements);
        assert!(peak <= 72 * input.len() + 4096, "{peak} bytes for {} bytes", input.len());
        moving = f64::max(moving, ratio(peak, input.len()));
    }
    println!("highest peak of a tree: {highest:.1} times its input, {moving:.1} while it moves");
}

#[expect(clippy::cast_precision_loss, reason = "a figure to print")]
fn ratio(peak: usize, input: usize) -> f64 {
    peak as f64 / input as f64
}

fn announced_lengths() {
    for (limit, announced) in [
        (MAX_MESSAGE_SIZE, MAX_MESSAGE_SIZE),
        (MAX_MESSAGE_SIZE, MAX_FRAME_SIZE),
        (MAX_FRAME_SIZE, MAX_FRAME_SIZE),
    ] {
        let mut input = BytesMut::with_capacity(8 << 10);
        let prefix = u32::try_from(announced).expect("a prefix can say it").to_be_bytes();
        let ((), peak) = peak(|| {
            let mut codec = FrameCodec::new(limit);
            // The length, and then nothing for a while.
            for byte in prefix {
                input.extend_from_slice(&[byte]);
                assert!(codec.decode(&mut input).expect("no violation").is_none());
            }
            for _ in 0..100 {
                assert!(codec.decode(&mut input).expect("no violation").is_none());
            }
        });
        // Whole buffers of 8 KiB, and the pool that takes the one that was too small.
        assert!(peak <= READ_AHEAD + (8 << 10), "{peak} bytes for the prefix {announced}");
    }
}

fn a_message_that_arrives_slowly() {
    let size = 4 << 20;
    let mut codec = FrameCodec::new(MAX_MESSAGE_SIZE);
    let mut input = BytesMut::with_capacity(8 << 10);
    input.extend_from_slice(&u32::try_from(size).expect("4 MiB").to_be_bytes());
    let mut arrived = 0;
    loop {
        let frame = codec.decode(&mut input).expect("no violation");
        if let Some(frame) = frame {
            assert!(matches!(frame, Frame::Whole(body) if body.as_slice().len() == size));
            break;
        }
        let bound = 2 * arrived + 2 * READ_AHEAD;
        assert!(input.capacity() <= bound, "{} bytes for {arrived}", input.capacity());
        input.extend_from_slice(&[0; 1000][..(size - arrived).min(1000)]);
        arrived += 1000;
    }
}

type Client = client::Channel<Option<Result<usize, Error>>>;

/// The connection of a client that has one.
fn link(client: &Client) -> client::LinkId {
    client.active().expect("it is connected")
}

fn opened() -> (Client, server::Connection) {
    opened_with(MAX_MESSAGE_SIZE)
}

/// Both ends, with this limit on messages.
fn opened_with(max_message_size: usize) -> (Client, server::Connection) {
    let config = server::Config::new(max_message_size, 1024);
    let mut server = server::Connection::new(config);
    let config = client::Config::new(max_message_size, None, Structs::Named);
    let mut client = client::Channel::new(config, 1);
    let link = client.connected(Instant::now());
    server.open((1, 0));
    let mut hello = take(client.output(link));
    hello.drain(..PREFACE_LEN);
    let received = server.receive(&mut whole(&hello[4..]), Instant::now());
    assert!(matches!(received, Ok(server::Event::None)));
    let mut hello = take(server.output());
    hello.drain(..PREFACE_LEN);
    assert!(matches!(
        client.receive(link, &mut whole(&hello[4..]), Instant::now()),
        Ok(client::Event::None)
    ));
    (client, server)
}

fn take(output: &mut impl bytes::Buf) -> Vec<u8> {
    output.copy_to_bytes(output.remaining()).to_vec()
}

fn whole(message: &[u8]) -> Frame {
    Frame::Whole(rpc_core::payload::Body::Small(message.to_vec()))
}

/// A client that makes calls with small arguments and gets answers of this size, with its codec.
fn answered(size: usize, calls: usize) {
    let (mut client, _) = opened();
    let link = link(&client);
    let mut codec = FrameCodec::new(MAX_MESSAGE_SIZE);
    let mut input = BytesMut::with_capacity(64 << 10);
    for _ in 0..calls {
        let mut outgoing = client::Outgoing { method: "Echo.ping".into(), ..Default::default() };
        outgoing.arguments.bin(&[7; 100]);
        let call = client.submit(&mut outgoing, None, None, Instant::now()).expect("there is room");
        assert!(client.transmit(Instant::now()).is_some());
        let request = take(client.output(link));
        let mut reader = msgpack::Reader::new(&request[4..]);
        let id = (reader.array_len(), reader.unsigned(), reader.unsigned()).2.expect("an id");

        let mut response = vec![0x94, 1];
        msgpack::write_uint(&mut response, id);
        response.push(0xc0);
        msgpack::write_bin(&mut response, &vec![7; size]);
        input.extend_from_slice(&u32::try_from(response.len()).expect("small").to_be_bytes());
        input.extend_from_slice(&response);
        let mut frame = codec.decode(&mut input).expect("no violation").expect("a whole frame");
        match client.receive(link, &mut frame, Instant::now()) {
            Ok(client::Event::Answered(waiter, outcome)) => {
                *waiter = Some(outcome.map(|payload| payload.as_slice().len()));
            }
            other => unreachable!("an answer was expected, not {other:?}"),
        }
        if let Frame::Whole(body) = frame {
            codec.recycle(body);
        }
        drop(client.release(call));
    }
    assert!(client.is_empty());
}

fn large_answers() {
    // A connection that lives long holds no more after many answers than after a few, whatever their size.
    for size in [10, 5000, 100_000] {
        let ((), few) = peak(|| answered(size, 10));
        let ((), many) = peak(|| answered(size, 1000));
        assert!(many <= few + 4096, "answers of {size} bytes: {few} bytes, then {many}");
    }
}

fn large_requests() {
    let requests = |count: usize| {
        let (_, mut server) = opened();
        let mut codec = FrameCodec::new(MAX_MESSAGE_SIZE);
        let mut input = BytesMut::with_capacity(64 << 10);
        for _ in 0..count {
            let mut request = vec![0x94, 0, 7, 0xa1, b'm'];
            msgpack::write_bin(&mut request, &[7; 5000]);
            input.extend_from_slice(&u32::try_from(request.len()).expect("small").to_be_bytes());
            input.extend_from_slice(&request);
            let mut frame = codec.decode(&mut input).expect("no violation").expect("a whole frame");
            match server.receive(&mut frame, Instant::now()) {
                Ok(server::Event::Call(key, incoming)) => {
                    server.answer(key, Err(&Error::aborted("no")));
                    codec.recycle(incoming.into_body());
                }
                other => unreachable!("a call was expected, not {other:?}"),
            }
            if let Frame::Whole(body) = frame {
                codec.recycle(body);
            }
            take(server.output());
        }
    };
    let ((), few) = peak(|| requests(10));
    let ((), many) = peak(|| requests(1000));
    assert!(many <= few + 4096, "{few} bytes, then {many}");
}

fn floods_of_calls() {
    // A channel's slots are freed when the last of many calls has gone.
    let (mut client, _) = opened();
    let before = ALLOCATOR.current_usage();
    let calls: Vec<_> = (0..20_000)
        .map(|_| {
            client
                .submit(&mut client::Outgoing::default(), None, None, Instant::now())
                .expect("there is room")
        })
        .collect();
    for call in calls {
        assert!(client.cancel(call).is_some(), "it was not sent");
    }
    assert!(client.is_empty());
    let after = ALLOCATOR.current_usage();
    assert!(after <= before + 1024, "{before} bytes, then {after}");
}

/// A message of one part in this state.
fn part(state: u8, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![0x93, 10, state];
    msgpack::write_bin(&mut message, bytes);
    message
}

/// By how much parts of this size raise what either end holds, at most, while so many bytes of one message arrive in them.
fn assembled(size: usize, bytes: usize, limit: usize) -> usize {
    let (mut client, mut server) = opened_with(limit);
    let link = link(&client);
    let mut first = vec![0x94, 0, 7, 0xa1, b'm'];
    first.resize(size.max(5), 0);
    let (first, next) = (part(1, &first), part(1, &vec![0; size]));
    let ((), at_server) = peak(|| {
        for index in 0..bytes / size {
            let message = if index == 0 { &first } else { &next };
            let received = server.receive(&mut whole(message), Instant::now());
            assert!(received.is_ok(), "{received:?}");
            take(server.output());
        }
    });
    let mut first = vec![0x93, 12, 7];
    first.resize(size.max(3), 0xc0);
    let first = part(1, &first);
    let ((), at_client) = peak(|| {
        for index in 0..bytes.min(limit) / size {
            let message = if index == 0 { &first } else { &next };
            let received = client.receive(link, &mut whole(message), Instant::now()).map(drop);
            assert!(received.is_ok(), "{received:?}");
            take(client.output(link));
        }
    });
    at_server.max(at_client)
}

fn parts() {
    // What arrived, and while it moves what it moves to.
    for (size, bytes) in [(1, 100_000), (100, 1 << 20), (100_000, 8 << 20)] {
        let peak = assembled(size, bytes, MAX_MESSAGE_SIZE);
        let bound = 3 * bytes + 2 * size + 4096;
        assert!(peak <= bound, "{peak} bytes for {bytes} in parts of {size}");
    }
    // Above the limit nothing more is stored.
    for size in [1000, 60_000] {
        let peak = assembled(size, 20 << 20, 64 << 10);
        assert!(peak <= 3 * (64 << 10) + 2 * size + 4096, "{peak} bytes in parts of {size}");
    }
    // What a part announces and does not have.
    let (mut client, mut server) = opened();
    let link = link(&client);
    for head in
        [&[0xc6, 0xff, 0xff, 0xff, 0xff][..], &[0xc6, 0, 0xff, 0xff, 0xff], &[0xc5, 0xff, 0xff]]
    {
        let message = [&[0x93, 10, 1], head, &[0; 100]].concat();
        let (_, peak) = peak(|| {
            assert!(server.receive(&mut whole(&message), Instant::now()).is_err());
            assert!(client.receive(link, &mut whole(&message), Instant::now()).is_err());
        });
        assert!(peak <= 4096, "{peak} bytes for a head");
    }
}

const STREAM_WINDOW: usize = 256 << 10;

/// A server with a call of the id 7, whose client sends a stream.
fn taking() -> server::Connection {
    let (_, mut server) = opened();
    let request = [0x94, 0, 7, 0xa1, b'm', 0x90];
    let Ok(server::Event::Call(key, _)) = server.receive(&mut whole(&request), Instant::now())
    else {
        unreachable!("a call was expected")
    };
    server.pending(key, 0, None);
    server.streams(key, 0, server::Shape { takes: true });
    server
}

/// An inbox that nobody reads, filled until there is no room, as a driver does it; and how many bytes it raised what is allocated by.
fn filled(message: &[u8]) -> (usize, usize) {
    let mut server = taking();
    let mut inbox = Inbox::default();
    let (arrived, peak) = peak(|| {
        let mut arrived = 0;
        loop {
            match server.receive(&mut whole(message), Instant::now()) {
                Ok(server::Event::Item { item: Ok(item), cost, .. }) => {
                    drop(inbox.push(item, cost))
                }
                Ok(server::Event::Item { item: Err(error), cost, .. }) => {
                    inbox.push_failure(&error, cost);
                }
                Ok(other) => unreachable!("an item was expected, not {other:?}"),
                Err(_) => break arrived,
            }
            arrived += message.len();
        }
    });
    (arrived, peak)
}

fn floods_of_items() {
    let item = |size: usize| [&[0x94, 7, 7, 0xc0][..], &vec![1; size]].concat();
    for size in [0, 1, 10, 100, 5000, 20_000, 200_000] {
        let (arrived, peak) = filled(&item(size));
        assert!(arrived <= STREAM_WINDOW + size, "{arrived} bytes of items");
        let bound = 3 * arrived + size + (64 << 10);
        assert!(peak <= bound, "{peak} bytes for {arrived} in items of {size}");
    }
    let errors: [&[u8]; 2] = [
        &[0x94, 7, 7, 0x94, 1, 0xa0, 0xc0, 0, 0xc0],
        &[0x94, 7, 7, 0x94, 1, 0xa1, b'e', 0xc4, 1, 0, 0, 0xc0],
    ];
    for error in errors {
        let (arrived, peak) = filled(error);
        assert!(peak <= 3 * arrived + (64 << 10), "{peak} bytes for {arrived}");
    }
}

fn floods_that_nobody_takes() {
    // Items behind the end of their call, and credit, hold nothing.
    let item = [&[0x94, 7, 7, 0xc0][..], &[1; 100]].concat();
    let mut server = taking();
    let key = {
        let request = [0x94, 0, 8, 0xa1, b'm', 0x90];
        let Ok(server::Event::Call(key, _)) = server.receive(&mut whole(&request), Instant::now())
        else {
            unreachable!("a call was expected")
        };
        key
    };
    server.answer(key, Err(&Error::aborted("no")));
    take(server.output());
    let late = [&[0x94, 7, 8][..], &item[3..]].concat();
    let ((), peak_of_items) = peak(|| {
        while server.receive(&mut whole(&late), Instant::now()).is_ok() {
            take(server.output());
        }
    });
    assert!(peak_of_items <= 16 << 10, "{peak_of_items} bytes for items that are ignored");

    // A client whose calls are over ignores a few messages about them, and then no more.
    let (mut client, _) = opened();
    let link = link(&client);
    let mut outgoing =
        client::Outgoing { method: "m".into(), streams: true, takes: true, ..Default::default() };
    let call = client.submit(&mut outgoing, None, None, Instant::now()).expect("there is room");
    assert!(client.transmit(Instant::now()).is_some());
    drop(client.cancel(call));
    let messages: [&[u8]; 4] = [
        &[0x93, 15, 0, 0xc0],
        &[0x94, 16, 0, 3, 0xc0],
        &[0x94, 7, 0, 0xc0, 1],
        &[0x94, 9, 0, 1, 0xc0],
    ];
    let ((), peak_of_messages) = peak(|| {
        for _ in 0..100_000 {
            for message in messages {
                let _ = client.receive(link, &mut whole(message), Instant::now()).map(drop);
            }
            take(client.output(link));
        }
    });
    assert!(peak_of_messages <= 16 << 10, "{peak_of_messages} bytes for a call that is over");
}

/// Numbers from a seed, by the xorshift of Marsaglia.
fn random(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).expect("31 bits")
}

fn arbitrary_bytes() {
    const MARKERS: [u8; 12] = [0x90, 0x91, 0x92, 0x94, 0x81, 0xc0, 0xdc, 0xdd, 0xdf, 0xc6, 0, 0xff];
    for seed in 1..=2000 {
        let mut state = seed;
        let size = 1 + random(&mut state) % 2000;
        let input: Vec<u8> =
            (0..size).map(|_| MARKERS[random(&mut state) % MARKERS.len()]).collect();
        let (_, peak_of_tree) = peak(|| drop(Tree::decode(Encoded::whole("tree", &input))));
        let bound = 64 * size + 4096;
        assert!(peak_of_tree <= bound, "seed {seed}: {peak_of_tree} bytes for {size}");

        // Any frame at either end, behind the hellos.
        let (mut client, mut server) = opened();
        let link = link(&client);
        let mut frames = (whole(&input), whole(&input));
        let ((), peak_of_ends) = peak(|| {
            drop(server.receive(&mut frames.0, Instant::now()));
            drop(client.receive(link, &mut frames.1, Instant::now()));
        });
        assert!(peak_of_ends <= bound, "seed {seed}: {peak_of_ends} bytes for {size}");

        // Any stream, which may announce what it likes.
        let mut codec = FrameCodec::new(MAX_MESSAGE_SIZE);
        let mut stream = BytesMut::from(&input[..]);
        let ((), peak_of_codec) = peak(|| {
            while let Ok(Some(Frame::Whole(body))) = codec.decode(&mut stream) {
                codec.recycle(body);
            }
        });
        assert!(
            peak_of_codec <= bound + READ_AHEAD + (8 << 10),
            "seed {seed}: {peak_of_codec} bytes"
        );
    }
}
