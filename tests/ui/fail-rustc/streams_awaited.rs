//! A stream is not awaited, and one that is awaited is not a stream yet.

use rpc::Stream;

#[rpc::service]
pub trait Calc {
    fn count(&self) -> impl Stream<Item = u64>;
    async fn history(&self) -> Result<impl Stream<Item = u64>, rpc::Error>;
}

async fn client(calc: &CalcClient) -> Result<(), rpc::Error> {
    let _ = calc.count().await;
    let _ = calc.history().next().await;
    Ok(())
}

fn main() {}
