//! The handlers of all services of a server share its state, which they find by its type.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rpc::{Channel, Code, Context, Server, Stream, TypeMap, stream};

use crate::support::{Network, Place, Served, on_each_network, within};

on_each_network!(
    services_and_connections_share_it,
    what_was_not_given_is_an_error,
    two_of_one_type_are_an_error,
    it_goes_with_its_server,
);

/// What the services share.
struct Counter(AtomicU64);

/// The second value of a type is wrapped.
struct Name(String);

/// Nobody gives one.
struct Missing;

#[rpc::service]
trait Left {
    async fn count(&self, ctx: &Context) -> Result<u64, rpc::Error>;
    #[rpc(spawn)]
    async fn count_spawned(&self, ctx: &Context) -> Result<u64, rpc::Error>;
    #[rpc(blocking)]
    fn count_blocking(&self, ctx: &Context) -> Result<u64, rpc::Error>;
    async fn missing(&self, ctx: &Context) -> Result<(), rpc::Error>;
}

#[rpc::service]
trait Right {
    async fn count(&self, ctx: &Context) -> u64;
    async fn names(&self, ctx: &Context) -> Result<(String, String), rpc::Error>;
    fn counts(&self, ctx: &Context, times: usize) -> impl Stream<Item = u64>;
}

struct Hands;

fn next(ctx: &Context) -> Result<u64, rpc::Error> {
    let counter: &Counter = ctx.state()?;
    Ok(counter.0.fetch_add(1, Ordering::Relaxed) + 1)
}

impl Left for Hands {
    async fn count(&self, ctx: &Context) -> Result<u64, rpc::Error> {
        next(ctx)
    }
    async fn count_spawned(&self, ctx: &Context) -> Result<u64, rpc::Error> {
        next(ctx)
    }
    fn count_blocking(&self, ctx: &Context) -> Result<u64, rpc::Error> {
        next(ctx)
    }
    async fn missing(&self, ctx: &Context) -> Result<(), rpc::Error> {
        ctx.state::<Missing>().map(|_| ())
    }
}

impl Right for Hands {
    async fn count(&self, ctx: &Context) -> u64 {
        next(ctx).unwrap_or_default()
    }
    async fn names(&self, ctx: &Context) -> Result<(String, String), rpc::Error> {
        Ok((ctx.state::<String>()?.clone(), ctx.state::<Name>()?.0.clone()))
    }
    fn counts(&self, ctx: &Context, times: usize) -> impl Stream<Item = u64> {
        stream::iter((0..times).map(|_| next(ctx).unwrap_or_default()))
    }
}

fn with_state(server: Server) -> Server {
    let server = server.state(Counter(AtomicU64::new(0)));
    let server = server.state("one".to_owned()).state(Name("two".to_owned()));
    server.add(LeftDispatcher::new(Hands)).add(RightDispatcher::new(Hands))
}

async fn services_and_connections_share_it(network: Network) {
    let served = Served::with(Place::new(network), with_state).await;
    let left = LeftClient::new(served.channel().await);
    let right = RightClient::new(served.channel().await);
    assert_eq!(left.count().await.expect("it answers"), 1);
    assert_eq!(right.count().await.expect("it answers"), 2);
    assert_eq!(left.count_spawned().await.expect("it answers"), 3);
    assert_eq!(left.count_blocking().await.expect("it answers"), 4);
    let mut counts = right.counts(3);
    for count in 5..=7 {
        assert_eq!(counts.next().await.expect("an item").expect("no error"), count);
    }
    let names = right.names().await.expect("both were given");
    assert_eq!(names, ("one".to_owned(), "two".to_owned()));
}

async fn what_was_not_given_is_an_error(network: Network) {
    let served = Served::with(Place::new(network), with_state).await;
    let left = LeftClient::new(served.channel().await);
    let error = left.missing().await.expect_err("nobody gave it");
    assert_eq!(error.kind(), Code::Internal);
    let text = "the server lacks a state that the handler needs; its log names the type";
    assert_eq!(error.message(), text);
    assert!(!format!("{error:?}").contains("Missing"), "it is the server's affair: {error:?}");
    // A stub in this process has a server without any.
    let local = LeftClient::local(Hands);
    assert_eq!(local.count().await.expect_err("there is none").message(), text);
}

async fn two_of_one_type_are_an_error(network: Network) {
    let place = Place::new(network);
    let server = Server::bind(place.address()).await.expect("it is free");
    let error = with_state(server).state(String::new()).run().await.expect_err("two of a type");
    assert_eq!(error.kind(), Code::AlreadyExists);
    let text = "two values of the type `alloc::string::String` were given to `Server::state`; wrap one of them in a type of its own";
    assert_eq!(error.message(), text);
}

async fn it_goes_with_its_server(network: Network) {
    let held = Arc::new(());
    let given = Arc::clone(&held);
    let served = Served::with(Place::new(network), |server| {
        server.state(given).add(LeftDispatcher::new(Hands))
    })
    .await;
    let client = LeftClient::new(served.channel().await);
    assert!(client.count().await.is_err(), "the counter was not given");
    assert_eq!(Arc::strong_count(&held), 2, "one, however many connections there are");
    served.shutdown.shutdown();
    served.task.await.expect("it does not panic").expect("it ends in order");
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test]
async fn a_test_without_sockets_gives_it() {
    within(async {
        let (near, far) = tokio::io::duplex(64 << 10);
        let mut state = TypeMap::new();
        state.insert(Counter(AtomicU64::new(41)));
        let dispatcher = Arc::new(LeftDispatcher::new(Hands));
        tokio::spawn(rpc::serve_stream_with(far, vec![dispatcher], state));
        let left = LeftClient::new(Channel::from_stream(near));
        assert_eq!(left.count().await.expect("it answers"), 42);
    })
    .await;
}
