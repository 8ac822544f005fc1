//! Calls by name and closures in every form, without an annotation beyond what a closure's parameter needs.
#![deny(warnings, missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::pedantic)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rpc::{
    Bytes, CallError, Channel, Context, Error, Methods, Named, Raw, Server, Streaming, stream,
};

/// Why arithmetic failed.
#[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[error("division by zero")]
pub struct DivideByZero;

fn add((a, b): (i64, i64)) -> i64 {
    a + b
}

async fn greet((name,): (String,)) -> String {
    format!("hello {name}")
}

/// What a server may register.
///
/// # Errors
///
/// Where a name is taken.
pub fn registers(server: Server) -> Result<Server, Error> {
    let methods: Methods = server.methods();
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    methods.register("count", move |(): ()| counter.fetch_add(1, Ordering::Relaxed))?;
    methods.register(String::from("counted"), move |(): ()| {
        let count = Arc::clone(&count);
        async move { count.load(Ordering::Relaxed) }
    })?;
    methods.replace("add", |(a, b): (i64, i64)| async move { a + b })?;
    Ok(server
        .register("Calc.add", add)
        .register("Calc.greet", greet)
        .register("Calc.nothing", |(): ()| {})
        .register("Calc.negate", |(a,): (i64,)| -a)
        .register("Calc.echo", |(data,): (Bytes,)| data)
        .register("Calc.divide", |(a, b): (i64, i64)| a.checked_div(b).ok_or(DivideByZero))
        .register("Calc.divided", |(a, b): (i64, i64)| async move {
            a.checked_div(b).ok_or(CallError::App(DivideByZero))
        })
        .register("Calc.fail", |(why,): (String,)| Err::<(), _>(Error::aborted(why)))
        .register("Calc.find", |(key, limit): (String, Option<u32>)| async move {
            if key.is_empty() {
                return Err(Error::invalid_argument("the key is empty"));
            }
            Ok(vec![(key, limit)])
        })
        .register("Calc.whoami", |(): (), ctx: &Context| ctx.peer().to_string())
        .register("Calc.later", |(micros,): (u64,), ctx: &Context| {
            let draining = ctx.draining();
            async move {
                tokio::select! {
                    () = draining => {}
                    () = tokio::time::sleep(Duration::from_micros(micros)) => {}
                }
            }
        }))
}

/// What a client may call.
///
/// # Errors
///
/// Where a call fails.
pub async fn calls(channel: Channel, name: String) -> Result<(), CallError<DivideByZero>> {
    let sum: i64 = channel.call("Calc.add", (2, 3)).timeout(Duration::from_secs(1)).await?;
    channel.call::<()>("Calc.nothing", ()).idempotent().metadata("tenant", "a").await?;
    let texts = ["x".to_owned()];
    let data = vec![1_u8];
    let answer: Result<String, Error> = channel
        .call(name, ("x", &texts, &data, data.as_slice(), Some(sum), (1, 2), [3], 4.0))
        .await;
    drop(answer);
    channel.call::<i64>("Calc.divide", (1, 0)).app_error::<DivideByZero>().await?;
    channel.notify("Calc.log", ("x",)).await?;
    let named: BTreeMap<&str, i64> = BTreeMap::from([("a", 1)]);
    let raw: Raw = channel.call("Calc.negate", Named(&named)).await?;
    let mut numbers: Streaming<u64> = channel.stream("Calc.count", raw).idempotent();
    while let Some(number) = numbers.next().await {
        number?;
    }
    let sum = channel.call::<i64>("Calc.sum", ()).sending(stream::iter([1, 2, 3]));
    let sum = tokio::spawn(sum);
    let both: Streaming<i64, DivideByZero> =
        channel.stream("Calc.running", ()).sending(stream::iter(["x"])).app_error();
    drop((sum, both));
    let awaited = channel.stream_call::<u64>("Calc.history", (1,)).app_error::<DivideByZero>();
    let _: Streaming<u64, DivideByZero> = awaited.item_error().await?;
    Ok(())
}

fn main() {}
