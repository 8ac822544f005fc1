//! What a server and a client tell `tracing`: each call ends once, with its outcome, and a handler that holds others up is named.
//!
//! One subscriber serves the whole process, so each test looks at the events of its own methods.

#![expect(
    clippy::panic,
    reason = "a handler panics on purpose, and a test that waits in vain says for what"
)]

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rpc::{Channel, Context, Server};
use tokio::sync::Notify;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// The fields of a span or an event.
type Fields = HashMap<&'static str, String>;

#[derive(Clone, Debug)]
struct Told {
    level: Level,
    fields: Fields,
    /// The fields of the span that it happened in.
    span: Fields,
}

#[derive(Default)]
struct Log {
    spans: Mutex<HashMap<u64, (Fields, &'static Metadata<'static>)>>,
    entered: Mutex<HashMap<std::thread::ThreadId, Vec<u64>>>,
    told: Mutex<Vec<Told>>,
    next: AtomicU64,
    changed: Notify,
}

struct Collector(Arc<Log>);

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "rpc"
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fields = Fields::new();
        attributes.record(&mut Reader(&mut fields));
        lock(&self.0.spans).insert(id, (fields, attributes.metadata()));
        span::Id::from_u64(id)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        let parent = event.parent().map(span::Id::into_u64);
        let spans = lock(&self.0.spans);
        let span = parent.and_then(|id| spans.get(&id).map(|(fields, _)| fields.clone()));
        let span = span.unwrap_or_default();
        lock(&self.0.told).push(Told { level: *event.metadata().level(), fields, span });
        self.0.changed.notify_waiters();
    }

    fn enter(&self, id: &span::Id) {
        let thread = std::thread::current().id();
        lock(&self.0.entered).entry(thread).or_default().push(id.into_u64());
    }

    fn exit(&self, _: &span::Id) {
        let thread = std::thread::current().id();
        lock(&self.0.entered).entry(thread).or_default().pop();
    }

    fn current_span(&self) -> tracing_core::span::Current {
        let entered = lock(&self.0.entered);
        let id = entered.get(&std::thread::current().id()).and_then(|ids| ids.last().copied());
        let spans = lock(&self.0.spans);
        match id.and_then(|id| Some((id, spans.get(&id)?.1))) {
            Some((id, metadata)) => {
                tracing_core::span::Current::new(span::Id::from_u64(id), metadata)
            }
            None => tracing_core::span::Current::none(),
        }
    }
}

impl Log {
    /// The events for which this holds, as soon as there are so many.
    async fn wait_for(&self, count: usize, wanted: impl Fn(&Told) -> bool) -> Vec<Told> {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                let found: Vec<_> =
                    lock(&self.told).iter().filter(|told| wanted(told)).cloned().collect();
                if found.len() >= count {
                    return found;
                }
                changed.await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        found.unwrap_or_else(|_| panic!("not told: {:#?}", lock(&self.told)))
    }

    /// The method of the span that this thread is in.
    fn current(&self) -> Option<String> {
        let entered = lock(&self.entered);
        let id = *entered.get(&std::thread::current().id())?.last()?;
        lock(&self.spans).get(&id)?.0.get("method").cloned()
    }
}

