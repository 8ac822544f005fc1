//! Whatever is not `&self`. The implementation matches the trait: nothing is reported about it.

use std::sync::Arc;

#[rpc::service]
pub trait Calc {
    async fn without(a: i64) -> i64;
    async fn by_value(self, a: i64) -> i64;
    async fn exclusive(&mut self, a: i64) -> i64;
    async fn shared(self: Arc<Self>, a: i64) -> i64;
    async fn sound(&self, a: i64) -> i64;
}

struct Server;

impl Calc for Server {
    async fn without(a: i64) -> i64 {
        a
    }

    async fn by_value(self, a: i64) -> i64 {
        a
    }

    async fn exclusive(&mut self, a: i64) -> i64 {
        a
    }

    async fn shared(self: Arc<Self>, a: i64) -> i64 {
        a
    }

    async fn sound(&self, a: i64) -> i64 {
        a
    }
}

fn main() {
    let client = CalcClient::local(Server);
    let _ = client.exclusive(1);
    let _ = client.sound(1);
    let _ = CalcDispatcher::new(Server);
}
