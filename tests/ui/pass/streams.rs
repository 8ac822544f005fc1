//! Streams in every place, over arguments of every form.
#![deny(warnings, missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::pedantic)]

use rpc::{CallError, Context, Stream, StreamCall, StreamExt, Streaming, stream};

/// Why arithmetic failed.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, thiserror::Error)]
pub enum MathError {
    /// The divisor was zero.
    #[error("division by zero")]
    DivideByZero,
}

/// Arithmetic over the network.
#[rpc::service]
pub trait Calc {
    /// Counts.
    fn count(&self, to: u64) -> impl Stream<Item = u64>;
    /// Counts, and fails between.
    fn odd(&self, to: u64) -> impl Stream<Item = Result<u64, MathError>>;
    /// The same, flat.
    fn flat(&self) -> impl Stream<Item = Result<u64, rpc::Error>>;
    /// Nothing, again and again.
    fn ticks(&self) -> impl Stream<Item = ()>;
    /// Borrows what there is to borrow.
    fn borrowing(
        &self,
        ctx: &Context,
        name: &str,
        data: &[u8],
        list: &[String],
        like: &f64,
        #[rpc(default)] limit: u32,
    ) -> impl Stream<Item = String>;
    /// Is awaited.
    async fn later(&self, name: &str) -> impl Stream<Item = String>;
    /// Is awaited, and its items fail.
    async fn later_odd(&self) -> impl Stream<Item = Result<u64, MathError>>;
    /// May fail before.
    async fn history(&self, ctx: &Context, since: &str) -> Result<impl Stream<Item = String>, MathError>;
    /// May fail before, and later.
    async fn fragile(&self) -> Result<impl Stream<Item = Result<Vec<u8>, MathError>>, rpc::Error>;
    /// May fail before and later, flat.
    async fn fragile_flat(&self) -> Result<impl Stream<Item = Result<u8, rpc::Error>> + Unpin, rpc::Error>;
    /// Adds.
    async fn sum(&self, numbers: Streaming<i64>) -> i64;
    /// Takes a stream between arguments.
    async fn join(
        &self,
        before: &str,
        ctx: &Context,
        parts: rpc::Streaming<Vec<u8>>,
        after: &[String],
    ) -> Result<String, MathError>;
    /// Takes a stream, and returns nothing.
    async fn drain(&self, all: Streaming<()>);
    /// Adds, and tells.
    fn running_sum(&self, start: i64, numbers: Streaming<i64>) -> impl Stream<Item = i64>;
    /// Both ways, in any way.
    #[rpc(drop_oldest = 16, spawn)]
    async fn convert(
        &self,
        numbers: Streaming<Result<i64, MathError>>,
        unit: &str,
    ) -> Result<impl Stream<Item = Result<f64, MathError>>, MathError>;
    /// The newest.
    #[rpc(drop_oldest = 4_294_967_295, idempotent)]
    fn prices(&self) -> impl Stream<Item = f64>;
}

struct MyCalc;

impl Calc for MyCalc {
    fn count(&self, to: u64) -> impl Stream<Item = u64> {
        stream::iter(0..to)
    }

    fn odd(&self, to: u64) -> impl Stream<Item = Result<u64, MathError>> {
        stream::iter(0..to).map(|n| if n % 2 == 1 { Ok(n) } else { Err(MathError::DivideByZero) })
    }

    fn flat(&self) -> impl Stream<Item = Result<u64, rpc::Error>> {
        stream::once(async { Err(rpc::Error::aborted("no")) })
    }

    fn ticks(&self) -> impl Stream<Item = ()> {
        stream::repeat(())
    }

    fn borrowing(
        &self,
        ctx: &Context,
        name: &str,
        data: &[u8],
        list: &[String],
        like: &f64,
        limit: u32,
    ) -> impl Stream<Item = String> {
        let about = move |line: &String| {
            let _: &Self = self;
            format!("{} {name} {} {like} {limit} {line}", ctx.method(), data.len())
        };
        stream::iter(list).map(about)
    }

    async fn later(&self, name: &str) -> impl Stream<Item = String> {
        stream::iter(name.chars()).map(String::from)
    }

    async fn later_odd(&self) -> impl Stream<Item = Result<u64, MathError>> {
        self.odd(4)
    }

    async fn history(&self, ctx: &Context, since: &str) -> Result<impl Stream<Item = String>, MathError> {
        if since.is_empty() {
            return Err(MathError::DivideByZero);
        }
        Ok(stream::iter(since.lines()).map(|line| format!("{} {line}", ctx.method())))
    }

    async fn fragile(&self) -> Result<impl Stream<Item = Result<Vec<u8>, MathError>>, rpc::Error> {
        Ok(stream::iter([Ok(vec![1]), Err(MathError::DivideByZero)]))
    }

