//! What holds for every value, every cut and every byte: values come back, frames do not mind where the stream is cut, and
//! nothing that a peer sends makes an end panic.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use proptest::{collection::vec, prelude::*};
use rpc_core::{
    Error, Structs, Value, Violation,
    connection::{client, server},
    frame::{Frame, FrameCodec, FrameError, take_preface},
    msgpack::Reader,
    value::{Encoded, Encoder},
};
use serde::{Deserialize, Serialize};
use tokio_util::codec::{Decoder, Encoder as _};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Meters(f64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pair(i8, String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Circle(Meters),
    Line(i64, u64),
    Named { name: String, points: Vec<Pair> },
    Optional(Option<char>),
    Nested(Vec<Shape>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    id: u64,
    flag: bool,
    ratio: f32,
    text: Option<String>,
    unit: Unit,
    shape: Shape,
    list: Vec<u16>,
    by_name: BTreeMap<String, i32>,
    by_number: BTreeMap<u32, Option<i64>>,
    data: Bytes,
    tuple: (u8, i16, Option<Box<Record>>),
    duration: Duration,
}

/// What only maps by name can carry: the tag or the fields stand beside those of others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Stop,
    Move { dx: i32, dy: i32 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body")]
enum Adjacent {
    Stop,
    Say(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Text(String),
    List(Vec<Untagged>),
    Point { x: i64, y: i64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    name: String,
    #[serde(flatten)]
    rest: BTreeMap<String, i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    later: Option<u8>,
    tagged: Tagged,
    adjacent: Adjacent,
    untagged: Untagged,
}

fn shape() -> impl Strategy<Value = Shape> + Clone {
    let leaf = prop_oneof![
        Just(Shape::Empty),
        any::<f64>().prop_map(|length| Shape::Circle(Meters(length))),
        any::<(i64, u64)>().prop_map(|(from, to)| Shape::Line(from, to)),
        (".{0,20}", vec(any::<(i8, String)>(), 0..3)).prop_map(|(name, points)| {
            let points = points.into_iter().map(|(x, label)| Pair(x, label)).collect();
            Shape::Named { name, points }
        }),
        any::<Option<char>>().prop_map(Shape::Optional),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| vec(inner, 0..4).prop_map(Shape::Nested))
}

fn record() -> impl Strategy<Value = Record> {
    let leaf = (
        any::<(u64, bool, f32, Option<String>)>(),
        shape(),
        vec(any::<u16>(), 0..20),
        any::<BTreeMap<String, i32>>(),
        any::<BTreeMap<u32, Option<i64>>>(),
        vec(any::<u8>(), 0..300),
        any::<(u8, i16)>(),
        (any::<u32>(), 0..1_000_000_000u32),
    );
    let leaf = leaf.prop_map(|(plain, shape, list, by_name, by_number, data, tuple, duration)| {
        let (id, flag, ratio, text) = plain;
        Record {
            id,
            flag,
            ratio,
            text,
            unit: Unit,
            shape,
            list,
            by_name,
            by_number,
            data: Bytes::from(data),
            tuple: (tuple.0, tuple.1, None),
            duration: Duration::new(duration.0.into(), duration.1),
        }
    });
    (leaf.clone(), proptest::option::of(leaf)).prop_map(|(mut record, child)| {
        record.tuple.2 = child.map(Box::new);
        record
    })
}

fn untagged() -> impl Strategy<Value = Untagged> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Untagged::Number),
        ".{0,10}".prop_map(Untagged::Text),
        any::<(i64, i64)>().prop_map(|(x, y)| Untagged::Point { x, y }),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| vec(inner, 0..3).prop_map(Untagged::List))
}

fn flat() -> impl Strategy<Value = Flat> {
    let tagged = prop_oneof![
        Just(Tagged::Stop),
        any::<(i32, i32)>().prop_map(|(dx, dy)| Tagged::Move { dx, dy }),
    ];
    let adjacent = prop_oneof![Just(Adjacent::Stop), ".{0,9}".prop_map(Adjacent::Say)];
    let rest = proptest::collection::btree_map("x_[a-z]{1,5}", any::<i64>(), 0..4);
    (".{0,9}", rest, any::<Option<u8>>(), tagged, adjacent, untagged()).prop_map(
        |(name, rest, later, tagged, adjacent, untagged)| Flat {
            name,
            rest,
            later,
            tagged,
            adjacent,
            untagged,
        },
    )
}

fn encoded<T: Value>(value: &T, structs: Structs) -> Bytes {
    let mut encoder = Encoder::new(structs);
    value.encode(&mut encoder).expect("it encodes");
    encoder.into_bytes()
}

fn comes_back<T: Value + PartialEq + std::fmt::Debug>(value: &T, structs: Structs) {
    let bytes = encoded(value, structs);
    let decoded = T::decode(Encoded::whole("value", &bytes)).expect("it decodes");
    assert_eq!(&decoded, value, "{structs:?}");
}

fn comes_back_either_way<T: Value + PartialEq + std::fmt::Debug>(value: &T) {
    comes_back(value, Structs::Named);
    comes_back(value, Structs::Compact);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn values_come_back(record in record()) {
        comes_back_either_way(&record);
    }

    #[test]
    fn values_whose_form_serde_changes_come_back_by_name(flat in flat()) {
        comes_back(&flat, Structs::Named);
    }

    #[test]
    fn whole_values_come_back(
        number in any::<i128>(),
        float in any::<f64>(),
        text in ".*",
        byte in any::<u8>(),
        size in prop_oneof![0..300usize, 16_380..16_390usize, 65_530..65_540usize],
        list in vec(any::<Option<u32>>(), 0..40),
        map in any::<HashMap<i16, (bool, char)>>(),
    ) {
        let number = i64::try_from(number >> 64).expect("64 bits are left");
        comes_back_either_way(&number);
        comes_back_either_way(&number.unsigned_abs());
        comes_back_either_way(&float);
        comes_back_either_way(&text);
        comes_back_either_way(&Some(text));
        let data = vec![byte; size];
        comes_back_either_way(&Bytes::from(data.clone()));
        comes_back_either_way(&data);
        comes_back_either_way(&list);
        comes_back_either_way(&map);
        comes_back_either_way(&());
    }

    #[test]
    fn a_value_that_is_cut_is_refused(record in record(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&record, Structs::Named);
        let cut = &bytes[..cut.index(bytes.len())];
        prop_assert!(Record::decode(Encoded::whole("value", cut)).is_err());
    }

    #[test]
    fn any_bytes_decode_or_are_refused(bytes in vec(any::<u8>(), 0..200)) {
        let encoded = Encoded::whole("value", &bytes);
        let _ = Record::decode(encoded);
        let _ = Flat::decode(encoded);
        let _ = Shape::decode(encoded);
        let _ = Untagged::decode(encoded);
        let _ = Vec::<u8>::decode(encoded);
        let _ = Bytes::decode(encoded);
        let _ = <(String, f64)>::decode(encoded);
        let _ = (encoded.str().is_ok(), encoded.bin().is_ok());
        let mut reader = Reader::new(&bytes);
        while reader.skip().is_ok() {}
        prop_assert!(reader.position() <= bytes.len());
    }

    #[test]
    fn a_changed_byte_decodes_or_is_refused(
        record in record(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = encoded(&record, Structs::Named).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Record::decode(Encoded::whole("value", &bytes));
    }
}

/// The frames in `stream` when it arrives in these pieces, and how it ended.
fn frames(stream: &[u8], pieces: &[usize], limit: usize) -> (Vec<Vec<u8>>, Result<(), Violation>) {
    let mut codec = FrameCodec::new(limit);
    let mut input = BytesMut::new();
    let mut found = Vec::new();
    let mut rest = stream;
    let mut sizes = pieces.iter().copied().cycle();
    loop {
        loop {
            match codec.decode(&mut input) {
                Ok(Some(Frame::Whole(body))) => {
                    found.push(body.as_slice().to_vec());
                    codec.recycle(body);
                }
                Ok(Some(Frame::Oversized { size, head })) => {
                    found.push([&size.to_be_bytes()[..], &head].concat());
                }
                Ok(None) => break,
                Err(error) => return (found, Err(violation(error))),
            }
        }
        if rest.is_empty() {
            return (found, codec.decode_eof(&mut input).map(|_| ()).map_err(violation));
        }
        let size = sizes.next().unwrap_or(usize::MAX).clamp(1, rest.len());
        input.extend_from_slice(&rest[..size]);
        rest = &rest[size..];
    }
}

fn violation(error: FrameError) -> Violation {
    match error {
        FrameError::Violation(violation) => violation,
        other => unreachable!("no transport can fail here: {other}"),
    }
}

proptest! {
    #[test]
    fn frames_do_not_mind_where_the_stream_is_cut(
        sizes in vec(prop_oneof![1..40usize, 4090..4110usize, 65_500..65_600usize], 0..6),
        pieces in vec(1..3000usize, 1..20),
        limit in prop_oneof![Just(64usize << 10), Just(1 << 20)],
    ) {
        let mut codec = FrameCodec::new(limit);
        let mut stream = BytesMut::new();
        let mut expected = Vec::new();
        for (seed, size) in (0..).zip(sizes) {
            let message: Vec<u8> = (seed..=255u8).cycle().take(size).collect();
            codec.encode(&message[..], &mut stream).expect("it is small enough");
            if size > limit {
                let head = &message[..size.min(23)];
                expected.push([&size.to_be_bytes()[..], head].concat());
            } else {
                expected.push(message);
            }
        }
        let whole = frames(&stream, &[usize::MAX], limit);
        prop_assert_eq!(&whole, &(expected, Ok(())));
        prop_assert_eq!(&frames(&stream, &pieces, limit), &whole);
        if stream.len() < 10_000 {
            prop_assert_eq!(&frames(&stream, &[1], limit), &whole);
        }
    }

    #[test]
    fn any_stream_is_cut_into_frames_alike(
        stream in vec(prop_oneof![3 => Just(0u8), 1 => 0..20u8, 1 => any::<u8>()], 0..300),
        pieces in vec(1..20usize, 1..10),
    ) {
        prop_assert_eq!(frames(&stream, &pieces, 64), frames(&stream, &[usize::MAX], 64));
    }
}

/// What a server does with a stream in these pieces: what it wrote, the calls it was asked to run, and how it ended.
fn serve(
    stream: &[u8],
    pieces: &[usize],
    now: Instant,
) -> (Vec<u8>, Vec<String>, Option<Violation>) {
    let config = server::Config::new(0, 4);
    let mut machine = server::Connection::new(config);
    let mut codec = FrameCodec::new(config.max_message_size);
    let mut input = BytesMut::new();
    let mut calls = Vec::new();
    let mut written = Vec::new();
    let mut sizes = pieces.iter().copied().cycle();
    let mut rest = stream;
    let mut run = |input: &mut BytesMut| -> Result<(), Violation> {
        if machine.awaits_preface() {
            match take_preface(input)? {
                Some(version) => machine.open(version),
                None => return Ok(()),
            }
        }
        while let Some(mut frame) = codec.decode(input).map_err(violation)? {
            match machine.receive(&mut frame, now)? {
                server::Event::Call(key, incoming) => {
                    calls.push(format!("{key:?} {incoming:?}"));
                    if calls.len() % 2 == 0 {
                        machine.answer(key, Err(&Error::aborted("every second one")));
                    } else {
                        machine.pending(key, 0, incoming.deadline());
                    }
                    codec.recycle(incoming.into_body());
                }
                other => calls.push(format!("{other:?}")),
            }
            if let Frame::Whole(body) = frame {
                codec.recycle(body);
            }
            let output = machine.output();
            written.extend_from_slice(&output.copy_to_bytes(output.remaining()));
        }
        Ok(())
    };
    let mut end = None;
    while !rest.is_empty() && end.is_none() {
        let size = sizes.next().unwrap_or(usize::MAX).clamp(1, rest.len());
        input.extend_from_slice(&rest[..size]);
        rest = &rest[size..];
        end = run(&mut input).err();
    }
    (written, calls, end)
}

/// What a client with four calls in flight does with a stream in these pieces.
fn receive(stream: &[u8], pieces: &[usize], now: Instant) -> (Vec<String>, Option<Violation>) {
    let config = client::Config::new(0, None, Structs::Named);
    let mut machine: client::Channel<()> = client::Channel::new(config, 1);
    let link = machine.connected(now);
    for _ in 0..4 {
        let mut outgoing = client::Outgoing {
            method: "T.m".into(),
            idempotent: true,
            ..client::Outgoing::default()
        };
        assert!(machine.submit(&mut outgoing, None, (), now).is_ok());
        assert!(machine.transmit(now).is_some());
    }
    let mut codec = FrameCodec::new(config.max_message_size);
    let mut input = BytesMut::new();
    let mut has_preface = false;
    let mut events = Vec::new();
    let mut sizes = pieces.iter().copied().cycle();
    let mut rest = stream;
    let mut run = |input: &mut BytesMut| -> Result<(), Violation> {
        if !has_preface {
            has_preface = take_preface(input)?.is_some();
        }
        while has_preface && let Some(mut frame) = codec.decode(input).map_err(violation)? {
            events.push(format!("{:?}", machine.receive(link, &mut frame, now)?));
            while machine.transmit(now).is_some() {}
            if let Frame::Whole(body) = frame {
                codec.recycle(body);
            }
        }
        Ok(())
    };
    let mut end = None;
    while !rest.is_empty() && end.is_none() {
        let size = sizes.next().unwrap_or(usize::MAX).clamp(1, rest.len());
        input.extend_from_slice(&rest[..size]);
        rest = &rest[size..];
        end = run(&mut input).err();
    }
    (events, end)
}

fn framed(message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).expect("a test's message is small");
    [&len.to_be_bytes(), message].concat()
}

const OPENING: [u8; 15] = [0, b'R', b'P', b'C', 0, 1, 0, 0, 0, 0, 0, 3, 0x92, 14, 0x80];

/// Messages that are right more often than not, with something random behind them.
fn conversation(kinds: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let message = (prop::sample::select(kinds), 0..6u8, vec(any::<u8>(), 0..30)).prop_map(
        |(kind, id, payload)| match kind {
            0 => [&[0x94, 0, id, 0xa3, b'T', b'.', b'm'][..], &payload, &[0xc0]].concat(),
            1 => [&[0x94, 1, id, 0xc0][..], &payload, &[0xc0]].concat(),
            2 => [&[0x93, 2, 0xa3, b'T', b'.', b'm'][..], &payload, &[0xc0]].concat(),
            3 => [&[0x95, 3, id, 0xa1, b'm', 0x82, 0, id, 0xa1, b'k', 0xa0][..], &payload, &[0xc0]]
                .concat(),
            5 => [&[0x95, 5, id, 0x94, id, 0xa1, b'e', 0xc0, 1, 0x80][..], &payload, &[0xc0]]
                .concat(),
            13 => vec![0x94, 13, id, 0xc0, 0xc0],
            64 => [&[0x93, 64][..], &payload, &[0xc0, 0xc0]].concat(),
            kind => vec![0x93, kind, id, 0xc0],
        },
    );
    vec(message, 0..8).prop_map(|messages| {
        let frames = messages.iter().flat_map(|message| framed(message));
        OPENING.into_iter().chain(frames).collect()
    })
}

const TO_SERVER: &[u8] = &[0, 0, 0, 2, 3, 6, 6, 11, 12, 64];
const TO_CLIENT: &[u8] = &[1, 1, 1, 5, 11, 12, 13, 64];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_conversation_does_not_mind_where_it_is_cut(
        to_server in conversation(TO_SERVER),
        to_client in conversation(TO_CLIENT),
    ) {
        let now = Instant::now();
        let served = serve(&to_server, &[usize::MAX], now);
        prop_assert_eq!(&serve(&to_server, &[1], now), &served);
        for at in 1..to_server.len() {
            prop_assert_eq!(&serve(&to_server, &[at, usize::MAX], now), &served, "cut at {}", at);
        }
        let received = receive(&to_client, &[usize::MAX], now);
        prop_assert_eq!(&receive(&to_client, &[1], now), &received);
        for at in 1..to_client.len() {
            let cut = receive(&to_client, &[at, usize::MAX], now);
            prop_assert_eq!(&cut, &received, "cut at {}", at);
        }
    }

    #[test]
    fn a_damaged_conversation_ends_no_process(
        mut to_server in conversation(TO_SERVER),
        mut to_client in conversation(TO_CLIENT),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in 1..50usize,
    ) {
        for (at, byte) in changes {
            // Behind the protocol's name: how much of a wrong one is reported depends on the cut.
            let at_server = 4 + at.index(to_server.len() - 4);
            to_server[at_server] = byte;
            let at_client = 4 + at.index(to_client.len() - 4);
            to_client[at_client] = byte;
        }
        let now = Instant::now();
        prop_assert_eq!(
            serve(&to_server, &[usize::MAX], now),
            serve(&to_server, &[cut], now)
        );
        prop_assert_eq!(
            receive(&to_client, &[usize::MAX], now),
            receive(&to_client, &[cut], now)
        );
    }

    #[test]
    fn any_bytes_behind_an_opening_end_no_process(
        head in 0..OPENING.len() + 1,
        messages in vec(vec(any::<u8>(), 0..60), 0..4),
        tail in vec(any::<u8>(), 0..100),
    ) {
        let frames = messages.iter().flat_map(|message| framed(message));
        let stream: Vec<u8> = OPENING[..head].iter().copied().chain(frames).chain(tail).collect();
        let now = Instant::now();
        serve(&stream, &[usize::MAX], now);
        receive(&stream, &[usize::MAX], now);
    }
}
