//! Each way from stage to stage that the diagram of `calls.rs` shows, one at a time.

use std::time::{Duration, Instant};

use bytes::Buf;

use super::{
    CallRef, Channel as Machine, Config, Event, Late, LinkId, Outgoing, Outlook, Overdue,
    Transmitted, calls::Stage,
};
use crate::{
    Backoff, Code, Error,
    frame::Frame,
    limits::{ASSUMED_MESSAGE_SIZE, WRITE_HIGH_WATER},
    msgpack,
    payload::Body,
};

/// What a caller got, as text: the code of its error, or "ok".
type Waiter = Option<String>;

struct Channel {
    machine: Machine<Waiter>,
    link: LinkId,
    now: Instant,
}

impl Channel {
    fn closed() -> Self {
        Self::with(quiet())
    }

    fn with(config: Config) -> Self {
        let config =
            Config { max_message_size: ASSUMED_MESSAGE_SIZE, default_timeout: None, ..config };
        let machine = Machine::new(config, 1);
        Self { machine, link: LinkId::default(), now: Instant::now() }
    }

    fn open(max_calls: u8) -> Self {
        let mut channel = Self::closed();
        channel.connect(max_calls);
        channel
    }

    fn connect(&mut self, max_calls: u8) {
        self.link = self.machine.connected(self.now);
        self.receive(&[0x92, 14, 0x81, 0, max_calls]);
        self.written();
    }

    fn submit(&mut self, timeout: Option<Duration>) -> CallRef {
        let mut outgoing = Outgoing { method: "m".into(), ..Outgoing::default() };
        msgpack::write_array_len(outgoing.arguments.buffer(), 0);
        let deadline = timeout.map(|timeout| self.now + timeout);
        self.machine.submit(&mut outgoing, deadline, None, self.now).expect("there is room")
    }

    fn transmit(&mut self) {
        while let Some(transmitted) = self.machine.transmit(self.now) {
            match transmitted {
                Transmitted::Request | Transmitted::Upload(_) => {}
                Transmitted::Notification(waiter) => *waiter = Some("ok".to_owned()),
                Transmitted::Refused(waiter, error) => settle(waiter, &error),
            }
        }
    }

    /// A call that was sent, and its id.
    fn sent(&mut self, timeout: Option<Duration>) -> (CallRef, u8) {
        let call = self.submit(timeout);
        self.transmit();
        let written = self.written();
        (call, *written.get(6).expect("a request was written"))
    }

    /// Takes one message; says whether it freed a slot whose caller was gone.
    fn receive(&mut self, message: &[u8]) -> bool {
        let mut frame = Frame::Whole(Body::Small(message.to_vec()));
        match self.machine.receive(self.link, &mut frame, self.now).expect("no violation") {
            Event::None
            | Event::GoAway(_)
            | Event::Item { .. }
            | Event::LostItems { .. }
            | Event::Begun(_)
            | Event::Stopped(_)
            | Event::Writable(_)
            | Event::Room => false,
            Event::Answered(waiter, Ok(_)) | Event::AnsweredWith(waiter, Ok(_), _) => {
                assert!(waiter.replace("ok".to_owned()).is_none());
                false
            }
            Event::Answered(waiter, Err(error)) | Event::AnsweredWith(waiter, Err(error), _) => {
                settle(waiter, &error);
                false
            }
            Event::Gone(..) => true,
        }
    }

    fn fail_call(&mut self, id: u8, code: Code, flags: u8) {
        self.receive(&[0x94, 1, id, 0x94, code as u8, 0xa0, 0xc0, flags, 0xc0]);
    }

    fn refuse(&mut self, id: u8, code: Code) {
        self.fail_call(id, code, 1);
    }

    fn expire(&mut self, after: Duration) {
        self.now += after;
        let overdue = self.machine.expire(self.now, |waiter, error| settle(waiter, &error));
        assert_eq!(overdue, None);
    }

    fn lose(&mut self) -> usize {
        let error = Error::unavailable("lost");
        let (link, now, machine) = (self.link, self.now, &mut self.machine);
        let written = machine.output(link).position();
        let settled = |waiter: &mut Waiter, error| settle(waiter, &error);
        machine.lost(link, &error, written, Outlook::Open, now, settled).calls.len()
    }

