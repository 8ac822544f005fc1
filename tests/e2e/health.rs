//! Whoever sends work to a server learns whether to: at once, at each change, and before the server ends.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Wake, Waker},
};

use rpc::{Code, Health, HealthHandle, HealthStatus, Server, ServerState};
use rpc_core::msgpack::{write_array_len, write_str};

use crate::support::{
    Event, Network, Place, ProbeClient, ProbeDispatcher, Said, Served, items, on_each_network,
    poll_once, request, service,
};

on_each_network!(
    what_a_server_has_is_serving,
    a_program_says_how_it_does,
    a_watcher_hears_each_change,
    who_looks_rarely_sees_the_latest,
    who_takes_nothing_is_told_the_latest_later,
    a_drain_is_the_last_thing_that_watchers_hear,
    a_lost_connection_is_no_end_in_order,
    nothing_is_served_before_the_listener_closes,
    watchers_are_calls_in_flight,
    nothing_large_is_kept_for_a_watcher,
);

use HealthStatus::{NotServing, Serving, Unknown};

async fn serve_with(
    network: Network,
    options: impl FnOnce(Server) -> Server,
) -> (Served, HealthHandle) {
    let mut handle = None;
    let served = Served::with(Place::new(network), |server| {
        let server = options(server);
        handle = Some(server.health());
        server
    })
    .await;
    (served, handle.expect("the server was made"))
}

async fn serve(network: Network) -> (Served, HealthHandle) {
    serve_with(network, |server| server).await
}

async fn health(served: &Served) -> Health {
    Health::new(served.channel().await)
}

async fn what_a_server_has_is_serving(network: Network) {
    let (served, handle) =
        serve_with(network, |server| server.register("Lab.now", |(): ()| 1)).await;
    let health = health(&served).await;
    for name in ["", "Probe", "Feed", "Lab", "rpc.Health", "rpc.Reflection"] {
        assert_eq!(health.check(name).await.expect("it answers"), Serving, "{name}");
        assert_eq!(handle.status(name), Serving);
    }
    let error = health.check("Clock").await.expect_err("there is none");
    assert_eq!(error.kind(), Code::NotFound);
    assert_eq!(error.message(), "the health of \"Clock\" is not known here");
    assert_eq!(handle.status("Clock"), Unknown);
}

async fn a_program_says_how_it_does(network: Network) {
    // What was said before the server ran holds.
    let (served, handle) = serve_with(network, |server| {
        server.health().set("Feed", NotServing);
        server
    })
    .await;
    let health = health(&served).await;
    assert_eq!(health.check("Feed").await.expect("it answers"), NotServing);
    handle.set("Probe", NotServing);
    assert_eq!(health.check("Probe").await.expect("it answers"), NotServing);
    assert_eq!(health.check("").await.expect("it answers"), Serving);
    handle.set_overall(NotServing);
    handle.set("Probe", Serving);
    assert_eq!(health.check("").await.expect("it answers"), NotServing);
    assert_eq!(health.check("Probe").await.expect("it answers"), Serving);
    // A name that is no service's.
    handle.set("database", NotServing);
    assert_eq!(health.check("database").await.expect("it answers"), NotServing);
    handle.set("database", Unknown);
    assert_eq!(health.check("database").await.expect_err("it is gone").kind(), Code::NotFound);
}

async fn a_watcher_hears_each_change(network: Network) {
    let (served, handle) = serve(network).await;
    let health = health(&served).await;
    let (mut probe, mut later) = (health.watch("Probe"), health.watch("later"));
    assert_eq!(probe.next().await.expect("it goes on").expect("it answers"), Serving);
    assert_eq!(later.next().await.expect("it goes on").expect("it answers"), Unknown);
    handle.set("Probe", NotServing);
    assert_eq!(probe.next().await.expect("it goes on").expect("it answers"), NotServing);
    // The same again is no change, nor is another service's.
    handle.set("Probe", NotServing);
    handle.set("later", NotServing);
    assert_eq!(later.next().await.expect("it goes on").expect("it answers"), NotServing);
    handle.set("Probe", Serving);
    assert_eq!(probe.next().await.expect("it goes on").expect("it answers"), Serving);
    handle.set("later", Unknown);
    assert_eq!(later.next().await.expect("it goes on").expect("it answers"), Unknown);
}

