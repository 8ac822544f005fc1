//! Handlers that do not run in their connection's task: `spawn` and `blocking`.
//!
//! Both are sessions like any other, whose slots hold a task's handle instead of a future. The task enters the call's scope
//! itself. Clearing a slot tells the call's context, and aborts the task, which drops the handler at its next `await`; a blocking call cannot be
//! aborted once it runs. Until the handler is gone its slot stays taken, and if its connection ends before, it is still counted among the
//! server's calls. A panic comes out of the handle and is raised again where every handler's is caught.

use std::{
    panic::resume_unwind,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use rpc_core::{
    Answer, Dispatcher, Error, Request, Session,
    connection::server::{Outliving, Permits},
    current,
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::{JoinError, JoinHandle},
};
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
    permits: Arc<Permits>,
    /// Whether the runtime has workers that may be asleep while another one is busy.
    has_sleepers: bool,
    places: Vec<Option<Task>>,
}

impl Tasks {
    pub(crate) fn new(
        dispatcher: &Arc<dyn Dispatcher>,
        pool: Pool,
        permits: &Arc<Permits>,
    ) -> Self {
        let (dispatcher, permits) = (Arc::clone(dispatcher), Arc::clone(permits));
        let flavor = Handle::current().runtime_flavor();
        let has_sleepers = matches!(pool, Pool::Workers) && flavor != RuntimeFlavor::CurrentThread;
        Self { dispatcher, pool, permits, has_sleepers, places: Vec::new() }
    }

    fn begin(&self, request: Request) -> Task {
        let dispatcher = Arc::clone(&self.dispatcher);
        let inherited = current::Inherited::new(request.context().deadline());
        let scope = trace::Scope::current();
        let token = request.context().token().clone();
        let life = Arc::new(Life::default());
        let alive = Alive(Arc::clone(&life));
        let handle = match self.pool {
            Pool::Workers => {
                let mut handler = dispatcher.owned(request);
                let scoped = std::future::poll_fn(move |cx| {
                    let _alive = &alive;
                    let _span = scope.enter();
                    let _scope = current::enter(inherited);
                    handler.as_mut().poll(cx)
                });
                tokio::spawn(scoped)
            }
            Pool::Blocking => tokio::task::spawn_blocking(move || {
                let _alive = alive;
                let _span = scope.enter();
                let _scope = current::enter(inherited);
                dispatcher.blocking(request)
            }),
        };
        Task { handle, token, life, permits: Arc::clone(&self.permits) }
    }
}

impl Session for Tasks {
    fn start(&mut self, slot: usize, request: Request, cx: &mut Context<'_>) -> Poll<Answer> {
        if slot == self.places.len() {
            self.places.push(None);
        }
        self.places[slot] = Some(self.begin(request));
        if self.has_sleepers {
            // Tokio runs a new task where it was spawned, next, and tells no other worker. If it computes for long, the worker that
            // looks for I/O and timers is then busy with it, and all others may sleep. A task that was woken while it ran
            // is what Tokio wakes another worker for.
            cx.waker().wake_by_ref();
        }
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
        if let Some(task) = &self.places[slot] {
            task.token.cancel();
            task.handle.abort();
            // What is not gone counts as in flight until it is.
            if !task.handle.is_finished() {
                return false;
            }
        }
        self.places[slot] = None;
        true
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
    token: CancellationToken,
    life: Arc<Life>,
    permits: Arc<Permits>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.token.cancel();
        self.handle.abort();
        let mut stage = self.life.lock();
        if let Stage::Running = *stage {
            *stage = Stage::Orphaned(self.permits.outlive());
        }
    }
}

/// Whether a handler is there, and whether its connection is.
#[derive(Default)]
struct Life(Mutex<Stage>);

#[derive(Default)]
enum Stage {
    #[default]
    Running,
    /// Its connection is gone: its place among the server's calls is its own.
    Orphaned(#[expect(dead_code, reason = "it is there to be dropped")] Outliving),
    Gone,
}

impl Life {
    fn lock(&self) -> std::sync::MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropped with a handler.
struct Alive(Arc<Life>);

impl Drop for Alive {
    fn drop(&mut self) {
        *self.0.lock() = Stage::Gone;
    }
}