fn log() -> &'static Arc<Log> {
    static LOG: OnceLock<Arc<Log>> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Arc::new(Log::default());
        let collector = Collector(Arc::clone(&log));
        tracing::subscriber::set_global_default(collector).expect("it is the only one");
        log
    })
}

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
    async fn quick(&self);
    async fn slow(&self, millis: u64);
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
    async fn quick(&self) {}
    async fn slow(&self, millis: u64) {
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(millis) {
            std::hint::spin_loop();
        }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_ends_once_with_its_outcome() {
    let (address, running) = served(|server| server.max_calls_per_connection(3)).await;
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

    // One that is dropped by its caller, and three that go with their connection; what is one too many is shed.
    let cancelled = tokio::spawn(client.dropped());
    let other = Channel::connect(&address).await.expect("it listens");
    while client.channel().state() != rpc::ChannelState::Ready {
        tokio::task::yield_now().await;
    }
    client.ok().await.expect("the call before has arrived");
    cancelled.abort();
    ended("dropped", &["cancelled"]).await;
    let rude = TracedClient::new(other.clone());
    let calls: Vec<_> = (0..3).map(|_| tokio::spawn(rude.shed())).collect();
    let refused = {
        use tokio::io::AsyncWriteExt;
        // By hand, because a client waits for its turn: preface, hello, and four requests where three are accepted.
        let mut stream = tokio::net::TcpStream::connect(address.trim_start_matches("tcp://"))
            .await
            .expect("it listens");
        let mut bytes = b"\0RPC\0\x01\0\0\0\0\0\x03\x92\x0e\x80".to_vec();
        for id in 0..4 {
            bytes.extend_from_slice(&[0, 0, 0, 16, 0x94, 0, id, 0xab]);
            bytes.extend_from_slice(b"Traced.shed\x90");
        }
        stream.write_all(&bytes).await.expect("it takes them");
        let told = log().wait_for(1, ended_at_server("shed")).await;
        assert_eq!(told[0].fields["outcome"], "shed");
        stream
    };
    drop(refused);
    log().wait_for(4, ended_at_server("shed")).await;
    for call in calls {
        call.abort();
    }
    let told = log().wait_for(7, ended_at_server("shed")).await;
    let mut outcomes: Vec<_> = told.iter().map(|told| told.fields["outcome"].as_str()).collect();
    outcomes.sort_unstable();
    let expected = ["cancelled", "cancelled", "cancelled", "dropped", "dropped", "dropped", "shed"];
    assert_eq!(outcomes, expected);
    // The client tells its side, as the caller saw it: the repeated call ended once.
    for (method, outcome, count) in [
        ("ok", "ok", 2),
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

#[tokio::test]
async fn a_handler_that_holds_others_up_is_named_once() {
    let (address, running) = served(|server| server).await;
    let client = TracedClient::connect(&address).await.expect("it listens");
    // Cheap calls all around, so that the clock is read rarely; the slow one comes again and again.
    for _ in 0..40 {
        let mut calls = tokio::task::JoinSet::new();
        for index in 0..64 {
            let call = if index == 40 { client.slow(12) } else { client.slow(0) };
            calls.spawn(call);
            calls.spawn(client.quick());
        }
        while let Some(outcome) = calls.join_next().await {
            outcome.expect("it does not panic").expect("it answers");
        }
    }
    let told = log().wait_for(1, |told| told.level == Level::WARN).await;
    assert_eq!(told.len(), 1, "once for each method: {told:?}");
    assert_eq!(told[0].fields["method"], "Traced.slow");
    let text = &told[0].fields["message"];
    assert!(text.contains("#[rpc(spawn)]") && text.contains("#[rpc(blocking)]"), "{text}");
    running.abort();
}

#[tokio::test]
async fn connections_are_told_from_their_opening_to_their_end() {
    let (address, running) = served(|server| server.idle_timeout(Duration::from_millis(10))).await;
    let stream = std::net::TcpStream::connect(address.trim_start_matches("tcp://"));
    let peer = stream.as_ref().expect("it listens").local_addr().expect("it is bound");
    let peer = format!("tcp://{peer}");
    let of_peer = |text: &'static str| {
        let peer = peer.clone();
        move |told: &Told| {
            told.fields.get("peer") == Some(&peer)
                && told.fields.get("message").is_some_and(|message| message == text)
        }
    };
    log().wait_for(1, of_peer("a connection opened")).await;
    drop(stream);
    let told = log().wait_for(1, of_peer("a connection ended")).await;
    assert_eq!(told[0].fields["end"], "the client closed it");
    running.abort();
}
