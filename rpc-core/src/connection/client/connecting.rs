//! When there is to be a connection, and what its end means for the calls.
//!
//! A call waits for a connection until its deadline, and no longer than the channel lets it wait; an attempt that is under way is
//! awaited beyond that. An attempt that failed for a reason which will not go away, such as another protocol, ends every
//! wait. A connection that never opened, or that carried calls and answered none, counts as a failed attempt: it is
//! followed by a pause, which the first answer to any call makes short again.

use std::time::{Duration, Instant};

use super::{
    Channel, Outlook, Phase, Remains,
    calls::{Entry, Stage},
    link::{Link, LinkId, State, at_least},
};
use crate::{
    Code, Error,
    frame::{VERSION, preface},
    limits::LONGEST_PUSH_BACK,
};

/// How the next connection comes about.
#[derive(Debug, Default)]
pub(super) struct Dial {
    stage: DialStage,
    /// The failures since the last success.
    failures: u32,
    /// Somebody wants a connection, whether or not there is a call.
    is_wanted: bool,
    /// Why the last attempt failed, and whether another one would.
    last_error: Option<(Error, Outlook)>,
}

#[derive(Debug, Default)]
enum DialStage {
    #[default]
    Idle,
    /// An attempt is under way, until this instant.
    Dialling { until: Instant },
    /// The last one failed, and the next one begins at this instant.
    Pausing { until: Instant },
}

/// From when a call waits for a connection.
#[derive(Clone, Copy)]
enum Wait {
    /// From now: there was one until now.
    Anew,
    /// From when it began, if it did.
    AsBefore,
}

impl Dial {
    /// Why a call need not wait for a connection, if it would wait so long.
    pub(super) fn obstacle(&self, wait: Duration) -> Option<&Error> {
        match (&self.stage, &self.last_error) {
            (DialStage::Pausing { .. }, Some((error, outlook))) => {
                (wait.is_zero() || *outlook == Outlook::Hopeless).then_some(error)
            }
            _ => None,
        }
    }

    /// Why the last attempt failed, if nothing has succeeded since.
    pub(super) fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref().map(|(error, _)| error)
    }

    /// A call was answered.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.last_error = None;
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.stage {
            DialStage::Idle => None,
            DialStage::Dialling { until } | DialStage::Pausing { until } => Some(until),
        }
    }

    /// Ends a pause whose time has come; whether an attempt took too long.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        match self.stage {
            DialStage::Pausing { until } if until <= now => {
                self.stage = DialStage::Idle;
                false
            }
            DialStage::Dialling { until } => until <= now,
            DialStage::Idle | DialStage::Pausing { .. } => false,
        }
    }
}

impl<W: Default> Channel<W> {
    /// Somebody wants a connection, whether or not there is a call. Holds until there is one, or an attempt failed.
    pub fn want_connection(&mut self) {
        self.dial.is_wanted = true;
    }

    /// Whether an attempt to connect is to begin now.
    pub fn wants_connection(&self) -> bool {
        self.lacks_connection() && self.links.has_room()
    }

    /// The same, whether or not there is room for one.
    pub(super) fn lacks_connection(&self) -> bool {
        self.links.active().is_none()
            && matches!(self.dial.stage, DialStage::Idle)
            && (self.dial.is_wanted || self.has_queued())
    }

    /// An attempt to connect begins. It ends with [`connected`](Self::connected) or [`failed`](Self::failed).
    pub fn dialling(&mut self, now: Instant) {
        let until = now + self.config.connect_timeout;
        self.dial.stage = DialStage::Dialling { until };
        self.due(Some(until));
    }

    /// There is a connection, which takes the new calls from now on.
    pub fn connected(&mut self, now: Instant) -> LinkId {
        self.connected_with(&preface(VERSION.0, VERSION.1), now)
    }

    /// The same where the prefaces were exchanged already.
    pub fn connected_behind_preface(&mut self, now: Instant) -> LinkId {
        self.connected_with(&[], now)
    }

    fn connected_with(&mut self, preface: &[u8], now: Instant) -> LinkId {
        // One bound holds for the attempt and the server's hello together.
        let until = match self.dial.stage {
            DialStage::Dialling { until } => until,
            DialStage::Idle | DialStage::Pausing { .. } => now + self.config.connect_timeout,
        };
        self.dial.stage = DialStage::Idle;
        self.dial.is_wanted = false;
        let link = self.links.connect(&self.config, preface, until, now);
        self.due(self.links.get(link).next_deadline());
        link
    }

    /// An attempt to connect failed.
    pub fn failed(
        &mut self,
        error: &Error,
        outlook: Outlook,
        now: Instant,
        mut settled: impl FnMut(&mut W, Error),
    ) {
        self.pause(error.clone(), outlook, now);
        self.end_waits(error, outlook, now, &mut settled);
    }

