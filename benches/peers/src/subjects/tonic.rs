//! tonic: gRPC over HTTP/2. What its code generator would write is written by hand here, for the two methods that there are.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    net::TcpListener,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use http::uri::PathAndQuery;
use tokio_stream::{StreamExt, wrappers::TcpListenerStream};
use tonic::{
    Request, Response, Status,
    body::Body,
    server::{NamedService, ServerStreamingService},
    transport::{Endpoint, Server},
};
use tonic_prost::ProstCodec;
use tower_service::Service;

use super::{ITEM, ITEMS_PER_LOOK, Pace, queued};
use crate::support::Failure;

const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 16 << 20;
const ITEMS: &str = "/bench.Bench/Items";
const QUEUED_ITEMS: &str = "/bench.Bench/QueuedItems";

#[derive(Clone, PartialEq, prost::Message)]
struct Nothing {}

#[derive(Clone, PartialEq, prost::Message)]
struct Item {
    #[prost(bytes = "bytes", tag = "1")]
    data: Bytes,
}

/// The methods.
struct Items(Pace);

impl ServerStreamingService<Nothing> for Items {
    type Response = Item;
    type ResponseStream = BoxStream<'static, Result<Item, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<Nothing>) -> Self::Future {
        let item = Ok(Item { data: Bytes::from(vec![7; ITEM]) });
        let items: Self::ResponseStream = match self.0 {
            Pace::AtOnce => Box::pin(stream::repeat(item)),
            Pace::Queued => Box::pin(queued(item)),
        };
        ready(Ok(Response::new(items)))
    }
}

/// The service.
#[derive(Clone)]
struct Bench;

impl NamedService for Bench {
    const NAME: &'static str = "bench.Bench";
}

impl Service<http::Request<Body>> for Bench {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let pace = match request.uri().path() {
                ITEMS => Pace::AtOnce,
                QUEUED_ITEMS => Pace::Queued,
                _ => return Ok(Status::unimplemented("there are two methods").into_http()),
            };
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<Item, Nothing>::default());
            Ok(grpc.server_streaming(Items(pace), request).await)
        })
    }
}

pub(super) async fn serve(listener: TcpListener) -> Result<(), Failure> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let incoming = TcpListenerStream::new(listener).map(|accepted| {
        let stream = accepted?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(stream)
    });
    let server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    Ok({ server }.add_service(Bench).serve_with_incoming(incoming).await?)
}

pub(super) async fn items(address: String, pace: Pace, duration: Duration) -> Result<f64, Failure> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .connect()
        .await?;
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await?;
    let start = Instant::now();
    let codec = ProstCodec::<Nothing, Item>::default();
    let path = PathAndQuery::from_static(match pace {
        Pace::AtOnce => ITEMS,
        Pace::Queued => QUEUED_ITEMS,
    });
    let answer = grpc.server_streaming(Request::new(Nothing {}), path, codec).await?;
    let mut items = answer.into_inner();
    let mut count = 0_u64;
    while let Some(item) = items.message().await? {
        assert_eq!(item.data.len(), ITEM, "the item is whole");
        count += 1;
        if count.is_multiple_of(ITEMS_PER_LOOK) && start.elapsed() >= duration {
            break;
        }
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}
