//! Whoever is not admitted does not learn what there is.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rpc::{Code, Error, Health, HealthStatus, Reflection, Server};

use super::{
    by_token, guarded, is_refused,
    waiting::{Door, Knock},
    with_token,
};
use crate::support::{
    Network, Place, Said, Served, items, numbers, on_each_network, request, request_with_metadata,
};

on_each_network!(
    strangers_are_not_told_what_exists,
    a_waiting_hook_does_not_tell_what_exists,
    hooks_are_told_the_name_that_was_sent,
    closures_and_built_in_services_are_behind_the_hooks,
);

/// Callers that do not know what the server has.
mod strangers {
    #[rpc::service(name = "Probe")]
    pub(super) trait Wrong {
        async fn subtract(&self, a: i64, b: i64) -> i64;
        #[rpc(oneway)]
        async fn vanish(&self);
    }

    #[rpc::service(name = "lab.Clock")]
    pub(super) trait Elsewhere {
        async fn tick(&self) -> u64;
        fn ticks(&self) -> impl rpc::Stream<Item = u64>;
    }
}
use strangers::{ElsewhereClient, WrongClient};

async fn strangers_are_not_told_what_exists(network: Network) {
    for waits in [false, true] {
        let served = guarded(network, waits).await;
        let channel = served.channel().await;
        for _ in 0..2 {
            let wrong = WrongClient::new(channel.clone());
            let elsewhere = ElsewhereClient::new(channel.clone());
            wrong.vanish().await.expect("nobody answers");
            let errors = [wrong.subtract(1, 2).await.map(drop), elsewhere.tick().await.map(drop)];
            for error in errors {
                let error = error.expect_err("nobody is known");
                is_refused(&error, Code::Unauthenticated, "send a bearer token");
            }
            let known = with_token(&channel, "sesame");
            let (wrong, elsewhere) = (WrongClient::new(known.clone()), ElsewhereClient::new(known));
            let error = wrong.subtract(1, 2).await.expect_err("there is none");
            let message = "service \"Probe\" has no method \"subtract\"";
            is_refused(&error, Code::Unimplemented, message);
            let error = elsewhere.tick().await.expect_err("there is none");
            let message = "there is no service \"lab.Clock\" here; there is: Probe, Feed";
            is_refused(&error, Code::Unimplemented, message);
            let end = rpc::StreamExt::next(&mut elsewhere.ticks()).await.expect("it says why");
            is_refused(&end.expect_err("there is none"), Code::Unimplemented, message);
        }
    }
}

async fn a_waiting_hook_does_not_tell_what_exists(network: Network) {
    let (served, mut door) = Door::serve(network).await;
    let mut wire = served.introduced().await;
    // One answer, a stream out, a stream in, both; and what is not there.
    let methods =
        ["Probe.hold", "Feed.count", "Feed.sum", "Feed.doubled", "Probe.no", "No.no", "no"];
    for (id, method) in (1..).zip(methods) {
        wire.say(&request_with_metadata(id, method, 60_000_000, ("knock", method), id.into()))
            .await;
        assert_eq!(door.knock().await, Knock::Asked(method.to_owned()));
        // An item that nobody takes is answered otherwise than one that waits.
        wire.say(&items::item(id, 7)).await;
        wire.say(&items::item(id, 8)).await;
        wire.say(&items::end(id)).await;
        wire.say(&items::ping(u64::from(id))).await;
        assert_eq!(wire.hear().await, Said::Pong(u64::from(id)), "{method}");
    }
    door.decide(Err(Error::unauthenticated("who are you?")));
    let mut refused = Vec::new();
    for _ in methods {
        match wire.hear().await {
            Said::Failure { id, code: 16, message, flags: 1 } if message == "who are you?" => {
                refused.push(id);
            }
            other => unreachable!("{other:?}"),
        }
    }
    refused.sort_unstable();
    assert_eq!(refused, [1, 2, 3, 4, 5, 6, 7]);
    wire.say(&items::ping(9)).await;
    assert_eq!(wire.hear().await, Said::Pong(9), "nothing else was said");
}

async fn hooks_are_told_the_name_that_was_sent(network: Network) {
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    let hook = move |server: Server| {
        server.authorize(move |ctx, method| {
            let _ = sender.send((ctx.method().to_owned(), *method));
            Ok(())
        })
    };
    let served = Served::with(Place::new(network), hook).await;
    let mut wire = served.introduced().await;
    for (id, name) in (1..).zip(["Probe.add", "Probe.no", "no", "", "Probe.no"]) {
        wire.say(&request(id, name, numbers(&[1, 2]))).await;
        let (method, description) = told.recv().await.expect("the server runs");
        assert_eq!(method, name);
        let is_known = name == "Probe.add";
        assert_eq!(description.name, if is_known { "add" } else { "" });
        assert_eq!(description.arguments.len(), if is_known { 2 } else { 0 });
        match wire.hear().await {
            Said::Result { id: 1, .. } => assert!(is_known),
            Said::Failure { code: 12, flags: 1, .. } => assert!(!is_known),
            other => unreachable!("{other:?}"),
        }
    }
}

async fn closures_and_built_in_services_are_behind_the_hooks(network: Network) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let served = Served::with(Place::new(network), |server: Server| {
        let closure = move |(): ()| counted.fetch_add(1, Ordering::Relaxed);
        server.register("lab.count", closure).authorize(by_token)
    })
    .await;
    let channel = served.channel().await;
    let known = with_token(&channel, "sesame");
    for round in 0..2 {
        let (health, reflection) = (Health::new(channel.clone()), Reflection::new(channel.clone()));
        channel.notify("lab.count", ()).await.expect("nobody answers");
        let errors = [
            channel.call::<usize>("lab.count", ()).await.map(drop),
            health.check("").await.map(drop),
            health.watch("").next().await.expect("it says why").map(drop),
            reflection.server().await.map(drop),
            reflection.page("", 0, None).await.map(drop),
        ];
        for error in errors {
            let error = error.expect_err("nobody is known");
            is_refused(&error, Code::Unauthenticated, "send a bearer token");
        }
        assert_eq!(runs.load(Ordering::Relaxed), round, "no stranger ran it");
        assert_eq!(known.call::<usize>("lab.count", ()).await.expect("it answers"), round);
        let health = Health::new(known.clone());
        assert_eq!(health.check("").await.expect("it answers"), HealthStatus::Serving);
        let description = Reflection::new(known.clone()).describe().await.expect("it answers");
        assert!(description.services.iter().any(|service| service.name == "lab"));
    }
}