    async fn fragile_flat(&self) -> Result<impl Stream<Item = Result<u8, rpc::Error>> + Unpin, rpc::Error> {
        Ok(stream::iter([Ok(1)]))
    }

    async fn sum(&self, mut numbers: Streaming<i64>) -> i64 {
        let mut sum = 0;
        while let Some(Ok(number)) = numbers.next().await {
            sum += number;
        }
        sum
    }

    async fn join(
        &self,
        before: &str,
        ctx: &Context,
        mut parts: Streaming<Vec<u8>>,
        after: &[String],
    ) -> Result<String, MathError> {
        let mut size = 0;
        while let Some(part) = parts.next().await {
            size += part.map_err(|_| MathError::DivideByZero)?.len();
        }
        Ok(format!("{before} {size} {} {}", after.join(" "), ctx.method()))
    }

    async fn drain(&self, all: Streaming<()>) {
        all.for_each(|_| async {}).await;
    }

    fn running_sum(&self, start: i64, numbers: Streaming<i64>) -> impl Stream<Item = i64> {
        numbers.filter_map(|number| async { number.ok() }).scan(start, |sum, number| {
            *sum += number;
            let sum = *sum;
            async move { Some(sum) }
        })
    }

    async fn convert(
        &self,
        numbers: Streaming<Result<i64, MathError>>,
        unit: &str,
    ) -> Result<impl Stream<Item = Result<f64, MathError>>, MathError> {
        if unit.is_empty() {
            return Err(MathError::DivideByZero);
        }
        Ok(numbers.map(|number| match number {
            Ok(Ok(_)) => Ok(1.5),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(MathError::DivideByZero),
        }))
    }

    fn prices(&self) -> impl Stream<Item = f64> {
        stream::pending()
    }
}

/// Uses the stub.
///
/// # Errors
///
/// What the calls end with.
pub async fn client(calc: CalcClient) -> Result<i64, rpc::Error> {
    let mut count: Streaming<u64> = calc.count(3);
    while let Some(n) = count.next().await {
        let _: u64 = n?;
    }
    let odd: Streaming<u64, MathError> = calc.odd(3);
    let odd: Vec<Result<u64, CallError<MathError>>> = odd.collect().await;
    let flat: Vec<Result<u64, rpc::Error>> = calc.flat().collect().await;
    let _: Streaming<()> = calc.ticks();
    let list = ["a".to_owned()];
    let _: Streaming<String> = calc.borrowing("a", b"b", &list, &1.5, 3).metadata("a", "b");
    let later: StreamCall<String> = calc.later("a");
    let _: Streaming<String> = later.await?;
    let later: StreamCall<u64, rpc::Error, MathError> = calc.later_odd();
    let _: Streaming<u64, MathError> = later.await?;
    let history: StreamCall<String, MathError> = calc.history("a");
    let history: Result<Streaming<String>, CallError<MathError>> = history.await;
    let fragile: StreamCall<Vec<u8>, rpc::Error, MathError> = calc.fragile();
    let _: Streaming<Vec<u8>, MathError> = fragile.await?;
    let fragile: StreamCall<u8> = calc.fragile_flat();
    let _: Streaming<u8> = fragile.await?;
    let sum: i64 = calc.sum(stream::iter([1, 2])).await?;
    let parts = stream::iter([vec![1], vec![2]]);
    let joined: Result<String, CallError<MathError>> = calc.join("a", parts, &list).await;
    calc.drain(stream::iter([()])).await?;
    let mut sums: Streaming<i64> = calc.running_sum(1, stream::iter([1, 2]));
    let next = sums.next().await.transpose()?;
    let convert = calc.convert(stream::pending(), "a");
    let mut converted: Streaming<f64, MathError> = match convert.await {
        Ok(converted) => converted,
        Err(CallError::Rpc(error)) => return Err(error),
        Err(CallError::App(MathError::DivideByZero)) => return Ok(0),
    };
    let _: Option<Result<f64, CallError<MathError>>> = converted.next().await;
    let prices = calc.prices();
    let _: u64 = prices.lost();
    let unused = (odd.len() + flat.len(), history.is_ok(), joined.is_ok());
    Ok(sum + next.unwrap_or_default() + i64::from(unused.1))
}

fn is_static<T: Send + 'static>(_: T) {}

fn main() {
    let _ = CalcDispatcher::new(MyCalc);
    let _ = |calc: CalcClient, list: &[String]| {
        is_static(calc.count(1));
        is_static(calc.borrowing("a", b"b", list, &1.5, 3));
        is_static(calc.history("a"));
        is_static(calc.join("a", stream::pending(), list));
    };
    let _ = || CalcClient::local(MyCalc);
    let _ = client;
}