    /// The caller has taken its outcome.
    fn release(&mut self, call: CallRef) {
        *self.machine.waiter(call) = None;
        drop(self.machine.release(call));
    }

    fn outcome(&mut self, call: CallRef) -> Waiter {
        self.machine.waiter(call).clone()
    }

    fn written(&mut self) -> Vec<u8> {
        // A channel that never had a connection has written nothing.
        if self.machine.links.iter().next().is_none() {
            return Vec::new();
        }
        let output = self.machine.output(self.link);
        output.copy_to_bytes(output.remaining()).to_vec()
    }

    /// The ids of the calls that are sent now, in order.
    fn transmitted(&mut self) -> Vec<u8> {
        self.transmit();
        let written = self.written();
        let mut rest = &written[..];
        let mut ids = Vec::new();
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let (message, next) = behind.split_at(u32::from_be_bytes(*length) as usize);
            ids.push(message[2]);
            rest = next;
        }
        ids
    }

    /// An attempt to connect fails.
    fn fail(&mut self, outlook: Outlook) {
        let error = Error::unavailable("nobody listens");
        let settled = |waiter: &mut Waiter, error| settle(waiter, &error);
        self.machine.failed(&error, outlook, self.now, settled);
    }
}

fn settle(waiter: &mut Waiter, error: &Error) {
    let started = if error.is_not_started() { ", not started" } else { "" };
    assert!(waiter.replace(format!("{}{started}", error.kind())).is_none(), "two outcomes");
}

/// Nobody is asked whether they are there.
fn quiet() -> Config {
    Config { keepalive_idle: Duration::MAX, ..Config::default() }
}

const SOON: Duration = Duration::from_millis(1);

#[test]
fn queued_then_cancelled() {
    let mut channel = Channel::closed();
    let call = channel.submit(None);
    assert!(channel.machine.cancel(call).is_some(), "its remains come back at once");
    assert!(channel.machine.is_empty() && !channel.machine.has_queued());
    assert!(channel.written().is_empty());
}

#[test]
fn queued_then_expired() {
    for (mut channel, connected) in [(Channel::closed(), false), (Channel::open(0), true)] {
        let call = channel.submit(Some(SOON));
        channel.transmit();
        assert_eq!(channel.machine.next_deadline(), Some(channel.now + SOON));
        channel.expire(SOON);
        let outcome = channel.outcome(call);
        assert_eq!(outcome.as_deref(), Some("deadline_exceeded, not started"), "{connected}");
        channel.release(call);
        assert!(channel.machine.is_empty() && channel.written().is_empty());
        assert_eq!(channel.machine.next_deadline(), None);
    }
}

#[test]
fn queued_then_connecting_failed() {
    for (wait, outlook) in [(Duration::ZERO, Outlook::Open), (SOON, Outlook::Hopeless)] {
        let config = Config { wait_for_connection: wait, ..Config::default() };
        let mut channel = Channel::with(config);
        let call = channel.submit(None);
        assert!(channel.machine.wants_connection());
        channel.machine.dialling(channel.now);
        channel.fail(outlook);
        assert_eq!(channel.outcome(call).as_deref(), Some("unavailable, not started"));
        assert!(!channel.machine.has_queued() && !channel.machine.wants_connection());
        channel.release(call);
        assert!(channel.machine.is_empty());
        // The next one is told at once, while the next attempt waits.
        let refused = channel.machine.submit(&mut Outgoing::default(), None, None, channel.now);
        assert!(refused.expect_err("there is no connection").0.is_not_started());
    }
}

#[test]
fn queued_then_waited_long_enough() {
    let wait = Duration::from_secs(1);
    let config = Config {
        wait_for_connection: wait,
        reconnect_backoff: Backoff::new(wait * 9, 1.0, wait * 9),
        ..Config::default()
    };
    let mut channel = Channel::with(config);
    let call = channel.submit(None);
    channel.machine.dialling(channel.now);
    channel.fail(Outlook::Open);
    channel.expire(wait - SOON);
    assert_eq!(channel.outcome(call), None);
    channel.expire(SOON);
    assert_eq!(channel.outcome(call).as_deref(), Some("unavailable, not started"));
    channel.release(call);
    assert!(channel.machine.is_empty());
}

