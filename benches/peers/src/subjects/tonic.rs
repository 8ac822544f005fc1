//! tonic: gRPC over HTTP/2. What its code generator would write is written by hand here, for the methods that there are.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    net::TcpListener,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::uri::PathAndQuery;
use peers_harness::{BLOB, Client, Failure, Items, Kind, PING, SLOW, Subject, Until, records};
use tonic::{
    Request, Response, Status,
    body::Body,
    client,
    server::{Grpc, NamedService, ServerStreamingService, UnaryService},
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower_service::Service;

use super::{ITEM, ITEMS_PER_LOOK, queued};

pub(super) const TONIC: Subject =
    Subject::of::<Peer>("tonic", &Kind::ALL, |listener| Box::pin(serve(listener)));

/// As it comes, both are 1 MiB at the server, and 2 MiB and 5 MiB at the client.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// As it comes, 16 KiB, which makes four frames of a blob.
const FRAME: u32 = 1 << 20;

const PING_PATH: &str = "/peers.Echo/Ping";
const BLOB_PATH: &str = "/peers.Echo/Blob";
const STRUCTS_PATH: &str = "/peers.Echo/Structs";
const SLOW_PATH: &str = "/peers.Echo/Slow";
const ITEMS_PATH: &str = "/peers.Echo/Items";
const QUEUED_ITEMS_PATH: &str = "/peers.Echo/QueuedItems";

#[derive(Clone, PartialEq, prost::Message)]
struct Nothing {}

/// A ping, a blob or an item; prost takes `Bytes` out of what was read without a copy.
#[derive(Clone, PartialEq, prost::Message)]
struct Data {
    #[prost(bytes = "bytes", tag = "1")]
    data: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(double, tag = "3")]
    score: f64,
    #[prost(string, tag = "4")]
    city: String,
    #[prost(string, tag = "5")]
    street: String,
    #[prost(string, tag = "6")]
    note: String,
}

impl From<peers_harness::Record> for Record {
    fn from(record: peers_harness::Record) -> Self {
        let peers_harness::Record { id, name, score, city, street, note } = record;
        Self { id, name, score, city, street, note }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Records {
    #[prost(message, repeated, tag = "1")]
    records: Vec<Record>,
}

/// The methods that answer with their argument.
struct Same;

impl<M> UnaryService<M> for Same {
    type Response = M;
    type Future = Ready<Result<Response<M>, Status>>;

    fn call(&mut self, request: Request<M>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

/// The method that takes its time.
struct Slow;

impl UnaryService<Nothing> for Slow {
    type Response = Nothing;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Nothing>, Status>> + Send>>;

    fn call(&mut self, request: Request<Nothing>) -> Self::Future {
        Box::pin(async move {
            tokio::time::sleep(SLOW).await;
            Ok(Response::new(request.into_inner()))
        })
    }
}

/// The methods that stream.
struct Streams(Items);

impl ServerStreamingService<Nothing> for Streams {
    type Response = Data;
    type ResponseStream = BoxStream<'static, Result<Data, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<Nothing>) -> Self::Future {
        let item = Data { data: Bytes::from(vec![7; ITEM]) };
        let items: Self::ResponseStream = match self.0 {
            Items::AtOnce => Box::pin(stream::repeat(item).map(Ok)),
            Items::Queued => Box::pin(queued(item).map(Ok)),
        };
        ready(Ok(Response::new(items)))
    }
}

/// The service.
#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "peers.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match request.uri().path() {
            PING_PATH | BLOB_PATH => {
                Box::pin(async { Ok(grpc::<Data, Data>().unary(Same, request).await) })
            }
            STRUCTS_PATH => {
                Box::pin(async { Ok(grpc::<Records, Records>().unary(Same, request).await) })
            }
            SLOW_PATH => {
                Box::pin(async { Ok(grpc::<Nothing, Nothing>().unary(Slow, request).await) })
            }
            ITEMS_PATH => Box::pin(stream_items(Items::AtOnce, request)),
            QUEUED_ITEMS_PATH => Box::pin(stream_items(Items::Queued, request)),
            _ => Box::pin(ready(Ok(Status::unimplemented("no such method").into_http()))),
        }
    }
}

/// Encodes answers, and decodes arguments.
fn grpc<A: prost::Message + 'static, Q: prost::Message + Default + 'static>()
-> Grpc<ProstCodec<A, Q>> {
    Grpc::new(ProstCodec::default())
}

async fn stream_items(
    items: Items,
    request: http::Request<Body>,
) -> Result<http::Response<Body>, Infallible> {
    Ok(grpc::<Data, Nothing>().server_streaming(Streams(items), request).await)
}

async fn serve(listener: TcpListener) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let mut server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME);
    Ok(server.add_service(Echo).serve_with_incoming(incoming).await?)
}

#[derive(Clone)]
struct Peer {
    grpc: client::Grpc<Channel>,
    blob: Bytes,
    records: Arc<Records>,
}

impl Peer {
    /// A client that is ready for a call. A call needs one of its own, and they are cheap to clone.
    async fn ready(&self) -> Result<client::Grpc<Channel>, Failure> {
        let mut grpc = self.grpc.clone();
        grpc.ready().await?;
        Ok(grpc)
    }

    async fn call<M>(&self, path: &'static str, message: M) -> Result<M, Failure>
    where
        M: prost::Message + Default + 'static,
    {
        let (path, codec) = (PathAndQuery::from_static(path), ProstCodec::<M, M>::default());
        let answer = self.ready().await?.unary(Request::new(message), path, codec).await?;
        Ok(answer.into_inner())
    }
}

impl Client for Peer {
    async fn connect(address: &str, _: usize) -> Result<Self, Failure> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME)
            .connect()
            .await?;
        Ok(Self {
            grpc: client::Grpc::new(channel),
            blob: vec![7; BLOB].into(),
            records: Arc::new(Records {
                records: records().into_iter().map(Record::from).collect(),
            }),
        })
    }

    async fn ping(&self) -> Result<(), Failure> {
        let answer = self.call(PING_PATH, Data { data: Bytes::from_static(&PING) }).await?;
        assert_eq!(*answer.data, PING);
        Ok(())
    }

    async fn blob(&self) -> Result<(), Failure> {
        let answer = self.call(BLOB_PATH, Data { data: self.blob.clone() }).await?;
        assert_eq!(answer.data.len(), BLOB);
        Ok(())
    }

    async fn structs(&self) -> Result<(), Failure> {
        let answer = self.call(STRUCTS_PATH, Records::clone(&self.records)).await?;
        assert_eq!(answer.records.len(), self.records.records.len());
        Ok(())
    }

    async fn slow(&self) -> Result<(), Failure> {
        self.call(SLOW_PATH, Nothing {}).await?;
        Ok(())
    }

    async fn items(&self, items: Items, until: Until) -> Result<u64, Failure> {
        let path = PathAndQuery::from_static(match items {
            Items::AtOnce => ITEMS_PATH,
            Items::Queued => QUEUED_ITEMS_PATH,
        });
        let (request, codec) = (Request::new(Nothing {}), ProstCodec::<Nothing, Data>::default());
        let answer = self.ready().await?.server_streaming(request, path, codec).await?;
        let mut items = answer.into_inner();
        let mut count = 0;
        while let Some(item) = items.message().await? {
            assert_eq!(item.data.len(), ITEM);
            count += 1;
            if until.is_over(count, ITEMS_PER_LOOK) {
                return Ok(count);
            }
        }
        Err("the stream has no end".into())
    }
}
