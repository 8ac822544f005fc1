use std::{
    cell::Cell,
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context as TaskContext, Poll, Waker},
};

use futures_util::FutureExt;

use super::{Answer, Blank, Dispatcher, Incoming, Request, Session, slots};
use crate::{
    Code, Error, Peer, Value,
    context::Surroundings,
    description::{Method, Service},
    payload::{Body, Payload},
    value::{Encoder, Piece, Structs},
};

/// A call of the method with this index, whose one argument is this number.
fn request(method: u32, argument: u8) -> Request {
    filled(Blank::new(Arc::new(Surroundings::new(Peer::Local))), method, argument)
}

fn filled(blank: Blank, method: u32, argument: u8) -> Request {
    let frame = vec![0x94, 0, 7, 0xa3, b'T', b'.', b'm', 0x91, argument];
    let incoming = Incoming {
        payload: Payload::new(Body::Small(frame), 7),
        method: 4..7,
        metadata: None,
        attempt: 1,
        deadline: None,
        structs: Structs::Named,
    };
    assert_eq!(incoming.method(), b"T.m");
    blank.fill(incoming, method)
}

fn argument(request: &Request) -> u8 {
    u8::decode(request.arguments().take("n")).expect("a number")
}

fn written(encoder: &Encoder) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in encoder.pieces() {
        match piece {
            Piece::Run(run) => bytes.extend_from_slice(run),
            Piece::Segment(segment) => bytes.extend_from_slice(segment),
        }
    }
    bytes
}

#[track_caller]
fn answers(polled: Poll<Answer>, expected: &[u8]) {
    match polled {
        Poll::Ready(mut answer) => match answer.outcome() {
            Ok(result) => assert_eq!(written(result), expected),
            Err(error) => unreachable!("a result was expected: {error}"),
        },
        Poll::Pending => unreachable!("the call has ended"),
    }
}

/// Counts its drops.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What each call does is its argument: 0 ends at once, 1 never, 2 panics, n > 2 yields once.
fn session(drops: &AtomicUsize) -> Box<dyn Session + '_> {
    slots(move |request| async move {
        let _counted = Counted(drops);
        match argument(&request) {
            0 => {}
            1 => pending::<()>().await,
            // Without the hook, which would print.
            2 => std::panic::resume_unwind(Box::new("a handler panicked")),
            _ => yield_once().await,
        }
        let number = argument(&request);
        request.answer(&number)
    })
}

async fn yield_once() {
    let yielded = Cell::new(false);
    std::future::poll_fn(
        move |_| {
            if yielded.replace(true) { Poll::Ready(()) } else { Poll::Pending }
        },
    )
    .await;
}

#[test]
fn a_call_that_is_ready_at_once_leaves_its_slot_empty() {
    let drops = AtomicUsize::new(0);
    let mut session = session(&drops);
    let cx = &mut TaskContext::from_waker(Waker::noop());
    for call in 1..=3 {
        answers(session.start(0, request(0, 0), cx), &[0]);
        assert_eq!(drops.load(Ordering::Relaxed), call);
        assert!(session.poll(0, cx).is_pending(), "there is nothing to poll");
    }
}

#[test]
fn pending_calls_do_not_mind_each_other() {
    let drops = AtomicUsize::new(0);
    let mut session = session(&drops);
    let cx = &mut TaskContext::from_waker(Waker::noop());
    for slot in 0..4 {
        let number = 10 + u8::try_from(slot).expect("small");
        assert!(session.start(slot, request(0, number), cx).is_pending());
    }
    answers(session.poll(2, cx), &[12]);
    answers(session.start(2, request(0, 0), cx), &[0]);
    answers(session.poll(3, cx), &[13]);
    answers(session.poll(0, cx), &[10]);
    answers(session.poll(1, cx), &[11]);
    assert_eq!(drops.load(Ordering::Relaxed), 5);
}

#[test]
fn a_cancelled_call_is_dropped_where_it_is() {
    let drops = AtomicUsize::new(0);
    let mut session = session(&drops);
    let cx = &mut TaskContext::from_waker(Waker::noop());
    assert!(session.start(0, request(0, 1), cx).is_pending());
    assert!(session.poll(0, cx).is_pending());
    assert_eq!(drops.load(Ordering::Relaxed), 0);
    session.clear(0);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    session.clear(0);
    answers(session.start(0, request(0, 0), cx), &[0]);
}

#[test]
fn a_cancelled_call_tells_who_waits_for_its_end() {
    let mut session = slots(|request: Request| async move {
        pending::<()>().await;
        request.done()
    });
    let cx = &mut TaskContext::from_waker(Waker::noop());
    let request = request(0, 1);
    let cancelled = request.context().cancelled();
    assert!(session.start(0, request, cx).is_pending());
    session.clear(0);
    assert_eq!(cancelled.now_or_never(), Some(()));
}

