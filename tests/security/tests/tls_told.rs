//! What a server tells `tracing` of a handshake that failed: that it was one, and why.
//!
//! A process of its own: a thread that meets an event for the first time while another one begins to listen can settle that nobody does.

use std::{fmt, sync::Mutex, time::Duration};

use rpc::{
    Channel, Server,
    tls::{ClientTls, ServerTls},
};
use rpc_security_tests::authority::Authority;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Passes on the reasons for which connections ended.
struct Ends(Mutex<mpsc::UnboundedSender<String>>);

struct Reader<'a>(&'a Ends);

impl Visit for Reader<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "end" {
            let ends = self.0.0.lock().expect("nobody panics with it");
            let _ = ends.send(format!("{value:?}"));
        }
    }
}

impl Subscriber for Ends {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "rpc" && *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Reader(self));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

async fn next(told: &mut mpsc::UnboundedReceiver<String>) -> String {
    let end = tokio::time::timeout(Duration::from_secs(20), told.recv()).await;
    end.expect("it is told").expect("somebody listens")
}

#[tokio::test]
async fn a_handshake_that_failed_is_told_with_its_reason() {
    let (ends, mut told) = mpsc::unbounded_channel();
    tracing::subscriber::set_global_default(Ends(Mutex::new(ends))).expect("it is the only one");
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let own = servers.server();
    let tls = ServerTls::from_pem(own.certificate, own.key).expect("it is sound");
    let tls = tls.client_roots_pem(clients.pem()).expect("it is sound");
    let server = Server::bind("tls://127.0.0.1:0").await.expect("a port is free").tls(tls);
    let address = server.local_addr().expect("it is bound").to_string();
    let host = address.trim_start_matches("tls://");
    tokio::spawn(server.run());
    let trusting =
        |authority: &Authority| ClientTls::new().roots_pem(authority.pem()).expect("it is sound");

    let refused = Channel::builder(&address).tls(trusting(&servers)).connect().await;
    refused.expect_err("it has no certificate");
    let end = next(&mut told).await;
    assert_eq!(end, "the TLS handshake failed: the client showed no certificate");

    let issued = servers.client("stranger");
    let stranger = trusting(&servers).identity_pem(issued.certificate, issued.key);
    let stranger = stranger.expect("it is sound");
    let refused = Channel::builder(&address).tls(stranger).connect().await;
    refused.expect_err("it is not trusted");
    let end = next(&mut told).await;
    assert!(end.contains("the client's certificate was issued by an unknown authority"), "{end}");

    let refusing = Channel::builder(&address).tls(trusting(&clients)).connect().await;
    refusing.expect_err("it does not trust");
    let end = next(&mut told).await;
    assert!(end.contains("alert UnknownCA"), "{end}");

    let mut stream = TcpStream::connect(host).await.expect("it listens");
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("it is open");
    drop(stream);
    let end = next(&mut told).await;
    assert!(end.contains("not those of TLS"), "{end}");

    drop(TcpStream::connect(host).await.expect("it listens"));
    let end = next(&mut told).await;
    assert_eq!(end, "the TLS handshake failed: the client closed the connection");
}