#[test]
fn queued_then_lost_then_sent_on_the_next_connection() {
    let mut channel = Channel::open(1);
    let (call, id) = channel.sent(None);
    let waits = channel.submit(None);
    channel.transmit();
    channel.lose();
    assert_eq!(channel.outcome(call).as_deref(), Some("unavailable"));
    assert_eq!(channel.outcome(waits), None);
    channel.release(call);
    // It carried a call and answered none: the next attempt waits a little.
    assert!(!channel.machine.wants_connection());
    channel.expire(Duration::from_millis(10));
    assert!(channel.machine.wants_connection());
    channel.connect(1);
    assert_eq!(channel.transmitted().len(), 1);
    assert_ne!(channel.machine.calls.id(waits.slot), u32::from(id));
}

#[test]
fn what_was_not_handed_to_the_transport_is_sent_again() {
    let mut channel = Channel::open(9);
    let (written, _) = channel.sent(None);
    let unwritten = channel.submit(None);
    channel.transmit();
    assert_eq!(channel.lose(), 0);
    assert_eq!(channel.outcome(written).as_deref(), Some("unavailable"));
    assert_eq!(channel.outcome(unwritten), None);
    assert_eq!(channel.machine.calls.entry(unwritten.slot).attempt, 0);
    // A byte of it makes the difference.
    channel.expire(Duration::from_millis(10));
    channel.connect(9);
    channel.transmit();
    channel.machine.output(channel.link).advance(1);
    channel.lose();
    assert_eq!(channel.outcome(unwritten).as_deref(), Some("unavailable"));
}

fn submit_idempotent(channel: &mut Channel, timeout: Option<Duration>) -> CallRef {
    let call = channel.submit(timeout);
    channel.machine.calls.entry(call.slot).outgoing.idempotent = true;
    call
}

/// A call that may be repeated, and its id.
fn idempotent(channel: &mut Channel, timeout: Option<Duration>) -> (CallRef, u8) {
    let call = submit_idempotent(channel, timeout);
    channel.transmit();
    let written = channel.written();
    (call, *written.get(6).expect("a request was written"))
}

#[test]
fn sent_then_failed_then_paused_then_sent_again() {
    let mut channel = Channel::with(Config { max_attempts: 2, ..quiet() });
    channel.connect(9);
    let (call, id) = idempotent(&mut channel, None);
    channel.fail_call(id, Code::Unavailable, 0);
    assert_eq!(channel.outcome(call), None);
    assert_eq!(channel.machine.calls.entry(call.slot).stage, Stage::Paused);
    assert_eq!(channel.machine.in_flight(channel.link), 0);
    assert!(channel.transmitted().is_empty());
    channel.expire(Duration::from_millis(10));
    channel.transmit();
    // Request with metadata: the attempt is its key 1.
    let written = channel.written();
    assert_eq!(written[5..8], [3, id, 0xa1]);
    assert_eq!(written[9..12], [0x81, 1, 2]);
    // Two attempts are allowed: the second failure is the end, and it may have run in the first.
    channel.fail_call(id, Code::Unavailable, 1);
    assert_eq!(channel.outcome(call).as_deref(), Some("unavailable"));
    channel.release(call);
    assert!(channel.machine.is_empty());
}

#[test]
fn paused_then_dropped_or_expired() {
    for drops in [true, false] {
        let mut channel = Channel::with(quiet());
        channel.connect(9);
        let (call, id) = idempotent(&mut channel, Some(Duration::from_secs(1)));
        channel.fail_call(id, Code::Unavailable, 0);
        if drops {
            assert!(channel.machine.cancel(call).is_some());
        } else {
            channel.expire(Duration::from_secs(1));
            assert_eq!(channel.outcome(call).as_deref(), Some("deadline_exceeded"));
            channel.release(call);
        }
        assert!(channel.machine.is_empty());
        assert!(channel.written().is_empty(), "there is nothing to cancel");
    }
}