    /// How far the channel is with its connection.
    pub fn phase(&self) -> Phase {
        match (self.links.active(), &self.dial.stage) {
            (Some(link), _) if self.links.get(link).is_open() => Phase::Ready,
            (Some(_), _) | (None, DialStage::Dialling { .. }) => Phase::Connecting,
            (None, DialStage::Pausing { .. }) => Phase::Pausing,
            (None, DialStage::Idle) => Phase::Idle,
        }
    }

    /// Why the last attempt to connect failed, if no call was answered since.
    pub fn last_error(&self) -> Option<&Error> {
        self.dial.last_error()
    }

    /// The server on this connection takes no calls behind the first `accepted` ones.
    pub(super) fn leaves(
        &mut self,
        id: LinkId,
        accepted: u64,
        reason: Option<&Error>,
        now: Instant,
    ) {
        let link = self.links.get_mut(id);
        // It is overloaded, or about to end: the next connection may be served. Another reason would hold for that one too.
        let is_passing = reason.is_none_or(|reason| {
            matches!(reason.kind(), Code::Unavailable | Code::ResourceExhausted)
        });
        link.state =
            if is_passing { State::Draining { accepted } } else { State::Refused { accepted } };
        link.has_left = true;
        let is_fruitless = self.links.get(id).is_fruitless(self.has_queued());
        let has_failed = is_fruitless || (is_passing && reason.is_some());
        if self.links.retire(id) {
            if has_failed {
                let sent_away = || Error::unavailable("the server takes no calls: it goes away");
                let outlook = if is_passing { Outlook::Open } else { Outlook::Hopeless };
                self.pause(reason.cloned().unwrap_or_else(sent_away), outlook, now);
            }
            self.wait(if is_fruitless { Wait::AsBefore } else { Wait::Anew }, now);
        }
    }

    /// The connection is gone, for the reason in `error`, and of its bytes so many were `written` to the transport.
    ///
    /// A call that it carried goes into the queue again if it has certainly not started, and is repeated later if it may be; every
    /// other one ends. `settled` gets each of their callers; the returned remains are to be dropped outside of any lock.
    pub fn lost(
        &mut self,
        id: LinkId,
        error: &Error,
        written: u64,
        outlook: Outlook,
        now: Instant,
        mut settled: impl FnMut(&mut W, Error),
    ) -> Remains<W> {
        let was_active = self.links.retire(id);
        let had_queued = self.has_queued();
        let mut link = self.links.remove(id);
        let mut remains = Remains {
            output: link.output.take_unsent(),
            bulk: std::mem::take(&mut link.bulk),
            calls: Vec::new(),
        };
        let carried = |entry: &Entry<W>| entry.link == id && entry.stage.is_outstanding();
        for slot in self.calls.newest_first(carried) {
            let entry = self.calls.entry(slot);
            match entry.stage {
                Stage::Cancelled => remains.calls.push(self.calls.free(slot)),
                Stage::Expired => entry.stage = Stage::Settled,
                Stage::Sent => {
                    let outcome = self.lost_call(slot, &link, error, written, now);
                    self.calls.entry(slot).streams = None;
                    if let Err(error) = outcome {
                        let entry = self.calls.entry(slot);
                        entry.stage = Stage::Settled;
                        settled(&mut entry.waiter, error);
                    }
                }
                Stage::Free | Stage::Queued | Stage::Paused | Stage::Settled => {}
            }
        }
        if was_active {
            let has_failed = !link.is_open() || link.is_fruitless(had_queued);
            if has_failed {
                self.pause(error.clone(), outlook, now);
            }
            self.wait(if has_failed { Wait::AsBefore } else { Wait::Anew }, now);
        }
        let is_refused = matches!(link.state, State::Refused { .. });
        let is_hopeless = outlook == Outlook::Hopeless || is_refused;
        if self.links.active().is_none() && (is_hopeless || !link.is_open()) {
            let outlook = if is_hopeless { Outlook::Hopeless } else { Outlook::Open };
            self.end_waits(error, outlook, now, &mut settled);
        }
        remains
    }

    /// The connection of a call is gone.
    ///
    /// # Errors
    ///
    /// What the call ends with, if it does.
    fn lost_call(
        &mut self,
        slot: u32,
        link: &Link,
        error: &Error,
        written: u64,
        now: Instant,
    ) -> Result<(), Error> {
        let entry = self.calls.entry(slot);
        if entry.position >= written && entry.is_under_way() {
            // It has not arrived, but some of its items have left their stream.
            return Err(entry.truth(error.clone().not_started(true)));
        }
        if entry.position >= written {
            // Not a byte of it has left this process.
            entry.attempt -= 1;
            self.requeue(slot, now);
            return Ok(());
        }
        match link.state {
            State::Draining { accepted } if entry.ordinal > accepted && !entry.is_under_way() => {
                self.requeue(slot, now);
                Ok(())
            }
            State::Draining { accepted } | State::Refused { accepted }
                if entry.ordinal > accepted =>
            {
                Err(entry.truth(error.clone().not_started(true)))
            }
            State::Hello { .. } | State::Open | State::Draining { .. } | State::Refused { .. } => {
                let text = format!("{}; the server may have run the call", error.message());
                let error = Error::new(error.kind(), text).with_source(error.clone());
                self.repeat(slot, error, now)
            }
        }
    }

