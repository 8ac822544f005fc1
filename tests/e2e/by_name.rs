//! A call by name is the call that a stub makes: the same arguments, answers, errors, streams and promises.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use rpc::{Bytes, CallError, Code, Named, Raw, StreamExt, Streaming, stream};
use serde::{Serialize, Serializer};

use crate::support::{Event, MathError, Network, Point, Served, on_each_network, serve};

on_each_network!(
    arguments_and_answers_are_those_of_a_stub,
    arguments_may_be_named,
    an_application_error_has_a_type_where_it_is_asked_for,
    streams_come_by_name,
    streams_are_sent_by_name,
    what_is_encoded_already_passes_as_it_is,
    encoded_items_pass_as_they_are,
    a_one_way_call_is_not_answered,
    options_are_those_of_every_call,
    a_call_is_repeated_where_it_says_that_it_may_be,
    what_cannot_be_sent_is_not_sent,
    what_does_not_exist_is_named_with_what_is_near,
);

async fn arguments_and_answers_are_those_of_a_stub(network: Network) {
    let served = serve(network).await;
    let channel = served.channel().await;
    let sum: i64 = channel.call("Probe.add", (2, 3)).await.expect("it answers");
    assert_eq!(sum, 5);
    // A name may be made at run time, and what is borrowed is gone when the call is made.
    let call = {
        let (name, tags) = ("bob".to_owned(), vec!["a".to_owned(), "b".to_owned()]);
        let at = Point { x: 1, y: 2, label: None };
        channel.call::<String>(format!("Probe.{}", "greet"), (&name, &tags, &at))
    };
    let greeting = tokio::spawn(call).await.expect("it does not panic").expect("it answers");
    assert_eq!(greeting, "hello bob, a and b at 1/2");
    let greet =
        channel.call::<String>("Probe.greet", ("al", ["c"], Point { x: 0, y: 0, label: None }));
    assert_eq!(greet.await.expect("it answers"), "hello al, c at 0/0");
    // Bytes are bytes, however they are held.
    let data = vec![1, 2, 3];
    for reversed in [
        channel.call::<Vec<u8>>("Probe.reverse", (&data,)).await,
        channel.call("Probe.reverse", (&data[..],)).await,
        channel.call("Probe.reverse", (Bytes::from(data.clone()),)).await,
        channel.call("Probe.reverse", (data,)).await,
    ] {
        assert_eq!(reversed.expect("it answers"), [3, 2, 1]);
    }
    assert_eq!(channel.call::<usize>("Probe.length", (&b"abc"[..],)).await.expect("it answers"), 3);
    let large = Bytes::from(vec![7; 300_000]);
    assert_eq!(channel.call::<Bytes>("Probe.echo", (&large,)).await.expect("it answers"), large);
}

async fn arguments_may_be_named(network: Network) {
    #[derive(Serialize)]
    struct Greet<'a> {
        at: Point,
        name: &'a str,
        tags: &'a [&'a str],
        unknown: u8,
    }
    let served = serve(network).await;
    for channel in [
        served.channel().await,
        rpc::Channel::builder(&served.address).compact_structs().connect_lazy(),
    ] {
        let at = Point { x: 1, y: 2, label: None };
        let greet = Greet { at, name: "bob", tags: &["a"], unknown: 7 };
        let greeting: String =
            channel.call("Probe.greet", Named(&greet)).await.expect("it answers");
        assert_eq!(greeting, "hello bob, a at 1/2");
        let map = BTreeMap::from([("b", 3), ("a", 2)]);
        assert_eq!(channel.call::<i64>("Probe.add", Named(map)).await.expect("it answers"), 5);
        let error = channel.call::<i64>("Probe.add", Named(BTreeMap::from([("a", 2)]))).await;
        let error = error.expect_err("it lacks one");
        assert_eq!(
            (error.kind(), error.message()),
            (Code::InvalidArgument, "missing argument \"b\"")
        );
        let error =
            channel.call::<i64>("Probe.add", Named((2, 3))).await.expect_err("it is a tuple");
        assert!(error.is_not_started() && error.kind() == Code::InvalidArgument, "{error}");
        let said = "named arguments must be a map or a struct with named fields, which `(i32, i32)` is not";
        assert_eq!(error.message(), said);
    }
}

