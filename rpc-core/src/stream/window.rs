//! How many bytes of items may be under way: the two ends of one direction's window.
//!
//! What counts is the size of each item's message. A sender may send an item that fits into what is left of the window, and one of any size
//! while at most half of the window is outstanding, so an item larger than the window passes too. A receiver gives back what was taken once
//! that is a quarter of the window: then nobody waits for ever, and a credit comes once in many items (PROTOCOL 10.5 to 10.7).
//!
//! ```text
//!   sender:    outstanding = sent - credit that came
//!   receiver:  outstanding = arrived - credit that went      never more than the sender's
//! ```

/// Whether an item may be sent of which this much is outstanding.
fn admits(limit: u64, outstanding: u64, size: u64) -> bool {
    outstanding <= limit / 2 || outstanding.saturating_add(size) <= limit
}

/// The sender's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sending {
    limit: u64,
    outstanding: u64,
}

impl Sending {
    /// A window of so many bytes, of which none are outstanding.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit as u64, outstanding: 0 }
    }

    /// Whether an item of this size may be sent.
    pub(crate) fn admits(&self, size: usize) -> bool {
        admits(self.limit, self.outstanding, size as u64)
    }

    /// Whether an item of this size fits into what is left of the window: then it may also arrive before others that were admitted earlier.
    pub(crate) fn fits(&self, size: usize) -> bool {
        self.outstanding.saturating_add(size as u64) <= self.limit
    }

    /// An item of this size was sent.
    pub(crate) fn sent(&mut self, size: usize) {
        self.outstanding += size as u64;
    }

    /// Credit came; whether so much was outstanding.
    pub(crate) fn credit(&mut self, bytes: u64) -> bool {
        match self.outstanding.checked_sub(bytes) {
            Some(left) => {
                self.outstanding = left;
                true
            }
            None => false,
        }
    }

    /// Whether an item of any size may be sent.
    #[cfg(test)]
    pub(crate) fn admits_all(&self) -> bool {
        self.outstanding <= self.limit / 2
    }

    /// The bytes that are outstanding.
    pub(crate) fn outstanding(&self) -> u64 {
        self.outstanding
    }
}

/// The receiver's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receiving {
    limit: u64,
    /// Arrived, and no credit for it was given.
    outstanding: u64,
    /// Taken, and no credit for it was given.
    taken: u64,
}

impl Receiving {
    /// A window of so many bytes, of which none are outstanding.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit as u64, outstanding: 0, taken: 0 }
    }

    /// An item of this size arrived; whether there was room for it.
    #[must_use]
    pub(crate) fn arrived(&mut self, size: usize) -> bool {
        let has_room = admits(self.limit, self.outstanding, size as u64);
        self.outstanding += size as u64;
        has_room
    }

    /// Items of so many bytes were taken; how much credit is to be given now, if any.
    #[must_use]
    pub(crate) fn took(&mut self, bytes: u64) -> Option<u64> {
        self.taken += bytes;
        debug_assert!(self.taken <= self.outstanding, "what is taken has arrived");
        let is_due = self.taken > 0 && self.taken >= self.limit / 4;
        is_due.then(|| {
            let credit = std::mem::take(&mut self.taken);
            self.outstanding -= credit;
            credit
        })
    }

    /// The bytes for which no credit was given.
    #[cfg(test)]
    pub(crate) fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// The bytes that have arrived and were not taken.
    pub(crate) fn untaken(&self) -> u64 {
        self.outstanding - self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::{Receiving, Sending};
    use crate::random::Random;

    #[test]
    fn a_window_is_filled_and_no_further() {
        let mut sending = Sending::new(1000);
        for _ in 0..10 {
            assert!(sending.admits(100));
            sending.sent(100);
        }
        assert!(!sending.admits(1));
        assert!(sending.credit(500));
        assert!(sending.admits(5000), "half of the window is outstanding");
        sending.sent(501);
        assert!(!sending.admits(1));
        assert!(!sending.credit(1002), "more than is outstanding");
        assert_eq!(sending.outstanding(), 1001);
    }

    #[test]
    fn an_item_larger_than_the_window_passes() {
        let mut sending = Sending::new(0);
        let mut receiving = Receiving::new(0);
        for _ in 0..10 {
            assert!(sending.admits(1_000_000));
            sending.sent(1_000_000);
            assert!(!sending.admits(1));
            assert!(receiving.arrived(1_000_000));
            assert_eq!(receiving.took(1_000_000), Some(1_000_000));
            assert!(sending.credit(1_000_000));
        }
    }

    #[test]
    fn credit_comes_for_a_quarter_of_a_window_at_once() {
        let mut receiving = Receiving::new(1000);
        for _ in 0..4 {
            assert!(receiving.arrived(125));
        }
        assert_eq!(receiving.untaken(), 500);
        assert_eq!(receiving.took(125), None);
        assert_eq!(receiving.took(125), Some(250));
        assert_eq!(receiving.took(125), None);
        assert_eq!(receiving.took(125), Some(250));
        assert_eq!(receiving.untaken(), 0);
    }

    /// Both ends, with credit and items under way, at any sizes: nobody waits for ever, and a right sender overruns no window.
    #[test]
    fn whatever_the_sizes_everything_arrives() {
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let limit = random.pick(&[0, 1, 10, 1000, 5000]);
            let (mut sending, mut receiving) = (Sending::new(limit), Receiving::new(limit));
            let (mut items, mut credits, mut untaken) = (Vec::new(), Vec::new(), Vec::new());
            let mut left = 200;
            let mut next = random.below(2000);
            let mut idle = 0;
            while left > 0 || !items.is_empty() || !untaken.is_empty() {
                idle += 1;
                assert!(
                    idle < 1000,
                    "seed {seed}: stuck with {left} left, {sending:?}, {receiving:?}"
                );
                match random.below(4) {
                    0 if left > 0 && sending.admits(next) => {
                        sending.sent(next);
                        items.push(next);
                        left -= 1;
                        next = random.below(2000);
                    }
                    1 if !items.is_empty() => {
                        let size = items.remove(0);
                        assert!(receiving.arrived(size), "seed {seed}");
                        let bound = limit.max(limit / 2 + 2000) as u64;
                        assert!(receiving.untaken() <= bound, "seed {seed}");
                        untaken.push(size);
                    }
                    2 if !untaken.is_empty() => {
                        credits.extend(receiving.took(untaken.remove(0) as u64))
                    }
                    3 if !credits.is_empty() => assert!(sending.credit(credits.remove(0))),
                    _ => continue,
                }
                idle = 0;
            }
        }
    }
}
