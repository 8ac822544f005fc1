//! Where calls go, what goes along, and what a gateway says of itself.

use std::collections::HashMap;

use rpc::{Channel, Code, Context, Error, Forward, Reflection, Server, StreamExt, Token, stream};
use rpc_core::{Dispatcher, description::Run};

use super::Gateway;
use crate::support::{Event, FeedClient, Network, ProbeClient, on_each_network, serve};

on_each_network!(
    each_call_goes_where_its_route_says,
    a_route_that_refuses_has_started_nothing,
    a_gateway_describes_the_service,
    hooks_at_the_gateway_see_what_methods_require,
    hooks_at_the_gateway_may_wait,
    credentials_pass_where_that_is_asked_for,
    the_channels_own_metadata_counts,
);

async fn each_call_goes_where_its_route_says(network: Network) {
    let (mut one, mut two) = (serve(network).await, serve(network).await);
    let tenants: HashMap<_, _> =
        [("one", one.channel().await), ("two", two.channel().await)].into();
    let route = move |ctx: &Context| {
        let channel = ctx.metadata().get("tenant").and_then(|tenant| tenants.get(tenant)).cloned();
        channel.ok_or_else(|| Error::not_found("there is no such tenant"))
    };
    let gateway = Gateway::to(network, route).await;
    let channel = gateway.channel().await;
    let of = |tenant: &str| ProbeClient::new(channel.clone().metadata("tenant", tenant));
    of("one").note("first").await.expect("it is accepted");
    of("two").note("second").await.expect("it is accepted");
    assert_eq!(one.event().await, Event::Noted("first".to_owned()));
    assert_eq!(two.event().await, Event::Noted("second".to_owned()));
    let error = of("three").add(1, 2).await.expect_err("there is none");
    assert_eq!((error.kind(), error.message()), (Code::NotFound, "there is no such tenant"));
}

#[expect(clippy::panic, reason = "what a route that panics does to others is tested")]
async fn a_route_that_refuses_has_started_nothing(network: Network) {
    let served = serve(network).await;
    let upstream = served.channel().await;
    let foreign = ProbeClient::new(upstream.clone()).divide(1, 0).await;
    let foreign = match upstream.call::<i64>("Probe.divide", (1, 0)).await {
        Err(error) if foreign.is_err() => error,
        other => unreachable!("{other:?}"),
    };
    assert!(foreign.is_application());
    let route = move |ctx: &Context| match ctx.metadata().get("how") {
        Some("refuse") => Err(Error::permission_denied("not you")),
        Some("panic") => panic!("the route panics"),
        Some("foreign") => Err(foreign.clone()),
        _ => Ok(upstream.clone()),
    };
    let gateway = Gateway::to(network, route).await;
    let channel = gateway.channel().await;
    let that = |how: &str| channel.clone().metadata("how", how);
    let error = ProbeClient::new(that("refuse")).add(1, 2).await.expect_err("it refuses");
    assert_eq!((error.kind(), error.message()), (Code::PermissionDenied, "not you"));
    assert!(error.is_not_started());
    let mut refused = FeedClient::new(that("refuse")).count(3);
    let error = refused.next().await.expect("it ends").expect_err("with an error");
    assert!(error.is_not_started());
    let error = ProbeClient::new(that("panic")).add(1, 2).await.expect_err("it panics");
    assert_eq!(error.kind(), Code::Internal);
    // The error of a call of its own is none of the application's.
    let error = that("foreign").call::<i64>("Probe.add", (1, 2)).await.expect_err("it refuses");
    assert!(!error.is_application() && error.is_not_started());
    assert_eq!(ProbeClient::new(channel).add(1, 2).await.expect("it answers"), 3);
}

async fn a_gateway_describes_the_service(network: Network) {
    let served = serve(network).await;
    let gateway = Gateway::to(network, served.channel().await).await;
    let (here, there) = (gateway.channel().await, served.channel().await);
    for service in ["Probe", "Feed"] {
        let of = |channel: &Channel| Reflection::new(channel.clone());
        let here = of(&here).service(service).await.expect("it says so");
        assert_eq!(here, of(&there).service(service).await.expect("it says so"));
        assert!(here.methods.iter().any(|method| method.run == Run::Spawn.name()));
    }
    let forward = Forward::new(ProbeClient::DESCRIPTION, there);
    for method in 0..u32::try_from(ProbeClient::DESCRIPTION.methods.len()).expect("they are few") {
        assert_eq!(forward.run(method), Run::Inline);
    }
}

#[rpc::service]
trait Vault {
    async fn look(&self) -> u32;
    #[rpc(requires = "write")]
    async fn put(&self, what: u32) -> u32;
}

struct Open;

impl Vault for Open {
    async fn look(&self) -> u32 {
        7
    }

    async fn put(&self, what: u32) -> u32 {
        what
    }
}

