//! What a trait may have and a service may not.

macro_rules! more {
    () => {};
}

#[rpc::service]
pub trait Calc {
    const LIMIT: u32;
    type Key;
    more!();
    async fn add(&self, a: i64) -> i64;
}

#[rpc::service]
pub unsafe trait Dangerous {
    async fn add(&self, a: i64) -> i64;
}

#[rpc::service]
pub trait Short<'a> {
    async fn add(&self, a: i64) -> i64;
}

struct Server;

impl Calc for Server {
    const LIMIT: u32 = 5;
    type Key = String;

    async fn add(&self, a: i64) -> i64 {
        a
    }
}

fn use_it(calc: &CalcClient, dangerous: &DangerousClient, short: &ShortClient<'_>) {
    let _ = calc.add(1);
    let _ = dangerous.add(1);
    let _ = short.add(1);
}

fn main() {
    let _ = CalcClient::local(Server);
}
