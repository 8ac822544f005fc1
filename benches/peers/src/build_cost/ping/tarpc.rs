//! The smallest ping server over TCP, after the example service of tarpc's repository, with bincode.

use futures::{StreamExt, future};
use tarpc::{
    context::Context,
    serde_transport::tcp,
    server::{BaseChannel, Channel},
    tokio_serde::formats::Bincode,
};

#[tarpc::service]
trait Ping {
    async fn ping(message: String) -> String;
}

#[derive(Clone)]
struct Echo;

impl Ping for Echo {
    async fn ping(self, _: Context, message: String) -> String {
        message
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tcp::listen("127.0.0.1:7000", Bincode::default)
        .await?
        .filter_map(|accepted| future::ready(accepted.ok()))
        .map(BaseChannel::with_defaults)
        .for_each(|channel| async {
            let calls = channel.execute(Echo.serve());
            tokio::spawn(calls.for_each(|call| async {
                tokio::spawn(call);
            }));
        })
        .await;
    Ok(())
}
