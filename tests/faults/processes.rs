//! Processes that stop, go on, and are killed in mid-call, and one that runs out of descriptors.

use std::time::Duration;

use rpc::Channel;

use crate::{
    process::{PingClient, PlainPingClient, Server},
    support::within,
};

const SHORT: Duration = Duration::from_millis(80);
const ANYWHERE: &str = "tcp://127.0.0.1:0";

#[tokio::test]
async fn a_stopped_process_ends_no_call_beyond_its_deadline() {
    within(async {
        let server = Server::start(ANYWHERE, None).await;
        let client = PingClient::connect(&server.address).await.expect("it listens");
        client.ping("before").await.expect("it runs");
        server.signal("STOP");
        server.reached(true).await;
        let error = client.ping("stopped").timeout(SHORT).await.expect_err("it is stopped");
        assert!(error.is_timeout() && !error.is_not_started(), "{error:?}");
        // A new connection is made by the system, and introduced by nobody.
        let attempt = Channel::builder(&server.address).connect_timeout(SHORT).connect().await;
        assert!(attempt.expect_err("nobody introduces himself").is_unavailable());
        server.signal("CONT");
        assert_eq!(client.ping("after").await.expect("it goes on"), "after");
    })
    .await;
}

#[tokio::test]
async fn keepalive_finds_a_stopped_process() {
    within(async {
        let server = Server::start(ANYWHERE, None).await;
        // The server asks for a second between pings at least, and is obeyed.
        let builder = Channel::builder(&server.address).keepalive_idle(SHORT);
        let channel = builder.keepalive_timeout(SHORT).connect().await.expect("it listens");
        let client = PlainPingClient::new(channel);
        client.ping("before").await.expect("it runs");
        server.signal("STOP");
        server.reached(true).await;
        let before = std::time::Instant::now();
        let error = client.ping("stopped").await.expect_err("it is stopped");
        assert!(error.is_unavailable() && !error.is_not_started(), "{error:?}");
        assert!(error.message().contains("the server was silent"), "{error}");
        let found = before.elapsed();
        assert!((SHORT..Duration::from_secs(10)).contains(&found), "{found:?}");
        server.signal("CONT");
        assert_eq!(client.ping("after").await.expect("on a new connection"), "after");
    })
    .await;
}

#[tokio::test]
async fn a_process_killed_in_mid_call_is_replaced() {
    within(async {
        let server = Server::start(ANYWHERE, None).await;
        let plain = PlainPingClient::connect(&server.address).await.expect("it listens");
        let repeated = PingClient::connect(&server.address).await.expect("it listens");
        // Stopped first, so that the calls have certainly arrived nowhere but in its sockets.
        server.signal("STOP");
        server.reached(true).await;
        let lost = tokio::spawn(plain.ping("one"));
        let again = tokio::spawn(repeated.ping("two"));
        tokio::task::yield_now().await;
        let address = server.kill().await;
        let error = lost.await.expect("it does not panic").expect_err("it may have run");
        assert!(error.is_unavailable(), "{error}");
        assert!(!error.is_not_started() && error.message().contains("may have run"), "{error}");
        // Its next call, and the one that may be repeated, find the process that takes its place.
        let next = tokio::spawn(plain.ping("three"));
        let server = Server::start(&address, None).await;
        assert_eq!(again.await.expect("it does not panic").expect("it is repeated"), "two");
        assert_eq!(next.await.expect("it does not panic").expect("it waited"), "three");
        drop(server);
    })
    .await;
}

#[tokio::test]
async fn a_process_without_descriptors_serves_whom_it_has_and_does_not_spin() {
    within(async {
        const DESCRIPTORS: u32 = 32;
        let server = Server::start(ANYWHERE, Some(DESCRIPTORS)).await;
        let client = PingClient::connect(&server.address).await.expect("it listens");
        client.ping("first").await.expect("it runs");
        let host = server.address.trim_start_matches("tcp://");
        let mut crowd = Vec::new();
        for _ in 0..DESCRIPTORS * 2 {
            crowd.push(tokio::net::TcpStream::connect(host).await.expect("the system accepts"));
        }
        // Those that are in are served, while accepting fails again and again.
        let ticks = server.ticks();
        let start = std::time::Instant::now();
        let mut calls = 0;
        while start.elapsed() < Duration::from_millis(1500) {
            assert_eq!(client.ping("still").await.expect("it serves"), "still");
            calls += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let used = server.ticks() - ticks;
        println!("{calls} calls served and {used} hundredths of a second used in 1.5 s without descriptors");
        assert!(used <= 75, "it spins: {used} hundredths of a second in 1.5 s");
        drop(crowd);
        let late = PingClient::connect(&server.address).await.expect("it accepts again");
        assert_eq!(late.ping("late").await.expect("it serves"), "late");
    })
    .await;
}
