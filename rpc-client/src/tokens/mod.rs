//! The token of a channel: fetched by one task for all calls that wait, and kept until shortly before it expires.
//!
//! ```text
//!   none ──asked──▶ fetching ──▶ held ──due, or refused by a server──▶ fetching
//!                      ╰── the source failed: whoever waits is told ──▶ none
//! ```
//!
//! The task is nobody's call, so that a call which is dropped while it waits does not take the token from the others. It ends with the
//! channel. No user's code runs under the lock.

mod token;

use std::{
    collections::VecDeque,
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use futures_util::{FutureExt, future::BoxFuture};
use rpc_core::{
    Error, Metadata, discard,
    limits::{TOKEN_MARGIN, TOKEN_RENEWAL_PERIOD, TOKEN_RENEWALS, TOKEN_TIMEOUT},
    metadata::AUTHORIZATION,
};
use tokio::{runtime::Handle, sync::watch, task::AbortHandle};
use zeroize::Zeroizing;

pub use self::token::{Token, TokenSource};

/// Where tokens come from, whatever its type.
#[derive(Clone)]
pub(crate) struct Source(Arc<dyn Fn() -> BoxFuture<'static, Result<Token, Error>> + Send + Sync>);

impl Source {
    pub(crate) fn new(source: impl TokenSource) -> Self {
        let source = Arc::new(source);
        Self(Arc::new(move || {
            let source = Arc::clone(&source);
            Box::pin(async move { source.token().await })
        }))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").finish_non_exhaustive()
    }
}

/// A token as calls take it along.
pub(crate) struct Held {
    token: Token,
    /// What a call sends that has no metadata of its own.
    metadata: Arc<Metadata>,
    /// When another one is to be fetched.
    due: Option<Instant>,
}

impl Held {
    /// # Errors
    ///
    /// `invalid_argument` for what cannot be a bearer token.
    fn new(token: Token) -> Result<Self, Error> {
        let secret = token.secret();
        if secret.is_empty() || secret.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Error::invalid_argument(
                "a bearer token is not empty and has no white space in it",
            ));
        }
        let mut metadata = Metadata::new();
        metadata.insert(AUTHORIZATION, &credentials(&token));
        let now = now();
        let due = token.expires().map(|expires| {
            let left = expires.saturating_duration_since(now);
            now + (left - TOKEN_MARGIN.min(left / 10))
        });
        Ok(Self { token, metadata: Arc::new(metadata), due })
    }

    /// Adds it to what a call sends along, in place of one that was there.
    pub(crate) fn put_into(&self, metadata: &mut Option<Arc<Metadata>>) {
        match metadata {
            None => *metadata = Some(Arc::clone(&self.metadata)),
            Some(metadata) => {
                Arc::make_mut(metadata).insert(AUTHORIZATION, &credentials(&self.token));
            }
        }
    }

    /// Whether a server that refused the other would refuse this.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.token.secret() == other.token.secret()
    }
}

fn credentials(token: &Token) -> Zeroizing<String> {
    Zeroizing::new(format!("Bearer {}", token.secret()))
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What becomes of a fetch.
type Fetched = Option<Result<Arc<Held>, Error>>;

/// What there is for a call that asks for a token.
pub(crate) enum Asked {
    /// A token.
    Held(Arc<Held>),
    /// The end of a fetch, to be waited for.
    Fetching(BoxFuture<'static, Result<Arc<Held>, Error>>),
}

/// The tokens of one channel.
pub(crate) struct Tokens {
    shared: Arc<Shared>,
    /// Where the channel's task runs, and the source.
    pub(crate) runtime: Handle,
}

struct Shared {
    source: Source,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Arc<Held>>,
    flight: Option<Flight>,
    /// When the last ones were refused that were given up for it.
    refused_at: VecDeque<Instant>,
}

/// A fetch that is under way.
struct Flight {
    fetched: watch::Receiver<Fetched>,
    task: AbortHandle,
}

impl Tokens {
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub(crate) fn new(source: Source) -> Self {
        let shared = Shared { source, state: Mutex::default() };
        Self { shared: Arc::new(shared), runtime: Handle::current() }
    }

    /// The token for a call, of which a server has `refused` the one that it took along before.
    pub(crate) fn ask(&self, refused: Option<&Arc<Held>>) -> Asked {
        let mut state = self.shared.lock();
        if let Some(refused) = refused {
            state.discard(refused);
        }
        let now = now();
        if let Some(held) = &state.held
            && held.due.is_none_or(|due| now < due)
        {
            return Asked::Held(Arc::clone(held));
        }
        // One that ended without a word was dropped with its runtime.
        let flight = state.flight.take().filter(|flight| flight.fetched.has_changed().is_ok());
        let flight = flight.unwrap_or_else(|| self.fetch());
        let mut fetched = flight.fetched.clone();
        state.flight = Some(flight);
        drop(state);
        Asked::Fetching(Box::pin(async move {
            let fetched = fetched.wait_for(Option::is_some).await.ok();
            fetched.and_then(|fetched| fetched.clone()).unwrap_or_else(|| {
                Err(Error::unavailable("the token source is gone, with the channel's runtime")
                    .not_started(true))
            })
        }))
    }

    /// A server has refused this one: calls from now on take another.
    pub(crate) fn discard(&self, refused: &Arc<Held>) {
        self.shared.lock().discard(refused);
    }

    fn fetch(&self) -> Flight {
        let (sender, fetched) = watch::channel(None);
        let shared = Arc::clone(&self.shared);
        let task = self.runtime.spawn(async move {
            let fetched = shared.source.fetch().await.map_err(|error| error.not_started(true));
            let mut state = shared.lock();
            state.flight = None;
            state.held = fetched.as_ref().ok().cloned();
            drop(state);
            // Whoever waited may be gone.
            let _ = sender.send(Some(fetched));
        });
        Flight { fetched, task: task.abort_handle() }
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        if let Some(flight) = self.shared.lock().flight.take() {
            flight.task.abort();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives a token up that a server has refused, unless as many were just before: then it is as good as the next one.
    fn discard(&mut self, refused: &Arc<Held>) {
        if !self.held.as_ref().is_some_and(|held| Arc::ptr_eq(held, refused)) {
            return;
        }
        let now = now();
        self.refused_at.retain(|at| now.saturating_duration_since(*at) < TOKEN_RENEWAL_PERIOD);
        if self.refused_at.len() < TOKEN_RENEWALS {
            self.refused_at.push_back(now);
            self.held = None;
        }
    }
}

impl Source {
    /// Gets a token, within its time. A panic is an error like another.
    async fn fetch(&self) -> Result<Arc<Held>, Error> {
        let asked = AssertUnwindSafe(async { (self.0)().await }).catch_unwind();
        match tokio::time::timeout(TOKEN_TIMEOUT, asked).await {
            Ok(Ok(Ok(token))) => Held::new(token).map(Arc::new).map_err(|error| failed(&error)),
            Ok(Ok(Err(error))) => Err(failed(&error)),
            Ok(Err(payload)) => {
                discard(payload);
                Err(Error::internal("the token source panicked"))
            }
            Err(_) => Err(Error::deadline_exceeded(format!(
                "the token source gave no token within {TOKEN_TIMEOUT:?}"
            ))),
        }
    }
}

fn failed(error: &Error) -> Error {
    let message = format!("the token source failed: {}", error.message());
    let failed = Error::new(error.kind(), message).with_source(error.clone());
    match error.retry_after() {
        Some(delay) => failed.with_retry_after(delay),
        None => failed,
    }
}
