//! The smallest ping server, as the README writes servers.

#[rpc::service]
trait Ping {
    async fn ping(&self, message: String) -> String;
}

struct Echo;

impl Ping for Echo {
    async fn ping(&self, message: String) -> String {
        message
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    rpc::Server::bind("tcp://127.0.0.1:7000").await?.serve(PingDispatcher::new(Echo)).await?;
    Ok(())
}
