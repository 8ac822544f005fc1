//! Each call ends once, with its outcome, and its handler runs inside of its span.

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use rpc::{Channel, Context, Server};
use tracing::Level;

use crate::log::{Told, log};

#[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[error("mine")]
struct Mine;

#[rpc::service]
trait Traced {
    async fn ok(&self) -> Option<String>;
    async fn app(&self) -> Result<(), Mine>;
    async fn status(&self) -> Result<(), rpc::Error>;
    async fn panics(&self);
    async fn pends(&self);
    async fn dropped(&self);
    async fn shed(&self);
    #[rpc(spawn)]
    async fn spawned(&self) -> Option<String>;
    #[rpc(blocking)]
    fn blocking(&self, ctx: &Context) -> Option<String>;
    #[rpc(idempotent)]
    async fn again(&self, ctx: &Context) -> Result<u32, rpc::Error>;
}

struct Service;

impl Traced for Service {
    async fn ok(&self) -> Option<String> {
        tokio::task::yield_now().await;
        log().current()
    }
    async fn app(&self) -> Result<(), Mine> {
        Err(Mine)
    }
    async fn status(&self) -> Result<(), rpc::Error> {
        Err(rpc::Error::not_found("nothing"))
    }
    async fn panics(&self) {
        panic!("on purpose");
    }
    async fn pends(&self) {
        std::future::pending().await
    }
    async fn dropped(&self) {
        std::future::pending().await
    }
    async fn shed(&self) {
        std::future::pending().await
    }
    async fn spawned(&self) -> Option<String> {
        tokio::task::yield_now().await;
        log().current()
    }
    fn blocking(&self, _: &Context) -> Option<String> {
        log().current()
    }
    async fn again(&self, ctx: &Context) -> Result<u32, rpc::Error> {
        match ctx.attempt() {
            1 => Err(rpc::Error::unavailable("not yet")),
            attempt => Ok(attempt),
        }
    }
}

async fn served(options: impl FnOnce(Server) -> Server) -> (String, tokio::task::JoinHandle<()>) {
    log();
    let server = options(Server::bind("tcp://127.0.0.1:0").await.expect("a port is free"));
    let address = server.local_addr().expect("it is bound").to_string();
    let running = tokio::spawn(async move {
        server.serve(TracedDispatcher::new(Service)).await.expect("it runs");
    });
    (address, running)
}

fn ended_at_server(method: &'static str) -> impl Fn(&Told) -> bool {
    let name = format!("Traced.{method}");
    move |told| {
        let method = told.span.get("method").or(told.fields.get("method"));
        told.fields.contains_key("outcome")
            && !told.fields.contains_key("side")
            && method == Some(&name)
    }
}

/// Asserts that the calls of a method ended so, and no others did.
async fn ended(method: &'static str, outcomes: &[&str]) -> Vec<Told> {
    let told = log().wait_for(outcomes.len(), ended_at_server(method)).await;
    let found: Vec<_> = told.iter().map(|told| told.fields["outcome"].as_str()).collect();
    assert_eq!(found, outcomes, "{method}");
    assert!(
        told.iter()
            .all(|told| told.level == Level::DEBUG && told.fields.contains_key("elapsed_us"))
    );
    told
}

/// The call, which was polled once, and so is sent.
async fn sent<F: Future + Unpin>(mut call: F) -> F {
    let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut call).poll(cx).is_pending())).await;
    assert!(polled);
    call
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_ends_once_with_its_outcome() {
    let (address, running) = served(|server| server.max_calls_per_connection(4)).await;
    let client = TracedClient::connect(&address).await.expect("it listens");
    // A handler is inside of its call's span, wherever it runs.
    assert_eq!(client.ok().await.expect("it answers").as_deref(), Some("Traced.ok"));
    assert_eq!(client.spawned().await.expect("it answers").as_deref(), Some("Traced.spawned"));
    assert_eq!(client.blocking().await.expect("it answers").as_deref(), Some("Traced.blocking"));
    client.app().await.expect_err("the application's own");
    client.status().await.expect_err("an error");
    client.panics().await.expect_err("it panics");
    client.pends().timeout(Duration::from_millis(20)).await.expect_err("it takes too long");
    assert_eq!(client.again().await.expect("the second attempt"), 2);
    for method in ["ok", "spawned", "blocking"] {
        let told = ended(method, &["ok"]).await;
        assert_eq!(told[0].span["attempt"], "1");
        assert!(told[0].span["peer"].starts_with("tcp://127.0.0.1:"));
    }
    ended("app", &["app"]).await;
    ended("status", &["not_found"]).await;
    ended("panics", &["internal"]).await;
    // The client's own deadline cancels the call; the server's may be a little earlier or later.
    let expired = log().wait_for(1, ended_at_server("pends")).await;
    assert_eq!(expired.len(), 1);
    assert!(["expired", "cancelled"].contains(&expired[0].fields["outcome"].as_str()));
    let again = ended("again", &["unavailable", "ok"]).await;
    assert_eq!(again[1].span["attempt"], "2");

    // One that is dropped by its caller, and four that go with their connection; what is one too many is shed.
    let cancelled = sent(client.dropped()).await;
    let other = Channel::connect(&address).await.expect("it listens");
    client.ok().await.expect("the call before has arrived");
    drop(cancelled);
    ended("dropped", &["cancelled"]).await;
    let rude = TracedClient::new(other.clone());
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.push(sent(rude.shed()).await);
    }
    rude.ok().await.expect("the calls before have arrived");
    let refused = {
        use tokio::io::AsyncWriteExt;
        // By hand, because a client waits for its turn: preface, hello, and five requests where four are accepted.
        let mut stream = tokio::net::TcpStream::connect(address.trim_start_matches("tcp://"))
            .await
            .expect("it listens");
        let mut bytes = b"\0RPC\0\x01\0\0\0\0\0\x03\x92\x0e\x80".to_vec();
        for id in 0..5 {
            bytes.extend_from_slice(&[0, 0, 0, 16, 0x94, 0, id, 0xab]);
            bytes.extend_from_slice(b"Traced.shed\x90");
        }
        stream.write_all(&bytes).await.expect("it takes them");
        let told = log().wait_for(1, ended_at_server("shed")).await;
        assert_eq!(told[0].fields["outcome"], "shed");
        stream
    };
    drop(refused);
    log().wait_for(5, ended_at_server("shed")).await;
    drop(calls);
    let told = log().wait_for(8, ended_at_server("shed")).await;
    let mut outcomes: Vec<_> = told.iter().map(|told| told.fields["outcome"].as_str()).collect();
    outcomes.sort_unstable();
    let expected =
        ["cancelled", "cancelled", "cancelled", "dropped", "dropped", "dropped", "dropped", "shed"];
    assert_eq!(outcomes, expected);
    // The client tells its side, as the caller saw it: the repeated call ended once.
    for (method, outcome, count) in [
        ("ok", "ok", 3),
        ("app", "app", 1),
        ("status", "not_found", 1),
        ("panics", "internal", 1),
        ("pends", "expired", 1),
        ("again", "ok", 1),
        ("dropped", "cancelled", 1),
        ("shed", "cancelled", 3),
    ] {
        let name = format!("Traced.{method}");
        let of_client = |told: &Told| {
            told.fields.get("side").is_some_and(|side| side == "client")
                && told.fields.get("method") == Some(&name)
        };
        let told = log().wait_for(count, of_client).await;
        let found: Vec<_> = told.iter().map(|told| told.fields["outcome"].as_str()).collect();
        assert_eq!(found, vec![outcome; count], "{method}");
    }
    running.abort();
}
