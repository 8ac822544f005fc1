//! Requests out: the first call of the queue, when it is its turn.
//!
//! Calls may be sent before the server's hello has come (PROTOCOL 1.6), and those that may be repeated are. The others wait for it: a
//! connection that ends before, because its server is about to stop or something in between has none, must not take
//! calls with it of which nobody can say whether they ran.

use std::time::Instant;

use super::{
    Channel, Transmitted,
    calls::{Stage, UNSENT},
    interface::too_large,
    link::{Link, State},
    streaming::Streams,
};
use crate::{
    MetadataRef, connection::parts::is_large, limits::MAX_TIMEOUT, message, metadata::Extras,
};

/// So many messages may cross the end of a stream: that it begins, two credits, and that no more is taken.
const STRAGGLERS_OF_STREAM: u32 = 4;

/// And one the other calls: the method takes a stream, of which this end does not know, and no more of it.
const STRAGGLERS_OF_CALL: u32 = 1;

impl<W: Default> Channel<W> {
    /// Sends the first call of the queue, if it is its turn. To be called until it returns `None`, after each call that
    /// may have changed that.
    pub fn transmit(&mut self, now: Instant) -> Option<Transmitted<'_, W>> {
        let slot = self.calls.first()?;
        let active = self.links.active()?;
        let link = self.links.get_mut(active);
        if link.in_flight >= link.peer.max_calls || link.unsent() >= self.config.write_high_water {
            return None;
        }
        let early = matches!(link.state, State::Hello { .. });
        let limit = link.peer.max_message_size;
        let default_timeout = self.config.default_timeout;
        let id = self.calls.id(slot);
        let entry = self.calls.entry(slot);
        let outgoing = &mut entry.outgoing;
        if early && (!outgoing.idempotent || outgoing.takes) {
            return None;
        }
        let metadata = outgoing.metadata.as_ref().map_or_else(MetadataRef::default, |m| m.view());
        // The head takes the method's name, the metadata and at most 40 bytes around them.
        let size = outgoing.arguments.len() + outgoing.method.len() + metadata.len() + 40;
        if size > limit {
            if early {
                return None;
            }
            let error = entry.truth(too_large(size, limit));
            entry.stage = Stage::Settled;
            self.calls.unlink(slot);
            return Some(Transmitted::Refused(&mut self.calls.entry(slot).waiter, error));
        }
        let deadline = entry.deadline.filter(|_| !outgoing.opens_only);
        let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
        let timeout = match (left, default_timeout) {
            // The server would take the default for it; the longest timeout is as good as none.
            (None, Some(_)) => Some(MAX_TIMEOUT),
            _ => left.filter(|_| left != default_timeout),
        };
        entry.attempt = entry.attempt.saturating_add(1);
        let attempt = entry.attempt.saturating_add(u32::from(outgoing.attempts_before));
        let attempt = (attempt > 1).then_some(attempt);
        let extras = Extras { timeout, attempt };
        let id = (!outgoing.oneway).then_some(id);
        let takes = outgoing.takes;
        entry.streams = Streams::new(outgoing.streams, takes, self.config.stream_window, link);
        let stragglers =
            if entry.streams.is_some() { STRAGGLERS_OF_STREAM } else { STRAGGLERS_OF_CALL };
        link.expect_stragglers(stragglers);
        let head =
            |out: &mut Vec<u8>| message::write_call(out, id, &outgoing.method, extras, metadata);
        (entry.position, entry.ordinal) = if is_large(outgoing.arguments.len()) {
            let tag = if id.is_some() { slot } else { Link::NOBODY };
            link.bulk.push(id, Some(tag), 0, head, &mut outgoing.arguments);
            (UNSENT, UNSENT)
        } else {
            let position = link.output.end();
            link.output.frame(head, &mut outgoing.arguments);
            link.carried += 1;
            (position, link.carried)
        };
        entry.link = active;
        entry.early = early;
        entry.stage = if id.is_some() { Stage::Sent } else { Stage::Settled };
        self.calls.unlink(slot);
        link.has_requested |= id.is_some();
        link.has_notified |= id.is_none();
        if id.is_some() {
            link.in_flight += 1;
            if takes {
                return Some(Transmitted::Upload(&mut self.calls.entry(slot).waiter));
            }
            Some(Transmitted::Request)
        } else {
            Some(Transmitted::Notification(&mut self.calls.entry(slot).waiter))
        }
    }
}
