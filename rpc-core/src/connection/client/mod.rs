//! The client's end: the calls of one channel, and the connections that carry them.
//!
//! Driven by `rpc-client`: callers [`submit`](Channel::submit), [`cancel`](Channel::cancel) and take their outcome, all under the
//! channel's lock; the channel's task connects, receives, expires and sends. The calls outlive the connections: one
//! that was never written goes out on the next, and one that may be repeated is. `W` is what the driver keeps for each
//! caller, such as its waker; the machine never drops one, it hands it back.
//!
//! ```text
//!            wants_connection     dialling            connected
//!   Idle ───────────────────────▶ ───────▶ Dialling ────────────▶ a link, see `link.rs`
//!     ▲                                       │ failed              │ goes away, or is lost
//!     ╰─────────────── its time ── Pausing ◀──┴─────────────────────╯
//! ```
//!
//! | file | what happens there |
//! |---|---|
//! | `calls.rs` | the stages of one call, and the queue |
//! | `link.rs` | one connection |
//! | `connecting.rs` | when there is to be a connection, and what its end means for the calls |
//! | `sending.rs`, `receiving.rs` | requests out, answers in |
//! | `streaming.rs` | items in and out |
//! | `writing.rs` | frames, parts, and their order |
//! | `repeating.rs`, `budget.rs` | which calls are sent again, and when |
//! | `expiring.rs` | what time ends |
//!
//! Bounds: calls in flight by the server's hello (128 before it came), output by the high-water mark, above which
//! calls stay in their queue, [`MAX_LINKS`](crate::limits::MAX_LINKS) connections at once. A call's deadline counts from its submission,
//! whatever it waits for. A [`Violation`] ends a connection. PROTOCOL 1, 4, 8, 9.

mod budget;
mod calls;
mod connecting;
mod expiring;
mod interface;
mod link;
mod name;
mod receiving;
mod repeating;
mod sending;
mod streaming;
mod writing;

use std::time::Instant;

use self::{
    budget::Budget,
    calls::{Calls, Stage, UNSENT},
    connecting::Dial,
    link::Links,
};
pub use self::{
    calls::{CallRef, Outgoing},
    interface::{Config, Event, Outlook, Overdue, Phase, Remains, Room, Transmitted},
    link::{Late, LinkId},
    name::MethodName,
};
use crate::{Error, Violation, buffer::WriteBuffer, message, random::Random};

/// The client's end.
#[derive(Debug)]
pub struct Channel<W> {
    config: Config,
    calls: Calls<W>,
    links: Links,
    dial: Dial,
    budget: Budget,
    random: Random,
    /// At or before the earliest deadline: a call that ends does not move it.
    timer: Option<Instant>,
}

impl<W: Default> Channel<W> {
    /// A channel's end without a connection. Pauses are drawn from `seed`.
    pub fn new(config: Config, seed: u64) -> Self {
        let config = config.clamped();
        Self {
            config,
            calls: Calls::new(),
            links: Links::default(),
            dial: Dial::default(),
            budget: Budget::new(config.retry_percent, config.retries_per_second),
            random: Random::new(seed),
            timer: None,
        }
    }

    /// Takes on a call; [`transmit`](Self::transmit) sends it.
    ///
    /// # Errors
    ///
    /// `resource_exhausted` where the channel holds too many calls; why there is no connection, where calls do not wait for one.
    /// The waiter comes back, and `outgoing` is as it was.
    pub fn submit(
        &mut self,
        outgoing: &mut Outgoing,
        deadline: Option<Instant>,
        waiter: W,
        now: Instant,
    ) -> Result<CallRef, (Error, W)> {
        let waits = self.links.active().is_none();
        if waits && let Some(error) = self.dial.obstacle(self.config.wait_for_connection) {
            return Err((error.clone().not_started(true), waiter));
        }
        let call = self.calls.insert(outgoing, deadline, waiter).map_err(|waiter| {
            let error = Error::resource_exhausted(format!(
                "the channel holds {} calls, as many as it can; await some of them, or open another channel",
                self.calls.len()
            ));
            (error.not_started(true), waiter)
        })?;
        self.budget.deposit();
        self.due(deadline);
        if waits {
            let until = now + self.config.wait_for_connection;
            self.calls.held(call).until = Some(until);
            self.due(Some(until));
        }
        Ok(call)
    }

    /// The timer fires at this time at the latest.
    fn due(&mut self, time: Option<Instant>) {
        self.timer = match (self.timer, time) {
            (Some(timer), Some(time)) => Some(timer.min(time)),
            (timer, time) => timer.or(time),
        };
    }

    /// What the driver keeps for a call.
    pub fn waiter(&mut self, call: CallRef) -> &mut W {
        &mut self.calls.held(call).waiter
    }

