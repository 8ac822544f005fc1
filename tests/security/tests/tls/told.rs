//! What a server tells `tracing` of a handshake that failed: that it was one, and why.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use rpc_security_tests::authority::Authority;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{Served, identified, mutual, trusting, within};

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

#[tokio::test]
async fn a_handshake_that_failed_is_told_with_its_reason() {
    let (ends, mut told) = mpsc::unbounded_channel();
    let subscriber = Arc::new(Ends(Mutex::new(ends)));
    let _listening = tracing::subscriber::set_default(subscriber);
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let served = Served::new(mutual(&servers.server(), &clients)).await;

    served.channel(&trusting(&servers)).await.expect_err("it has no certificate");
    let end = within(told.recv()).await.expect("somebody listens");
    assert_eq!(end, "the TLS handshake failed: the client showed no certificate");

    let stranger = identified(trusting(&servers), &servers.client("stranger"));
    served.channel(&stranger).await.expect_err("it is not trusted");
    let end = within(told.recv()).await.expect("somebody listens");
    assert!(end.contains("the client's certificate was issued by an unknown authority"), "{end}");

    served.channel(&trusting(&clients)).await.expect_err("it does not trust");
    let end = within(told.recv()).await.expect("somebody listens");
    assert!(end.contains("alert UnknownCA"), "{end}");

    let mut stream = TcpStream::connect(served.host()).await.expect("it listens");
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("it is open");
    drop(stream);
    let end = within(told.recv()).await.expect("somebody listens");
    assert!(end.contains("not those of TLS"), "{end}");

    drop(TcpStream::connect(served.host()).await.expect("it listens"));
    let end = within(told.recv()).await.expect("somebody listens");
    assert_eq!(end, "the TLS handshake failed: the client closed the connection");
}