#[test]
fn a_pause_beyond_the_deadline_is_none() {
    let mut channel = Channel::with(quiet());
    channel.connect(9);
    let (call, id) = idempotent(&mut channel, Some(SOON));
    channel.fail_call(id, Code::Unavailable, 0);
    assert_eq!(channel.outcome(call).as_deref(), Some("unavailable"));
}

#[test]
fn what_is_not_idempotent_is_not_repeated() {
    let mut channel = Channel::with(quiet());
    channel.connect(9);
    for (code, flags) in [(Code::Unavailable, 0), (Code::ResourceExhausted, 1), (Code::Aborted, 0)]
    {
        let (call, id) = channel.sent(None);
        channel.fail_call(id, code, flags);
        assert!(channel.outcome(call).is_some(), "{code}");
    }
}

#[test]
fn the_budget_ends_repetitions() {
    let mut channel = Channel::with(Config { retry_percent: 0, retries_per_second: 0, ..quiet() });
    channel.connect(9);
    let (call, id) = idempotent(&mut channel, None);
    channel.fail_call(id, Code::Unavailable, 0);
    assert_eq!(channel.outcome(call).as_deref(), Some("unavailable"));
}

#[test]
fn a_connection_that_goes_away_keeps_its_calls_beside_the_next() {
    let mut channel = Channel::with(quiet());
    channel.connect(9);
    let (old, old_id) = channel.sent(None);
    let old_link = channel.link;
    // It has answered a call before, so that the next connection is made at once.
    let (answered, id) = channel.sent(None);
    channel.receive(&[0x94, 1, id, 0xc0, 0xc0]);
    channel.release(answered);
    channel.receive(&[0x94, 13, 2, 0xc0, 0xc0]);
    assert_eq!(channel.machine.active(), None);
    let new = channel.submit(None);
    assert!(channel.machine.wants_connection());
    channel.connect(9);
    assert_ne!(channel.link, old_link);
    assert_eq!(channel.transmitted().len(), 1);
    assert_eq!(channel.machine.in_flight(old_link), 1);
    // The id of a call on the one connection is not outstanding on the other.
    let mut frame = Frame::Whole(Body::Small(vec![0x94, 1, old_id, 0xc0, 0xc0]));
    let link = channel.link;
    assert!(channel.machine.receive(link, &mut frame, channel.now).is_err());
    channel.link = old_link;
    channel.receive(&[0x94, 1, old_id, 0xc0, 0xc0]);
    assert_eq!(channel.outcome(old).as_deref(), Some("ok"));
    assert!(channel.machine.is_finished(old_link) && !channel.machine.is_finished(link));
    channel.lose();
    channel.link = link;
    assert_eq!(channel.outcome(new), None, "the other connection goes on");
    assert_eq!(channel.machine.active(), Some(link));
}

#[test]
fn a_silent_server_is_asked_and_then_given_up() {
    let mut channel = Channel::with(Config { connect_timeout: SOON * 2, ..Config::default() });
    channel.connect(9);
    let idle = channel.machine.config.keepalive_idle;
    let timeout = channel.machine.config.keepalive_timeout;
    channel.expire(idle);
    assert_eq!(channel.written(), [0, 0, 0, 4, 0x93, 11, 1, 0xc0]);
    channel.expire(timeout - SOON);
    channel.machine.heard(channel.link, channel.now);
    channel.expire(idle);
    assert_eq!(channel.written(), [0, 0, 0, 4, 0x93, 11, 2, 0xc0]);
    channel.now += timeout;
    let overdue = channel.machine.expire(channel.now, |_, _| {});
    assert_eq!(overdue, Some(Overdue::Connection(channel.link, Late::Silent)));
    channel.lose();
    // And one that does not introduce itself is given up, too.
    channel.link = channel.machine.connected(channel.now);
    channel.now += SOON * 2;
    let overdue = channel.machine.expire(channel.now, |_, _| {});
    assert_eq!(overdue, Some(Overdue::Connection(channel.link, Late::Hello)));
}

