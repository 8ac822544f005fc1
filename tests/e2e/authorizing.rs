//! Who may call: hooks are asked before anything of a call is decoded, and decide for every kind of method alike.

mod beside_traits;
mod hiding;
mod panicking;
mod vault;
mod waiting;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rpc::{Channel, Code, Context, Error, Server, StreamExt, description::Method, stream};

use crate::support::{Event, FeedClient, Network, Place, ProbeClient, Served, on_each_network};
use vault::{Decoded, MyVault, Role, VaultClient, VaultDispatcher, by_role};

on_each_network!(
    whoever_is_not_known_starts_nothing,
    whoever_is_known_is_served,
    each_hook_sees_what_those_before_it_attached,
    an_extension_goes_with_its_call,
    the_first_refusal_is_the_last_word,
    arguments_are_decoded_for_who_is_admitted,
    what_a_method_requires_is_checked,
    requirements_need_a_hook,
);

/// Admits whoever has the right token.
fn by_token(ctx: &Context, _: &'static Method) -> Result<(), Error> {
    match ctx.metadata().bearer() {
        Some("sesame") => Ok(()),
        Some("stale") => Err(Error::permission_denied("this token is too old")),
        _ => Err(Error::unauthenticated("send a bearer token")),
    }
}

/// A server that admits by token, at once or behind a wait.
async fn guarded(network: Network, waits: bool) -> Served {
    let hook = |server: Server| {
        if !waits {
            return server.authorize(by_token);
        }
        server.authorize_async(|ctx, method| {
            let decision = by_token(ctx, method);
            async move {
                tokio::task::yield_now().await;
                decision
            }
        })
    };
    Served::with(Place::new(network), hook).await
}

fn with_token(channel: &Channel, token: &str) -> Channel {
    channel.clone().metadata("authorization", &format!("bearer {token}"))
}

fn is_refused(error: &Error, code: Code, message: &str) {
    assert_eq!((error.kind(), error.message()), (code, message));
    assert!(error.is_not_started(), "{error:?}");
}

async fn whoever_is_not_known_starts_nothing(network: Network) {
    for waits in [false, true] {
        let mut served = guarded(network, waits).await;
        let channel = served.channel().await;
        let strangers = [
            (channel.clone(), Code::Unauthenticated, "send a bearer token"),
            (with_token(&channel, "stale"), Code::PermissionDenied, "this token is too old"),
        ];
        for (channel, code, message) in strangers {
            let (probe, feed) =
                (ProbeClient::new(channel.clone()), FeedClient::new(channel.clone()));
            // Twice, so that slots are used again.
            for _ in 0..2 {
                let ends = [
                    probe.note_sum(1, 2).await.map(drop),
                    probe.hold(1).await.map(drop),
                    probe.hold_spawned(2).await.map(drop),
                    probe.hold_blocking(3).await.map(drop),
                    feed.hold_feed(4).next().await.expect("it says why").map(drop),
                    feed.hold_feed_spawned(4).next().await.expect("it says why").map(drop),
                    feed.later(5, 1).await.map(drop),
                    feed.sum(stream::iter(1..100)).await.map(drop),
                    feed.sum_spawned(stream::pending()).await.map(drop),
                    feed.doubled(stream::iter(1..100)).next().await.expect("it says why").map(drop),
                ];
                for end in ends {
                    is_refused(&end.expect_err("nobody is known"), code, message);
                }
                let error = probe.divide(1, 0).await.expect_err("nobody is known");
                is_refused(error.rpc().expect("it did not run"), code, message);
                probe.note("a stranger was here").await.expect("nobody answers");
            }
        }
        let known = ProbeClient::new(with_token(&channel, "sesame"));
        assert_eq!(known.add(1, 2).await.expect("it answers"), 3);
        assert!(served.events.try_recv().is_err(), "no handler began");
    }
}

async fn whoever_is_known_is_served(network: Network) {
    for waits in [false, true] {
        let mut served = guarded(network, waits).await;
        let channel = with_token(&served.channel().await, "sesame");
        let (probe, feed) = (ProbeClient::new(channel.clone()), FeedClient::new(channel));
        for _ in 0..2 {
            assert_eq!(probe.add(1, 2).await.expect("it answers"), 3);
            assert_eq!(probe.length(&[7; 100_000]).await.expect("it answers"), 100_000);
            probe.note("here").await.expect("it is accepted");
            assert_eq!(served.event().await, Event::Noted("here".to_owned()));
            assert_eq!(feed.sum(stream::iter(1..=10)).await.expect("it answers"), 55);
            assert_eq!(feed.sum_spawned(stream::iter(1..=10)).await.expect("it answers"), 55);
            let counted: Vec<_> =
                feed.count_spawned(3).map(|n| n.expect("it comes")).collect().await;
            assert_eq!(counted, [0, 1, 2]);
            let doubled = feed.doubled(stream::iter(1..=3)).map(|n| n.expect("it comes"));
            assert_eq!(doubled.collect::<Vec<_>>().await, [2, 4, 6]);
            for (key, call) in [(1, probe.hold(1)), (2, probe.hold_spawned(2))] {
                let call = tokio::spawn(call);
                assert_eq!(served.event().await, Event::Started(key));
                served.state.release(key);
                assert_eq!(call.await.expect("no panic").expect("it answers"), key);
                assert_eq!(served.event().await, Event::Ended(key));
            }
            // A handler that cannot be dropped keeps its place until it ends.
            let call = tokio::spawn(probe.hold_blocking(3));
            assert_eq!(served.event().await, Event::Started(3));
            call.abort();
            assert_eq!(served.event().await, Event::Cancelled(3));
        }
    }
}

