//! A server says what it offers, to whoever asks, and what a trait says of itself is the same.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use rpc::{
    Code, Reflection, Server,
    description::{Argument, Method, Service, ServiceDescription},
};
use rpc_core::{Dispatcher, Session, dispatch::slots};
use tokio::task::JoinHandle;

use crate::support::{
    Network, Place, ProbeClient, ProbeDispatcher, Served, on_each_network, serve, service,
};

on_each_network!(
    a_server_says_all_that_it_offers,
    one_service_can_be_asked_for,
    ten_thousand_methods_are_described,
    it_can_be_turned_off,
    reserved_names_do_not_start,
    typed_and_untyped_calls_share_a_channel,
);

/// What can go wrong in [`Calc`].
#[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
pub(crate) enum MathError {
    /// The divisor was zero.
    #[error("division by zero")]
    DivideByZero,
}

/// Arithmetic over the network.
///
/// Numbers do not wrap.
#[rpc::service]
pub(crate) trait Calc {
    /// Adds two numbers.
    #[rpc(idempotent)]
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, MathError>;
    /// Counts up.
    fn count(&self, to: u64, #[rpc(default = 1)] step: u64) -> impl rpc::Stream<Item = u64>;
    /// The sums so far.
    #[rpc(drop_oldest = 16)]
    fn running_sum(
        &self,
        numbers: rpc::Streaming<i64>,
    ) -> impl rpc::Stream<Item = Result<i64, MathError>>;
    async fn find(&self, key: &str, #[rpc(default)] limit: Option<u32>) -> Vec<String>;
    #[rpc(spawn)]
    async fn ponder(&self, ctx: &rpc::Context);
    #[rpc(oneway)]
    async fn log(&self, line: &str);
}

/// Nobody implements it; a test that hangs on it is wrong.
struct Described(&'static Service);

impl Dispatcher for Described {
    fn description(&self) -> &'static Service {
        self.0
    }

    fn session(&self, _: u32) -> Box<dyn Session + '_> {
        slots(|request| std::future::ready(request.done()))
    }
}

async fn run(server: Server) -> (Reflection, JoinHandle<Result<(), rpc::Error>>) {
    let address = server.local_addr().expect("it is bound").to_string();
    let task = tokio::spawn(server.run());
    let channel = rpc::Channel::connect(&address).await.expect("it listens");
    (Reflection::new(channel), task)
}

async fn a_server_says_all_that_it_offers(network: Network) {
    let place = Place::new(network);
    let server = Server::bind(place.address()).await.expect("it is free");
    let server = server.add(Described(CalcClient::DESCRIPTION));
    let shown = format!("{server:?}");
    assert!(shown.contains("[\"Calc\"]"), "{shown}");
    let (reflection, task) = run(server).await;
    let described = reflection.describe().await.expect("it answers");
    assert_eq!(described.server, reflection.server().await.expect("it answers"));
    assert_eq!((&*described.server.protocol, &*described.server.software), ("1.0", "rpc"));
    assert_eq!(described.server.version, env!("CARGO_PKG_VERSION"));
    let names: Vec<_> = described.services.iter().map(|service| &*service.name).collect();
    assert_eq!(names, ["Calc", "rpc.Health", "rpc.Reflection"]);
    assert_eq!(described.services[0], ServiceDescription::from(CalcClient::DESCRIPTION));
    let itself: Vec<_> = described.services[2].methods.iter().map(ToString::to_string).collect();
    assert_eq!(
        itself,
        [
            "describe(after: &str = \"\", limit: u32 = 0, service: Option<String> = …) -> Result<Page, rpc::Error>",
            "server() -> ServerInfo",
        ]
    );
    task.abort();
}

/// The format is part of what is promised: who checks a description in sees its changes in a review.
#[test]
fn a_trait_as_json() {
    let json = ServiceDescription::from(CalcClient::DESCRIPTION).to_json();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/calc.json");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &json).expect("it can be written");
    }
    let golden = std::fs::read_to_string(path).expect("BLESS=1 writes it");
    assert_eq!(json, golden);
    let mut sorted = Vec::from(CalcClient::DESCRIPTION.methods);
    sorted.reverse();
    let reversed = Service::new("Calc", CalcClient::DESCRIPTION.docs, Vec::leak(sorted));
    assert_eq!(ServiceDescription::from(&reversed).to_json(), golden, "the order is that of names");
}

