//! Hooks are asked about what no trait of the program describes as well: the services that every server has, and closures.

use std::sync::{Arc, Mutex};

use rpc::{Channel, Code, Error, Health, HealthStatus, Reflection, Server};

use super::{
    by_token, is_refused,
    vault::{MyVault, VaultClient, VaultDispatcher, by_role},
    with_token,
};
use crate::support::{Network, Place, Served, on_each_network};

on_each_network!(
    what_methods_require_can_be_read,
    strangers_cannot_list,
    strangers_cannot_call_closures,
    a_hook_knows_a_closure_by_its_name,
);

async fn vault(network: Network, hooks: impl FnOnce(Server) -> Server) -> (Served, Channel) {
    let place = Place::new(network);
    let served =
        Served::with(place, |server| hooks(server.add(VaultDispatcher::new(MyVault)))).await;
    let channel = served.channel().await;
    (served, channel)
}

async fn what_methods_require_can_be_read(network: Network) {
    let (_served, channel) = vault(network, |server| server.authorize(by_role)).await;
    let described = Reflection::new(channel).service("Vault").await.expect("it requires nothing");
    let required = |name: &str| {
        let method = described.methods.iter().find(|method| method.name == name);
        method.expect("it is there").requires.clone()
    };
    assert_eq!(required("role"), ["read"]);
    assert_eq!(required("stop"), ["read", "admin", "audit"]);
    let json: String = described.to_json().split_whitespace().collect();
    assert!(json.contains(r#""name":"stop","requires":["read","admin","audit"]"#), "{json}");
    assert_eq!(described, VaultClient::DESCRIPTION.into(), "the trait says the same");
}

async fn strangers_cannot_list(network: Network) {
    let (_served, channel) = vault(network, |server| server.authorize(by_token)).await;
    let (reflection, health) = (Reflection::new(channel.clone()), Health::new(channel.clone()));
    let ends = [
        reflection.server().await.map(drop),
        reflection.describe().await.map(drop),
        reflection.service("Vault").await.map(drop),
        reflection.service("Nothing").await.map(drop),
        health.check("").await.map(drop),
        health.check("Vault").await.map(drop),
        health.watch("Vault").next().await.expect("it says why").map(drop),
    ];
    for end in ends {
        let error = end.expect_err("nobody is known");
        is_refused(&error, Code::Unauthenticated, "send a bearer token");
    }
    let known = with_token(&channel, "sesame");
    let described = Reflection::new(known.clone()).describe().await.expect("it is known");
    let names: Vec<_> = described.services.iter().map(|service| &*service.name).collect();
    assert_eq!(names, ["Feed", "Probe", "Vault", "rpc.Health", "rpc.Reflection"]);
    let status = Health::new(known).check("Vault").await.expect("it is known");
    assert_eq!(status, HealthStatus::Serving);
}

async fn strangers_cannot_call_closures(network: Network) {
    let ran = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&ran);
    let options = |server: Server| {
        server.authorize(by_token).register("Notes.add", move |(note,): (String,)| {
            notes.lock().expect("nobody panics with it").push(note);
        })
    };
    let (_served, channel) = vault(network, options).await;
    let mut refusals = Vec::new();
    for name in ["Notes.add", "Notes.nothing", "nothing"] {
        refusals.push(channel.call::<()>(name, ("a stranger's",)).await.expect_err("unknown"));
    }
    for error in refusals {
        is_refused(&error, Code::Unauthenticated, "send a bearer token");
    }
    let known = with_token(&channel, "sesame");
    known.call::<()>("Notes.add", ("a friend's",)).await.expect("it is known");
    assert_eq!(*ran.lock().expect("nobody panics with it"), ["a friend's"]);
}

async fn a_hook_knows_a_closure_by_its_name(network: Network) {
    let options = |server: Server| {
        server
            .register("Notes.count", |(): ()| 7_u32)
            .register("Notes.clear", |(): ()| ())
            .authorize(|ctx, method| match ctx.method() {
                "Notes.count" | "Notes.clear" | "Notes.nothing" => {
                    // It has no more to tell of one than of what is not there.
                    assert!(method.name.is_empty() && method.requires.is_empty());
                    match ctx.method() {
                        "Notes.clear" => Err(Error::permission_denied("nobody may clear it")),
                        _ => Ok(()),
                    }
                }
                _ => Err(Error::permission_denied("only notes")),
            })
    };
    let (_served, channel) = vault(network, options).await;
    assert_eq!(channel.call::<u32>("Notes.count", ()).await.expect("it is let through"), 7);
    let error = channel.call::<()>("Notes.clear", ()).await.expect_err("nobody may");
    is_refused(&error, Code::PermissionDenied, "nobody may clear it");
    let error = channel.call::<()>("Notes.nothing", ()).await.expect_err("there is none");
    assert_eq!(error.kind(), Code::Unimplemented);
    let error = channel.call::<()>("Vault.role", ()).await.expect_err("it is none of them");
    is_refused(&error, Code::PermissionDenied, "only notes");
}
