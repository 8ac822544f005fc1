//! The one timer of a channel's task.
//!
//! It is polled in every turn, outside of the runtime's budget: a timer whose poll was refused for want of budget would not be
//! registered, and would never fire. A deadline that moves away leaves it as it is; it then fires early, and is set anew.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
};

use tokio::{
    task::coop::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

#[derive(Default)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Ready when `next` has come, or an earlier time that was asked for before; pending for ever where there is none.
    pub(crate) fn poll(&mut self, next: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(next) = next else {
            return Poll::Pending;
        };
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(next)));
        if sleep.deadline() > next || sleep.is_elapsed() {
            sleep.as_mut().reset(next);
        }
        pin!(unconstrained(sleep.as_mut())).poll(cx)
    }
}
