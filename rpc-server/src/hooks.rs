//! Who may call: the hooks that a server asks in front of every handler, before the call's arguments are decoded.
//!
//! They stand between a connection and the sessions of its methods: a [`Guard`] is the session of a method on a server that has hooks,
//! and starts the call in the method's own session once all of them have admitted it. A server without hooks has no guards.
//!
//! ```text
//!              sync hooks run at once               admitted by all
//!   Vacant ──▶ async ones are polled ──▶ Asking ───────────────────▶ Inside ──▶ Vacant
//!                        │ refused         │ refused, cancelled, expired           ▲
//!                        ╰─────────────────┴────────────────────────────────────────╯
//! ```
//!
//! A hook that waits is in flight like a handler, within its call's deadline; its panics are caught where every handler's are. What has
//! arrived of the call meanwhile waits undecoded.

use std::{
    mem,
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
};

use futures_util::future::BoxFuture;
use rpc_core::{
    Answer, Context, Dispatcher, Error, Request, Session, context::Extension, description::Method,
};

type Decision = Result<Extension, Error>;

/// One hook.
enum Hook {
    Sync(Box<Asked<Decision>>),
    Async(Box<Asked<BoxFuture<'static, Decision>>>),
}

type Asked<T> = dyn Fn(&Context, &'static Method) -> T + Send + Sync;

/// The hooks of a server, in the order in which they are asked.
#[derive(Default)]
pub(crate) struct Hooks {
    hooks: Vec<Hook>,
    /// Whether one of them may wait.
    may_wait: bool,
}

impl Hooks {
    /// Adds one that decides at once.
    pub(crate) fn add<T: Send + Sync + 'static>(
        &mut self,
        hook: impl Fn(&Context, &'static Method) -> Result<T, Error> + Send + Sync + 'static,
    ) {
        let hook = move |context: &Context, method: &'static Method| {
            hook(context, method).map(|extension| Box::new(extension) as Extension)
        };
        self.hooks.push(Hook::Sync(Box::new(hook)));
    }

    /// Adds one that may wait.
    pub(crate) fn add_async<T, F>(
        &mut self,
        hook: impl Fn(&Context, &'static Method) -> F + Send + Sync + 'static,
    ) where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let hook = move |context: &Context, method: &'static Method| -> BoxFuture<'static, _> {
            let decision = hook(context, method);
            Box::pin(async move { decision.await.map(|extension| Box::new(extension) as _) })
        };
        self.hooks.push(Hook::Async(Box::new(hook)));
        self.may_wait = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hooks.is_empty()
    }

    /// Whether a call may be pending of which its client is not to learn yet whether its method exists.
    pub(crate) fn may_wait(&self) -> bool {
        self.may_wait
    }

    /// Finds requirements that nobody would check.
    ///
    /// # Errors
    ///
    /// `failed_precondition`, which names the first method that requires something, where there is no hook.
    pub(crate) fn check(&self, dispatchers: &[Arc<dyn Dispatcher>]) -> Result<(), Error> {
        if !self.is_empty() {
            return Ok(());
        }
        for service in dispatchers.iter().map(|dispatcher| dispatcher.description()) {
            for method in service.methods {
                if let Some(requirement) = method.requires.first() {
                    return Err(Error::failed_precondition(format!(
                        "method \"{}.{}\" requires \"{requirement}\", but the server has no `authorize` hook that would check it",
                        service.name, method.name
                    )));
                }
            }
        }
        Ok(())
    }
}

/// The session of a method whose calls the hooks are asked about.
pub(crate) struct Guard<'a> {
    hooks: &'a [Hook],
    method: &'static Method,
    session: Box<dyn Session + 'a>,
    places: Vec<Place>,
    /// Places of the method's own session: how many there are, and those that are free. Its numbers have no gaps, as it asks, though calls
    /// are admitted in another order than they came in.
    inner: usize,
    free: Vec<usize>,
}

/// Where a call is; see the diagram of this file.
enum Place {
    Vacant,
    /// A hook waits for something; the next one to be asked has this number.
    Asking {
        request: Request,
        decision: BoxFuture<'static, Decision>,
        next: usize,
    },
    /// At this place in the method's session.
    Inside(usize),
}

impl<'a> Guard<'a> {
    pub(crate) fn new(
        hooks: &'a Hooks,
        method: &'static Method,
        session: Box<dyn Session + 'a>,
    ) -> Self {
        let (places, free) = (Vec::new(), Vec::new());
        Self { hooks: &hooks.hooks, method, session, places, inner: 0, free }
    }

    /// Asks the hooks from this one on.
    fn ask(
        &mut self,
        slot: usize,
        mut request: Request,
        mut next: usize,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Answer> {
        while let Some(hook) = self.hooks.get(next) {
            next += 1;
            let decided = match hook {
                Hook::Sync(hook) => hook(request.context(), self.method),
                Hook::Async(hook) => {
                    let mut decision = hook(request.context(), self.method);
                    match decision.as_mut().poll(cx) {
                        Poll::Ready(decided) => decided,
                        Poll::Pending => {
                            self.places[slot] = Place::Asking { request, decision, next };
                            return Poll::Pending;
                        }
                    }
                }
            };
            match decided {
                Ok(extension) => request.attach(extension),
                Err(error) => return Poll::Ready(request.refuse(error.bare())),
            }
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.inner += 1;
            self.inner - 1
        });
        // Noted before the handler runs, which may panic.
        self.places[slot] = Place::Inside(place);
        let polled = self.session.start(place, request, cx);
        if polled.is_ready() {
            self.vacate(slot, place);
        }
        polled
    }

    /// The call at this place of the method's session is gone.
    fn vacate(&mut self, slot: usize, place: usize) {
        self.places[slot] = Place::Vacant;
        self.free.push(place);
    }
}

impl Session for Guard<'_> {
    fn start(&mut self, slot: usize, request: Request, cx: &mut TaskContext<'_>) -> Poll<Answer> {
        if slot == self.places.len() {
            self.places.push(Place::Vacant);
        }
        self.ask(slot, request, 0, cx)
    }

    fn poll(&mut self, slot: usize, cx: &mut TaskContext<'_>) -> Poll<Answer> {
        match &mut self.places[slot] {
            Place::Vacant => Poll::Pending,
            Place::Inside(place) => {
                let place = *place;
                let answer = ready!(self.session.poll(place, cx));
                self.vacate(slot, place);
                Poll::Ready(answer)
            }
            Place::Asking { decision, .. } => {
                let decided = ready!(decision.as_mut().poll(cx));
                let Place::Asking { mut request, next, .. } =
                    mem::replace(&mut self.places[slot], Place::Vacant)
                else {
                    return Poll::Pending;
                };
                match decided {
                    Ok(extension) => request.attach(extension),
                    Err(error) => return Poll::Ready(request.refuse(error.bare())),
                }
                self.ask(slot, request, next, cx)
            }
        }
    }

    fn clear(&mut self, slot: usize) -> bool {
        match self.places[slot] {
            Place::Inside(place) => {
                // First, because a handler whose destructor panics is gone all the same.
                self.vacate(slot, place);
                let is_gone = self.session.clear(place);
                if !is_gone {
                    self.free.pop();
                    self.places[slot] = Place::Inside(place);
                }
                is_gone
            }
            Place::Vacant | Place::Asking { .. } => {
                let asked = mem::replace(&mut self.places[slot], Place::Vacant);
                drop(asked);
                true
            }
        }
    }
}
