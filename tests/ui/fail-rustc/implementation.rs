//! What is wrong in an implementation is reported there.

use std::{future::ready, rc::Rc};

#[rpc::service]
pub trait Calc {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn sub(&self, a: i64, b: i64) -> i64;
}

struct NotSend;

impl Calc for NotSend {
    async fn add(&self, a: i64, b: i64) -> i64 {
        let sum = Rc::new(a + b);
        ready(()).await;
        *sum
    }

    async fn sub(&self, a: i64, b: i64) -> i64 {
        a - b
    }
}

struct Incomplete;

impl Calc for Incomplete {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

struct NotThere;

fn main() {
    let _ = CalcDispatcher::new(NotThere);
}