async fn who_looks_rarely_sees_the_latest(network: Network) {
    let (served, handle) = serve(network).await;
    let health = health(&served).await;
    let mut watch = health.watch("Probe");
    assert_eq!(watch.next().await.expect("it goes on").expect("it answers"), Serving);
    for _ in 0..5 {
        for status in [NotServing, Serving, NotServing] {
            handle.set("Probe", status);
            // What was said before these were asked has come when the second is answered.
            health.check("Probe").await.expect("it answers");
            health.check("Probe").await.expect("it answers");
        }
    }
    assert_eq!(watch.next().await.expect("it goes on").expect("it answers"), NotServing);
    assert!(poll_once(&mut Box::pin(watch.next())).await.is_pending());
}

/// A question about `Probe`.
fn about_probe(out: &mut Vec<u8>) {
    write_array_len(out, 1);
    write_str(out, "Probe");
}

fn told(id: u32, status: &str) -> Said {
    let mut payload = Vec::new();
    write_str(&mut payload, status);
    Said::Item { id, payload }
}

async fn who_takes_nothing_is_told_the_latest_later(network: Network) {
    let (served, handle) = serve(network).await;
    // A window in which one item has room.
    let mut wire = served.introduced_with_windows(1, 1 << 20).await;
    wire.say(&request(1, "rpc.Health.watch", about_probe)).await;
    assert_eq!(wire.hear().await, told(1, "serving"));
    for number in 0..100 {
        handle.set("Probe", if number % 2 == 0 { NotServing } else { Serving });
        wire.say(&request(2, "rpc.Health.check", about_probe)).await;
        assert!(matches!(wire.hear().await, Said::Result { id: 2, .. }), "nothing has room");
    }
    handle.set("Probe", NotServing);
    let size = |text: &str| 4 + 4 + text.len() as u64 + 1;
    wire.say(&items::credit(1, size("serving") - 4)).await;
    // The one that was waiting for room, and then none of those behind it but the last.
    assert_eq!(wire.hear().await, told(1, "not_serving"));
    wire.say(&items::credit(1, size("not_serving") - 4)).await;
    wire.say(&request(2, "rpc.Health.check", about_probe)).await;
    assert!(matches!(wire.hear().await, Said::Result { id: 2, .. }), "there is no other one");
}

async fn a_drain_is_the_last_thing_that_watchers_hear(network: Network) {
    let (served, _) = serve(network).await;
    let health = health(&served).await;
    let (mut overall, mut probe) = (health.watch(""), health.watch("Probe"));
    let mut nobody = health.watch("nobody");
    assert_eq!(overall.next().await.expect("it goes on").expect("it answers"), Serving);
    assert_eq!(probe.next().await.expect("it goes on").expect("it answers"), Serving);
    assert_eq!(nobody.next().await.expect("it goes on").expect("it answers"), Unknown);
    served.shutdown.shutdown();
    for watch in [&mut overall, &mut probe] {
        assert_eq!(watch.next().await.expect("it goes on").expect("it answers"), NotServing);
        assert!(watch.next().await.is_none(), "it ends in order");
    }
    assert!(nobody.next().await.is_none(), "it ends in order");
    // They do not hold the server up.
    served.task.await.expect("it does not panic").expect("it ended in order");
}

async fn a_lost_connection_is_no_end_in_order(network: Network) {
    let (served, _) = serve(network).await;
    let health = health(&served).await;
    let mut watch = health.watch("");
    assert_eq!(watch.next().await.expect("it goes on").expect("it answers"), Serving);
    let _place = served.kill().await;
    let error = watch.next().await.expect("it is not over").expect_err("it is lost");
    assert!(error.is_unavailable(), "{error}");
    assert!(watch.next().await.is_none());
}