#[test]
fn sent_then_answered() {
    let mut channel = Channel::open(9);
    let (call, id) = channel.sent(None);
    assert_eq!(channel.machine.in_flight(channel.link), 1);
    channel.receive(&[0x94, 1, id, 0xc0, 0xc0]);
    assert_eq!(channel.outcome(call).as_deref(), Some("ok"));
    assert_eq!((channel.machine.in_flight(channel.link), channel.machine.len()), (0, 1));
    channel.release(call);
    assert!(channel.machine.is_empty());
}

#[test]
fn answered_then_dropped() {
    let mut channel = Channel::open(9);
    let (call, id) = channel.sent(None);
    channel.receive(&[0x94, 1, id, 0xc0, 0xc0]);
    assert!(channel.machine.cancel(call).is_some());
    assert!(channel.machine.is_empty());
    assert!(channel.written().is_empty(), "there is nothing to cancel");
}

#[test]
fn sent_then_cancelled_then_answered() {
    let mut channel = Channel::open(9);
    let (call, id) = channel.sent(None);
    assert!(channel.machine.cancel(call).is_some(), "what it was to send comes back at once");
    assert_eq!(channel.written(), [0, 0, 0, 4, 0x93, 6, id, 0xc0]);
    assert_eq!((channel.machine.in_flight(channel.link), channel.machine.len()), (1, 1));
    let next = channel.sent(None);
    assert_ne!(next.1, id);
    assert!(channel.receive(&[0x94, 1, id, 0x94, 1, 0xa0, 0xc0, 0, 0xc0]));
    assert_eq!((channel.machine.in_flight(channel.link), channel.machine.len()), (1, 1));
}

#[test]
fn sent_then_cancelled_then_lost() {
    let mut channel = Channel::open(9);
    let (call, _) = channel.sent(None);
    assert!(channel.machine.cancel(call).is_some());
    assert_eq!(channel.lose(), 1, "its remains come back");
    assert!(channel.machine.is_empty());
}

#[test]
fn sent_then_expired_then_taken_then_answered() {
    let mut channel = Channel::open(9);
    let (call, id) = channel.sent(Some(SOON));
    channel.expire(SOON);
    assert_eq!(channel.outcome(call).as_deref(), Some("deadline_exceeded"));
    assert_eq!(channel.written(), [0, 0, 0, 4, 0x93, 6, id, 0xc0]);
    channel.release(call);
    assert_eq!(channel.machine.len(), 1, "the slot is held until the answer");
    channel.expire(SOON);
    assert!(channel.written().is_empty(), "it expires once");
    assert!(channel.receive(&[0x94, 1, id, 0xc0, 0xc0]));
    assert_eq!((channel.machine.in_flight(channel.link), channel.machine.len()), (0, 0));
}

#[test]
fn sent_then_expired_then_answered_then_taken() {
    let mut channel = Channel::open(9);
    let (call, id) = channel.sent(Some(SOON));
    channel.expire(SOON);
    assert!(!channel.receive(&[0x94, 1, id, 0xc0, 0xc0]), "its caller still holds the slot");
    assert_eq!(channel.outcome(call).as_deref(), Some("deadline_exceeded"));
    channel.release(call);
    assert!(channel.machine.is_empty());
}

#[test]
fn sent_then_expired_then_lost_then_dropped() {
    let mut channel = Channel::open(9);
    let (call, _) = channel.sent(Some(SOON));
    channel.expire(SOON);
    assert_eq!(channel.lose(), 0);
    assert!(channel.machine.cancel(call).is_some());
    assert!(channel.machine.is_empty());
}

#[test]
fn sent_then_lost() {
    let mut channel = Channel::open(9);
    let (call, _) = channel.sent(None);
    channel.lose();
    assert_eq!(channel.outcome(call).as_deref(), Some("unavailable"), "it may have run");
    channel.release(call);
    assert!(channel.machine.is_empty());
}

