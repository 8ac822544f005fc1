//! A subscriber that keeps all that is told to `tracing`, at every level and for every target, as text.

use std::{
    error::Error,
    fmt::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::Interest,
};

/// What was told.
#[derive(Default)]
pub(crate) struct Log {
    text: Mutex<String>,
    changed: Notify,
}

/// Writes fields as text.
struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?} {value:#?}", field.name())
            .expect("a string takes everything");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {}={value}", field.name()).expect("a string takes everything");
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        write!(self.0, " {}={value} {value:?}", field.name()).expect("a string takes everything");
    }
}

impl Log {
    /// Listens for all threads of the process, from now on.
    pub(crate) fn listen() -> &'static Self {
        let log: &'static Self = Box::leak(Box::default());
        tracing::subscriber::set_global_default(Collector(log)).expect("it is the only one");
        log
    }

    /// All that was told until now.
    pub(crate) fn text(&self) -> String {
        self.lock().clone()
    }

    /// Waits until this was told.
    pub(crate) async fn wait_for(&self, words: &str) {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if self.lock().contains(words) {
                    return;
                }
                changed.await;
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(told.is_ok(), "no \"{words}\" in: {}", self.text());
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, what: &str, metadata: &Metadata<'_>, record: impl FnOnce(&mut Fields<'_>)) {
        let (level, target, name) = (metadata.level(), metadata.target(), metadata.name());
        let mut line = format!("{what} {level} {target} {name}");
        // Values are the program's, whose `Debug` may tell something in turn.
        record(&mut Fields(&mut line));
        line.push('\n');
        self.lock().push_str(&line);
        self.changed.notify_waiters();
    }
}

struct Collector(&'static Log);

impl Subscriber for Collector {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::always()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        self.0.note("span", attributes.metadata(), |fields| attributes.record(fields));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        let mut line = "record".to_owned();
        values.record(&mut Fields(&mut line));
        self.0.lock().push_str(&line);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        self.0.note("event", event.metadata(), |fields| event.record(fields));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
