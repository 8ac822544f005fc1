//! The smallest ping server, after the tutorial of tonic's repository.

use ping::{
    Message,
    ping_server::{Ping, PingServer},
};
use tonic::{Request, Response, Status, transport::Server};

mod ping {
    tonic::include_proto!("ping");
}

struct Echo;

#[tonic::async_trait]
impl Ping for Echo {
    async fn ping(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::builder().add_service(PingServer::new(Echo)).serve("127.0.0.1:7000".parse()?).await?;
    Ok(())
}
