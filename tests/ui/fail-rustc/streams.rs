//! What of streams only the compiler can know: one error for each, where it is.

use std::rc::Rc;

use rpc::{Stream, Streaming, stream};

pub struct Job;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct NoDisplay;

#[rpc::service]
pub trait Items {
    fn result(&self) -> impl Stream<Item = Job>;
    fn fallible(&self) -> impl Stream<Item = Result<Vec<Job>, rpc::Error>>;
    async fn later(&self) -> impl Stream<Item = (Job,)>;
    async fn late_fallible(&self) -> Result<impl Stream<Item = Option<Job>>, rpc::Error>;
    fn no_display(&self) -> impl Stream<Item = Result<u64, NoDisplay>>;
    async fn no_error(&self) -> Result<impl Stream<Item = u64>, Job>;
    fn not_send(&self) -> impl Stream<Item = Rc<u64>>;
    #[rpc(drop_oldest = 16)]
    fn newest(&self) -> impl Stream<Item = [Job; 2]>;
    async fn parameter(&self, jobs: Streaming<Job>) -> u64;
    async fn parameter_not_send(&self, jobs: Streaming<Rc<Job>>);
    fn both(&self, jobs: Streaming<Box<Job>>) -> impl Stream<Item = [Job; 4]>;
}

mod elsewhere {
    pub trait Stream {
        type Item;
    }

    pub struct Streaming<T>(T);
}

#[rpc::service]
pub trait Elsewhere {
    fn result(&self) -> impl elsewhere::Stream<Item = u64>;
    async fn later(&self) -> Result<impl elsewhere::Stream<Item = Result<u64, rpc::Error>>, rpc::Error>;
    async fn parameter(&self, numbers: elsewhere::Streaming<u64>) -> u64;
}

#[rpc::service]
pub trait Unknown {
    fn result(&self) -> impl Stream<Item = Missing>;
}

#[rpc::service]
pub trait Calc {
    fn count(&self) -> impl Stream<Item = u64>;
    async fn history(&self) -> Result<impl Stream<Item = u64>, rpc::Error>;
    async fn sum(&self, numbers: Streaming<u64>) -> u64;
}

struct Server;

impl Calc for Server {
    fn count(&self) -> impl Stream<Item = u64> {
        let held = Rc::new(1);
        stream::once(async move { *held })
    }

    async fn history(&self) -> Result<impl Stream<Item = u64>, rpc::Error> {
        Ok(stream::iter([1]))
    }

    async fn sum(&self, _numbers: Streaming<u64>) -> u64 {
        0
    }
}

fn client(calc: &CalcClient) {
    let _ = calc.sum(stream::iter([1_i8]));
    let _ = calc.sum(stream::iter([1]));
}

fn main() {}
