//! Large messages in parts, so that what is small need not wait for what is large (PROTOCOL 2.7, 2.8).
//!
//! [`Bulk`] holds the large messages that an end has to send, first come first sent, and gives one part at a time when nothing else waits.
//! Whatever belongs to a call of which something is in here queues up behind it: the messages of one call keep their order. [`Assembly`] puts the
//! parts together again; one message at a time is under way in each direction. It grows with what arrived and at most doubles.
//!
//! What is small can overtake only what has not left this process. So the receiver tells how much it has read, and the sender sends no more than
//! [`PARTS_AHEAD`](crate::limits::PARTS_AHEAD) bytes beyond that (PROTOCOL 2.9). While an end does not read, because too much of its output waits, it
//! cannot hear of that, and has nothing small to answer: then it sends on as the transport lets it.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    Violation,
    buffer::WriteBuffer,
    limits::{FRAGMENT, PARTS_TOLD},
    message::{self, PartState},
    payload::Body,
    value::{Encoder, Piece},
};

/// What the head of a message may take in front of its payload, beside a method's name and metadata, in bytes.
const HEAD: usize = 40;

/// The bytes of a part: it is a message within its receiver's limit too, which may be just above that on messages that need no parts.
const PART: usize = FRAGMENT - PART_HEAD;

/// What stands in front of a part's bytes.
const PART_HEAD: usize = 8;

/// Whether a message with a payload of so many bytes travels in parts.
pub(super) fn is_large(payload: usize) -> bool {
    payload + HEAD > FRAGMENT
}

/// A message that waits.
#[derive(Debug)]
struct Waiting {
    /// The call it belongs to, if its order matters.
    id: Option<u32>,
    /// What its driver calls the call.
    tag: Option<u32>,
    pieces: VecDeque<Bytes>,
    left: usize,
    /// Whether it goes out in parts; otherwise these are frames, of one message or of several small ones.
    is_in_parts: bool,
    /// What follows the pieces, where these are frames.
    tail: Vec<u8>,
    has_begun: bool,
    /// What it counts for in the windows of streams.
    cost: usize,
}

/// What one step has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Some of a message.
    Part,
    /// The rest of a message, in a frame that begins at this position, with its tag.
    Last { tag: Option<u32>, position: u64 },
}

/// What was taken out because its call is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Removed {
    /// How many messages.
    pub(super) messages: usize,
    /// What they counted for in the windows of streams.
    pub(super) cost: usize,
}

/// The large messages that wait, and what waits behind them.
#[derive(Debug, Default)]
pub(super) struct Bulk {
    queue: VecDeque<Waiting>,
    /// Bytes behind the first message.
    behind: usize,
    /// Bytes of parts that were sent, and of those the peer has received.
    sent: u64,
    received: u64,
    /// What is not needed any more, but is the user's, and must not be dropped under a lock.
    spent: Vec<Bytes>,
}

impl Bulk {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether a message of this call waits.
    #[inline]
    pub(super) fn holds(&self, id: u32) -> bool {
        !self.queue.is_empty() && self.queue.iter().any(|waiting| waiting.id == Some(id))
    }

    /// Whether a message waits that counts in the windows of streams.
    pub(super) fn holds_items(&self) -> bool {
        self.queue.iter().any(|waiting| waiting.cost > 0)
    }

    /// The bytes that wait behind the message that is being sent.
    pub(super) fn waiting(&self) -> usize {
        self.behind
    }

    /// Whether so many bytes of parts are on their way that what is small would wait behind them for long.
    pub(super) fn is_ahead(&self, parts_ahead: usize) -> bool {
        self.sent - self.received >= parts_ahead as u64
    }

    /// The peer has received so many bytes of parts in all.
    ///
    /// # Errors
    ///
    /// [`Violation::Received`] where that is no news, or cannot be.
    pub(super) fn received(&mut self, bytes: u64) -> Result<(), Violation> {
        if bytes <= self.received || bytes > self.sent {
            return Err(Violation::Received { bytes });
        }
        self.received = bytes;
        Ok(())
    }

    /// Appends a message: `head` writes what stands in front of its payload.
    pub(super) fn push(
        &mut self,
        id: Option<u32>,
        tag: Option<u32>,
        cost: usize,
        head: impl FnOnce(&mut Vec<u8>),
        payload: &mut Encoder,
    ) {
        payload.seal();
        let mut run = Vec::new();
        head(&mut run);
        let size = run.len() + payload.len();
        if size <= FRAGMENT {
            return self.push_frame(id, tag, cost, &run, payload);
        }
        if !self.queue.is_empty() {
            self.behind += size;
        }
        let mut pieces = VecDeque::new();
        for piece in payload.pieces() {
            match piece {
                Piece::Run(bytes) => run.extend_from_slice(bytes),
                Piece::Segment(segment) => {
                    if !run.is_empty() {
                        pieces.push_back(Bytes::from(std::mem::take(&mut run)));
                    }
                    pieces.push_back(segment.clone());
                }
            }
        }
        if !run.is_empty() {
            pieces.push_back(Bytes::from(run));
        }
        self.queue.push_back(Waiting {
            id,
            tag,
            pieces,
            left: size,
            is_in_parts: true,
            tail: Vec::new(),
            has_begun: false,
            cost,
        });
    }

