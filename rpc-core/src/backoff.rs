//! How long to pause before the next try, when the last ones failed.

use std::time::Duration;

use crate::{limits::MAX_TIMEOUT, random::Random};

/// Pauses that grow: `initial`, and `factor` times as long after each further failure, up to `maximum`.
///
/// A pause is drawn at random between its half and its whole, so that many clients which lost one server do not come back to it at
/// one moment ([equal jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    initial: Duration,
    factor: f64,
    maximum: Duration,
}

/// No pause is shorter than this before its jitter: a server that is down is not to be hammered.
const SHORTEST: Duration = Duration::from_millis(1);

impl Backoff {
    /// Pauses from `initial` (at least 1 ms) to `maximum` (at least `initial`), growing by `factor` (at least 1).
    pub fn new(initial: Duration, factor: f64, maximum: Duration) -> Self {
        let initial = initial.clamp(SHORTEST, MAX_TIMEOUT);
        Self {
            initial,
            // Also what is not a number is below 1.
            factor: if factor > 1.0 { factor } else { 1.0 },
            maximum: maximum.clamp(initial, MAX_TIMEOUT),
        }
    }

    /// Pauses that are right as they are.
    pub(crate) const fn preset(initial: Duration, factor: f64, maximum: Duration) -> Self {
        Self { initial, factor, maximum }
    }

    /// The pause after so many failures in a row, from 1.
    pub fn pause(&self, failures: u32, random: &mut Random) -> Duration {
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.initial.as_secs_f64() * self.factor.powi(exponent);
        // What grew beyond all numbers is the longest.
        let pause = Duration::try_from_secs_f64(seconds).unwrap_or(self.maximum);
        random.at_least_half(pause.min(self.maximum))
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, Duration, Random, SHORTEST};

    fn millis(pauses: [u64; 3], factor: f64) -> Backoff {
        let [initial, _, maximum] = pauses.map(Duration::from_millis);
        Backoff::new(initial, factor, maximum)
    }

    #[test]
    fn pauses_grow_to_the_maximum_and_are_spread_over_their_upper_half() {
        let backoff = millis([10, 0, 100], 2.0);
        let mut random = Random::new(1);
        for (failures, whole) in
            [(1, 10), (2, 20), (3, 40), (4, 80), (5, 100), (60, 100), (u32::MAX, 100)]
        {
            let whole = Duration::from_millis(whole);
            let pauses: Vec<_> = (0..200).map(|_| backoff.pause(failures, &mut random)).collect();
            assert!(pauses.iter().all(|pause| (whole / 2..=whole).contains(pause)), "{failures}");
            let spread = *pauses.iter().max().expect("200") - *pauses.iter().min().expect("200");
            assert!(spread > whole / 4, "{failures}: {spread:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_brought_to_what_does() {
        let mut random = Random::new(2);
        for factor in [f64::NAN, f64::NEG_INFINITY, -1.0, 0.0] {
            let pause = millis([0, 0, 0], factor).pause(1000, &mut random);
            assert!((SHORTEST / 2..=SHORTEST).contains(&pause), "{pause:?}");
        }
        let pause = Backoff::new(Duration::MAX, f64::INFINITY, Duration::MAX).pause(9, &mut random);
        assert!(pause <= crate::limits::MAX_TIMEOUT);
    }
}