#[test]
fn a_panic_leaves_a_slot_that_can_be_cleared_and_used() {
    let drops = AtomicUsize::new(0);
    let mut session = session(&drops);
    let cx = &mut TaskContext::from_waker(Waker::noop());
    assert!(session.start(0, request(0, 1), cx).is_pending());
    let panicked = catch_unwind(AssertUnwindSafe(|| session.start(1, request(0, 2), cx)));
    assert!(panicked.is_err());
    session.clear(1);
    assert_eq!(drops.load(Ordering::Relaxed), 1, "what it held is dropped");
    answers(session.start(1, request(0, 0), cx), &[0]);
    assert!(session.poll(0, cx).is_pending(), "the other call goes on");
}

#[test]
fn a_session_drops_its_calls() {
    let drops = AtomicUsize::new(0);
    let mut session = session(&drops);
    let cx = &mut TaskContext::from_waker(Waker::noop());
    for slot in 0..4 {
        assert!(session.start(slot, request(0, 1), cx).is_pending());
    }
    assert!(session.clear(3), "a future is dropped at once");
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    drop(session);
    assert_eq!(drops.load(Ordering::Relaxed), 4);
}

#[test]
fn a_record_is_used_again_without_what_it_held() {
    let refused = request(0, 1).refuse(Error::invalid_argument("no"));
    let mut refused = refused;
    let error = refused.outcome().expect_err("it was refused");
    assert!(error.is_not_started());
    let (blank, body) = refused.recycle();
    assert_eq!(body.as_slice().len(), 9, "the frame comes back");

    let mut answer = filled(blank, 3, 42).answer(&7u8);
    assert_eq!(written(answer.outcome().expect("the error is gone")), [7]);
    let (blank, _) = answer.recycle();
    let again = filled(blank, 5, 43);
    assert_eq!((again.method(), argument(&again)), (5, 43));
    let mut done = again.done();
    assert_eq!(written(done.outcome().expect("a result")), [0xc0], "only the new result");
}

#[test]
fn what_one_call_sends_back_is_not_sent_with_the_next() {
    let call = request(0, 1);
    call.context().set_response_metadata("token", "for one caller");
    let mut answer = call.fail(Error::aborted("no"));
    assert!(answer.has_metadata(), "errors have it, too");
    let metadata = answer.take_metadata().expect("it was set");
    assert_eq!(metadata.get("token"), Some("for one caller"));
    assert!(!answer.has_metadata() && answer.take_metadata().is_none());
    let (blank, _) = answer.recycle();

    let call = filled(blank, 0, 2);
    call.context().set_response_metadata("token", "for another one");
    // Nobody takes it.
    let (blank, _) = call.done().recycle();
    assert!(!filled(blank, 0, 3).done().has_metadata());
}

#[test]
fn the_end_of_an_answered_call_is_told() {
    let request = request(0, 0);
    let cancelled = request.context().cancelled();
    let answer = request.done();
    drop(answer.recycle());
    assert_eq!(cancelled.now_or_never(), Some(()));
}

#[test]
fn a_result_that_cannot_be_encoded_is_an_error() {
    struct Secret;
    impl serde::Serialize for Secret {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("it stays here"))
        }
    }
    impl<'de> serde::Deserialize<'de> for Secret {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }
    let mut answer = request(0, 0).answer(&Secret);
    let error = answer.outcome().expect_err("it has no encoding");
    assert_eq!(error.kind(), Code::Internal);
    assert_eq!(error.message(), "the result cannot be encoded: it stays here");
}

struct Echo;

const METHODS: &[Method] = &[Method::new("ping", "")];
static SERVICE: Service = Service::new("Echo", "", METHODS);

impl Dispatcher for Echo {
    fn description(&self) -> &'static Service {
        &SERVICE
    }

    fn session(&self, _: u32) -> Box<dyn Session + '_> {
        slots(|request: Request| async move {
            yield_once().await;
            let number = argument(&request);
            request.answer(&number)
        })
    }
}

#[test]
fn a_call_runs_on_its_own() {
    let mut future = Arc::new(Echo).owned(request(0, 9));
    let cx = &mut TaskContext::from_waker(Waker::noop());
    assert!(future.as_mut().poll(cx).is_pending());
    answers(future.as_mut().poll(cx), &[9]);
    let mut refused = Echo.blocking(request(0, 9));
    assert_eq!(refused.outcome().expect_err("it is not blocking").kind(), Code::Internal);
}
