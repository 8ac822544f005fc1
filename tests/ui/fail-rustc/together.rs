//! What the macro finds and what the compiler finds in one trait are reported together, and nobody who implements or
//! calls it hears more.

pub struct Job;

#[rpc::service]
pub trait Calc {
    async fn exclusive(&mut self, a: i64) -> i64;
    async fn unfit(&self, job: Job);
    async fn generic<T>(&self, value: T) -> Vec<i64>;
    #[rpc(always)]
    async fn optioned(&self) -> i64;
    async fn sound(&self, a: i64) -> i64;
}

struct Server;

impl Calc for Server {
    async fn exclusive(&mut self, a: i64) -> i64 {
        a
    }

    async fn unfit(&self, _job: Job) {}

    async fn generic<T>(&self, _value: T) -> Vec<i64> {
        Vec::new()
    }

    async fn optioned(&self) -> i64 {
        1
    }

    async fn sound(&self, a: i64) -> i64 {
        a
    }
}

fn main() {
    let client = CalcClient::local(Server);
    let _ = (client.exclusive(1), client.unfit(Job), client.generic("a"), client.optioned());
    let _ = client.sound(1);
}
