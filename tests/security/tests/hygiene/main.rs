//! Secrets do not show: all that is told to `tracing`, all `Debug`, and all that a client learns of an error are searched for each secret that
//! was in use, in every form in which text could hold it.
//!
//! A process of its own, whose log is that of all its threads. What goes to the crate `log` is not heard, for no crate here has it: that is looked
//! at, too.

mod log;
mod secrets;
mod service;
mod world;

use std::{
    panic,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rpc::{
    Channel, Error, Key, StreamExt, Token, TypeMap,
    tls::{ClientTls, ServerTls},
};
use rpc_security_tests::authority::{Authority, Issued};

use self::{
    log::Log,
    secrets::Secret,
    service::SafeClient,
    world::{Shown, World, within},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_told_or_shown() {
    let log = Log::listen();
    let mut world = World::new().await;
    let panics = Arc::clone(&world.secrets);
    let hook = panic::take_hook();
    // The text of a panic is printed in the process that panics, by this.
    panic::set_hook(Box::new(move |info| {
        if !panics.is_panic(info.payload()) {
            hook(info);
        }
    }));

    handshakes(&mut world, log).await;
    challenges(&mut world, log).await;
    tokens(&mut world, log).await;
    calls(&mut world, log).await;
    mistakes(&mut world);
    // What is to be told has been told when the server has ended.
    world.shutdown.shutdown();
    within(&mut world.task).await.expect("it does not panic").expect("it ends in order");

    let (told, shown) = (log.text(), world.shown.0.join("\n"));
    for secret in world.secrets.all() {
        for (place, text) in [("the log", &told), ("what is shown", &shown)] {
            let found = secret.found_in(text);
            assert!(found.is_none(), "{} is in {place}: {found:?} in {text}", secret.name);
        }
    }
    is_able_to_fail(&world, log);
    let crates = include_str!("../../../../Cargo.lock");
    let has_log = crates.contains("name = \"log\"\n");
    assert!(!has_log, "some crate may tell `log` something, which has to be heard here");
}

/// What is told and shown on purpose is found, by the same means.
fn is_able_to_fail(world: &World, log: &Log) {
    #[derive(Debug)]
    struct Careless<'a> {
        #[expect(dead_code, reason = "it is there to be shown")]
        secret: &'a [u8],
    }
    let mut shown = Shown::default();
    for secret in world.secrets.all() {
        let careless = Careless { secret: &secret.bytes };
        tracing::trace!(target: "somebody_else", ?careless, "told");
        assert!(secret.found_in(&log.text()).is_some(), "{} is in the log", secret.name);
        shown.error(&Error::internal("short").with_source(format!("{careless:?}")));
        assert!(secret.found_in(&shown.0.concat()).is_some(), "{} is shown", secret.name);
    }
    let late = Secret::text("in a span");
    let _span = tracing::trace_span!("a span", field = late.as_str());
    assert!(late.found_in(&log.text()).is_some());
}

async fn handshakes(world: &mut World, log: &Log) {
    // It trusts nobody whom it should.
    let other = Authority::new("others");
    let tls = ClientTls::new().roots_pem(other.pem()).expect("it is sound");
    let builder = Channel::builder(&world.address).tls(tls);
    world.is_refused(builder).await;
    // It has no certificate, or one of nobody whom the server trusts.
    let builder = Channel::builder(&world.address).tls(world.trusting()).key(world.key.clone());
    world.is_refused(builder).await;
    let own = other.client("stranger");
    let tls = world.trusting().identity_pem(own.certificate, own.key).expect("it is sound");
    world.shown.debug(&tls);
    let builder = Channel::builder(&world.address).tls(tls).key(world.key.clone());
    world.is_refused(builder).await;
    log.wait_for("the TLS handshake failed: the client showed no certificate").await;
}

async fn challenges(world: &mut World, log: &Log) {
    let tls = world.tls();
    world.shown.debug(&tls);
    let builder = || Channel::builder(&world.address).tls(tls.clone());
    let another = Key::new("worker-7", &world.secrets.another_key.bytes).expect("long enough");
    let unknown = Key::new("worker-8", &world.secrets.key.bytes).expect("long enough");
    let builders = [builder(), builder().key(another), builder().key(unknown)];
    for builder in builders {
        world.is_refused(builder).await;
    }
    log.wait_for("this server wants a shared key").await;
}

async fn tokens(world: &mut World, log: &Log) {
    let stale = Token::new(world.secrets.stale_token.as_str());
    world.shown.debug(&(&stale, world.token()));
    let error = world.is_refused(world.builder().token(stale.clone())).await;
    assert_eq!(error.message(), "send a bearer token that holds");
    world.is_refused(world.builder()).await;

    // The first one is refused, and the next one holds.
    let (count, good) = (AtomicUsize::new(0), world.token());
    let source = move || {
        let token = if count.fetch_add(1, Ordering::Relaxed) == 0 { &stale } else { &good };
        std::future::ready(Ok(token.clone()))
    };
    let builder = world.builder().token(source);
    world.shown.debug(&builder);
    let client = SafeClient::new(within(builder.connect()).await.expect("it has what is asked"));
    assert_eq!(within(client.number(7)).await.expect("it is sent again"), 7);

    let secrets = Arc::clone(&world.secrets);
    let panics = world.builder().token(move || {
        let secrets = Arc::clone(&secrets);
        async move { secrets.panic() }
    });
    world.is_refused(panics).await;
    let spaced = Token::new(format!("{} {}", world.secrets.token.as_str(), "and more"));
    world.is_refused(world.builder().token(spaced)).await;
    let plain = Channel::builder("tcp://192.0.2.7:7000").token(world.token());
    world.is_refused(plain).await;
    log.wait_for("unauthenticated").await;
}

async fn calls(world: &mut World, log: &Log) {
    let secrets = Arc::clone(&world.secrets);
    let channel = within(world.builder().token(world.token()).connect()).await;
    let channel = channel.expect("it has all").metadata("x-session", secrets.metadata.as_str());
    let client = SafeClient::new(channel.clone());
    let shown = &mut world.shown;
    shown.debug(&(&channel, &client, channel.watch()));
    let call = client.show().metadata("x-more", secrets.metadata.as_str());
    shown.debug(&call);
    let call = call.with_metadata();
    shown.debug(&call);
    let (seen, metadata) = within(call).await;
    shown.debug(&metadata);
    assert_eq!(metadata.get("x-session"), Some(secrets.response.as_str()));
    shown.0.extend(seen.expect("it answers"));

    let mut ends = vec![
        within(client.panics()).await,
        within(client.panics_spawned()).await,
        within(client.panics_blocking()).await,
        within(client.fails()).await.map(drop),
        within(client.has_no_state()).await.map(drop),
        within(client.hook_panics()).await,
        within(client.hook_fails()).await,
        within(client.waiting_hook_panics()).await,
        within(client.waiting_hook_fails()).await,
        within(channel.call("Safe.nothing", ())).await,
        within(client.number(1).metadata("x-large", &secrets.metadata.as_str().repeat(200)))
            .await
            .map(drop),
    ];
    for mut stream in [client.panics_streaming().boxed(), client.fails_streaming().boxed()] {
        assert!(within(stream.next()).await.expect("it begins").is_ok());
        ends.push(within(stream.next()).await.expect("it says why it ends").map(drop));
    }
    let mut streaming = client.panics_streaming();
    shown.debug(&streaming);
    let _ = within(streaming.next()).await;
    shown.debug(&streaming);
    for end in ends {
        shown.error(&end.expect_err("it fails"));
    }

    // Of what the caller itself has sent, its error may tell; and of what came back, its own.
    let wrong = channel.call::<u32>("Safe.number", (secrets.argument.as_str(),));
    shown.debug(&wrong);
    within(wrong).await.expect_err("it is not a number");
    within(channel.call::<u32>("Safe.text", ())).await.expect_err("it is not a number");
    assert_eq!(within(client.text()).await.expect("it answers"), secrets.result.as_str());
    for outcome in ["internal", "invalid_argument", "failed_precondition", "unimplemented"] {
        log.wait_for(outcome).await;
    }
}

/// What cannot be read is not quoted.
fn mistakes(world: &mut World) {
    let Issued { certificate, key, .. } = &world.client;
    let cut = &key[..key.len() / 2];
    let spoiled = key.replace("\nM", "\n!");
    for (certificate, key) in [
        (key.as_str(), certificate.as_str()),
        (certificate, cut),
        (certificate, &spoiled),
        (certificate, &key.replace("PRIVATE KEY", "PUBLIC KEY")),
    ] {
        let error = ServerTls::from_pem(certificate, key).expect_err("it is not sound");
        world.shown.error(&error);
        let error = world.trusting().identity_pem(certificate, key).expect_err("it is not sound");
        world.shown.error(&error);
    }
    let digits: String = world.secrets.key.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    for wrong in [&digits[1..], &digits[2..], &format!("{digits}zz")] {
        world.shown.error(&Key::from_hex("worker-7", wrong).expect_err("it is no key"));
    }
    let mut state = TypeMap::new();
    state.insert(world.secrets.extension.as_str().to_owned());
    world.shown.debug(&state);
}
