//! A gateway in front of two servers, in one process: `cargo run --example gateway`.
//!
//! Each tenant has a server of its own. The gateway looks at who calls, and forwards the call without knowing what is in it; its clients see one
//! service. In a deployment each of the three is a program, and the gateway's needs the trait, but not its implementation.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use rpc::{CallError, Channel, Context, Error, Forward, Server, Stream, StreamExt, stream};

/// Why nothing was taken.
#[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
pub enum StockError {
    /// There are only so many.
    #[error("only {0} are left")]
    TooFew(u32),
}

/// What a tenant has in store.
#[rpc::service]
pub trait Stock {
    /// Takes some out; how many are left.
    async fn take(&self, ctx: &Context, count: u32) -> Result<u32, StockError>;
    /// The names of what there is.
    fn list(&self) -> impl Stream<Item = String>;
}

/// The stock of one tenant.
struct MyStock {
    tenant: &'static str,
    count: u32,
}

impl Stock for MyStock {
    async fn take(&self, ctx: &Context, count: u32) -> Result<u32, StockError> {
        // What the caller set has come along, and what the gateway says of it.
        let until =
            ctx.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let seconds = until.map_or(0.0, |left| left.as_secs_f64());
        let via = ctx.metadata().get("via").unwrap_or("nobody");
        println!("server of {}: asked via {via}, {seconds:.0} s left", self.tenant);
        ctx.set_response_metadata("server", self.tenant);
        self.count.checked_sub(count).ok_or(StockError::TooFew(self.count))
    }

    fn list(&self) -> impl Stream<Item = String> {
        stream::iter(0..self.count).map(|number| format!("{} {number}", self.tenant))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Two servers, and a channel to each.
    let mut tenants = HashMap::new();
    for (tenant, count) in [("apples", 3), ("pears", 5)] {
        let server = Server::bind("tcp://127.0.0.1:0").await?;
        let address = server.local_addr()?.to_string();
        tokio::spawn(server.serve(StockDispatcher::new(MyStock { tenant, count })));
        tenants.insert(tenant.to_owned(), Channel::connect(&address).await?);
    }

    // The gateway: where a call goes, and what goes along besides.
    let route = move |ctx: &Context| {
        let tenant = ctx.metadata().get("tenant").unwrap_or_default();
        let channel = tenants.get(tenant).cloned();
        channel.ok_or_else(|| Error::not_found(format!("there is no tenant \"{tenant}\"")))
    };
    let stock = Forward::new(StockClient::DESCRIPTION, route)
        .metadata(|_, metadata| metadata.insert("via", "gateway"));
    let gateway = Server::bind("tcp://127.0.0.1:0").await?;
    let address = gateway.local_addr()?.to_string();
    let shutdown = gateway.shutdown_handle();
    let running = tokio::spawn(gateway.serve(stock));

    // Its clients know one address.
    let channel = Channel::connect(&address).await?;
    let apples = StockClient::new(channel.clone().metadata("tenant", "apples"));
    let pears = StockClient::new(channel.clone().metadata("tenant", "pears"));
    let call = apples.take(1).timeout(Duration::from_secs(5));
    let (left, metadata) = call.with_metadata().await;
    println!("{} left at {}", left?, metadata.get("server").unwrap_or("?"));
    match apples.take(4).await {
        Err(CallError::App(StockError::TooFew(left))) => println!("too few apples: {left}"),
        other => return Err(format!("there are three: {other:?}").into()),
    }
    let mut names = pears.list();
    while let Some(name) = names.next().await {
        println!("{}", name?);
    }
    let error = StockClient::new(channel).take(1).await.expect_err("it says no tenant");
    println!("without a tenant: {error}");

    shutdown.shutdown();
    running.await??;
    Ok(())
}
