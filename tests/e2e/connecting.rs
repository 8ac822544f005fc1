//! Why there is no connection: an error that names the address and what stands in the way.

use std::time::Duration;

use rpc::{Channel, Code};

use crate::support::{Network, Place, ProbeClient, Served, on_each_network};

on_each_network!(
    nobody_listens,
    the_address_is_none,
    another_protocol_answers,
    another_version_answers,
    nobody_answers,
    whoever_answers_closes,
    a_lazy_channel_connects_when_it_can,
    an_attempt_may_be_abandoned,
);

/// An address where nobody listens.
async fn deserted(place: &Place) -> String {
    place.listen().await.address()
}

async fn nobody_listens(network: Network) {
    let place = Place::new(network);
    let address = deserted(&place).await;
    let error = Channel::connect(&address).await.expect_err("nobody listens");
    assert_eq!(error.kind(), Code::Unavailable);
    let message = format!("cannot connect to {address}: ");
    assert!(error.message().starts_with(&message), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    let impatient = Channel::builder(&address).wait_for_connection(Duration::ZERO);
    let client = ProbeClient::new(impatient.connect_lazy());
    for _ in 0..2 {
        let error = client.add(1, 2).await.expect_err("nobody listens");
        assert!(error.message().starts_with(&message), "{error}");
        assert!(error.is_not_started() && error.is_retryable());
        client.note("x").await.expect_err("nobody listens");
    }
}

async fn the_address_is_none(_: Network) {
    for address in ["", "localhost:80", "tcp://localhost", "http://localhost:80", "unix://"] {
        let error = Channel::connect(address).await.expect_err("it is none");
        assert_eq!(error.kind(), Code::InvalidArgument);
        let message = format!("\"{address}\" is not an address: ");
        assert!(error.message().starts_with(&message), "{error}");
        let client = ProbeClient::new(Channel::builder(address).connect_lazy());
        for _ in 0..2 {
            let error = client.add(1, 2).await.expect_err("it is none");
            assert_eq!(error.kind(), Code::InvalidArgument);
            assert!(error.message().starts_with(&message), "{error}");
        }
    }
}

async fn another_protocol_answers(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let (connected, wire) = tokio::join!(Channel::connect(doorway.address()), async {
        let mut wire = doorway.accept().await;
        wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        wire
    });
    let error = connected.expect_err("it speaks HTTP");
    assert_eq!(error.kind(), Code::Internal);
    assert!(
        error
            .message()
            .contains("the first bytes are [48, 54, 54, 50], which is not this protocol"),
        "{error}"
    );
    drop(wire);
}

async fn another_version_answers(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let (connected, ()) = tokio::join!(Channel::connect(doorway.address()), async {
        let mut wire = doorway.accept().await;
        wire.send(&rpc_core::frame::preface(2, 3)).await;
    });
    let error = connected.expect_err("it speaks another version");
    assert!(error.message().contains("the peer speaks version 2.3, this end 1.0"), "{error}");
}

async fn nobody_answers(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let builder = || Channel::builder(doorway.address()).connect_timeout(Duration::from_millis(30));
    let error = builder().connect().await.expect_err("nobody answers");
    assert_eq!(error.kind(), Code::Unavailable);
    let message = format!(
        "no connection to {} within 30ms; raise it with `connect_timeout` on the channel's builder",
        doorway.address()
    );
    assert_eq!(error.message(), message);
    let client = ProbeClient::new(builder().connect_lazy());
    let error = client.add(1, 2).await.expect_err("nobody answers");
    assert!(error.message().starts_with(&message), "{error}");
    assert!(error.is_not_started(), "it waited for the introduction");
    // What may run twice was sent behind the client's own, in case somebody reads it.
    let error = client.find(1).await.expect_err("nobody answers");
    assert!(error.message().starts_with(&message), "{error}");
    assert!(!error.is_not_started());
}

async fn whoever_answers_closes(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let (connected, ()) = tokio::join!(Channel::connect(doorway.address()), async {
        let mut wire = doorway.accept().await;
        wire.preface().await.expect("it speaks first");
        assert_eq!(wire.hear().await, crate::support::Said::Hello);
    });
    let error = connected.expect_err("it closes");
    assert_eq!(error.kind(), Code::Unavailable);
    assert!(
        error.message().contains("closed the connection before it introduced itself"),
        "{error}"
    );
}

async fn a_lazy_channel_connects_when_it_can(network: Network) {
    let place = Place::new(network);
    let address = deserted(&place).await;
    if let Some(path) = place.path() {
        std::fs::remove_file(path).expect("the socket was there");
    }
    let client = ProbeClient::new(Channel::builder(&address).connect_lazy());
    let brief = client.add(1, 2).timeout(Duration::from_millis(10));
    brief.await.expect_err("nobody listens");
    let _served = Served::at(place, &address, |server| server).await;
    assert_eq!(client.add(1, 2).await.expect("somebody listens now"), 3);
}

async fn an_attempt_may_be_abandoned(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let mut attempt = Box::pin(Channel::connect(doorway.address()));
    let mut wire = tokio::select! {
        connected = &mut attempt => unreachable!("{connected:?}: nobody answered"),
        wire = doorway.accept() => wire,
    };
    tokio::select! {
        connected = &mut attempt => unreachable!("{connected:?}: nobody answered"),
        preface = wire.preface() => assert!(preface.is_some()),
    }
    drop(attempt);
    assert_eq!(wire.hear().await, crate::support::Said::Hello);
    assert_eq!(wire.hear().await, crate::support::Said::Closed);
}

/// Where the feature is on, `tests/security` holds what comes of it.
#[cfg(not(feature = "tls"))]
#[tokio::test]
async fn tls_without_its_feature_names_it() {
    let bound = rpc::Server::bind("tls://127.0.0.1:0").await.map(|_| ());
    let connected = Channel::connect("tls://127.0.0.1:1").await.map(|_| ());
    for error in [bound.expect_err("it is off"), connected.expect_err("it is off")] {
        assert_eq!(error.kind(), Code::InvalidArgument);
        assert!(error.message().contains("tls://127.0.0.1:"), "{error}");
        assert!(error.message().contains("turn on the feature `tls`"), "{error}");
    }
}
