//! Streams in services of every kind: generic, with bodies, conditional, in a function, over a facade of another name, under every name.
#![deny(warnings)]
#![allow(dead_code)]

mod generic {
    use rpc::{Stream, StreamExt, Streaming, stream};
    use serde::{Serialize, de::DeserializeOwned};

    #[rpc::service]
    pub trait Store<K, V = String, const N: usize = 4>
    where
        K: Serialize + DeserializeOwned + Send + 'static,
        V: Serialize + DeserializeOwned + Send + 'static,
    {
        fn all(&self, like: &K) -> impl Stream<Item = V>;
        async fn some(&self, keys: Streaming<K>) -> Result<impl Stream<Item = Result<V, rpc::Error>>, rpc::Error>;
        #[rpc(drop_oldest = 1)]
        fn newest(&self, keys: &[K]) -> impl Stream<Item = (K, V)>;
    }

    struct Memory;

    impl<K, V: Clone> Store<K, V> for Memory
    where
        K: Serialize + DeserializeOwned + Send + Sync + 'static,
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        fn all(&self, _like: &K) -> impl Stream<Item = V> {
            stream::empty()
        }

        async fn some(
            &self,
            keys: Streaming<K>,
        ) -> Result<impl Stream<Item = Result<V, rpc::Error>>, rpc::Error> {
            Ok(keys.map(|_| Err(rpc::Error::not_found("no"))))
        }

        fn newest(&self, _keys: &[K]) -> impl Stream<Item = (K, V)> {
            stream::empty()
        }
    }

    pub fn run() {
        let _ = StoreDispatcher::<_, u64, String, 4>::new(Memory);
        let _ = |client: StoreClient<u64>| {
            let _: rpc::StreamCall<String> = client.some(stream::iter([1]));
        };
    }
}

mod bodies {
    use rpc::{Stream, StreamExt, Streaming, stream};

    #[rpc::service(spawn)]
    pub trait Bodies {
        fn count(&self, to: u64) -> impl Stream<Item = u64> {
            stream::iter(0..to)
        }

        fn chars(&self, ctx: &rpc::Context, text: &str) -> impl Stream<Item = String> {
            let method = ctx.method();
            stream::iter(text.chars()).map(move |c| format!("{method} {c}"))
        }

        async fn later(&self, list: &[String]) -> impl Stream<Item = String> {
            stream::iter(list).map(|line| line.repeat(2))
        }

        async fn history(&self, since: &u64) -> Result<impl Stream<Item = u64>, rpc::Error> {
            let end = since.checked_add(3).ok_or_else(|| rpc::Error::out_of_range("too late"))?;
            Ok(stream::iter(*since..end))
        }

        async fn size(&self, parts: Streaming<String>) -> usize {
            parts.map(|part| part.map_or(0, |part| part.len())).fold(0, |a, b| async move { a + b }).await
        }

        fn echo(&self, items: Streaming<u64>) -> impl Stream<Item = Result<u64, rpc::Error>> {
            items
        }

        #[cfg(any())]
        fn gone(&self, of: Streaming<NoSuchType>) -> impl Stream<Item = AlsoNone>;

        #[cfg(all())]
        fn there(&self, of: Streaming<u64>) -> impl Stream<Item = u64> {
            of.filter_map(|item| async { item.ok() })
        }
    }

    struct Empty;

    impl Bodies for Empty {}

    pub fn run() {
        let _ = BodiesDispatcher::new(Empty);
        let _ = |client: BodiesClient| client.there(stream::iter([1]));
    }
}

mod names {
    use rpc::{Stream, Streaming};

    pub struct Item;
    pub struct Request;
    pub struct StreamCall;

    #[rpc::service]
    pub trait Odd {
        fn stream(&self, stream: i64, item: i64, encoder: &str) -> impl Stream<Item = i64>;
        fn streaming(&self, streaming: Streaming<i64>, request: i64) -> impl Stream<Item = Result<i64, rpc::Error>>;
        async fn request(&self, request: Streaming<i64>, argument_request: i64, value: i64) -> i64;
        async fn upload(&self, item: Streaming<i64>, upload: i64, outcome: &[i64]) -> Result<impl Stream<Item = i64>, rpc::Error>;
        async fn begin(&self, encoder: Streaming<i64>, result: i64) -> impl Stream<Item = i64>;
        async fn r#loop(&self, r#fn: Streaming<i64>, failure: i64, service: &i64) -> i64;
        #[rpc(drop_oldest = 1)]
        fn call(&self, arguments: i64, encoded: i64) -> impl Stream<Item = Result<i64, rpc::Error>>;
    }
}

mod renamed {
    pub mod vendor {
        pub use ::rpc as wire;
    }

    mod rpc {}

    use vendor::wire::{Stream, Streaming};

    #[vendor::wire::service(crate = super::renamed::vendor::wire)]
    pub trait Renamed {
        fn both(&self, numbers: Streaming<i64>) -> impl Stream<Item = Result<i64, vendor::wire::Error>>;
        async fn later(&self) -> Result<impl Stream<Item = Result<i64, vendor::wire::Error>>, vendor::wire::Error>;
    }
}

macro_rules! service {
    ($name:ident, $item:ty, $error:ty, $count:literal, $stream:ty) => {
        #[rpc::service]
        pub trait $name {
            fn out(&self, ctx: &rpc::Context) -> impl rpc::Stream<Item = $item>;
            fn odd(&self) -> impl rpc::Stream<Item = Result<$item, $error>>;
            #[rpc(drop_oldest = $count)]
            async fn both(&self, numbers: rpc::Streaming<$item>) -> Result<impl rpc::Stream<Item = $item>, $error>;
            async fn whole(&self, request: $stream) -> i64;
        }
    };
}

service!(Made, Vec<i64>, rpc::Error, 16, rpc::Streaming<u8>);

fn main() {
    generic::run();
    bodies::run();

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Point {
        x: i64,
    }

    /// Local.
    #[rpc::service]
    trait Plane {
        fn mirror(&self, points: rpc::Streaming<Point>) -> impl rpc::Stream<Item = Point>;
        async fn track(&self, like: &Point) -> Result<impl rpc::Stream<Item = Result<Point, rpc::Error>>, rpc::Error>;
    }

    struct Server;

    impl Plane for Server {
        fn mirror(&self, points: rpc::Streaming<Point>) -> impl rpc::Stream<Item = Point> {
            rpc::StreamExt::filter_map(points, |point| async { Some(Point { x: -point.ok()?.x }) })
        }

        async fn track(
            &self,
            like: &Point,
        ) -> Result<impl rpc::Stream<Item = Result<Point, rpc::Error>>, rpc::Error> {
            Ok(rpc::stream::iter([Ok(Point { x: like.x })]))
        }
    }

    let _ = PlaneDispatcher::new(Server);
    let _ = |client: PlaneClient| client.mirror(rpc::stream::iter([Point { x: 1 }]));

    let made = rpc::__private::Dispatcher::description;
    let _ = made as fn(&PlaneDispatcher<Server>) -> _;
}
