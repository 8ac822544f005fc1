//! How many calls of a channel may be repeated: a share of its calls, and some more each second.
//!
//! Repeating every failed call would multiply the load on servers that fail because of load. So each call that is made pays a part
//! of a repetition in, time pays some in, and each repetition takes one out (after
//! [Finagle's retry budget](https://twitter.github.io/finagle/guide/Clients.html#retries)). What is paid in lasts for ten seconds' worth of
//! time's share, and at most 1,000.

use std::time::{Duration, Instant};

use crate::limits::MAX_REPEATS;

/// One repetition, in the unit of the balance.
const ONE: u64 = 100;

/// A new channel may repeat as much as it could after being idle for so long.
const RESERVE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Budget {
    percent: u32,
    per_second: u32,
    balance: u64,
    /// Until when time has paid in.
    paid: Option<Instant>,
}

impl Budget {
    pub(super) fn new(percent: u32, per_second: u32) -> Self {
        let balance = (u64::from(per_second) * ONE * RESERVE.as_secs()).min(Self::MOST);
        Self { percent: percent.min(100), per_second, balance, paid: None }
    }

    const MOST: u64 = MAX_REPEATS * ONE;

    /// A call is made.
    pub(super) fn deposit(&mut self) {
        self.balance = (self.balance + u64::from(self.percent)).min(Self::MOST);
    }

    /// Takes out one repetition, if there is one.
    pub(super) fn withdraw(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(*self.paid.get_or_insert(now)).min(RESERVE);
        let earned = since.as_micros() * u128::from(self.per_second) * u128::from(ONE) / 1_000_000;
        if earned > 0 {
            self.paid = Some(now);
            let earned = u64::try_from(earned).unwrap_or(Self::MOST);
            self.balance = self.balance.saturating_add(earned).min(Self::MOST);
        }
        let is_there = self.balance >= ONE;
        if is_there {
            self.balance -= ONE;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Duration, Instant, MAX_REPEATS};

    fn withdrawn(budget: &mut Budget, now: Instant) -> u64 {
        (0..2 * MAX_REPEATS).take_while(|_| budget.withdraw(now)).count() as u64
    }

    #[test]
    fn a_share_of_the_calls_may_be_repeated() {
        let now = Instant::now();
        let mut budget = Budget::new(20, 0);
        assert_eq!(withdrawn(&mut budget, now), 0);
        (0..1000).for_each(|_| budget.deposit());
        assert_eq!(withdrawn(&mut budget, now), 200);
        assert_eq!(withdrawn(&mut budget, now + Duration::from_secs(100)), 0);
    }

    #[test]
    fn and_some_each_second() {
        let now = Instant::now();
        let mut budget = Budget::new(0, 10);
        assert_eq!(withdrawn(&mut budget, now), 100, "as after ten seconds");
        assert_eq!(withdrawn(&mut budget, now + Duration::from_secs(1)), 10);
        assert_eq!(withdrawn(&mut budget, now + Duration::from_secs(1000)), 100);
    }

    #[test]
    fn parts_of_a_repetition_are_not_lost_between_looks() {
        let now = Instant::now();
        let mut budget = Budget::new(0, 10);
        withdrawn(&mut budget, now);
        let times = (1..=1000).map(|milli| now + Duration::from_millis(milli));
        let repeated = times.filter(|time| budget.withdraw(*time)).count();
        assert_eq!(repeated, 10);
    }

    #[test]
    fn what_was_saved_has_a_bound() {
        let now = Instant::now();
        let mut budget = Budget::new(100, u32::MAX);
        (0..10_000).for_each(|_| budget.deposit());
        assert_eq!(withdrawn(&mut budget, now), MAX_REPEATS);
    }
}
