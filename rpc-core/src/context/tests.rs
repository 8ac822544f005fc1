use std::{
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker},
};

use super::{Context, Peer, Surroundings};
use crate::{Code, Credentials, TypeMap};

fn is_over(future: impl Future<Output = ()>) -> bool {
    let mut future = std::pin::pin!(future);
    future.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())) == Poll::Ready(())
}

fn context() -> Context {
    Context::new(Arc::new(Surroundings::new(Peer::Local)))
}

#[test]
fn a_call_that_ends_wakes_who_waits_for_its_end() {
    let mut context = context();
    let first = context.cancelled();
    let second = context.cancelled();
    let token = context.token().clone();
    assert!(!context.is_cancelled() && !token.is_cancelled());
    assert!(!is_over(context.cancelled()));
    context.finish();
    assert!(token.is_cancelled());
    assert!(is_over(first) && is_over(second));
}

#[test]
fn a_call_that_is_dropped_has_ended() {
    let context = context();
    let cancelled = context.cancelled();
    drop(context);
    assert!(is_over(cancelled));
}

#[test]
fn a_cancelled_call_says_so() {
    let context = context();
    assert!(!context.is_cancelled());
    context.token().cancel();
    assert!(context.is_cancelled());
    assert!(is_over(context.cancelled()));
}

#[test]
fn the_end_of_one_call_is_not_that_of_the_next() {
    let mut context = context();
    let first = context.cancelled();
    context.finish();
    let second = context.cancelled();
    assert!(is_over(first) && !is_over(second));
    assert!(!context.is_cancelled());
}

#[test]
fn nobody_who_waits_costs_nothing() {
    let mut context = context();
    context.finish();
    assert!(context.cancellation.get().is_none());
}

#[test]
fn an_empty_context_has_no_surprises() {
    let context = context();
    assert_eq!((context.method(), context.attempt()), ("", 1));
    assert_eq!(context.peer(), &Peer::Local);
    assert!(context.metadata().is_empty());
    assert!(format!("{context:?}").contains("peer: Local"));
}

#[test]
fn what_goes_back_is_set_replaced_and_taken() {
    let mut context = context();
    assert!(!context.has_response() && context.take_response().is_none());
    context.set_response_metadata("node", "a");
    context.set_response_metadata("node", "b");
    context.set_response_metadata_bin("digest", &[0xff]);
    assert!(context.has_response());
    let metadata = context.take_response().expect("it was set");
    assert_eq!(metadata.view().iter().count(), 2);
    assert_eq!(metadata.get("node"), Some("b"));
    assert_eq!(metadata.get_bin("digest"), Some(&[0xff][..]));
    assert!(!context.has_response(), "the next call begins without");
}

#[test]
fn threads_of_one_handler_may_set_what_goes_back() {
    let mut context = context();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let context = &context;
            scope.spawn(move || context.set_response_metadata_bin(&thread.to_string(), &[thread]));
        }
    });
    let metadata = context.take_response().expect("it was set");
    for thread in 0..4_u8 {
        assert_eq!(metadata.get_bin(&thread.to_string()), Some(&[thread][..]));
    }
}

#[test]
fn the_state_of_a_server_is_found_by_its_type() {
    let mut state = TypeMap::new();
    state.insert(7_u32);
    let surroundings = Surroundings::new(Peer::Local).sharing(Arc::new(state));
    let with = Context::new(Arc::new(surroundings));
    assert_eq!(with.state::<u32>().expect("it was given"), &7);
    for context in [with, context()] {
        let error = context.state::<String>().expect_err("it was not given");
        assert_eq!(error.kind(), Code::Internal);
        assert!(!error.message().contains("String"), "the caller need not know it: {error}");
        let source = std::error::Error::source(&error).expect("it says which");
        let text = "the server has no state of the type `alloc::string::String`; give it one with `Server::state`";
        assert_eq!(source.to_string(), text);
    }
}

#[test]
fn peers_are_written_like_addresses() {
    let address = "127.0.0.1:7000".parse().expect("an address");
    assert_eq!(Peer::Tcp(address).to_string(), "tcp://127.0.0.1:7000");
    let unix = Peer::Unix(Credentials::new(1000, 100, Some(7)));
    assert_eq!(unix.to_string(), "unix (uid 1000, gid 100, pid 7)");
    assert_eq!(Peer::Unix(Credentials::new(0, 0, None)).to_string(), "unix (uid 0, gid 0)");
    assert_eq!(Peer::Local.to_string(), "local");
}

#[test]
fn of_each_type_one_value_is_attached() {
    let mut context = context();
    assert_eq!(context.extension::<u32>(), None);
    context.attach(Box::new(1_u32));
    context.attach(Box::new("one"));
    context.attach(Box::new(()));
    context.attach(Box::new(2_u32));
    assert_eq!((context.extension(), context.extension()), (Some(&2_u32), Some(&"one")));
    assert_eq!(context.extension::<()>(), None);
    assert_eq!(context.extensions.len(), 2);
    context.finish();
    assert_eq!((context.extension::<u32>(), context.extension::<&str>()), (None, None));
}

#[test]
fn each_value_that_was_attached_is_dropped_though_others_panic_there() {
    struct Bomb<const N: u8>(Arc<()>);

    impl<const N: u8> Drop for Bomb<N> {
        #[expect(clippy::panic, reason = "a user's destructor may")]
        fn drop(&mut self) {
            panic!("the destructor of {} panics", Arc::strong_count(&self.0));
        }
    }

    let counted = Arc::new(());
    let mut context = context();
    context.attach(Box::new(Bomb::<1>(Arc::clone(&counted))));
    context.attach(Box::new(Bomb::<2>(Arc::clone(&counted))));
    context.attach(Box::new(Arc::clone(&counted)));
    drop(context);
    assert_eq!(Arc::strong_count(&counted), 1);
}