async fn vault(network: Network, hooks: impl FnOnce(Server) -> Server) -> (Served, VaultClient) {
    let served = Served::with(Place::new(network), |server| {
        hooks(server.add(VaultDispatcher::new(MyVault)))
    })
    .await;
    let client = VaultClient::new(served.channel().await);
    (served, client)
}

async fn each_hook_sees_what_those_before_it_attached(network: Network) {
    struct Name(String);
    let hooks = |server: Server| {
        server
            .authorize(|ctx, method| {
                assert!(ctx.extension::<Name>().is_none() && ctx.extension::<Role>().is_none());
                assert_eq!(format!("Vault.{}", method.name), ctx.method());
                Ok(Name(format!("{}/{}", ctx.peer(), method.name)))
            })
            .authorize_async(|ctx, method| {
                let Name(name) = ctx.extension().expect("the first has attached it");
                assert!(name.ends_with(method.name));
                async move {
                    tokio::task::yield_now().await;
                    Ok(Role("nobody"))
                }
            })
            .authorize(|ctx, _| {
                assert_eq!(ctx.extension::<Role>(), Some(&Role("nobody")));
                Ok(())
            })
            .authorize(|ctx, _| {
                assert!(ctx.extension::<()>().is_none());
                // In place of the one before.
                Ok(Role("reader"))
            })
    };
    let (_served, client) = vault(network, hooks).await;
    for _ in 0..2 {
        assert_eq!(client.role().await.expect("it answers"), "reader");
        assert_eq!(client.role_spawned().await.expect("it answers"), "reader");
        assert_eq!(client.role_blocking().await.expect("it answers"), "reader");
        let streamed = client.role_streamed().next().await.expect("it has one");
        assert_eq!(streamed.expect("it comes"), "reader");
    }
}

async fn an_extension_goes_with_its_call(network: Network) {
    struct Ticket(#[expect(dead_code, reason = "it is there to be counted")] Arc<()>);
    let counted = Arc::new(());
    let tickets = Arc::clone(&counted);
    let hook = move |server: Server| server.authorize(move |_, _| Ok(Ticket(Arc::clone(&tickets))));
    let mut served = Served::with(Place::new(network), hook).await;
    let client = served.client().await;
    let idle = Arc::strong_count(&counted);
    let held = tokio::spawn(client.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    assert_eq!(Arc::strong_count(&counted), idle + 1);
    for _ in 0..3 {
        assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
        assert_eq!(Arc::strong_count(&counted), idle + 1);
    }
    served.state.release(1);
    assert_eq!(held.await.expect("no panic").expect("it answers"), 1);
    assert_eq!(Arc::strong_count(&counted), idle);
}

async fn the_first_refusal_is_the_last_word(network: Network) {
    let asked = Arc::new(AtomicUsize::new(0));
    let later = Arc::clone(&asked);
    let hooks = move |server: Server| {
        server
            .authorize_async(|_, _| async {
                let pause = std::time::Duration::from_secs(3);
                Err::<(), _>(Error::aborted("not today").with_retry_after(pause))
            })
            .authorize(move |_, _| {
                later.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
    };
    let served = Served::with(Place::new(network), hooks).await;
    let error = served.client().await.add(1, 2).await.expect_err("it is refused");
    is_refused(&error, Code::Aborted, "not today");
    assert_eq!(error.retry_after().map(|pause| pause.as_secs()), Some(3));
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

async fn arguments_are_decoded_for_who_is_admitted(network: Network) {
    let (_served, client) = vault(network, |server| server.authorize(by_token)).await;
    let key = network as u64;
    is_refused(
        &client.put(&Decoded(key)).await.expect_err("nobody is known"),
        Code::Unauthenticated,
        "send a bearer token",
    );
    assert_eq!(Decoded::times(key), 0);
    let known = VaultClient::new(with_token(client.channel(), "sesame"));
    known.put(&Decoded(key)).await.expect("it is known");
    assert_eq!(Decoded::times(key), 1);
}

async fn what_a_method_requires_is_checked(network: Network) {
    let (_served, client) = vault(network, |server| server.authorize(by_role)).await;
    let has = |role: &str| VaultClient::new(client.channel().clone().metadata("role", role));
    let (none, reader, admin) = (has(""), has("read"), has("read admin audit"));
    assert_eq!(reader.role().await.expect("it may"), "read");
    let error = none.role().await.expect_err("it lacks the role");
    is_refused(&error, Code::PermissionDenied, "\"Vault.role\" requires \"read\"");
    let error = reader.stop().await.expect_err("it lacks the role");
    is_refused(&error, Code::PermissionDenied, "\"Vault.stop\" requires \"admin\"");
    let error = has("read admin").stop().await.expect_err("it lacks the role");
    is_refused(&error, Code::PermissionDenied, "\"Vault.stop\" requires \"audit\"");
    admin.stop().await.expect("it may");
}

async fn requirements_need_a_hook(network: Network) {
    let place = Place::new(network);
    let server = Server::bind(place.address()).await.expect("it is free");
    let error = server.serve(VaultDispatcher::new(MyVault)).await.expect_err("nobody checks");
    assert_eq!(error.kind(), Code::FailedPrecondition);
    assert_eq!(
        error.message(),
        "method \"Vault.put\" requires \"read\", but the server has no `authorize` hook that would check it"
    );
    // In one process there is nobody to be checked.
    VaultClient::local(MyVault).stop().await.expect("it may");
}