/// What there is to see when a server says that it drains.
struct Witness {
    health: HealthHandle,
    address: String,
    seen: Mutex<Vec<(HealthStatus, HealthStatus, bool)>>,
}

impl Wake for Witness {
    fn wake(self: Arc<Self>) {
        let connects = match self.address.split_once("://") {
            Some(("tcp", host)) => std::net::TcpStream::connect(host).is_ok(),
            Some((_, path)) => std::os::unix::net::UnixStream::connect(path).is_ok(),
            None => unreachable!("an address has a scheme"),
        };
        let (overall, probe) = (self.health.status(""), self.health.status("Probe"));
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push((overall, probe, connects));
    }
}

async fn nothing_is_served_before_the_listener_closes(network: Network) {
    let place = Place::new(network);
    let server = Server::bind(place.address()).await.expect("it is free");
    let address = server.local_addr().expect("it is bound").to_string();
    let (health, mut state) = (server.health(), server.state_handle());
    let shutdown = server.shutdown_handle();
    let task = tokio::spawn(server.serve(ProbeDispatcher::new(service().0)));
    assert_eq!(state.changed().await, ServerState::Ready);
    // It has told that it is ready, and is done with telling: nothing wakes the witness but the end.
    let client = ProbeClient::connect(&address).await.expect("it listens");
    assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
    let witness = Arc::new(Witness { health, address, seen: Mutex::default() });
    // It is woken where the server says that it drains, and looks there and then.
    let waker = Waker::from(Arc::clone(&witness));
    let mut change = Box::pin(state.changed());
    assert!(change.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    shutdown.shutdown();
    task.await.expect("it does not panic").expect("it ended in order");
    drop(change);
    let seen = witness.seen.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(seen.first(), Some(&(NotServing, NotServing, true)), "{seen:?}");
    witness.health.set("Probe", Serving);
    assert_eq!(witness.health.status("Probe"), NotServing, "it does not come back");
}

async fn watchers_are_calls_in_flight(network: Network) {
    let (mut served, _) = serve_with(network, |server| server.max_calls_per_connection(3)).await;
    let mut wire = served.introduced_with_windows(1 << 20, 1 << 20).await;
    for id in 1..=3 {
        wire.say(&request(id, "rpc.Health.watch", about_probe)).await;
        assert_eq!(wire.hear().await, told(id, "serving"));
    }
    wire.say(&request(4, "rpc.Health.watch", about_probe)).await;
    let Said::Failure { id: 4, code, flags, .. } = wire.hear().await else {
        unreachable!("there is no room")
    };
    assert_eq!((code, flags), (Code::ResourceExhausted as u64, 1));
    // One that is dropped leaves its place.
    wire.say(&[0x93, 6, 1, 0xc0]).await;
    assert!(matches!(wire.hear().await, Said::Failure { id: 1, code: 1, .. }));
    wire.say(&request(5, "Probe.hold", crate::support::numbers(&[1]))).await;
    assert_eq!(served.event().await, Event::Started(1));
}

async fn nothing_large_is_kept_for_a_watcher(network: Network) {
    let (served, _) = serve(network).await;
    let mut wire = served.introduced().await;
    // A name; and a further argument that nobody asks for, which is ignored elsewhere.
    let large = [vec!["n".repeat(5_000)], vec!["Probe".to_owned(), "x".repeat(1 << 20)]];
    for (number, texts) in (1..).zip(&large) {
        let written = |out: &mut Vec<u8>| {
            write_array_len(out, number);
            texts.iter().for_each(|text| write_str(out, text));
        };
        wire.say(&request(number, "rpc.Health.watch", written)).await;
        match wire.hear().await {
            Said::Failure { id, code: 3, message, flags: 1 } if id == number => {
                assert!(message.contains("more than the 4096 that are kept"), "{message}");
            }
            other => unreachable!("{other:?}"),
        }
    }
    let mut watch = health(&served).await.watch(&"n".repeat(4_000));
    assert_eq!(watch.next().await.expect("it goes on").expect("it answers"), Unknown);
}
