//! The handlers of one connection: sessions, slots, and the guard around every poll.
//!
//! A slot belongs to one method for good, with its place in that method's session, its waker and its record; a call takes
//! a free slot of its method, the one that was freed last. Nothing here allocates once the slots are there. A handler that
//! panics ends its own call only: its future is dropped, and both the poll and that drop are caught. The scope that nested
//! calls inherit is entered around each poll.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use rpc_core::{
    Answer, Error, Outcome, Request, Session, Surroundings,
    connection::server::{CallKey, Permits},
    context::MissingState,
    current,
    current::Inherited,
    description::Run,
    discard,
    dispatch::{Blank, Incoming},
    payload::{Body, Payload},
    stream::{Arrivals, Content, Offered, Outlet, ServerInbox},
};

use crate::{
    hooks::Guard,
    router::Router,
    tasks::{Pool, Tasks},
    trace,
    wakes::{SlotWake, Wakes},
};

/// One slot: a place in a session, and what its calls use again.
struct Slot {
    /// The method's number in the router.
    method: u32,
    /// The place in the method's session.
    place: usize,
    wake: Arc<SlotWake>,
    waker: Waker,
    blank: Option<Blank>,
    trace: trace::Call,
    /// The way out of the items, where the method streams.
    outlet: Option<Arc<Outlet>>,
    /// The items that come in, where the method takes a stream.
    inbox: Option<Arc<ServerInbox>>,
    occupant: Occupant,
}

/// What runs in a slot.
#[derive(Clone, Copy)]
enum Occupant {
    /// Nothing, or a call that is at its first poll.
    None,
    /// A call that is pending.
    Call(CallKey, Inherited),
    /// A call that was answered, and whose handler cannot be dropped in mid-run.
    Leftover,
}

/// One method that this connection has called.
struct Method<'a> {
    session: Box<dyn Session + 'a>,
    /// Its slots that are free.
    free: Vec<u32>,
    /// How many slots it has.
    places: usize,
}

/// A handler that ended.
pub(crate) enum Ended {
    /// With an answer.
    Answer(Answer),
    /// With a panic.
    Panic(Error),
}

/// The handlers of one connection.
pub(crate) struct Handlers<'a> {
    router: &'a Router,
    permits: Arc<Permits>,
    surroundings: Arc<Surroundings>,
    wakes: Arc<Wakes>,
    methods: Vec<Option<Method<'a>>>,
    slots: Vec<Slot>,
    /// The slots that are polled in this round, and how many of them were.
    woken: Vec<u32>,
    polled: usize,
    /// The slots whose streams have sent something, to be polled in the next round: behind those that were woken meanwhile.
    relisted: Vec<u32>,
    started: u64,
    /// The method whose handler was polled since [`take_polled`](Self::take_polled) asked last.
    polled_method: Option<u32>,
}

impl<'a> Handlers<'a> {
    pub(crate) fn new(
        router: &'a Router,
        permits: Arc<Permits>,
        surroundings: Arc<Surroundings>,
        wakes: Arc<Wakes>,
    ) -> Self {
        Self {
            router,
            permits,
            surroundings,
            wakes,
            methods: Vec::new(),
            slots: Vec::new(),
            woken: Vec::new(),
            polled: 0,
            relisted: Vec::new(),
            started: 0,
            polled_method: None,
        }
    }

    /// Starts a call of the method with this number in a free slot of it, and polls it once. Where it is pending, the slot is to be
    /// [`keep`](Self::keep)t; where it ended, to be [`recycle`](Self::recycle)d.
    ///
    /// Of the items of a stream, `run` bytes may go out in one message.
    pub(crate) fn start(
        &mut self,
        slot: u32,
        number: u32,
        incoming: Incoming,
        run: usize,
    ) -> Poll<Ended> {
        let inherited = Inherited::new(incoming.deadline());
        let route = self.router.route(number);
        let Slot { place, waker, blank, trace, outlet, inbox, .. } = &mut self.slots[slot as usize];
        *trace =
            trace::Call::begin(incoming.method(), self.surroundings.peer(), incoming.attempt());
        let blank = blank.take().unwrap_or_else(|| Blank::new(Arc::clone(&self.surroundings)));
        let mut request = blank.fill(incoming, route.method);
        if route.is_streaming() {
            if route.streams {
                // A task that is aborted may still put something into the outlet of its call.
                let consumer = (route.run != Run::Inline).then(|| waker.clone());
                let is_to_keep = consumer.is_none() && outlet.is_some();
                if !is_to_keep {
                    *outlet = Some(Arc::new(Outlet::new(consumer, run)));
                }
            }
            if route.takes {
                *inbox = Some(Arc::new(ServerInbox::new(waker.clone())));
            }
            request = request.with_streams(outlet.clone(), inbox.clone());
        }
        self.started += 1;
        self.polled_method = Some(number);
        let session = session(&mut self.methods, number);
        let _scope = trace.enter();
        guarded(session, *place, waker, inherited, Some(request))
    }

