use std::io::IoSlice;

use bytes::{Buf, Bytes};
use proptest::prelude::*;

use super::{WriteBuffer, give_buffer, give_read_buffer, take_buffer, take_read_buffer};
use crate::{
    limits::{
        IO_BUFFER, LARGE_SEGMENT, MAX_POOLED_READ_BUFFER, POOLED_BUFFERS,
        POOLED_LARGE_READ_BUFFERS, SMALL_PAYLOAD,
    },
    value::Encoder,
};

#[derive(Clone, Debug)]
enum Step {
    Raw(usize),
    Message(usize),
    /// A frame whose payload is these pieces; a large one is a segment.
    Frame(Vec<usize>),
    Advance(usize),
    Release,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![4 => 0..100usize, 1 => 0..10_000usize, 1 => LARGE_SEGMENT..40_000usize];
    let step = prop_oneof![
        (0..100usize).prop_map(Step::Raw),
        size.clone().prop_map(Step::Message),
        proptest::collection::vec(size, 0..4).prop_map(Step::Frame),
        prop_oneof![0..50usize, 0..50_000usize].prop_map(Step::Advance),
        Just(Step::Release),
    ];
    proptest::collection::vec(step, 0..30)
}

/// Bytes that tell where they came from.
fn pattern(seed: u8, size: usize) -> Vec<u8> {
    (0..=250u8).cycle().skip(usize::from(seed)).take(size).collect()
}

fn gathered(buffer: &WriteBuffer) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 256];
    let filled = buffer.chunks_vectored(&mut slices);
    slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect()
}

proptest! {
    #[test]
    fn what_is_appended_comes_out_in_order(steps in steps()) {
        let mut buffer = WriteBuffer::new();
        let mut model: Vec<u8> = Vec::new();
        for (seed, step) in (0..).zip(steps) {
            match step {
                Step::Raw(size) => {
                    buffer.raw(&pattern(seed, size));
                    model.extend(pattern(seed, size));
                }
                Step::Message(size) => {
                    buffer.message(|out| out.extend(pattern(seed, size)));
                    model.extend(u32::try_from(size).expect("small").to_be_bytes());
                    model.extend(pattern(seed, size));
                }
                Step::Frame(sizes) => {
                    let mut payload = Encoder::default();
                    for size in sizes {
                        payload.bytes(&Bytes::from(pattern(seed, size)));
                    }
                    let mut whole = Vec::new();
                    for piece in payload.pieces() {
                        match piece {
                            crate::value::Piece::Run(run) => whole.extend_from_slice(run),
                            crate::value::Piece::Segment(bytes) => whole.extend_from_slice(bytes),
                        }
                    }
                    prop_assert_eq!(whole.len(), payload.len());
                    buffer.frame(|out| out.push(seed), &mut payload);
                    model.extend(u32::try_from(whole.len() + 1).expect("small").to_be_bytes());
                    model.push(seed);
                    model.extend(whole);
                }
                Step::Advance(count) => {
                    let count = count.min(model.len());
                    buffer.advance(count);
                    model.drain(..count);
                }
                Step::Release => buffer.release(),
            }
            prop_assert_eq!(buffer.remaining(), model.len());
            prop_assert!(model.starts_with(buffer.chunk()));
            prop_assert_eq!(buffer.chunk().is_empty(), model.is_empty());
            prop_assert!(gathered(&buffer) == model);
        }
        prop_assert!(buffer.copy_to_bytes(buffer.remaining()) == model);
    }
}

#[test]
fn a_large_payload_is_not_copied() {
    let bytes = Bytes::from(vec![7; LARGE_SEGMENT]);
    let mut payload = Encoder::default();
    payload.bytes(&bytes);
    payload.str("behind");
    let mut buffer = WriteBuffer::new();
    buffer.frame(|out| out.push(1), &mut payload);
    let head = buffer.chunk().len();
    buffer.advance(head);
    assert_eq!(buffer.chunk().as_ptr(), bytes.as_ptr());
}

