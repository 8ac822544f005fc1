//! How long a handshake may take, and what it holds up.

use std::time::{Duration, Instant};

use rpc_security_tests::authority::Authority;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{LONG, Served, server_tls, trusting, within};

/// A client that says nothing, or begins a handshake and stops.
async fn stalled(served: &Served, says: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(served.host()).await.expect("it listens");
    stream.write_all(says).await.expect("it is open");
    stream
}

/// Reads until the server closes.
async fn closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // It may also be reset, where there is something that the server has not read.
    let _ = within(stream.read_to_end(&mut rest)).await;
}

/// The beginning of a record of 512 bytes.
const BEGUN: &[u8] = b"\x16\x03\x01\x02\x00\x01";

#[tokio::test]
async fn a_handshake_has_the_time_of_the_introduction() {
    let authority = Authority::new("the authority");
    let tls = server_tls(&authority.server());
    let limit = Duration::from_millis(200);
    let served = Served::with(tls, |server| server.handshake_timeout(limit)).await;
    for says in [b"".as_slice(), BEGUN] {
        let start = Instant::now();
        closed(stalled(&served, says).await).await;
        assert!(start.elapsed() >= limit, "{:?}", start.elapsed());
    }
    // What comes behind the handshake has what is left of it.
    let raw = crate::raw::Raw::new(&authority, None, &[&tokio_rustls::rustls::version::TLS13], &[]);
    let mut stream = raw.connect(&served).await.expect("it is served");
    let mut rest = Vec::new();
    let _ = within(stream.read_to_end(&mut rest)).await;
    served.client(&trusting(&authority)).await.find(1).await.expect("it answers");
}

#[tokio::test]
async fn a_handshake_has_a_place_among_the_connections() {
    let authority = Authority::new("the authority");
    let tls = server_tls(&authority.server());
    let served = Served::with(tls, |server| server.max_connections(1)).await;
    let stalled = stalled(&served, BEGUN).await;
    let impatient =
        served.builder(&trusting(&authority)).connect_timeout(Duration::from_millis(300));
    let error = within(impatient.connect()).await.expect_err("there is no place");
    assert!(error.to_string().contains("`connect_timeout`"), "{error}");
    drop(stalled);
    served.client(&trusting(&authority)).await.find(1).await.expect("it answers");
}

#[tokio::test]
async fn a_drain_does_not_wait_for_a_handshake() {
    let authority = Authority::new("the authority");
    let patience = |server: rpc::Server| server.handshake_timeout(Duration::from_secs(3600));
    let served = Served::with(server_tls(&authority.server()), patience).await;
    let stalled = [stalled(&served, b"").await, stalled(&served, BEGUN).await];
    // Connections are accepted in order, so those two are when this one is served.
    served.client(&trusting(&authority)).await.find(1).await.expect("it answers");
    let start = Instant::now();
    served.shutdown.shutdown();
    within(served.task).await.expect("it does not panic").expect("it has drained");
    // The drain itself might take 30 s.
    assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
    drop(stalled);
}

#[tokio::test]
async fn a_call_waits_for_a_handshake_until_its_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = format!("tls://{}", listener.local_addr().expect("it is bound"));
    let tls = trusting(&Authority::new("the authority"));
    let channel = rpc::Channel::builder(address).tls(tls).connect_lazy();
    let client = rpc_security_tests::vault::VaultClient::new(channel);
    let call = client.find(1).timeout(Duration::from_millis(200));
    assert!(within(call).await.expect_err("nobody answers").is_timeout());
    drop(listener);
}
