//! The small program of `by_name` with a trait: `cargo run --example by_trait`
//!
//! The names and types are said once, and both ends are held to them by the compiler.

use rpc::{CallError, Channel, Server};

/// What can go wrong in [`Calc::divide`].
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
    /// Divides one number by another.
    async fn divide(&self, a: i64, b: i64) -> Result<i64, MathError>;
    /// Greets the tenant of the call's metadata.
    async fn greet(&self, greeting: &str, ctx: &rpc::Context) -> Result<String, rpc::Error>;
}

struct MyCalc;

impl Calc for MyCalc {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn divide(&self, a: i64, b: i64) -> Result<i64, MathError> {
        a.checked_div(b).ok_or(MathError::DivideByZero)
    }

    async fn greet(&self, greeting: &str, ctx: &rpc::Context) -> Result<String, rpc::Error> {
        let tenant = ctx.metadata().get("tenant");
        let tenant = tenant.ok_or_else(|| rpc::Error::permission_denied("no tenant"))?;
        Ok(format!("{greeting}, {tenant}"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::bind("tcp://127.0.0.1:0").await?.add(CalcDispatcher::new(MyCalc));
    let address = server.local_addr()?.to_string();
    let shutdown = server.shutdown_handle();
    let running = tokio::spawn(server.run());

    let channel = Channel::connect(&address).await?;
    let calc = CalcClient::new(channel.clone());
    println!("2 + 3 = {}", calc.add(2, 3).await?);

    match calc.divide(1, 0).await {
        Ok(quotient) => println!("1 / 0 = {quotient}"),
        Err(CallError::App(error)) => println!("1 / 0: {error}"),
        Err(CallError::Rpc(error)) => return Err(error.into()),
    }

    println!("{}", calc.greet("hello").metadata("tenant", "alice").await?);

    // A trait's methods can be called by name as well: the server cannot tell the difference.
    let sum: i64 = channel.call("Calc.add", (2, 3)).await?;
    println!("2 + 3 = {sum}, by name");

    shutdown.shutdown();
    running.await??;
    Ok(())
}
