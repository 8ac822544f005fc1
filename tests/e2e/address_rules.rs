//! Which addresses may connect, and that this can change while the server runs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rpc::{AddressRules, Channel, Code, Server};
use tokio::net::TcpSocket;

use crate::support::{
    Event, Network, Place, ProbeClient, Said, Served, Wire, numbers, request, within,
};

/// All of 127.0.0.0/8 are addresses of this machine, on Linux.
const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn rules(text: &str) -> AddressRules {
    text.parse().expect(text)
}

async fn served(rules: &AddressRules) -> Served {
    let rules = rules.clone();
    Served::with(Place::new(Network::Tcp), |server| server.addresses(rules)).await
}

/// A connection from this address, on which nothing was said. One that is denied may be over before it is made.
async fn wire_from(address: Ipv4Addr, served: &Served) -> Option<Wire> {
    let port = served.address.rsplit_once(':').expect("it has a port").1;
    let server = SocketAddr::from((LOOPBACK, port.parse().expect("it is a port")));
    let socket = TcpSocket::new_v4().expect("there are descriptors");
    socket.bind(SocketAddr::from((address, 0))).expect("it is an address of this machine");
    socket.connect(server).await.ok().map(Wire::new)
}

async fn assert_admits(address: Ipv4Addr, served: &Served) -> Wire {
    let mut wire = wire_from(address, served).await.expect("it listens");
    wire.introduce().await;
    wire
}

async fn assert_denies(address: Ipv4Addr, served: &Served) {
    if let Some(mut wire) = wire_from(address, served).await {
        // Nothing is said, whatever it says.
        wire.send(&rpc_core::frame::preface(1, 0)).await;
        assert_eq!(wire.preface().await, None);
    }
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs 127.0.0.2")]
async fn who_is_denied_is_closed_without_a_word_and_others_are_served() {
    within(async {
        for text in ["deny 127.0.0.1", "allow 127.0.0.2/31", "allow 127.0.0.0/8\ndeny 127.0.0.1/32"]
        {
            let served = served(&rules(text)).await;
            assert_denies(LOOPBACK, &served).await;
            assert_admits(OTHER, &served).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_calls_of_a_client_that_is_denied_fail_and_do_not_run() {
    within(async {
        let mut served = served(&rules("deny 127.0.0.0/8")).await;
        let wait = std::time::Duration::from_millis(100);
        let builder = Channel::builder(&served.address).wait_for_connection(wait);
        let client = ProbeClient::new(builder.connect_lazy());
        let error = client.hold(1).await.expect_err("it is denied");
        assert_eq!(error.kind(), Code::Unavailable);
        assert!(error.is_not_started(), "{error:?}");
        assert!(served.events.try_recv().is_err(), "no handler has begun");
    })
    .await;
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs 127.0.0.2")]
async fn who_is_denied_takes_no_place() {
    within(async {
        let rules = rules("deny 127.0.0.1");
        let served = Served::with(Place::new(Network::Tcp), |server| {
            server.addresses(rules.clone()).max_connections(2).max_connections_per_address(1)
        })
        .await;
        let _first = assert_admits(OTHER, &served).await;
        let mut kept_open = Vec::new();
        for _ in 0..100 {
            kept_open.push(wire_from(LOOPBACK, &served).await);
        }
        // It has not had one when it may connect.
        rules.replace(AddressRules::new());
        let _second = assert_admits(LOOPBACK, &served).await;
    })
    .await;
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs 127.0.0.2")]
async fn rules_may_change_and_open_connections_live_on() {
    within(async {
        let rules = rules("allow 127.0.0.1");
        let mut served = served(&rules).await;
        let mut open = assert_admits(LOOPBACK, &served).await;
        assert_denies(OTHER, &served).await;
        open.say(&request(1, "Probe.hold", numbers(&[1]))).await;
        assert_eq!(served.event().await, Event::Started(1));
        for round in 0..3 {
            rules.replace(self::rules("allow 127.0.0.2"));
            assert_denies(LOOPBACK, &served).await;
            assert_admits(OTHER, &served).await;
            open.say(&request(2 + round, "Probe.add", numbers(&[40, 2]))).await;
            assert_eq!(open.hear().await, Said::number(2 + round, 42));
            rules.replace(self::rules("deny 127.0.0.2"));
            assert_admits(LOOPBACK, &served).await;
            assert_denies(OTHER, &served).await;
        }
        drop(open);
        assert_eq!(served.event().await, Event::Dropped(1), "it was there until now");
    })
    .await;
}

#[tokio::test]
async fn an_ipv4_client_is_one_on_a_socket_for_both() {
    within(async {
        let Ok(server) = Server::bind("tcp://[::]:0").await else {
            eprintln!("skipped: this machine has no IPv6");
            return;
        };
        drop(server);
        let rules = rules("deny 127.0.0.0/8");
        let options = |server: Server| server.addresses(rules.clone());
        let served = Served::at(Place::new(Network::Tcp), "tcp://[::]:0", options).await;
        assert_denies(LOOPBACK, &served).await;
        rules.replace(self::rules("allow 127.0.0.1"));
        let mut wire = assert_admits(LOOPBACK, &served).await;
        wire.say(&request(1, "Probe.add", numbers(&[40, 2]))).await;
        assert_eq!(wire.hear().await, Said::number(1, 42));
        assert!(!rules.admits(IpAddr::from(std::net::Ipv6Addr::LOCALHOST)));
    })
    .await;
}

#[tokio::test]
async fn unix_sockets_have_no_address_to_deny() {
    within(async {
        let rules = rules("deny 0.0.0.0/0\ndeny ::/0");
        let served =
            Served::with(Place::new(Network::Unix), |server| server.addresses(rules)).await;
        served.assert_serves().await;
    })
    .await;
}