#[test]
fn a_deadline_that_did_not_pass_keeps_the_timer() {
    let mut channel = Channel::open(9);
    let (early, id) = channel.sent(Some(SOON));
    channel.sent(Some(SOON * 5));
    channel.submit(None);
    channel.receive(&[0x94, 1, id, 0xc0, 0xc0]);
    channel.release(early);
    let late = channel.now + SOON * 5;
    channel.expire(SOON * 2);
    assert_eq!(channel.machine.next_deadline(), Some(late));
    channel.expire(SOON * 3);
    assert_eq!(channel.machine.next_deadline(), None);
}

#[test]
fn what_was_refused_early_is_sent_again_in_its_order() {
    // PROTOCOL 1.6: the server accepts one call, and the client could not know.
    let mut channel = Channel::closed();
    channel.link = channel.machine.connected(channel.now);
    channel.written();
    for _ in 0..4 {
        submit_idempotent(&mut channel, None);
    }
    assert_eq!(channel.transmitted(), [0, 1, 2, 3]);
    channel.submit(None);
    assert!(channel.transmitted().is_empty(), "what may not run twice waits for the hello");
    channel.receive(&[0x92, 14, 0x81, 0, 1]);
    assert!(channel.transmitted().is_empty(), "more are in flight than are accepted");
    for id in [1, 2, 3] {
        channel.refuse(id, Code::ResourceExhausted);
    }
    assert_eq!(channel.machine.in_flight(channel.link), 1);
    for id in 0..4 {
        assert!(channel.transmitted().is_empty());
        channel.receive(&[0x94, 1, id, 0xc0, 0xc0]);
        assert_eq!(channel.transmitted(), [id + 1]);
    }
}

#[test]
fn what_was_refused_with_knowledge_is_not_sent_again() {
    let mut channel = Channel::open(9);
    let (call, id) = channel.sent(None);
    channel.refuse(id, Code::ResourceExhausted);
    assert_eq!(channel.outcome(call).as_deref(), Some("resource_exhausted, not started"));
    let (call, id) = channel.sent(None);
    channel.refuse(id, Code::Unavailable);
    assert_eq!(channel.outcome(call), None, "there may be room a little later");
    assert_eq!(channel.machine.calls.entry(call.slot).stage, Stage::Paused);
}

#[test]
fn what_was_refused_twice_is_not_sent_again() {
    let mut channel = Channel::closed();
    channel.link = channel.machine.connected(channel.now);
    channel.written();
    let (call, id) = idempotent(&mut channel, None);
    channel.receive(&[0x92, 14, 0x81, 0, 9]);
    channel.refuse(id, Code::ResourceExhausted);
    assert_eq!(channel.transmitted(), [id]);
    channel.refuse(id, Code::ResourceExhausted);
    assert_eq!(channel.outcome(call).as_deref(), Some("resource_exhausted, not started"));
}

#[test]
fn what_was_cancelled_is_not_sent_again() {
    let mut channel = Channel::closed();
    channel.link = channel.machine.connected(channel.now);
    channel.written();
    let (call, id) = idempotent(&mut channel, None);
    channel.receive(&[0x92, 14, 0x81, 0, 9]);
    assert!(channel.machine.cancel(call).is_some());
    channel.refuse(id, Code::ResourceExhausted);
    assert!(channel.machine.is_empty() && !channel.machine.has_queued());
}

#[test]
fn what_a_leaving_server_did_not_take_goes_to_the_next_one_in_its_order() {
    // PROTOCOL 9.3. Slots are used again last in, first out, so their order is not that of the calls.
    let mut channel = Channel::open(9);
    let held: Vec<_> = (0..4).map(|_| channel.sent(None)).collect();
    for (call, id) in held {
        channel.receive(&[0x94, 1, id, 0xc0, 0xc0]);
        channel.release(call);
    }
    let sent: Vec<_> = (0..4).map(|_| channel.submit(None)).collect();
    channel.transmit();
    channel.written();
    let queued = channel.submit(None);
    channel.machine.waiter(queued);
    // Of the eight calls that this connection carried it took five.
    channel.receive(&[0x94, 13, 5, 0xc0, 0xc0]);
    channel.transmit();
    assert!(channel.written().is_empty(), "nothing is sent to it any more");
    channel.lose();
    assert_eq!(channel.outcome(sent[0]).as_deref(), Some("unavailable"));
    let mut order = Vec::new();
    while let Some(slot) = channel.machine.calls.first() {
        channel.machine.calls.unlink(slot);
        order.push(slot);
    }
    let expected: Vec<u32> = sent[1..].iter().chain([&queued]).map(|call| call.slot).collect();
    assert_eq!(order, expected);
}