    /// Appends a small message as a frame: to the frames that its call has waiting last, if there are any, for each entry is sent by itself.
    fn push_frame(
        &mut self,
        id: Option<u32>,
        tag: Option<u32>,
        cost: usize,
        head: &[u8],
        payload: &Encoder,
    ) {
        let size = head.len() + payload.len();
        let is_joined = self.queue.back().is_some_and(|last| {
            !last.is_in_parts && last.id == id && last.tag == tag && last.left + size <= FRAGMENT
        });
        if !is_joined {
            let (pieces, tail) = (VecDeque::new(), Vec::new());
            self.queue.push_back(Waiting {
                id,
                tag,
                pieces,
                left: 0,
                is_in_parts: false,
                tail,
                has_begun: false,
                cost: 0,
            });
        }
        if self.queue.len() > 1 {
            self.behind += size;
        }
        let Some(last) = self.queue.back_mut() else { return };
        last.left += size;
        last.cost += cost;
        let length = u32::try_from(size).unwrap_or(u32::MAX);
        last.tail.extend_from_slice(&length.to_be_bytes());
        last.tail.extend_from_slice(head);
        for piece in payload.pieces() {
            match piece {
                Piece::Run(bytes) => last.tail.extend_from_slice(bytes),
                Piece::Segment(segment) => {
                    last.pieces.push_back(Bytes::from(std::mem::take(&mut last.tail)));
                    last.pieces.push_back(segment.clone());
                }
            }
        }
    }

    /// Sends a message of this call that `message` writes whole: behind what the call has waiting, or at once.
    pub(super) fn message(
        &mut self,
        output: &mut WriteBuffer,
        id: u32,
        message: impl FnOnce(&mut Vec<u8>),
    ) {
        if self.holds(id) {
            self.push(Some(id), None, 0, message, &mut Encoder::default());
        } else {
            output.message(message);
        }
    }

    /// Moves the next part of the first message to `output`, if there is one.
    pub(super) fn step(&mut self, output: &mut WriteBuffer) -> Option<Step> {
        let first = self.queue.front_mut()?;
        let position = output.end();
        if !first.is_in_parts {
            output.frames(first.pieces.drain(..), &first.tail);
            let tag = first.tag;
            self.pop();
            return Some(Step::Last { tag, position });
        }
        let size = first.left.min(PART);
        first.left -= size;
        first.has_begun = true;
        self.sent += size as u64;
        let is_last = first.left == 0;
        let state = if is_last { PartState::Last } else { PartState::More };
        let pieces = cut(&mut first.pieces, size);
        output.segments(|out| message::write_part(out, state, size), size, pieces, &mut self.spent);
        let tag = first.tag;
        if !is_last {
            return Some(Step::Part);
        }
        self.pop();
        Some(Step::Last { tag, position })
    }

    fn pop(&mut self) {
        self.queue.pop_front();
        // What is first now waits behind nothing.
        self.behind -= self.queue.front().map_or(0, |first| first.left);
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
    }

    /// What is to be dropped outside of any lock: byte strings of the user's whose messages were sent or given up.
    #[must_use = "to be dropped outside of any lock"]
    pub(super) fn take_spent(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.spent)
    }

    /// Takes out all messages of a call. One that was sent in part is abandoned.
    pub(super) fn remove(&mut self, id: u32, output: &mut WriteBuffer) -> Removed {
        let mut removed = Removed::default();
        if self.queue.is_empty() {
            return removed;
        }
        if let Some(first) = self.queue.front()
            && first.id == Some(id)
            && first.has_begun
        {
            output.message(|out| message::write_part(out, PartState::Abandoned, 0));
        }
        let spent = &mut self.spent;
        self.queue.retain_mut(|waiting| {
            if waiting.id != Some(id) {
                return true;
            }
            removed.messages += 1;
            removed.cost += waiting.cost;
            spent.extend(waiting.pieces.drain(..));
            false
        });
        self.behind = self.queue.iter().skip(1).map(|waiting| waiting.left).sum();
        removed
    }
}

/// Cuts so many bytes off the front, which are there.
fn cut(pieces: &mut VecDeque<Bytes>, mut size: usize) -> Vec<Bytes> {
    let mut taken = Vec::with_capacity(2);
    while size > 0
        && let Some(first) = pieces.front_mut()
    {
        if first.len() > size {
            taken.push(first.split_to(size));
            break;
        }
        size -= first.len();
        taken.extend(pieces.pop_front());
    }
    taken
}

