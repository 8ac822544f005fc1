//! Generic methods, lifetimes, and everything else in front of and behind a method's name.

use std::fmt::Display;

#[rpc::service]
pub trait Calc {
    async fn generic<T>(&self, value: T) -> i64;
    async fn sized<const N: usize>(&self, value: i64) -> i64;
    async fn lifetime<'a>(&'a self, value: &'a str) -> i64;
    async fn bounded(&self) -> i64
    where
        Self: Sized;
    fn not_async(&self, a: i64) -> i64;
    fn by_hand(&self) -> impl Future<Output = i64> + Send;
    async unsafe fn dangerous(&self, a: i64) -> i64;
    async extern "C" fn foreign(&self, a: i64) -> i64;
    async fn opaque(&self, value: impl Display) -> i64;
    #[rpc(blocking)]
    async fn both(&self) -> i64;
    #[rpc(blocking, spawn)]
    fn placed_twice(&self) -> i64;
    pub async fn visible(&self) -> i64;
}

fn use_it(client: &CalcClient) {
    let _ = client.generic(1);
    let _ = client.not_async(1);
}

fn main() {}