    /// Shows `send` what the stream in `slot` has next. If it was sent, its handler is polled again, behind those that wait.
    pub(crate) fn offer(&mut self, slot: u32, send: impl FnOnce(Content<'_>, u64) -> bool) {
        let Some(Slot { outlet: Some(outlet), method, wake, .. }) = self.slots.get(slot as usize)
        else {
            return;
        };
        let is_news = outlet.offer(send) == Offered::Sent;
        if is_news && self.router.route(*method).run == Run::Inline && wake.list() {
            self.relisted.push(slot);
        }
    }

    /// What has become of the items that the handler in `slot` receives.
    pub(crate) fn arrivals(&self, slot: u32) -> Arrivals {
        let inbox = self.slots.get(slot as usize).and_then(|slot| slot.inbox.as_ref());
        inbox.map(|inbox| inbox.arrivals()).unwrap_or_default()
    }

    /// An item has come for the handler in `slot`. The frame comes back, if its buffer can be used again.
    pub(crate) fn push(&self, slot: u32, item: Result<Payload, Error>, cost: u64) -> Option<Body> {
        let inbox = self.slots.get(slot as usize)?.inbox.as_ref()?;
        inbox.push(item, cost)
    }

    /// The stream that the handler in `slot` receives has ended.
    pub(crate) fn end_of_items(&self, slot: u32, end: Result<(), Error>) {
        if let Some(inbox) = self.slots.get(slot as usize).and_then(|slot| slot.inbox.as_ref()) {
            inbox.end(end);
        }
    }

    /// The call that is pending in `slot`.
    pub(crate) fn call(&self, slot: u32) -> Option<CallKey> {
        match self.slots.get(slot as usize)?.occupant {
            Occupant::Call(key, _) => Some(key),
            Occupant::None | Occupant::Leftover => None,
        }
    }

    /// Whether handlers are listed to be polled.
    pub(crate) fn has_listed(&self) -> bool {
        self.polled < self.woken.len() || !self.relisted.is_empty()
    }

    /// Notes that the call in `slot` is pending.
    pub(crate) fn keep(&mut self, slot: u32, key: CallKey, inherited: Inherited) {
        self.slots[slot as usize].occupant = Occupant::Call(key, inherited);
    }

    /// Polls the next handler that was woken; `None` when there is no other. A leftover has no call.
    pub(crate) fn poll_woken(&mut self) -> Option<(u32, Option<CallKey>, Poll<Ended>)> {
        loop {
            if self.polled == self.woken.len() {
                self.woken.clear();
                self.polled = 0;
                self.wakes.swap(&mut self.woken);
                self.woken.append(&mut self.relisted);
                if self.woken.is_empty() {
                    return None;
                }
            }
            let slot = self.woken[self.polled];
            self.polled += 1;
            // A slot may be woken after it was freed, even after the slab was emptied.
            let Some(Slot { method, place, wake, waker, occupant, trace, .. }) =
                self.slots.get(slot as usize)
            else {
                continue;
            };
            wake.unlist();
            let (key, inherited) = match *occupant {
                Occupant::None => continue,
                Occupant::Call(key, inherited) => (Some(key), inherited),
                Occupant::Leftover => (None, Inherited::default()),
            };
            self.polled_method = Some(*method);
            let session = session(&mut self.methods, *method);
            let _scope = trace.enter();
            return Some((slot, key, guarded(session, *place, waker, inherited, None)));
        }
    }

    /// Notes how the call in `slot` ended.
    pub(crate) fn note(&mut self, slot: u32, outcome: Outcome) {
        self.slots[slot as usize].trace.end(outcome);
    }

    /// The method whose handler was polled since this asked last, if one was: what took long may also have been the end of a
    /// handler that was cancelled.
    pub(crate) fn take_polled(&mut self) -> Option<u32> {
        self.polled_method.take()
    }

    /// The poll of a handler of this method took so long: says so, the first time that one of this method does.
    pub(crate) fn hold_up(&self, method: u32, spent: Duration) {
        let route = self.router.route(method);
        if route.run == Run::Inline && route.is_news() {
            trace::slow_poll(&route.name, spent);
        }
    }

    /// The handler in `slot` ended with this error: says so, the first time that one of its method lacks a state.
    #[cold]
    pub(crate) fn note_lack(&self, slot: u32, error: &Error) {
        let source = std::error::Error::source(error);
        let missing = source.and_then(|source| source.downcast_ref::<MissingState>());
        if let Some(missing) = missing {
            let route = self.router.route(self.slots[slot as usize].method);
            if route.is_lack_news() {
                trace::state_missing(&route.name, missing);
            }
        }
    }

    /// Makes the slot of a call that ended free, with the record that it used.
    pub(crate) fn recycle(&mut self, slot: u32, blank: Option<Blank>) {
        let Slot { method, blank: place, occupant, outlet, inbox, .. } =
            &mut self.slots[slot as usize];
        *place = blank;
        *occupant = Occupant::None;
        if let Some(inbox) = inbox.take() {
            // The handler may have handed its stream to a task that waits for more.
            inbox.end(Err(Error::cancelled("the call is over")));
        }
        if let Some(outlet) = outlet {
            outlet.clear();
        }
        if let Some(method) = &mut self.methods[*method as usize] {
            method.free.push(slot);
        }
    }

    /// Drops the handler in `slot`; whether it is gone. One that cannot be dropped comes back from
    /// [`poll_woken`](Self::poll_woken) when it has ended.
    pub(crate) fn cancel(&mut self, slot: u32, outcome: Outcome) -> bool {
        self.note(slot, outcome);
        let Slot { method, place, .. } = self.slots[slot as usize];
        let is_gone = clear(session(&mut self.methods, method), place);
        if is_gone {
            self.recycle(slot, None);
        } else {
            self.slots[slot as usize].occupant = Occupant::Leftover;
        }
        is_gone
    }

    /// How many calls were started.
    pub(crate) fn started(&self) -> u64 {
        self.started
    }

    /// Whether slots are held.
    pub(crate) fn has_slots(&self) -> bool {
        !self.slots.is_empty()
    }

    /// Frees all slots, if nothing runs in them.
    pub(crate) fn free_slots(&mut self) {
        if !self.has_listed()
            && self.slots.iter().all(|slot| matches!(slot.occupant, Occupant::None))
        {
            self.methods = Vec::new();
            self.slots = Vec::new();
            self.woken = Vec::new();
            self.polled = 0;
            self.relisted = Vec::new();
            self.wakes.shrink();
        }
    }

    /// The connection is gone: each pending handler is dropped, and one that panics there does not keep the others. No slot is there
    /// any more.
    pub(crate) fn drop_all(&mut self) {
        for Slot { method, place, occupant, inbox, .. } in &self.slots {
            if let Occupant::Call(..) = occupant {
                clear(session(&mut self.methods, *method), *place);
            }
            if let Some(inbox) = inbox {
                inbox.end(Err(Error::unavailable("the connection was lost")));
            }
        }
        self.slots = Vec::new();
        self.methods = Vec::new();
    }

    /// A free slot of the method with this number.
    pub(crate) fn free_slot(&mut self, number: u32) -> u32 {
        let index = number as usize;
        if index >= self.methods.len() {
            self.methods.resize_with(index + 1, || None);
        }
        let method = self.methods[index].get_or_insert_with(|| {
            let route = self.router.route(number);
            let session: Box<dyn Session + 'a> = match route.run {
                Run::Spawn => Box::new(Tasks::new(&route.dispatcher, Pool::Workers, &self.permits)),
                Run::Blocking => {
                    Box::new(Tasks::new(&route.dispatcher, Pool::Blocking, &self.permits))
                }
                _ => route.dispatcher.session(route.method),
            };
            let hooks = &self.router.hooks;
            let session = if hooks.is_empty() {
                session
            } else {
                Box::new(Guard::new(hooks, route.description, session))
            };
            Method { session, free: Vec::new(), places: 0 }
        });
        if let Some(slot) = method.free.pop() {
            return slot;
        }
        // Bounded by the calls in flight, which the machine has checked, times the methods: idle slots are freed.
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let wake = SlotWake::new(slot, &self.wakes);
        let waker = Waker::from(Arc::clone(&wake));
        if self.slots.is_empty() {
            // Many connections never have more than one call at a time.
            self.slots.reserve_exact(1);
        }
        self.slots.push(Slot {
            method: number,
            place: method.places,
            wake,
            waker,
            blank: None,
            trace: trace::Call::default(),
            outlet: None,
            inbox: None,
            occupant: Occupant::None,
        });
        method.places += 1;
        slot
    }
}

