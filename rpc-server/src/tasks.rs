//! Handlers that do not run in their connection's task: `spawn` and `blocking`.
//!
//! Both are sessions like any other, whose slots hold a task's handle instead of a future. The task enters the call's scope
//! itself. Clearing a slot aborts its task, which drops the handler; a blocking call cannot be aborted once it runs, so
//! its context says that it is cancelled, and its slot stays taken until it has ended. A panic comes out of the handle and is raised again where every handler's is caught.

use std::{
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rpc_core::{Answer, Dispatcher, Error, Request, Session, current};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::trace;

/// Where the tasks of a method run.
#[derive(Clone, Copy)]
pub(crate) enum Pool {
    /// On the runtime's workers.
    Workers,
    /// On the threads for blocking work.
    Blocking,
}

/// The tasks of one method on one connection.
pub(crate) struct Tasks {
    dispatcher: Arc<dyn Dispatcher>,
    pool: Pool,
    places: Vec<Option<Task>>,
}

impl Tasks {
    pub(crate) fn new(dispatcher: &Arc<dyn Dispatcher>, pool: Pool) -> Self {
        Self { dispatcher: Arc::clone(dispatcher), pool, places: Vec::new() }
    }

    fn begin(&self, request: Request) -> Task {
        let dispatcher = Arc::clone(&self.dispatcher);
        let inherited = current::Inherited::new(request.context().deadline());
        let scope = trace::Scope::current();
        match self.pool {
            Pool::Workers => {
                let mut handler = dispatcher.owned(request);
                let scoped = std::future::poll_fn(move |cx| {
                    let _span = scope.enter();
                    let _scope = current::enter(inherited);
                    handler.as_mut().poll(cx)
                });
                Task { handle: tokio::spawn(scoped), token: None }
            }
            Pool::Blocking => {
                let token = request.context().token().clone();
                let handle = tokio::task::spawn_blocking(move || {
                    let _span = scope.enter();
                    let _scope = current::enter(inherited);
                    dispatcher.blocking(request)
                });
                Task { handle, token: Some(token) }
            }
        }
    }
}

impl Session for Tasks {
    fn start(&mut self, slot: usize, request: Request, cx: &mut Context<'_>) -> Poll<Answer> {
        if slot == self.places.len() {
            self.places.push(None);
        }
        self.places[slot] = Some(self.begin(request));
        self.poll(slot, cx)
    }

    fn poll(&mut self, slot: usize, cx: &mut Context<'_>) -> Poll<Answer> {
        let Some(task) = &mut self.places[slot] else {
            return Poll::Pending;
        };
        let result = ready!(Pin::new(&mut task.handle).poll(cx));
        self.places[slot] = None;
        Poll::Ready(result.unwrap_or_else(raise))
    }

    fn clear(&mut self, slot: usize) -> bool {
        match &self.places[slot] {
            // The thread runs on, and the slot with it: what cannot be stopped counts as in flight until it ends.
            Some(Task { handle, token: Some(token) }) => {
                token.cancel();
                handle.abort();
                false
            }
            _ => {
                self.places[slot] = None;
                true
            }
        }
    }
}

fn raise(error: JoinError) -> Answer {
    match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        // The runtime that runs the task shuts down, and this connection's task with it.
        Err(error) => {
            resume_unwind(Box::new(Error::unavailable("the runtime shuts down").with_source(error)))
        }
    }
}

/// A running task, which ends with its slot.
struct Task {
    handle: JoinHandle<Answer>,
    token: Option<CancellationToken>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
        if let Some(token) = &self.token {
            token.cancel();
        }
    }
}
