//! What must hold after every step, and when everything has ended.

use bytes::Buf;

use super::{
    callers::Caller,
    ends::ServerSide,
    script::{largest_message, most_untaken},
    world::{CONNECT_TIMEOUT, IDLE, LEAP, SILENCE, World},
};
use crate::limits::{ASSUMED_CALLS, FRAGMENT, MAX_LINKS};

impl World {
    pub(super) fn check(&mut self) {
        assert!(self.links.len() <= MAX_LINKS);
        assert!(self.channel.len() >= self.waiting.len());
        let mut in_flight = 0;
        let rules = self.rules;
        let largest = self.largest();
        for link in &mut self.links {
            let outstanding = self.channel.in_flight(link.id);
            in_flight += outstanding;
            assert!(outstanding <= ASSUMED_CALLS.max(rules.max_calls), "{outstanding} calls");
            let slack = largest + FRAGMENT + self.channel.len() * 64;
            assert!(self.channel.output(link.id).remaining() <= rules.high_water + slack);
            if let Some(since) = link.stalled.filter(|_| rules.stalls) {
                // A late look asks first, so each of the two waits may be longer by a leap.
                let bound = CONNECT_TIMEOUT.max(IDLE) + SILENCE + LEAP * 2;
                assert!(self.now - since <= bound, "{:?} was not found", link.id);
            }
            if let Some(ServerSide { machine, handlers, .. }) = &mut link.server {
                assert_eq!(machine.in_flight(), handlers.len());
                assert!(machine.in_flight() <= rules.max_calls as usize);
                // Each stream that has found room sends one item.
                let slack = handlers.len() * (256 + largest_message(rules.largest_item()));
                let bound = rules.high_water + slack + largest + FRAGMENT;
                assert!(machine.output().remaining() <= bound);
            }
        }
        assert!(self.channel.len() >= in_flight as usize);
        let repeated = self.total.repeated as usize;
        let earned = self.made * rules.percent as usize / 100;
        assert!(repeated <= earned, "{repeated} repetitions of {} calls", self.made);
        if rules.streams {
            self.check_windows();
        }
    }

    /// The largest message that is no item.
    fn largest(&self) -> usize {
        self.rules.max_message_size
    }

    /// What is untaken is what the tables say, and stays within the windows.
    fn check_windows(&mut self) {
        let largest = self.rules.largest_item();
        let of_stream = most_untaken(self.rules.stream_window, largest);
        let of_connection = most_untaken(self.rules.connection_window, largest);
        for index in 0..self.links.len() {
            let id = self.links[index].id;
            let mut untaken = 0;
            for Caller { number, call, .. } in &self.waiting {
                if self.channel.carrier(*call) != Some(id) {
                    continue;
                }
                let streams = &self.channel.waiter(*call).streams;
                let of_call = streams.as_ref().map_or(0, |streams| streams.untaken());
                assert!(of_call <= of_stream, "{of_call} bytes of caller {number} are untaken");
                untaken += of_call;
            }
            let gauge = self.channel.gauge(id);
            assert_eq!(gauge.untaken, untaken, "{id:?}");
            assert_eq!(gauge.stuck, 0, "callers on {id:?} wait in vain");
            assert!(untaken <= of_connection, "{untaken} bytes of {id:?} are untaken");
            let Some(ServerSide { machine, handlers, .. }) = &self.links[index].server else {
                continue;
            };
            let mut untaken = 0;
            for handler in handlers {
                let of_call = handler.streams.as_ref().map_or(0, |streams| streams.untaken());
                assert!(of_call <= of_stream, "{of_call} bytes of {} are untaken", handler.caller);
                untaken += of_call;
            }
            let gauge = machine.gauge();
            assert_eq!(gauge.untaken, untaken, "the server of {id:?}");
            assert_eq!(gauge.stuck, 0, "handlers at the server of {id:?} wait in vain");
            assert!(untaken <= of_connection, "{untaken} bytes are untaken");
        }
    }

    /// Everything has ended: nothing is held, and both ends of each window agree.
    pub(super) fn check_empty(&mut self) {
        for link in &mut self.links {
            assert_eq!(self.channel.in_flight(link.id), 0);
            let Some(server) = &mut link.server else {
                continue;
            };
            assert!(link.up.is_empty() && link.down.is_empty());
            // Notifications may run until the end.
            while !server.handlers.is_empty() {
                let handler = &server.handlers[0];
                assert!(handler.streams.is_none(), "the handler of {} is left", handler.caller);
                server.finish(0, true, &mut self.random);
            }
            assert_eq!(server.machine.in_flight(), 0);
            if !self.channel.is_open(link.id) {
                continue;
            }
            let (ours, theirs) = (self.channel.gauge(link.id), server.machine.gauge());
            assert_eq!((ours.streams, theirs.streams), (0, 0), "a stream is left");
            assert!(ours.is_idle && theirs.is_idle, "a part is left");
            assert_eq!((ours.untaken, theirs.untaken), (0, 0));
            let half = self.rules.connection_window as u64 / 2;
            for (sent, arrived) in [(ours.sent, theirs.arrived), (theirs.sent, ours.arrived)] {
                assert_eq!(sent, arrived, "both ends of a window agree about what is outstanding");
                assert!(sent <= half, "{sent} bytes are outstanding, and none untaken");
            }
        }
    }
}