impl Drop for Handlers<'_> {
    fn drop(&mut self) {
        self.drop_all();
    }
}

fn session<'m, 'a>(
    methods: &'m mut [Option<Method<'a>>],
    number: u32,
) -> &'m mut (dyn Session + 'a) {
    let method = methods[number as usize].as_mut();
    &mut *method.expect("a slot's method has a session").session
}

fn guarded(
    session: &mut (dyn Session + '_),
    place: usize,
    waker: &Waker,
    inherited: Inherited,
    request: Option<Request>,
) -> Poll<Ended> {
    let mut cx = Context::from_waker(waker);
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let _scope = current::enter(inherited);
        match request {
            Some(request) => session.start(place, request, &mut cx),
            None => session.poll(place, &mut cx),
        }
    }));
    match polled {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(answer)) => Poll::Ready(Ended::Answer(answer)),
        // What the panic says stays in this process: the panic hook has printed it.
        Err(payload) => {
            discard(payload);
            clear(session, place);
            Poll::Ready(Ended::Panic(Error::internal("the handler panicked")))
        }
    }
}

/// Takes a call's record and frame back. What it answered with is dropped, and that is the user's: where it panics, nothing comes back.
pub(crate) fn recycled(answer: Answer) -> Option<(Blank, Body)> {
    catch_unwind(AssertUnwindSafe(|| answer.recycle())).map_err(discard).ok()
}

/// Clears a place; whether it is empty now.
fn clear(session: &mut (dyn Session + '_), place: usize) -> bool {
    // The panic hook has printed what a destructor panics with; the place is empty afterwards all the same.
    catch_unwind(AssertUnwindSafe(|| session.clear(place))).unwrap_or_else(|payload| {
        discard(payload);
        true
    })
}