    /// The channel ends, and with it every call.
    pub fn end(
        &mut self,
        error: &Error,
        now: Instant,
        mut settled: impl FnMut(&mut W, Error),
    ) -> Vec<Remains<W>> {
        let links: Vec<LinkId> = self.links.iter().map(|(id, _)| id).collect();
        let mut remains: Vec<_> = links
            .into_iter()
            .map(|id| {
                let written = self.links.get(id).output.position();
                self.lost(id, error, written, Outlook::Hopeless, now, &mut settled)
            })
            .collect();
        self.end_queued(|_| true, error, &mut settled);
        for slot in self.calls.newest_first(|entry| entry.stage == Stage::Paused) {
            let entry = self.calls.entry(slot);
            entry.stage = Stage::Settled;
            let error = entry.truth(error.clone());
            settled(&mut entry.waiter, error);
        }
        remains.retain(|remains| {
            !remains.calls.is_empty() || remains.output.has_segments() || !remains.bulk.is_empty()
        });
        remains
    }

    /// Puts a call that was sent, or paused, into the queue again.
    pub(super) fn requeue(&mut self, slot: u32, now: Instant) {
        self.calls.requeue(slot);
        let waits = self.links.active().is_none();
        let until = waits.then(|| now + self.config.wait_for_connection);
        let entry = self.calls.entry(slot);
        entry.until = until;
        let deadline = entry.deadline;
        self.due(until);
        self.due(deadline);
    }

    /// The next attempt waits.
    fn pause(&mut self, error: Error, outlook: Outlook, now: Instant) {
        self.dial.failures = self.dial.failures.saturating_add(1);
        let pause = self.config.reconnect_backoff.pause(self.dial.failures, &mut self.random);
        let asked = error.retry_after().map(|asked| asked.min(LONGEST_PUSH_BACK));
        let until = now + at_least(pause, asked);
        self.dial.stage = DialStage::Pausing { until };
        self.dial.is_wanted = false;
        self.dial.last_error = Some((error, outlook));
        self.due(Some(until));
    }

    /// Whether calls wait in vain: there is no attempt to make a connection, and none will begin now.
    pub(super) fn is_stalled(&self) -> bool {
        self.links.active().is_none()
            && match self.dial.stage {
                DialStage::Idle => !self.links.has_room(),
                DialStage::Dialling { .. } => false,
                DialStage::Pausing { .. } => true,
            }
    }

    /// The calls of the queue wait for the next connection.
    fn wait(&mut self, wait: Wait, now: Instant) {
        let until = now + self.config.wait_for_connection;
        for slot in self.calls.newest_first(|entry| entry.stage == Stage::Queued) {
            let entry = self.calls.entry(slot);
            let until = match wait {
                Wait::Anew => until,
                Wait::AsBefore => entry.until.unwrap_or(until),
            };
            entry.until = Some(until);
            self.due(Some(until));
        }
    }

    /// An attempt failed: it was the last for the calls that have waited long enough.
    fn end_waits(
        &mut self,
        error: &Error,
        outlook: Outlook,
        now: Instant,
        settled: &mut impl FnMut(&mut W, Error),
    ) {
        match outlook {
            Outlook::Hopeless => self.end_queued(|_| true, error, settled),
            Outlook::Open => {
                let error = self.impatience(error);
                self.end_queued(|until| until <= now, &error, settled);
            }
        }
    }

    /// What a call ends with that has waited long enough.
    pub(super) fn impatience(&self, error: &Error) -> Error {
        let patience = self.config.wait_for_connection;
        if patience == Duration::ZERO {
            return error.clone();
        }
        let message = format!(
            "{}; the call waited {patience:?} for a connection, as `wait_for_connection` on the channel's builder lets it",
            error.message()
        );
        error.clone().with_message(message)
    }

    /// Ends the calls of the queue whose wait ends at such a time.
    fn end_queued(
        &mut self,
        is_over: impl Fn(Instant) -> bool,
        error: &Error,
        settled: &mut impl FnMut(&mut W, Error),
    ) {
        let mut next = None;
        for slot in self.calls.newest_first(|entry| entry.stage == Stage::Queued) {
            let entry = self.calls.entry(slot);
            if entry.until.is_none_or(&is_over) {
                self.calls.unlink(slot);
                let entry = self.calls.entry(slot);
                entry.stage = Stage::Settled;
                let error = entry.truth(error.clone().not_started(true));
                settled(&mut entry.waiter, error);
            } else {
                next = next.min(entry.until).or(entry.until);
            }
        }
        self.due(next);
    }
}
