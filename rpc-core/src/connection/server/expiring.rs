//! What time ends: deadlines, the patience with a silent client, and the life of a connection that is idle or old.

use std::time::Instant;

use super::{
    Connection, Pending,
    interface::Overdue,
    lifetime::{Due, Lifetime},
};
use crate::{Error, message};

impl Connection {
    /// When [`expire`](Self::expire) is to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timer
    }

    /// Does what is due: answers the calls whose deadline has passed, and hands each one's handle to `expired`; asks a silent
    /// client whether it is there; begins to drain a connection whose time has come.
    ///
    /// What comes back is why the connection is to be dropped, if it is.
    pub fn expire(&mut self, now: Instant, mut expired: impl FnMut(u32)) -> Option<Overdue> {
        if self.timer.is_none_or(|timer| timer > now) {
            return None;
        }
        self.timer = None;
        let mut ended = Vec::new();
        for (key, pending) in &self.calls {
            match pending.deadline {
                Some(deadline) if deadline <= now => ended.push(*key),
                Some(deadline) => {
                    self.timer = Some(self.timer.map_or(deadline, |timer| timer.min(deadline)));
                }
                None => {}
            }
        }
        for key in ended {
            if let Some(Pending { handle, .. }) = self.calls.remove(&key) {
                self.call_ended();
                self.end_streams(key);
                if let Some(id) = key.id() {
                    self.abandon(id);
                }
                expired(handle);
                let error = Error::deadline_exceeded("the deadline passed while the handler ran");
                self.answer(key, Err(&error));
            }
        }
        let overdue = self.live(now);
        let next = self.lifetime.as_ref().and_then(Lifetime::next_deadline);
        self.due(next);
        self.due(self.drained_by);
        overdue
    }

    /// Does what is due about the connection itself.
    fn live(&mut self, now: Instant) -> Option<Overdue> {
        let has_ended = std::mem::take(&mut self.has_ended);
        let has_calls = !self.calls.is_empty() || self.leftovers > 0 || has_ended;
        let lifetime = self.lifetime.as_mut()?;
        match lifetime.expire(has_calls, now) {
            Due::Nothing => {}
            Due::Ping => {
                let token = lifetime.pings;
                self.output.message(|out| message::write_ping(out, token));
            }
            Due::Silent => return Some(Overdue::Silent),
            Due::Retire(grace) => {
                // A connection may be old first, which bounds its end, and then idle, which does not.
                if let Some(grace) = grace {
                    self.drained_by = now.checked_add(grace);
                }
                self.go_away();
            }
        }
        self.drained_by.is_some_and(|end| end <= now).then_some(Overdue::Drain)
    }
}
