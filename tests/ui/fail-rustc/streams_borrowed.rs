//! A stream that is sent goes with its call, and so borrows nothing.

use rpc::{Streaming, stream};

#[rpc::service]
pub trait Calc {
    async fn sum(&self, numbers: Streaming<u64>) -> u64;
}

fn client(calc: &CalcClient, numbers: &[u64]) {
    let _ = calc.sum(stream::iter(numbers.iter().copied()));
    let _ = calc.sum(stream::iter(numbers.to_vec()));
}

fn main() {}
