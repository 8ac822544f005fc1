//! A subscriber that keeps what it is told: events with their spans, and which span each thread is in.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

/// The fields of a span or an event.
pub(crate) type Fields = HashMap<&'static str, String>;

#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) level: Level,
    pub(crate) fields: Fields,
    /// The fields of the span that it happened in.
    pub(crate) span: Fields,
}

/// What was told.
#[derive(Default)]
pub(crate) struct Log {
    spans: Mutex<HashMap<u64, (Fields, &'static Metadata<'static>)>>,
    entered: Mutex<HashMap<std::thread::ThreadId, Vec<u64>>>,
    told: Mutex<Vec<Told>>,
    next: AtomicU64,
    changed: Notify,
}

/// Listens to the target `rpc`, down to this level.
struct Collector(Arc<Log>, Level);

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
        metadata.target() == "rpc" && *metadata.level() <= self.1
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
    pub(crate) async fn wait_for(&self, count: usize, wanted: impl Fn(&Told) -> bool) -> Vec<Told> {
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

    /// All that was told until now.
    pub(crate) fn told(&self) -> Vec<Told> {
        lock(&self.told).clone()
    }

    /// How many spans were made.
    pub(crate) fn spans(&self) -> usize {
        lock(&self.spans).len()
    }

    /// The method of the span that this thread is in.
    pub(crate) fn current(&self) -> Option<String> {
        let entered = lock(&self.entered);
        let id = *entered.get(&std::thread::current().id())?.last()?;
        lock(&self.spans).get(&id)?.0.get("method").cloned()
    }
}

/// The log of all threads of this process, where no other one stands in.
pub(crate) fn log() -> &'static Arc<Log> {
    static LOG: OnceLock<Arc<Log>> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Arc::new(Log::default());
        let collector = Collector(Arc::clone(&log), Level::TRACE);
        tracing::subscriber::set_global_default(collector).expect("it is the only one");
        log
    })
}

/// A log of this thread alone, down to this level, while the guard lives.
pub(crate) fn own_log(level: Level) -> (Arc<Log>, DefaultGuard) {
    let log = Arc::new(Log::default());
    let guard = tracing::subscriber::set_default(Collector(Arc::clone(&log), level));
    (log, guard)
}