/// Admits everybody to what requires nothing, and who may write to what requires that.
fn guarded(server: Server) -> Server {
    server.authorize(|ctx, method| {
        let may = ctx.metadata().get("may").unwrap_or_default().to_owned();
        match method.requires.iter().find(|requirement| **requirement != may) {
            None => Ok(()),
            Some(requirement) => Err(Error::permission_denied(format!("who may {requirement}?"))),
        }
    })
}

async fn hooks_at_the_gateway_see_what_methods_require(_: Network) {
    let bind = async || Server::bind("tcp://127.0.0.1:0").await.expect("it is free");
    let server = bind().await.authorize(|_, _| Ok(()));
    let address = server.local_addr().expect("it is bound").to_string();
    tokio::spawn(server.serve(VaultDispatcher::new(Open)));
    let channel = Channel::connect(&address).await.expect("it listens");
    let forward = || Forward::new(VaultClient::DESCRIPTION, channel.clone());
    // A gateway that would check nothing does not run.
    let error = bind().await.serve(forward()).await.expect_err("nobody checks");
    assert_eq!(error.kind(), Code::FailedPrecondition);
    let gateway = guarded(bind().await);
    let address = gateway.local_addr().expect("it is bound").to_string();
    tokio::spawn(gateway.serve(forward()));
    let channel = Channel::connect(&address).await.expect("it listens");
    let vault = VaultClient::new(channel);
    assert_eq!(vault.look().await.expect("anybody may"), 7);
    let error = vault.put(8).await.expect_err("not anybody may");
    assert_eq!((error.message(), error.is_not_started()), ("who may write?", true));
    assert_eq!(vault.put(8).metadata("may", "write").await.expect("it may"), 8);
}

/// What a call sends while a hook waits is not lost, and goes on when it was admitted.
async fn hooks_at_the_gateway_may_wait(network: Network) {
    let served = serve(network).await;
    let waits = |server: Server| {
        server.authorize_async(|_, _| async {
            tokio::task::yield_now().await;
            Ok(())
        })
    };
    let gateway = Gateway::with(network, served.channel().await, waits).await;
    let feed = FeedClient::new(gateway.channel().await);
    assert_eq!(feed.sum(stream::iter(0..1_000)).await.expect("it answers"), 499_500);
    assert_eq!(feed.count(1_000).collect::<Vec<_>>().await.len(), 1_000);
    assert_eq!(feed.doubled(stream::iter(0..1_000)).collect::<Vec<_>>().await.len(), 1_000);
}

async fn credentials_pass_where_that_is_asked_for(network: Network) {
    let served = serve(network).await;
    let plain = served.channel().await;
    let own = Channel::builder(&served.address).token(Token::new("own"));
    let own = own.connect().await.expect("it listens");
    for (channel, passes, expected) in [
        (plain.clone(), false, None),
        (plain, true, Some("Bearer callers")),
        (own.clone(), false, Some("Bearer own")),
        (own, true, Some("Bearer callers")),
    ] {
        let server = Server::bind("tcp://127.0.0.1:0").await.expect("it is free");
        let address = server.local_addr().expect("it is bound").to_string();
        let forward = Forward::new(ProbeClient::DESCRIPTION, channel).credentials(passes);
        tokio::spawn(server.serve(forward));
        let channel = Channel::builder(&address).token(Token::new("callers"));
        let probe = ProbeClient::new(channel.connect().await.expect("it listens"));
        let seen = probe.seen().metadata("tenant", "a").await.expect("it answers");
        let sent: HashMap<_, _> = seen.metadata.into_iter().collect();
        assert_eq!(sent.get("authorization").map(String::as_str), expected);
        assert_eq!(sent.get("tenant").map(String::as_str), Some("a"));
    }
}

async fn the_channels_own_metadata_counts(network: Network) {
    let served = serve(network).await;
    let upstream = served.channel().await.metadata("tenant", "mine").metadata("via", "gateway");
    let server = Server::bind("tcp://127.0.0.1:0").await.expect("it is free");
    let address = server.local_addr().expect("it is bound").to_string();
    let forward = Forward::new(ProbeClient::DESCRIPTION, upstream).metadata(|ctx, metadata| {
        metadata.remove("secret");
        metadata.insert("asked", ctx.method());
    });
    tokio::spawn(server.serve(forward));
    let probe = ProbeClient::connect(&address).await.expect("it listens");
    let call = probe.seen().metadata("tenant", "theirs").metadata("secret", "x");
    let mut sent = call.metadata("kept", "y").await.expect("it answers").metadata;
    sent.sort();
    let expected = [("asked", "Probe.seen"), ("kept", "y"), ("tenant", "mine"), ("via", "gateway")];
    assert_eq!(sent, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    // A call with none of its own has the channel's, too.
    let sent = probe.seen().await.expect("it answers").metadata;
    assert_eq!(sent.len(), 3);
}
