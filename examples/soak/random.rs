//! Numbers from a seed ([SplitMix64](https://prng.di.unimi.it/splitmix64.c)), so that a run can be repeated as far as the
//! system's scheduler lets it.

use std::time::Duration;

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of at least `least` and below `bound`.
    pub(crate) fn between(&mut self, least: u64, bound: u64) -> u64 {
        least + self.number() % (bound - least)
    }

    pub(crate) fn millis(&mut self, least: u64, bound: u64) -> Duration {
        Duration::from_micros(self.between(least * 1_000, bound * 1_000))
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.number().is_multiple_of(2)
    }

    /// Another row of numbers, which depends on this one.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.number())
    }
}