async fn an_application_error_has_a_type_where_it_is_asked_for(network: Network) {
    let served = serve(network).await;
    let channel = served.channel().await;
    let divide = |b| channel.call::<i64>("Probe.divide", (6, b));
    assert_eq!(divide(2).app_error::<MathError>().await.expect("it answers"), 3);
    let error = divide(0).app_error::<MathError>().await.expect_err("it cannot");
    assert_eq!(error.app(), Some(&MathError::DivideByZero));
    let error = divide(0).await.expect_err("it cannot");
    assert!(error.is_application());
    assert_eq!((error.kind(), error.message()), (Code::Unknown, "division by zero"));
    let error = channel.call::<()>("Probe.refuse", ("why",)).app_error::<MathError>().await;
    let error = error.expect_err("it refuses");
    let error = error.rpc().expect("it is none of the application's");
    assert_eq!((error.kind(), error.message()), (Code::FailedPrecondition, "why"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

async fn streams_come_by_name(network: Network) {
    let served = serve(network).await;
    let channel = served.channel().await;
    let counted: Vec<u64> =
        channel.stream::<u64>("Feed.count", (1_000,)).try_collect().await.expect("it is complete");
    assert_eq!(counted, (0..1_000).collect::<Vec<_>>());
    let odd: Vec<_> =
        channel.stream::<u64>("Feed.odd", (2,)).app_error::<MathError>().collect().await;
    assert!(matches!(&odd[..], [Err(CallError::App(MathError::DivideByZero)), Ok(1)]), "{odd:?}");
    // A method that is awaited first may be awaited or not.
    let since =
        |from: i64| channel.stream_call::<i64>("Feed.since", (from,)).app_error::<MathError>();
    let stream = since(5).await.expect("it begins");
    assert_eq!(stream.try_collect::<Vec<_>>().await.expect("it is complete"), [5, 6, 7]);
    let error = since(2_000).await.expect_err("it is too large");
    assert_eq!(error.app(), Some(&MathError::TooLarge { value: 2_000, limit: 1_000 }));
    let mut stream = channel.stream::<i64>("Feed.since", (2_000,)).app_error::<MathError>();
    assert!(matches!(stream.next().await, Some(Err(CallError::App(_)))));
    assert!(stream.next().await.is_none());
    let stream = channel.stream_call::<u64>("Feed.count", (3,)).await.expect("it begins");
    assert_eq!(stream.try_collect::<Vec<_>>().await.expect("it is complete"), [0, 1, 2]);
    // One answer is no stream, and a stream is no answer.
    let error = channel.stream::<i64>("Probe.add", (2, 3)).next().await.expect("it says something");
    assert_eq!(error.expect_err("it is one value").kind(), Code::Internal);
    let error = channel.call::<u64>("Feed.count", (3,)).await.expect_err("it is a stream");
    assert_eq!(error.kind(), Code::Internal);
}

async fn streams_are_sent_by_name(network: Network) {
    let served = serve(network).await;
    let channel = served.channel().await;
    let numbers = stream::iter(1..=100);
    let sum: i64 = channel.call("Feed.sum", ()).sending(numbers).await.expect("it answers");
    assert_eq!(sum, 5_050);
    let sizes = [0, 3, 100_000];
    let items = stream::iter(sizes.map(|size| vec![7_u8; size]));
    let taken: Vec<usize> =
        channel.call("Feed.sizes", ()).sending(items).await.expect("it answers");
    assert_eq!(taken, sizes);
    let items = [Ok(1_u64), Err(MathError::DivideByZero)];
    let error = channel.call::<Vec<bool>>("Feed.mixed", ()).sending(stream::iter(items)).await;
    // By name an item is one value; a stub sends an error in the place of one.
    assert!(error.is_ok_and(|mixed| mixed.len() == 2));
    let doubled: Streaming<u64> =
        channel.stream("Feed.doubled", ()).sending(stream::iter([1_u64, 2, 3]));
    assert_eq!(doubled.try_collect::<Vec<_>>().await.expect("it is complete"), [2, 4, 6]);
    let doubled = channel.stream_call::<u64>("Feed.doubled", ()).sending(stream::iter([4_u64, 5]));
    let doubled = doubled.await.expect("it begins");
    assert_eq!(doubled.try_collect::<Vec<_>>().await.expect("it is complete"), [8, 10]);
}

/// One encoded value.
fn raw(value: &impl rpc::Encode) -> Raw {
    Raw::encode(value).expect("it can be encoded")
}

async fn what_is_encoded_already_passes_as_it_is(network: Network) {
    let served = serve(network).await;
    let channel = served.channel().await;
    let answer: Raw = channel.call("Probe.add", raw(&(2, 3))).await.expect("it answers");
    assert_eq!(answer.as_slice(), [5]);
    let named = raw(&BTreeMap::from([("a", 2), ("b", 3)]));
    assert_eq!(channel.call::<i64>("Probe.add", named).await.expect("it answers"), 5);
    // One of several arguments.
    let at = raw(&Point { x: 1, y: 2, label: None });
    let greeting: Raw = channel.call("Probe.greet", ("bob", ["a"], at)).await.expect("it answers");
    assert_eq!(greeting.decode::<String>().expect("it is a text"), "hello bob, a at 1/2");
    let large = Bytes::from(vec![7; 300_000]);
    let echoed: Raw = channel.call("Probe.echo", raw(&(&large,))).await.expect("it answers");
    assert_eq!(echoed.decode::<Bytes>().expect("it is bytes"), large);
    let error = channel.call::<Raw>("Probe.divide", raw(&(1, 0))).await.expect_err("it cannot");
    assert!(error.is_application());
    let details = Raw::new(error.details().expect("it has some").clone()).expect("they are whole");
    assert_eq!(details.decode::<MathError>().expect("it is that"), MathError::DivideByZero);
    let error = channel.call::<Raw>("Probe.add", raw(&5)).await.expect_err("they are no list");
    assert!(error.is_not_started() && error.kind() == Code::InvalidArgument, "{error}");
}

async fn encoded_items_pass_as_they_are(network: Network) {
    let served = serve(network).await;
    let channel = served.channel().await;
    let items = channel.stream::<Raw>("Feed.blobs", raw(&([1_usize, 70_000],)));
    let items: Vec<Raw> = items.try_collect().await.expect("it is complete");
    assert_eq!(items[0].as_slice(), [0xc4, 1, 7]);
    // What came from one server goes to another as it is.
    let sizes: Raw =
        channel.call("Feed.sizes", ()).sending(stream::iter(items)).await.expect("it answers");
    assert_eq!(sizes.decode::<Vec<usize>>().expect("they are numbers"), [1, 70_000]);
}

async fn a_one_way_call_is_not_answered(network: Network) {
    let mut served = serve(network).await;
    let channel = served.channel().await;
    channel.notify("Probe.note", ("x",)).await.expect("it is accepted");
    assert_eq!(served.event().await, Event::Noted("x".to_owned()));
    // Nobody hears of what it would have answered.
    channel.notify("Probe.note_sum", (1, 2)).await.expect("it is accepted");
    assert_eq!(served.event().await, Event::Noted("1 + 2".to_owned()));
    channel.notify("Probe.vanish", ()).await.expect("it is accepted");
    served.assert_serves().await;
}

async fn options_are_those_of_every_call(network: Network) {
    let mut served = serve(network).await;
    let channel = served.channel().await.metadata("tenant", "a");
    let seen = channel.call::<crate::support::Seen>("Probe.seen", ());
    let seen = seen.metadata("trace", "t").timeout(Duration::from_secs(9)).await;
    let seen = seen.expect("it answers");
    assert_eq!(seen.method, "Probe.seen");
    let metadata = [("tenant", "a"), ("trace", "t")];
    assert_eq!(seen.metadata, metadata.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert!(seen.time_left.expect("it has an end") <= Duration::from_secs(9));
    let begun = Instant::now();
    let held = channel.call::<u32>("Probe.hold", (1,)).timeout(Duration::from_millis(20)).await;
    assert!(held.expect_err("nobody releases it").is_timeout());
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(served.sorted_events(2).await, [Event::Started(1), Event::Dropped(1)]);
    // A call that is dropped is cancelled.
    let mut call = channel.call::<u32>("Probe.hold", (2,));
    assert!(crate::support::poll_once(&mut call).await.is_pending());
    assert_eq!(served.event().await, Event::Started(2));
    drop(call);
    assert_eq!(served.event().await, Event::Dropped(2));
}

async fn a_call_is_repeated_where_it_says_that_it_may_be(network: Network) {
    let mut served = serve(network).await;
    let channel = served.channel().await;
    let found = tokio::spawn(channel.call::<u32>("Probe.find", (7,)).idempotent());
    let once = tokio::spawn(channel.call::<u32>("Probe.hold", (8,)));
    let mut fed = channel.stream::<u32>("Feed.find_feed", (9,)).idempotent();
    let fed = tokio::spawn(async move { fed.next().await });
    let mut events = served.sorted_events(5).await;
    events.retain(|event| matches!(event, Event::Started(_)));
    assert_eq!(events, [Event::Started(7), Event::Started(8), Event::Started(9)]);
    let (place, address) = served.kill().await;
    if let Some(path) = place.path() {
        let _ = std::fs::remove_file(path);
    }
    let mut served = Served::at(place, &address, |server| server).await;
    let mut events = served.sorted_events(4).await;
    events.retain(|event| matches!(event, Event::Started(_)));
    assert_eq!(events, [Event::Started(7), Event::Started(9)]);
    served.state.release(7);
    served.state.release(9);
    assert_eq!(found.await.expect("it does not panic").expect("it answers"), 7);
    let item = fed.await.expect("it does not panic").expect("there is an item");
    assert_eq!(item.expect("it is a number"), 9);
    let error = once.await.expect("it does not panic").expect_err("it may have run");
    assert!(error.is_unavailable() && !error.is_not_started(), "{error}");
}

/// What serde cannot carry.
struct Unsendable;

impl Serialize for Unsendable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it will not"))
    }
}

async fn what_cannot_be_sent_is_not_sent(network: Network) {
    let mut served = serve(network).await;
    let channel = served.channel().await;
    let long = "n".repeat(256);
    let start = "n".repeat(40);
    for (name, said) in [
        (String::new(), "the method's name is empty".to_owned()),
        (long, format!("the method's name \"{start}…\" has 256 bytes; a name has at most 255")),
    ] {
        let failures = [
            channel.call::<()>(name.clone(), ()).await.expect_err("it is no name"),
            channel.notify(name.clone(), ()).await.expect_err("it is no name"),
            channel.stream_call::<()>(name.clone(), ()).await.expect_err("it is no name"),
            channel.stream::<()>(name, ()).next().await.expect("it fails").expect_err("it fails"),
        ];
        for error in failures {
            assert_eq!((error.kind(), error.message()), (Code::InvalidArgument, &*said));
            assert!(error.is_not_started());
        }
    }
    let call = channel.call::<()>("Probe.note", ("x", Unsendable));
    let error = call.sending(stream::empty::<u8>()).await.expect_err("it cannot be encoded");
    assert_eq!(error.kind(), Code::InvalidArgument);
    assert_eq!(error.message(), "argument 2 cannot be encoded: it will not");
    assert!(error.is_not_started());
    let items = stream::iter([Unsendable]);
    let error = channel.call::<i64>("Feed.sum", ()).sending(items).await.expect_err("it fails");
    assert!(error.message().starts_with("an item of the stream cannot be encoded: "), "{error}");
    // A stream can be sent once, and only as the server asks for it.
    for call in [
        channel.call::<()>("Feed.sum", ()).sending(stream::empty::<i64>()).idempotent(),
        channel.call::<()>("Feed.sum", ()).idempotent().sending(stream::empty::<i64>()),
        channel.notify("Feed.sum", ()).sending(stream::empty::<i64>()),
    ] {
        let error = call.await.expect_err("it cannot be");
        assert_eq!(error.kind(), Code::InvalidArgument);
        assert!(error.is_not_started(), "{error}");
    }
    served.assert_serves().await;
    assert!(served.events.try_recv().is_err(), "no handler began");
}

async fn what_does_not_exist_is_named_with_what_is_near(network: Network) {
    let served = serve(network).await;
    let channel = served.channel().await;
    for (name, said) in [
        ("Probe.ad", r#"service "Probe" has no method "ad"; did you mean "add"?"#),
        ("Prob.add", r#"there is no service "Prob" here; did you mean "Probe"?"#),
        ("Store.get", r#"there is no service "Store" here; there is: Probe, Feed"#),
        ("add", r#"there is no method "add" here; did you mean "Probe.add"?"#),
    ] {
        let error = channel.call::<i64>(name, (1, 2)).await.expect_err("there is none");
        assert_eq!((error.kind(), error.message()), (Code::Unimplemented, said));
        assert!(error.is_not_started());
    }
}