async fn one_service_can_be_asked_for(network: Network) {
    let served = serve(network).await;
    let reflection = Reflection::new(served.channel().await);
    let probe = reflection.service("Probe").await.expect("it answers");
    assert_eq!(probe, ServiceDescription::from(ProbeClient::DESCRIPTION));
    let error = reflection.service("Clock").await.expect_err("there is none");
    assert_eq!(error.kind(), Code::NotFound);
    assert_eq!(error.message(), "there is no service \"Clock\" to describe");
    let page = reflection.page("", 3, Some("Probe")).await.expect("it answers");
    assert_eq!(page.services[0].methods[..], probe.methods[..3]);
    let next = page.next.expect("there are more");
    let page = reflection.page(&next, 1, Some("Probe")).await.expect("it answers");
    assert_eq!(page.services[0].methods[..], probe.methods[3..4]);
    assert_eq!(page.services[0].docs, "", "it was told with the first page");
    let Ok(nothing) = reflection.page("zzz.zzz", 0, None).await else { unreachable!("it answers") };
    assert!(nothing.services.is_empty() && nothing.next.is_none());
}

async fn ten_thousand_methods_are_described(network: Network) {
    static LARGE: OnceLock<Service> = OnceLock::new();
    let large = LARGE.get_or_init(|| {
        let method = |number: usize| {
            let name = String::leak(format!("method_{number:05}"));
            let argument = Argument::new("amount", "Decimal").with_default("Decimal::ZERO");
            Method::new(name, "Moves an amount from one account to another, if there is enough.")
                .arguments(Vec::leak(vec![argument]))
                .returns("Receipt", Some("TransferError"))
        };
        Service::new("Large", "All at once.", Vec::leak((0..10_000).map(method).collect()))
    });
    let place = Place::new(network);
    let server = Server::bind(place.address()).await.expect("it is free").add(Described(large));
    let address = server.local_addr().expect("it is bound").to_string();
    let task = tokio::spawn(server.run());
    // The smallest limit that a client can have.
    let channel = rpc::Channel::builder(&address)
        .max_message_size(64 << 10)
        .connect()
        .await
        .expect("it listens");
    let reflection = Reflection::new(channel).service("Large").await.expect("it answers");
    assert_eq!(reflection, ServiceDescription::from(large));
    task.abort();
}

async fn it_can_be_turned_off(network: Network) {
    let served =
        Served::with(Place::new(network), |server| server.reflection(false).health_service(false))
            .await;
    let channel = served.channel().await;
    let error = Reflection::new(channel.clone()).describe().await.expect_err("it is off");
    assert_eq!(error.kind(), Code::Unimplemented);
    assert_eq!(
        error.message(),
        "there is no service \"rpc.Reflection\" here; there is: Probe, Feed"
    );
    let error = rpc::Health::new(channel).check("").await.expect_err("it is off");
    assert_eq!(error.kind(), Code::Unimplemented);
    // Nor does a service in this process answer for a server that it has not.
    let local = ProbeClient::local(service().0);
    let error = Reflection::new(local.channel().clone()).server().await.expect_err("there is none");
    assert_eq!(error.kind(), Code::Unimplemented);
}

async fn reserved_names_do_not_start(network: Network) {
    static RESERVED: Service = Service::new("rpc.Mine", "", &[]);
    let place = Place::new(network);
    let server = Server::bind(place.address()).await.expect("it is free");
    let error = server.add(Described(&RESERVED)).run().await.expect_err("it is reserved");
    assert_eq!(error.kind(), Code::InvalidArgument);
    assert_eq!(
        error.message(),
        "the service \"rpc.Mine\" needs another name: those that begin with \"rpc.\" are kept for the framework"
    );
}

async fn typed_and_untyped_calls_share_a_channel(network: Network) {
    // Handlers in tasks of their own, and arrays for structs: neither is for the built-in services.
    let place = Place::new(network);
    let server = Server::bind(place.address()).await.expect("it is free").spawn_handlers(true);
    let address = server.local_addr().expect("it is bound").to_string();
    let task = tokio::spawn(server.serve(ProbeDispatcher::new(service().0)));
    let channel = rpc::Channel::builder(&address)
        .compact_structs()
        .connect()
        .await
        .expect("it listens")
        .timeout(Duration::from_secs(30));
    let (probe, reflection) = (ProbeClient::new(channel.clone()), Reflection::new(channel));
    let described = reflection.service("Probe").await.expect("it answers");
    assert_eq!(described, ServiceDescription::from(ProbeClient::DESCRIPTION));
    assert_eq!(probe.add(1, 2).await.expect("it answers"), 3);
    task.abort();
}

/// The dispatcher of a trait says the same as its stub.
#[test]
fn both_ends_have_one_description() {
    let dispatcher = ProbeDispatcher::from_arc(Arc::new(service().0));
    assert_eq!(dispatcher.description(), ProbeClient::DESCRIPTION);
}
