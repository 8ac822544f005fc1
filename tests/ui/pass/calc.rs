//! The service of the guide: every form of argument and result.
#![deny(warnings, missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::pedantic)]

use rpc::{CallError, Context};

/// Why arithmetic failed.
#[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
pub enum MathError {
    /// The divisor was zero.
    #[error("division by zero")]
    DivideByZero,
}

/// Arithmetic over the network.
#[rpc::service]
pub trait Calc {
    /// Adds two numbers.
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Divides.
    async fn divide(&self, a: i64, b: i64) -> Result<i64, MathError>;
    /// Greets.
    async fn greet(&self, name: &str, tags: &[String]) -> String;
    /// Who calls?
    async fn whoami(&self, ctx: &Context) -> Result<String, rpc::Error>;
    /// Writes a line.
    #[rpc(oneway)]
    async fn log(&self, line: &str);
    /// Looks a key up.
    #[rpc(idempotent)]
    async fn find(&self, key: &str, #[rpc(default)] limit: Option<u32>) -> Vec<String>;
    /// Counts bytes.
    async fn size(&self, data: &[u8], ratio: &f64) -> usize;
    /// Nothing in, nothing out.
    async fn ping(&self);
    /// Fails or not.
    async fn check(&self, ctx: &Context, data: Vec<u8>) -> Result<(), MathError>;
    /// Burns a core.
    ///
    /// # Errors
    ///
    /// Never.
    #[rpc(blocking)]
    fn hash(&self, ctx: &Context, data: &[u8]) -> Result<u64, MathError>;
    /// Runs on its own.
    #[rpc(spawn)]
    async fn crunch(&self, #[rpc(default = 10 + 2)] rounds: u32) -> u64;
}

struct MyCalc;

impl Calc for MyCalc {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn divide(&self, a: i64, b: i64) -> Result<i64, MathError> {
        a.checked_div(b).ok_or(MathError::DivideByZero)
    }

    async fn greet(&self, name: &str, tags: &[String]) -> String {
        format!("hello {name}, {}", tags.join(", "))
    }

    async fn whoami(&self, ctx: &Context) -> Result<String, rpc::Error> {
        let tenant = ctx.metadata().get("tenant").map(str::to_owned);
        tenant.ok_or_else(|| rpc::Error::permission_denied("no tenant"))
    }

    async fn log(&self, line: &str) {
        println!("{line}");
    }

    async fn find(&self, key: &str, limit: Option<u32>) -> Vec<String> {
        vec![format!("{key} {limit:?}")]
    }

    async fn size(&self, data: &[u8], _ratio: &f64) -> usize {
        data.len()
    }

    async fn ping(&self) {}

    async fn check(&self, _ctx: &Context, _data: Vec<u8>) -> Result<(), MathError> {
        Ok(())
    }

    fn hash(&self, ctx: &Context, data: &[u8]) -> Result<u64, MathError> {
        if ctx.is_cancelled() { Ok(0) } else { Ok(data.len() as u64) }
    }

    async fn crunch(&self, rounds: u32) -> u64 {
        u64::from(rounds)
    }
}

/// Uses the stub.
///
/// # Errors
///
/// What the calls end with.
pub async fn client(calc: CalcClient) -> Result<i64, rpc::Error> {
    let sum = calc.add(1, 2).await?;
    match calc.divide(sum, 0).await {
        Ok(_) | Err(CallError::App(MathError::DivideByZero)) => {}
        Err(CallError::Rpc(error)) => return Err(error),
    }
    let greeting: String = calc.greet("bob", &["a".to_owned()]).await?;
    let whoami: String = calc.whoami().await?;
    calc.log(&whoami).await?;
    let found: Vec<String> = calc.find(&greeting, None).await?;
    calc.size(b"123", &1.5).await?;
    calc.ping().await?;
    if calc.check(vec![1]).await.is_err() || calc.hash(b"12").await.is_err() {
        calc.crunch(u32::from(found.is_empty())).await?;
    }
    Ok(sum)
}

fn is_send<T: Send + Sync + Clone + std::fmt::Debug>() {}

fn main() {
    is_send::<CalcClient>();
    is_send::<CalcDispatcher<MyCalc>>();
    let dispatcher = CalcDispatcher::new(MyCalc);
    let _: &rpc::Channel;
    let _ = |channel: rpc::Channel| CalcClient::new(channel).channel().clone();
    let _ = || CalcClient::local(MyCalc);
    let _ = dispatcher;
}
