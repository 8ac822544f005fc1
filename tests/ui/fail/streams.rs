//! Streams are not there yet: one error for each method that has one, and none for who implements it.

pub trait Stream {
    type Item;
}

pub struct Empty;

impl Stream for Empty {
    type Item = u64;
}

pub struct Streaming<T>(T);

#[rpc::service]
pub trait Calc {
    fn count(&self, to: u64) -> impl Stream<Item = u64>;
    async fn history(&self, since: u64) -> Result<impl Stream<Item = u64>, rpc::Error>;
    async fn sum(&self, numbers: Streaming<i64>) -> i64;
    async fn total(&self, numbers: impl Stream<Item = i64>) -> i64;
}

struct Server;

impl Calc for Server {
    fn count(&self, _to: u64) -> impl Stream<Item = u64> {
        Empty
    }

    async fn history(&self, _since: u64) -> Result<impl Stream<Item = u64>, rpc::Error> {
        Ok(Empty)
    }

    async fn sum(&self, _numbers: Streaming<i64>) -> i64 {
        0
    }

    async fn total(&self, _numbers: impl Stream<Item = i64>) -> i64 {
        0
    }
}

fn main() {
    let client = CalcClient::local(Server);
    let _ = client.count(1);
}
