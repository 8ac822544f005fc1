//! The whole of it in one process: `cargo run --example quickstart`.

use std::time::Duration;

use rpc::{CallError, Channel, Server};

/// What can go wrong in [`Calc`].
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
    /// Thinks for longer than anybody waits.
    async fn ponder(&self) -> i64;
    /// Greets a tenant by the name in the call's metadata.
    async fn greet(&self, greeting: &str, ctx: &rpc::Context) -> Result<String, rpc::Error>;
    /// Writes a line to the server's terminal.
    #[rpc(oneway)]
    async fn log(&self, line: &str);
}

struct MyCalc;

impl Calc for MyCalc {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn divide(&self, a: i64, b: i64) -> Result<i64, MathError> {
        a.checked_div(b).ok_or(MathError::DivideByZero)
    }

    async fn ponder(&self) -> i64 {
        std::future::pending().await
    }

    async fn greet(&self, greeting: &str, ctx: &rpc::Context) -> Result<String, rpc::Error> {
        let tenant = ctx
            .metadata()
            .get("tenant")
            .ok_or_else(|| rpc::Error::permission_denied("no tenant"))?;
        Ok(format!("{greeting}, {tenant}"))
    }

    async fn log(&self, line: &str) {
        println!("server log: {line}");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A server: bind, add services, run. Port 0 lets the system choose.
    let server = Server::bind("tcp://127.0.0.1:0").await?;
    let address = server.local_addr()?.to_string();
    let shutdown = server.shutdown_handle();
    println!("listening on {address}");
    let running = tokio::spawn(server.serve(CalcDispatcher::new(MyCalc)));

    // A typed call.
    let calc = CalcClient::connect(&address).await?;
    println!("2 + 3 = {}", calc.add(2, 3).await?);

    // An application error, matched by its type.
    match calc.divide(1, 0).await {
        Ok(quotient) => println!("1 / 0 = {quotient}"),
        Err(CallError::App(MathError::DivideByZero)) => println!("1 / 0: division by zero"),
        Err(CallError::Rpc(error)) => return Err(error.into()),
    }

    // A timeout that fires. The server drops the handler.
    let Err(error) = calc.ponder().timeout(Duration::from_millis(50)).await else {
        return Err("nobody ponders that fast".into());
    };
    println!("ponder: {error}");

    // Ten calls at once, over one connection.
    let calls = (0..10).map(|number| calc.add(number, number));
    println!("doubled: {:?}", futures_util::future::try_join_all(calls).await?);

    // Options of one call, and of all calls of a channel.
    println!("{}", calc.greet("hello").metadata("tenant", "alice").await?);
    let channel =
        Channel::connect(&address).await?.timeout(Duration::from_secs(1)).metadata("tenant", "bob");
    println!("{}", CalcClient::new(channel).greet("welcome").await?);

    // A one-way call: no answer, no waiting. The call behind it shows that it arrived.
    calc.log("hello from the client").await?;
    calc.add(0, 0).await?;

    // The same stub without a socket: for tests, and to embed a service.
    let local = CalcClient::local(MyCalc);
    println!("locally, 2 + 3 = {}", local.add(2, 3).await?);

    shutdown.shutdown();
    running.await??;
    println!("stopped");
    Ok(())
}
