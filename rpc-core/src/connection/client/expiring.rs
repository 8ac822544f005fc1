//! What time ends: deadlines, waits, pauses, attempts to connect, and the patience with silent servers.

use std::time::Instant;

use super::{
    Channel, Overdue,
    calls::{Entry, Stage},
};
use crate::Error;

impl<W: Default> Channel<W> {
    /// When [`expire`](Self::expire) is to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timer
    }

    /// Does what is due, and hands each call that ends to `settled`. To be called again until it returns `None`.
    pub fn expire(
        &mut self,
        now: Instant,
        mut settled: impl FnMut(&mut W, Error),
    ) -> Option<Overdue> {
        if self.timer.is_none_or(|timer| timer > now) {
            return None;
        }
        let mut overdue = self.dial.expire(now).then_some(Overdue::Attempt);
        let mut next = self.dial.next_deadline();
        for (id, link) in self.links.iter_mut() {
            if let Some(late) = link.expire(now) {
                overdue.get_or_insert(Overdue::Connection(id, late));
            }
            next = earliest(next, link.next_deadline());
        }
        let is_stalled = self.is_stalled();
        let mut due = Vec::new();
        for (slot, entry) in self.calls.iter() {
            match entry.next_deadline(is_stalled) {
                Some(deadline) if deadline <= now => due.push(slot),
                deadline => next = earliest(next, deadline),
            }
        }
        self.timer = next;
        for slot in due {
            self.expire_call(slot, now, &mut settled);
        }
        if overdue.is_some() {
            self.timer = Some(now);
        }
        overdue
    }

    fn expire_call(&mut self, slot: u32, now: Instant, settled: &mut impl FnMut(&mut W, Error)) {
        let entry = self.calls.entry(slot);
        let has_expired = entry.deadline.is_some_and(|deadline| deadline <= now);
        let stage = entry.stage;
        if stage == Stage::Paused && !has_expired {
            return self.requeue(slot, now);
        }
        let error = if has_expired { self.lateness(slot) } else { self.wait_is_over() };
        let is_owed = match stage {
            Stage::Queued => {
                self.calls.unlink(slot);
                false
            }
            Stage::Sent => {
                self.end_streams(slot);
                self.write_cancel(slot)
            }
            Stage::Paused | Stage::Free | Stage::Expired | Stage::Cancelled | Stage::Settled => {
                false
            }
        };
        let entry = self.calls.entry(slot);
        entry.stage = if is_owed { Stage::Expired } else { Stage::Settled };
        let is_unsent = stage == Stage::Sent && !is_owed;
        let error = if is_unsent { error.not_started(true) } else { error };
        let error = entry.truth(error);
        settled(&mut entry.waiter, error);
    }

    /// The error of a call whose deadline has passed: what it was waiting for.
    fn lateness(&mut self, slot: u32) -> Error {
        let waited_for = |what: &str| {
            Error::deadline_exceeded(format!("the deadline passed while the call waited {what}"))
        };
        let entry = self.calls.entry(slot);
        match entry.stage {
            Stage::Queued if self.links.active().is_some() => {
                waited_for("for its turn").not_started(true)
            }
            Stage::Queued => match self.dial.last_error() {
                None => waited_for("for a connection"),
                Some(last) => {
                    let what = format!("for a connection; the last attempt: {}", last.message());
                    waited_for(&what).with_source(last.clone())
                }
            }
            .not_started(true),
            Stage::Sent if entry.is_under_way() => waited_for("for the end of its stream"),
            Stage::Sent if entry.outgoing.streams => waited_for("for its stream"),
            Stage::Sent => {
                let unsent = self.links.get(entry.link).output.position();
                let is_sent = entry.position < unsent;
                waited_for(if is_sent { "for its answer" } else { "to be sent" })
            }
            Stage::Paused => waited_for("to be repeated"),
            Stage::Free | Stage::Expired | Stage::Cancelled | Stage::Settled => waited_for(""),
        }
    }

    /// The error of a call that has waited long enough for a connection.
    fn wait_is_over(&self) -> Error {
        let error = match self.dial.last_error() {
            Some(last) => self.impatience(last),
            // Every place for a connection is taken by one that goes away.
            None => self.impatience(&Error::unavailable("there is no connection")),
        };
        error.not_started(true)
    }
}

impl<W> Entry<W> {
    fn next_deadline(&self, is_stalled: bool) -> Option<Instant> {
        match self.stage {
            Stage::Queued if is_stalled => earliest(self.deadline, self.until),
            Stage::Queued | Stage::Sent => self.deadline,
            Stage::Paused => earliest(self.deadline, self.until),
            Stage::Free | Stage::Expired | Stage::Cancelled | Stage::Settled => None,
        }
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
