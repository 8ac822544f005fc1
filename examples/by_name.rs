//! A small program without a trait: closures at the server, calls by name at the client. `cargo run --example by_name`
//!
//! `by_trait` is the same program with a trait, which gives both ends names and types that the compiler checks.

use rpc::{CallError, Channel, Context, Error, Server};

/// What can go wrong in `Calc.divide`. A closure's error need only be serializable; a typed caller wants `Display`, too.
#[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
enum MathError {
    #[error("division by zero")]
    DivideByZero,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A closure's one parameter is the tuple of its arguments.
    let server = Server::bind("tcp://127.0.0.1:0")
        .await?
        .register("Calc.add", |(a, b): (i64, i64)| a + b)
        .register("Calc.divide", |(a, b): (i64, i64)| {
            a.checked_div(b).ok_or(MathError::DivideByZero)
        })
        .register("Calc.greet", |(greeting,): (String,), ctx: &Context| {
            // What is awaited must not borrow the context.
            let tenant = ctx.metadata().get("tenant").map(str::to_owned);
            async move {
                let tenant = tenant.ok_or_else(|| Error::permission_denied("no tenant"))?;
                Ok::<_, Error>(format!("{greeting}, {tenant}"))
            }
        });
    let address = server.local_addr()?.to_string();
    let shutdown = server.shutdown_handle();
    let methods = server.methods();
    let running = tokio::spawn(server.run());

    // A call mirrors it: the name, and the tuple.
    let channel = Channel::connect(&address).await?;
    let sum: i64 = channel.call("Calc.add", (2, 3)).await?;
    println!("2 + 3 = {sum}");

    match channel.call::<i64>("Calc.divide", (1, 0)).app_error::<MathError>().await {
        Ok(quotient) => println!("1 / 0 = {quotient}"),
        Err(CallError::App(error)) => println!("1 / 0: {error}"),
        Err(CallError::Rpc(error)) => return Err(error.into()),
    }

    let greeting = channel.call::<String>("Calc.greet", ("hello",)).metadata("tenant", "alice");
    println!("{}", greeting.await?);

    // Methods come and go while the server runs.
    methods.register("Calc.negate", |(a,): (i64,)| -a)?;
    println!("-5 = {}", channel.call::<i64>("Calc.negate", (5,)).await?);
    methods.remove("Calc.negate");

    // What is not there is said, with what is near.
    if let Err(error) = channel.call::<i64>("Calc.addd", (2, 3)).await {
        println!("{error}");
    }

    shutdown.shutdown();
    running.await??;
    Ok(())
}