#[test]
fn what_was_not_sent_can_be_taken() {
    let mut buffer = WriteBuffer::new();
    buffer.raw(b"hello");
    buffer.advance(2);
    let mut unsent = buffer.take_unsent();
    assert!(!buffer.has_remaining());
    assert_eq!(unsent.copy_to_bytes(3), "llo");
    buffer.raw(b"next");
    assert_eq!(buffer.chunk(), b"next");
}

#[test]
#[should_panic(expected = "no more is sent than was written")]
fn sending_more_than_there_is_is_a_bug() {
    let mut buffer = WriteBuffer::new();
    buffer.raw(b"hello");
    buffer.advance(6);
}

#[test]
fn an_empty_buffer_holds_no_large_memory() {
    let mut buffer = WriteBuffer::new();
    buffer.raw(&vec![0; IO_BUFFER * 4]);
    buffer.advance(IO_BUFFER * 4);
    assert_eq!(buffer.tail.capacity(), 0);
    buffer.raw(b"small");
    buffer.advance(5);
    buffer.release();
    assert_eq!(buffer.tail.capacity(), 0, "it went to the pool");
}

#[test]
fn the_pool_of_a_thread_is_bounded() {
    for _ in 0..POOLED_BUFFERS * 2 {
        give_buffer(Vec::with_capacity(SMALL_PAYLOAD));
    }
    give_buffer(Vec::with_capacity(SMALL_PAYLOAD * 2));
    let mut kept = 0;
    while take_buffer().capacity() > 0 {
        kept += 1;
    }
    assert_eq!(kept, POOLED_BUFFERS);
}

#[test]
fn a_buffer_comes_back_empty() {
    give_buffer(b"secret".to_vec());
    let buffer = take_buffer();
    assert!(buffer.is_empty() && buffer.capacity() >= 6);
}

/// On a thread of its own: the pools are a thread's.
#[test]
fn a_large_read_buffer_serves_again_when_nobody_shares_it() {
    let size = 10 * IO_BUFFER;
    let mut buffer = take_read_buffer(size - 1);
    assert_eq!(buffer.capacity(), size);
    buffer.extend_from_slice(&[1; 100]);
    let address = buffer.as_ptr();
    let frame = buffer.split_to(100).freeze();
    give_read_buffer(buffer, size);
    let other = take_read_buffer(size);
    assert_ne!(other.as_ptr(), address, "a frame lies in it");
    assert_eq!(frame, &[1; 100][..]);
    drop(frame);
    let again = take_read_buffer(size);
    assert_eq!((again.as_ptr(), again.len(), again.capacity()), (address, 0, size));
    give_read_buffer(again, size);
    assert_eq!(take_read_buffer(size + 1).capacity(), size + IO_BUFFER, "it is too small");
}

#[test]
fn few_read_buffers_are_kept_and_no_huge_one() {
    let frames: Vec<Bytes> = (0..2 * POOLED_LARGE_READ_BUFFERS)
        .map(|_| {
            let mut buffer = take_read_buffer(2 * IO_BUFFER);
            buffer.extend_from_slice(&[1; 100]);
            let frame = buffer.split_to(100).freeze();
            give_read_buffer(buffer, 2 * IO_BUFFER);
            frame
        })
        .collect();
    // A frame that only its holder shares is its holder's own memory again.
    let kept = frames.into_iter().filter(|frame| !frame.is_unique()).count();
    assert_eq!(kept, POOLED_LARGE_READ_BUFFERS);
    let huge = take_read_buffer(2 * MAX_POOLED_READ_BUFFER);
    let address = huge.as_ptr();
    let mut huge = huge;
    huge.extend_from_slice(&[1; 100]);
    let frame = huge.split_to(100).freeze();
    give_read_buffer(huge, 2 * MAX_POOLED_READ_BUFFER);
    assert_eq!(frame.as_ptr(), address);
    assert!(frame.is_unique(), "it is not kept");
}