/// What a part has made of the message that arrives in parts.
#[derive(Debug)]
pub(super) enum Assembled {
    /// It is not complete, or was abandoned.
    Nothing,
    /// It is complete.
    Whole(Body),
    /// It has more bytes than the limit, of which so many have come; the rest of it is discarded.
    Oversized { size: usize, head: Bytes },
}

/// The message that arrives in parts.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    state: Awaits,
    /// Bytes of parts that were received, and of how many the peer was told.
    received: u64,
    told: u64,
}

#[derive(Debug, Default)]
enum Awaits {
    /// The first part of a message.
    #[default]
    First,
    /// Further parts.
    More(Vec<u8>),
    /// The end of a message above the limit.
    Rest,
}

/// As many bytes as tell a message's type and id.
const TELLING: usize = 23;

impl Assembly {
    /// What the peer is to be told: how many bytes of parts were received, if it has not heard of enough of them.
    fn news(&mut self) -> Option<u64> {
        let is_due = self.received - self.told >= PARTS_TOLD as u64;
        is_due.then(|| {
            self.told = self.received;
            self.received
        })
    }

    /// Whether no message is under way.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, Awaits::First)
    }

    /// Takes one part, and tells the peer how much was received where that is due.
    ///
    /// # Errors
    ///
    /// [`Violation::Part`] where nothing is to be abandoned, or a part is empty or holds a part.
    pub(super) fn receive(
        &mut self,
        state: PartState,
        bytes: &[u8],
        max_message_size: usize,
        output: &mut WriteBuffer,
    ) -> Result<Assembled, Violation> {
        let assembled = self.take(state, bytes, max_message_size)?;
        if let Some(bytes) = self.news() {
            output.message(|out| message::write_received(out, bytes));
        }
        Ok(assembled)
    }

    fn take(
        &mut self,
        state: PartState,
        bytes: &[u8],
        max_message_size: usize,
    ) -> Result<Assembled, Violation> {
        if state == PartState::Abandoned {
            return match std::mem::take(&mut self.state) {
                Awaits::First => {
                    Err(Violation::Part { what: "the end of a message that did not begin" })
                }
                Awaits::More(_) | Awaits::Rest => Ok(Assembled::Nothing),
            };
        }
        if bytes.is_empty() {
            return Err(Violation::Part { what: "an empty part" });
        }
        self.received += bytes.len() as u64;
        let mut collected = match std::mem::take(&mut self.state) {
            Awaits::First => Vec::new(),
            Awaits::More(collected) => collected,
            Awaits::Rest => {
                if state == PartState::More {
                    self.state = Awaits::Rest;
                }
                return Ok(Assembled::Nothing);
            }
        };
        let size = collected.len() + bytes.len();
        if size > max_message_size {
            let missing = TELLING.saturating_sub(collected.len()).min(bytes.len());
            collected.extend_from_slice(&bytes[..missing]);
            collected.truncate(TELLING);
            if state == PartState::More {
                self.state = Awaits::Rest;
            }
            return Ok(Assembled::Oversized { size, head: Bytes::from(collected) });
        }
        collected.extend_from_slice(bytes);
        if state == PartState::More {
            self.state = Awaits::More(collected);
            return Ok(Assembled::Nothing);
        }
        if collected.capacity() - collected.len() > collected.len() / 4 {
            collected.shrink_to_fit();
        }
        if message::kind_of(&collected) == u64::from(message::kind::PART) {
            return Err(Violation::Part { what: "a part that holds a part" });
        }
        Ok(Assembled::Whole(Body::Large(Bytes::from(collected))))
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, Bytes, BytesMut};
    use tokio_util::codec::Decoder;

    use super::*;
    use crate::{
        Structs,
        frame::{Frame, FrameCodec},
        limits::MAX_MESSAGE_SIZE,
        message::{Control, Message},
        payload::slice,
    };

    /// The messages in `output`, put together, and the sizes of its frames.
    fn received(output: &mut WriteBuffer) -> (Vec<Vec<u8>>, Vec<usize>) {
        let mut input = BytesMut::new();
        while output.has_remaining() {
            let chunk = output.chunk().to_vec();
            input.extend_from_slice(&chunk);
            output.advance(chunk.len());
        }
        let mut codec = FrameCodec::new(MAX_MESSAGE_SIZE);
        let mut assembly = Assembly::default();
        let (mut messages, mut sizes) = (Vec::new(), Vec::new());
        while let Some(Frame::Whole(body)) = codec.decode(&mut input).expect("right frames") {
            sizes.push(body.as_slice().len());
            match Message::parse(body.as_slice()).expect("a right message") {
                Message::Control(Control::Part { state, bytes }) => {
                    match assembly
                        .take(state, slice(&body, &bytes), MAX_MESSAGE_SIZE)
                        .expect("right")
                    {
                        Assembled::Whole(body) => messages.push(body.as_slice().to_vec()),
                        Assembled::Nothing => {}
                        Assembled::Oversized { .. } => unreachable!("it is small"),
                    }
                }
                _ => messages.push(body.as_slice().to_vec()),
            }
        }
        assert!(input.is_empty());
        (messages, sizes)
    }

    fn response(id: u32, size: usize) -> (impl FnOnce(&mut Vec<u8>), Encoder) {
        let mut payload = Encoder::new(Structs::Named);
        payload.bytes(&Bytes::from(vec![u8::try_from(id).expect("small"); size]));
        (move |out: &mut Vec<u8>| message::write_result(out, id), payload)
    }

    #[test]
    fn a_large_message_goes_out_in_parts_and_what_is_small_in_between() {
        let mut bulk = Bulk::default();
        let mut output = WriteBuffer::new();
        let (head, mut payload) = response(7, 1_000_000);
        bulk.push(Some(7), Some(3), 0, head, &mut payload);
        let mut steps = 0;
        loop {
            match bulk.step(&mut output).expect("there is more") {
                Step::Part => output.message(|out| message::write_pong(out, steps)),
                Step::Last { tag, .. } => {
                    assert_eq!(tag, Some(3));
                    break;
                }
            }
            steps += 1;
        }
        assert!(bulk.is_empty() && bulk.step(&mut output).is_none());
        let (messages, sizes) = received(&mut output);
        assert_eq!(steps, 7);
        assert_eq!(messages.len(), 8, "seven pongs, and then the response");
        assert!(sizes.iter().all(|size| *size <= FRAGMENT), "{sizes:?}");
        let Message::Response { id: 7, payload, .. } = Message::parse(&messages[7]).expect("right")
        else {
            unreachable!("the response is last")
        };
        assert_eq!(messages[7].len() - payload as usize, 1_000_000 + 5);
    }

    #[test]
    fn the_messages_of_a_call_keep_their_order() {
        let mut bulk = Bulk::default();
        let mut output = WriteBuffer::new();
        for id in [1, 2] {
            let (head, mut payload) = response(id, 300_000);
            bulk.push(Some(id), None, 0, head, &mut payload);
        }
        bulk.message(&mut output, 1, |out| message::write_cancel(out, 1));
        assert!(bulk.holds(1) && bulk.holds(2) && !bulk.holds(3));
        assert!(bulk.waiting() > 300_000);
        while bulk.step(&mut output).is_some() {}
        assert_eq!(bulk.waiting(), 0);
        let kinds: Vec<u64> = received(&mut output).0.iter().map(|m| message::kind_of(m)).collect();
        assert_eq!(kinds, [1, 1, 6]);
    }

    #[test]
    fn what_was_sent_in_part_is_abandoned() {
        let mut bulk = Bulk::default();
        let mut output = WriteBuffer::new();
        for (id, cost) in [(1, 10), (2, 0), (1, 5)] {
            let (head, mut payload) = response(id, 300_000);
            bulk.push(Some(id), None, cost, head, &mut payload);
        }
        bulk.step(&mut output);
        assert_eq!(bulk.remove(9, &mut output), Removed::default());
        assert_eq!(bulk.remove(1, &mut output), Removed { messages: 2, cost: 15 });
        assert_eq!(bulk.waiting(), 0);
        while bulk.step(&mut output).is_some() {}
        let (messages, _) = received(&mut output);
        assert_eq!(messages.len(), 1, "the other call's");
    }

    #[test]
    fn a_message_above_the_limit_is_told_once_and_discarded() {
        let mut assembly = Assembly::default();
        let mut message = Vec::new();
        message::write_result(&mut message, 300);
        message.resize(1000, 0xc0);
        let mut told = 0;
        for (index, piece) in message.chunks(1).enumerate() {
            let state = if index == 999 { PartState::Last } else { PartState::More };
            match assembly.take(state, piece, 500).expect("right parts") {
                Assembled::Nothing => {}
                Assembled::Oversized { head, .. } => {
                    told += 1;
                    assert_eq!(message::oversized(&head).expect("right"), (1, Some(300)));
                }
                Assembled::Whole(_) => unreachable!("it is too large"),
            }
        }
        assert_eq!(told, 1);
        assert!(matches!(assembly.state, Awaits::First), "the next message may begin");
    }

    #[test]
    fn what_is_no_part_is_a_violation() {
        let mut assembly = Assembly::default();
        assert!(assembly.take(PartState::Abandoned, &[], 100).is_err());
        assert!(assembly.take(PartState::More, &[], 100).is_err());
        assert!(assembly.take(PartState::Last, &[0x93, 10, 0, 0xc4, 0], 100).is_err());
    }
}