#[test]
fn what_a_leaving_server_refused_goes_to_the_next_one() {
    let mut channel = Channel::open(9);
    let (call, id) = channel.sent(None);
    channel.receive(&[0x94, 13, 0, 0xc0, 0xc0]);
    assert!(!channel.machine.is_finished(channel.link));
    channel.refuse(id, Code::Unavailable);
    assert!(channel.machine.is_finished(channel.link) && channel.machine.has_queued());
    channel.lose();
    assert_eq!(channel.outcome(call), None);
    channel.connect(9);
    assert_eq!(channel.transmitted(), [id]);
}

#[test]
fn one_way_calls_end_when_they_are_written() {
    let mut channel = Channel::open(0);
    let call = channel.submit(None);
    channel.machine.calls.entry(call.slot).outgoing.oneway = true;
    channel.transmit();
    assert_eq!(channel.outcome(call), None, "it waits like any other");
    channel.lose();
    channel.connect(1);
    channel.transmit();
    assert_eq!(channel.outcome(call).as_deref(), Some("ok"));
    assert_eq!(channel.machine.in_flight(channel.link), 0);
}

#[test]
fn nothing_is_sent_above_high_water() {
    let mut channel = Channel::open(9);
    channel.machine.output(channel.link).raw(&vec![0; WRITE_HIGH_WATER - 1]);
    channel.submit(None);
    channel.submit(None);
    channel.transmit();
    assert_eq!(channel.machine.in_flight(channel.link), 1);
    channel.written();
    channel.transmit();
    assert_eq!(channel.machine.in_flight(channel.link), 2);
}

#[test]
fn a_full_channel_gives_the_call_back() {
    let mut channel = Channel::closed();
    for _ in 0..crate::limits::MAX_CALLS_PER_CHANNEL {
        assert!(channel.machine.submit(&mut Outgoing::default(), None, None, channel.now).is_ok());
    }
    let mut outgoing = Outgoing { method: "again".into(), ..Outgoing::default() };
    let refused = channel.machine.submit(&mut outgoing, None, Some("mine".to_owned()), channel.now);
    let (error, waiter) = refused.expect_err("no slot is left");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    assert!(error.is_not_started());
    assert_eq!((&*outgoing.method, waiter.as_deref()), ("again", Some("mine")));
}

#[test]
fn one_bound_holds_for_the_attempt_and_the_hello() {
    let mut channel = Channel::with(Config { connect_timeout: SOON * 10, ..quiet() });
    channel.submit(None);
    assert!(channel.machine.wants_connection());
    channel.machine.dialling(channel.now);
    channel.now += SOON * 6;
    channel.link = channel.machine.connected(channel.now);
    channel.written();
    let overdue = |channel: &mut Channel, after: Duration| {
        channel.now += after;
        channel.machine.expire(channel.now, |waiter, error| settle(waiter, &error))
    };
    assert_eq!(overdue(&mut channel, SOON * 3), None);
    assert!(matches!(overdue(&mut channel, SOON), Some(Overdue::Connection(_, Late::Hello))));
}

#[test]
fn a_server_keeps_a_channel_away_for_a_minute_at_most() {
    let mut channel = Channel::with(quiet());
    channel.connect(9);
    // Unavailable, and to be asked again in 2^40 microseconds, which are two weeks.
    let mut message = vec![0x94, 13, 0, 0x95, 14, 0xa0, 0xc0, 0, 0xcf];
    message.extend_from_slice(&(1_u64 << 40).to_be_bytes());
    message.push(0xc0);
    channel.receive(&message);
    channel.lose();
    channel.machine.want_connection();
    assert!(!channel.machine.wants_connection());
    channel.expire(Duration::from_secs(59));
    assert!(!channel.machine.wants_connection());
    channel.expire(Duration::from_secs(2));
    assert!(channel.machine.wants_connection());
}
