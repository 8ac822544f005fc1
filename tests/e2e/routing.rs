//! A call reaches the method it names, or an error that says exactly why there is none.

use rpc::{Code, Server};

use crate::support::{
    Event, Network, Place, ProbeClient, ProbeDispatcher, on_each_network, serve, service,
};

on_each_network!(
    what_does_not_exist_is_named,
    what_is_wrong_with_an_argument_is_said,
    one_server_has_several_services,
    two_services_of_one_name_do_not_start,
);

/// Another service, on the same server.
#[rpc::service(name = "lab.Clock")]
trait Clock {
    async fn tick(&self, from: u64) -> u64;
}

struct Counter;

impl Clock for Counter {
    async fn tick(&self, from: u64) -> u64 {
        from + 1
    }
}

/// Callers that do not know what the server has.
mod strangers {
    #[rpc::service(name = "Probe")]
    pub(super) trait Wrong {
        async fn subtract(&self, a: i64, b: i64) -> i64;
        #[rpc(name = "add")]
        async fn add_one(&self, a: i64) -> i64;
        #[rpc(name = "divide")]
        async fn divide_text(&self, a: i64, b: &str) -> i64;
        #[rpc(name = "length")]
        async fn length_of(&self, number: f64) -> usize;
        #[rpc(name = "hold")]
        async fn hold_below(&self, key: i64) -> u32;
    }

    #[rpc::service(name = "Probe")]
    pub(super) trait Misled {
        async fn add(&self, a: i64, b: i64) -> String;
    }
}
use strangers::{MisledClient, WrongClient};

async fn what_does_not_exist_is_named(network: Network) {
    let served = serve(network).await;
    let channel = served.channel().await;
    let error = WrongClient::new(channel.clone()).subtract(1, 2).await.expect_err("there is none");
    assert_eq!(error.kind(), Code::Unimplemented);
    assert_eq!(error.message(), "service \"Probe\" has no method \"subtract\"");
    assert!(error.is_not_started() && !error.is_retryable());
    let error = ClockClient::new(channel.clone()).tick(1).await.expect_err("there is none");
    assert_eq!(error.kind(), Code::Unimplemented);
    assert_eq!(error.message(), "there is no service \"lab.Clock\" here; there is: Probe, Feed");
    assert_eq!(ProbeClient::new(channel).add(1, 2).await.expect("it goes on"), 3);
}

async fn what_is_wrong_with_an_argument_is_said(network: Network) {
    let mut served = serve(network).await;
    let channel = served.channel().await;
    let client = WrongClient::new(channel.clone());
    let error = client.add_one(1).await.expect_err("it lacks one");
    assert_eq!((error.kind(), error.message()), (Code::InvalidArgument, "missing argument \"b\""));
    let error = client.divide_text(1, "two").await.expect_err("it is a text");
    assert_eq!(error.kind(), Code::InvalidArgument);
    let wrong = "argument \"b\" (position 2) does not decode: ";
    assert!(error.message().starts_with(wrong), "{error}");
    let error = client.length_of(0.5).await.expect_err("it is a number");
    assert_eq!(
        error.message(),
        "argument \"data\" (position 1) does not decode: expected bytes, found a float"
    );
    let error = client.hold_below(-1).await.expect_err("it is negative");
    assert!(
        error.message().starts_with("argument \"key\" (position 1) does not decode: "),
        "{error}"
    );
    assert!(error.is_not_started());
    // An answer that does not decode is the caller's error.
    let misled = MisledClient::new(channel.clone());
    let error = misled.add(1, 2).await.expect_err("it is a number");
    assert_eq!(error.kind(), Code::Internal);
    assert!(error.message().starts_with("the answer does not decode: "), "{error}");
    assert_eq!(ProbeClient::new(channel).add(1, 2).await.expect("it goes on"), 3);
    assert!(served.events.try_recv().is_err(), "no handler began");
}

async fn one_server_has_several_services(network: Network) {
    let mut served = crate::support::Served::with(Place::new(network), |server| {
        server.add(ClockDispatcher::new(Counter))
    })
    .await;
    let channel = served.channel().await;
    let (clock, probe) = (ClockClient::new(channel.clone()), ProbeClient::new(channel.clone()));
    let held = tokio::spawn(probe.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    assert_eq!(clock.tick(41).await.expect("it answers"), 42);
    assert_eq!(probe.add(1, 2).await.expect("it answers"), 3);
    served.state.release(1);
    assert_eq!(held.await.expect("it does not panic").expect("it answers"), 1);
}

async fn two_services_of_one_name_do_not_start(network: Network) {
    let place = Place::new(network);
    let server = Server::bind(place.address()).await.expect("it is free");
    let (one, other) = (ProbeDispatcher::new(service().0), ProbeDispatcher::new(service().0));
    let error = server.add(one).add(other).run().await.expect_err("they have one name");
    assert_eq!(error.kind(), Code::AlreadyExists);
    assert!(error.message().starts_with("two services are named \"Probe\"; "), "{error}");
}