    /// The caller has taken its outcome, and the driver has emptied the waiter. What is left of the call is to be dropped outside
    /// of any lock.
    ///
    /// A call that expired is answered later, and its slot free only then; what it was to send is not kept so long.
    pub fn release(&mut self, call: CallRef) -> Option<Outgoing> {
        let entry = self.calls.held(call);
        match entry.stage {
            Stage::Expired => {
                entry.stage = Stage::Cancelled;
                Some(std::mem::take(&mut entry.outgoing))
            }
            Stage::Settled => self.calls.free_settled(call.slot),
            Stage::Free | Stage::Queued | Stage::Sent | Stage::Paused | Stage::Cancelled => None,
        }
    }

    /// The caller lost interest. What is left of the call is to be dropped outside of any lock.
    pub fn cancel(&mut self, call: CallRef) -> Option<(Outgoing, W)> {
        let entry = self.calls.held(call);
        match entry.stage {
            Stage::Queued => {
                self.calls.unlink(call.slot);
                Some(self.calls.free(call.slot))
            }
            Stage::Sent => {
                self.end_streams(call.slot);
                if !self.write_cancel(call.slot) {
                    return Some(self.calls.free(call.slot));
                }
                Some(self.calls.cancelled(call.slot))
            }
            Stage::Expired => Some(self.calls.cancelled(call.slot)),
            Stage::Paused | Stage::Settled => Some(self.calls.free(call.slot)),
            Stage::Free | Stage::Cancelled => None,
        }
    }

    /// Cancels a call that was sent; whether the server owes an answer. It does not, where the request has not gone out whole.
    fn write_cancel(&mut self, slot: u32) -> bool {
        let id = self.calls.id(slot);
        let entry = self.calls.entry(slot);
        let is_owed = entry.position != UNSENT;
        let link = self.links.get_mut(entry.link);
        link.abandon(id);
        if is_owed {
            link.unwanted += 1;
            // A window full of items, and one that is larger, may cross the cancel, whatever this end takes the call for.
            let late = self.config.stream_window + self.config.max_message_size;
            link.late_bytes = link.late_bytes.saturating_add(late as u64);
            link.output.message(|out| message::write_cancel(out, id));
        } else {
            link.in_flight -= 1;
        }
        is_owed
    }

    /// Tells the server which rule it broke (PROTOCOL 9.4).
    pub fn violated(&mut self, link: LinkId, violation: &Violation) {
        let error = Error::internal(violation.to_string());
        let output = &mut self.links.get_mut(link).output;
        output.message(|out| message::write_go_away(out, 0, Some(&error)));
    }

    /// How often the call that this caller holds was sent.
    pub fn attempts(&mut self, call: CallRef) -> u32 {
        self.calls.held(call).attempt
    }

    /// The connection that takes new calls.
    pub fn active(&self) -> Option<LinkId> {
        self.links.active()
    }

    /// Whether the server on this connection has introduced itself.
    pub fn is_open(&self, link: LinkId) -> bool {
        self.links.get(link).is_open()
    }

    /// Whether the server on this connection goes away and owes nothing more: it can be closed.
    pub fn is_finished(&self, link: LinkId) -> bool {
        self.links.get(link).is_finished()
    }

    /// A connection that goes away, where another one is wanted and has no place, and nobody waits for what this one still owes: its server
    /// need not end its calls ever, and would keep the channel from being served.
    pub fn surplus(&self) -> Option<LinkId> {
        if self.links.has_room() || !self.lacks_connection() {
            return None;
        }
        self.links
            .iter()
            .find(|(_, link)| link.is_leaving() && link.in_flight == link.unwanted)
            .map(|(id, _)| id)
    }

    /// Whether the connection can be closed without a farewell: nothing is awaited here, and nothing was sent that was not answered.
    pub fn owes_nothing(&self, link: LinkId) -> bool {
        let link = self.links.get(link);
        link.is_open() && link.in_flight == 0 && !link.has_notified
    }

    /// The calls that were sent on this connection and not answered.
    pub fn in_flight(&self, link: LinkId) -> u32 {
        self.links.get(link).in_flight
    }

    /// Whether something is to be sent on this connection, or callers are to be told that they may send: see [`unblock`](Self::unblock).
    pub fn has_output(&self, link: LinkId) -> bool {
        let link = self.links.get(link);
        bytes::Buf::has_remaining(&link.output)
            || link.has_parts(self.config.parts_ahead)
            || link.has_given_up
    }

    /// Whether something is to be sent on a connection that takes no new calls.
    pub fn has_retired_output(&self) -> bool {
        let active = self.links.active();
        self.links.iter().any(|(id, _)| Some(id) != active && self.has_output(id))
    }

    /// What is to be sent on this connection, beside large messages: see [`next_part`](Self::next_part).
    pub fn output(&mut self, link: LinkId) -> &mut WriteBuffer {
        &mut self.links.get_mut(link).output
    }

    /// Whether a call waits for a connection or for its turn.
    pub fn has_queued(&self) -> bool {
        self.calls.first().is_some()
    }

    /// The calls that hold a slot, in whatever stage.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether no call holds a slot.
    pub fn is_empty(&self) -> bool {
        self.calls.len() == 0
    }
}

#[cfg(test)]
mod tests;
