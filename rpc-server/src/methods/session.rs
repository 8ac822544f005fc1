//! The slots of one connection's calls of closures, whichever they are.

use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use rpc_core::{Answer, Error, Request, Session};

use super::{Methods, returned::Running};

/// The calls of closures on one connection. What a closure has answered at once takes no future.
pub(super) struct Calls<'a> {
    methods: &'a Methods,
    places: Vec<Option<BoxFuture<'static, Answer>>>,
}

impl<'a> Calls<'a> {
    pub(super) fn new(methods: &'a Methods) -> Self {
        Self { methods, places: Vec::new() }
    }
}

impl Session for Calls<'_> {
    fn start(&mut self, slot: usize, request: Request, cx: &mut Context<'_>) -> Poll<Answer> {
        if slot == self.places.len() {
            self.places.push(None);
        }
        let name = request.context().method();
        let Some(method) = self.methods.find(name.as_bytes()) else {
            // It was there when the call was routed.
            let error = Error::unimplemented(format!("the method \"{name}\" has been removed"));
            return Poll::Ready(request.refuse(error));
        };
        match (method.run)(request) {
            Running::Ended(answer) => Poll::Ready(answer),
            Running::Pending(future) => {
                self.places[slot] = Some(future);
                self.poll(slot, cx)
            }
        }
    }

    fn poll(&mut self, slot: usize, cx: &mut Context<'_>) -> Poll<Answer> {
        let Some(future) = &mut self.places[slot] else {
            return Poll::Pending;
        };
        let answer = ready!(future.as_mut().poll(cx));
        self.places[slot] = None;
        Poll::Ready(answer)
    }

    fn clear(&mut self, slot: usize) -> bool {
        // Taken out first: where its destructor panics, it is gone all the same.
        drop(self.places[slot].take());
        true
    }
}
