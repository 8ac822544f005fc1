//! A connection is told at both ends of its life, with the reason of its end, also where the server ends at once.

use std::{sync::Arc, time::Duration};

use rpc::{AddressRules, Server};
use tokio::net::{TcpStream, UnixStream};
use tracing::{Level, subscriber::DefaultGuard};

use crate::{
    log::{Log, own_log},
    wire::{Said, Wire, numbers, request},
};

#[rpc::service]
trait Idle {
    async fn nothing(&self);
}

struct Service;

impl Idle for Service {
    async fn nothing(&self) {}
}

struct Served {
    log: Arc<Log>,
    _guard: DefaultGuard,
    address: String,
    shutdown: rpc::ShutdownHandle,
    running: tokio::task::JoinHandle<Result<(), rpc::Error>>,
}

async fn served(options: impl FnOnce(Server) -> Server) -> Served {
    let (log, _guard) = own_log(Level::DEBUG);
    let server = options(Server::bind("tcp://127.0.0.1:0").await.expect("a port is free"));
    let address = server.local_addr().expect("it is bound").to_string();
    let shutdown = server.shutdown_handle();
    let running = tokio::spawn(server.serve(IdleDispatcher::new(Service)));
    Served { log, _guard, address, shutdown, running }
}

impl Served {
    /// A connection, and its address as the server sees it, which was told that it opened.
    async fn connect(&self) -> (Wire, String) {
        let stream = TcpStream::connect(self.address.trim_start_matches("tcp://")).await;
        let stream = stream.expect("it listens");
        let peer = format!("tcp://{}", stream.local_addr().expect("it is bound"));
        self.told("a connection opened", &peer).await;
        (Wire::new(stream), peer)
    }

    /// Waits until this is told of this peer; the reason, if there is one.
    async fn told(&self, message: &str, peer: &str) -> Option<String> {
        let is_it = |field: Option<&String>, wanted: &str| field.is_some_and(|is| is == wanted);
        let wanted = |told: &crate::log::Told| {
            is_it(told.fields.get("message"), message) && is_it(told.fields.get("peer"), peer)
        };
        let told = self.log.wait_for(1, wanted).await;
        assert_eq!(told.len(), 1, "{told:?}");
        told[0].fields.get("end").cloned()
    }

    async fn end(&self, peer: &str) -> String {
        self.told("a connection ended", peer).await.expect("there is a reason")
    }
}

#[tokio::test]
async fn the_reason_of_each_end_is_told() {
    let served = served(|server| {
        server.max_connections_per_address(3).handshake_timeout(Duration::from_millis(100))
    })
    .await;
    let (silent, silent_peer) = served.connect().await;
    assert_eq!(served.end(&silent_peer).await, "preface and hello did not come in time");
    drop(silent);
    let (mut closed, closed_peer) = served.connect().await;
    closed.introduce().await;
    drop(closed);
    assert_eq!(served.end(&closed_peer).await, "the client closed it");
    let (mut rude, rude_peer) = served.connect().await;
    rude.introduce().await;
    // A message of a type that there is not, where there must be one.
    rude.say(&[0xc0]).await;
    assert!(matches!(rude.hear().await, Said::GoAway { .. }));
    drop(rude);
    assert!(!served.end(&rude_peer).await.is_empty());
    let mut residents = Vec::new();
    for _ in 0..3 {
        let (mut resident, peer) = served.connect().await;
        resident.introduce().await;
        residents.push((resident, peer));
    }
    let (mut excess, excess_peer) = served.connect().await;
    excess.introduce().await;
    assert!(matches!(excess.hear().await, Said::GoAway { .. }));
    drop(excess);
    assert_eq!(served.end(&excess_peer).await, "it was refused");
    for (resident, _) in &mut residents {
        resident.say(&request(1, "Idle.nothing", numbers(&[]))).await;
        assert!(matches!(resident.hear().await, Said::Result { .. }));
    }
    served.shutdown.shutdown();
    for (mut resident, peer) in residents {
        assert!(matches!(resident.hear().await, Said::GoAway { .. }));
        drop(resident);
        assert_eq!(served.end(&peer).await, "it was drained");
    }
    served.running.await.expect("it does not panic").expect("it ended in order");
}

#[tokio::test]
async fn connections_that_end_with_their_server_are_told_before_it_has_ended() {
    let mut served = served(|server| server).await;
    let (mut wire, peer) = served.connect().await;
    wire.introduce().await;
    served.shutdown.abort();
    (&mut served.running).await.expect("it does not panic").expect("it ended");
    let ends = served.log.told().into_iter().filter_map(|mut told| told.fields.remove("end"));
    assert_eq!(ends.collect::<Vec<_>>(), ["the server ended"]);
    assert_eq!(served.end(&peer).await, "the server ended");
}

#[tokio::test]
async fn what_a_client_writes_stays_on_its_line() {
    let served = served(|server| server).await;
    let (mut wire, peer) = served.connect().await;
    wire.introduce().await;
    let long = "long".repeat(1000);
    for (method, shown) in [
        ("Idle.\nforged \u{1b}[2J", "Idle.\\nforged \\u{1b}[2J".to_owned()),
        ("Idle.\u{2028}\u{9b}", "Idle.\\u{2028}\\u{9b}".to_owned()),
        (&long, format!("{}…", &long[..255])),
    ] {
        wire.say(&request(1, method, numbers(&[]))).await;
        assert!(matches!(wire.hear().await, Said::Failure { .. }));
        let is_it = |told: &crate::log::Told| {
            let field = |name| told.fields.get(name).map(String::as_str);
            field("peer") == Some(&peer) && field("method") == Some(&shown)
        };
        let told = served.log.wait_for(1, is_it).await;
        let text = &told[0].fields["error"];
        assert!(!text.contains(char::is_control), "{text:?}");
    }
    served.shutdown.abort();
}

#[tokio::test]
async fn who_may_not_connect_is_told_of() {
    let rules: AddressRules = "deny 127.0.0.1".parse().expect("it is a rule");
    let served = served(|server| server.addresses(rules)).await;
    let stream = TcpStream::connect(served.address.trim_start_matches("tcp://")).await;
    let peer = format!("tcp://{}", stream.expect("it listens").local_addr().expect("it is bound"));
    served.told("a connection was closed at once: its address is denied", &peer).await;
}

#[tokio::test]
async fn a_rule_that_panics_is_told_of() {
    let (log, _guard) = own_log(Level::WARN);
    let path = std::env::temp_dir().join(format!("rpc-tracing-rule-{}", std::process::id()));
    let server = Server::bind(format!("unix://{}", path.display())).await.expect("it is free");
    let server = server.allow_unix_peers(|_| panic!("the rule has a mistake"));
    let running = tokio::spawn(server.serve(IdleDispatcher::new(Service)));
    let mut wire = Wire::new(UnixStream::connect(&path).await.expect("it listens"));
    wire.introduce().await;
    assert!(matches!(wire.hear().await, Said::GoAway { .. }));
    let is_it = |told: &crate::log::Told| {
        let message = told.fields.get("message");
        message
            .is_some_and(|message| message.starts_with("the rule of `allow_unix_peers` panicked"))
    };
    let told = log.wait_for(1, is_it).await;
    assert!(told[0].fields["credentials"].starts_with("uid "), "{told:?}");
    running.abort();
}
