//! What is measured of each subject.

mod counts;
mod memory;
mod rates;
mod wire;

pub(crate) use counts::counts;
pub(crate) use memory::memory;
pub(crate) use rates::rates;
pub(crate) use wire::wire;
