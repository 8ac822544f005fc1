//! Streams where none can be, or written in another way: one error for each, and none for who implements or calls the method.

use std::pin::Pin;

use rpc::{Stream, Streaming, stream};

type BoxStream<'a, T> = Pin<Box<dyn Stream<Item = T> + Send + 'a>>;

#[rpc::service]
pub trait Parameters {
    async fn two(&self, numbers: Streaming<i64>, names: Streaming<String>) -> i64;
    async fn lent(&self, numbers: &Streaming<i64>) -> i64;
    async fn maybe(&self, numbers: Option<Streaming<i64>>) -> i64;
    async fn many(&self, numbers: Vec<Streaming<i64>>) -> i64;
    async fn any(&self, numbers: impl Stream<Item = i64>) -> i64;
    async fn boxed(&self, numbers: BoxStream<'static, i64>) -> i64;
    async fn by_hand(&self, numbers: Pin<Box<dyn Stream<Item = Vec<u8>> + Send>>) -> i64;
    async fn fallible(&self, numbers: Streaming<i64, rpc::Error>) -> i64;
    async fn borrowed(&self, names: Streaming<&str>) -> i64;
    async fn nil(&self, numbers: Streaming<Option<Option<i64>>>) -> i64;
    async fn nested(&self, numbers: Streaming<Streaming<i64>>) -> i64;
    async fn defaulted(&self, #[rpc(default)] numbers: Streaming<i64>) -> i64;
    async fn unnamed(&self, _: Streaming<i64>) -> i64;
    async fn twins(&self, a: i64, a: Streaming<i64>) -> i64;
    #[rpc(oneway)]
    async fn no_answer(&self, numbers: Streaming<i64>);
    #[rpc(idempotent)]
    async fn again(&self, numbers: Streaming<i64>) -> i64;
    #[rpc(blocking)]
    fn blocks(&self, numbers: Streaming<i64>) -> i64;
}

#[rpc::service]
pub trait Results {
    fn streaming(&self) -> Streaming<u64>;
    async fn later(&self) -> Result<Streaming<u64>, rpc::Error>;
    fn boxed(&self) -> BoxStream<'static, u64>;
    fn by_hand(&self) -> Pin<Box<dyn Stream<Item = u64> + Send>>;
    async fn object(&self) -> Result<Box<dyn Stream<Item = u64>>, rpc::Error>;
    fn pair(&self) -> (u64, impl Stream<Item = u64>);
    async fn maybe(&self) -> Option<impl Stream<Item = u64>>;
    fn many(&self) -> Vec<impl Stream<Item = u64>>;
    async fn failing(&self) -> Result<u64, impl Stream<Item = u64>>;
    fn untold(&self) -> impl Stream;
    fn bounded(&self) -> impl Stream<Item: Send>;
    fn borrowed(&self) -> impl Stream<Item = &str>;
    fn nil(&self) -> impl Stream<Item = Option<Option<u64>>>;
    fn nil_inside(&self) -> impl Stream<Item = Result<Vec<Option<()>>, rpc::Error>>;
    fn opaque(&self) -> impl Stream<Item = impl Send>;
    fn alias(&self) -> impl Stream<Item = std::io::Result<u64>>;
    fn of_streams(&self) -> impl Stream<Item = Streaming<u64>>;
    async fn error_borrowed(&self) -> Result<impl Stream<Item = Result<u64, &str>>, rpc::Error>;
    fn not_async(&self) -> Result<impl Stream<Item = u64>, rpc::Error>;
    fn plain(&self) -> u64;
    #[rpc(oneway)]
    fn no_answer(&self) -> impl Stream<Item = u64>;
    #[rpc(blocking)]
    fn blocks(&self) -> impl Stream<Item = u64>;
    #[rpc(blocking, spawn)]
    async fn blocks_later(&self) -> Result<impl Stream<Item = u64>, rpc::Error>;
}

#[rpc::service]
pub trait Newest {
    #[rpc(drop_oldest = 16)]
    async fn unary(&self) -> u64;
    #[rpc(drop_oldest = 16)]
    async fn only_takes(&self, numbers: Streaming<u64>) -> u64;
    #[rpc(drop_oldest = 0)]
    fn none(&self) -> impl Stream<Item = u64>;
    #[rpc(drop_oldest = "16")]
    fn text(&self) -> impl Stream<Item = u64>;
    #[rpc(drop_oldest = 4_294_967_296)]
    fn much(&self) -> impl Stream<Item = u64>;
    #[rpc(drop_oldest = -1)]
    fn negative(&self) -> impl Stream<Item = u64>;
    #[rpc(drop_oldest = CAPACITY)]
    fn named(&self) -> impl Stream<Item = u64>;
    #[rpc(drop_oldest)]
    fn bare(&self) -> impl Stream<Item = u64>;
    #[rpc(drop_oldest = , idempotent)]
    fn empty(&self) -> impl Stream<Item = u64>;
    #[rpc(drop_oldest = 1, drop_oldest = 2)]
    fn twice(&self) -> impl Stream<Item = u64>;
}

struct Server;

impl Newest for Server {
    async fn unary(&self) -> u64 {
        1
    }

    async fn only_takes(&self, _numbers: Streaming<u64>) -> u64 {
        1
    }

    fn none(&self) -> impl Stream<Item = u64> {
        stream::empty()
    }

    fn text(&self) -> impl Stream<Item = u64> {
        stream::empty()
    }

    fn much(&self) -> impl Stream<Item = u64> {
        stream::empty()
    }

    fn negative(&self) -> impl Stream<Item = u64> {
        stream::empty()
    }

    fn named(&self) -> impl Stream<Item = u64> {
        stream::empty()
    }

    fn bare(&self) -> impl Stream<Item = u64> {
        stream::empty()
    }

    fn empty(&self) -> impl Stream<Item = u64> {
        stream::empty()
    }

    fn twice(&self) -> impl Stream<Item = u64> {
        stream::empty()
    }
}

fn use_it(parameters: &ParametersClient, results: &ResultsClient) {
    let _ = parameters.two(stream::empty::<i64>(), stream::empty::<String>());
    let _ = parameters.maybe(None::<()>);
    let _ = parameters.unnamed(stream::empty::<i64>());
    let _ = results.boxed();
    let _ = results.pair();
}

fn main() {
    let client = NewestClient::local(Server);
    let _ = client.none();
}
