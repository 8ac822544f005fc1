//! A crate that is strict with itself need not make exceptions for what the attribute emits.
#![deny(
    warnings,
    missing_docs,
    unsafe_code,
    unused,
    nonstandard_style,
    future_incompatible,
    rust_2018_idioms,
    rust_2024_compatibility,
    let_underscore,
    missing_debug_implementations,
    single_use_lifetimes,
    trivial_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unused_qualifications,
    unused_results
)]
#![forbid(unsafe_code)]

/// Says hello.
#[rpc::service]
pub trait Hello {
    /// To someone.
    async fn hello(&self, name: &str) -> String;
    /// To no one.
    async fn silence(&self);
    /// Once upon a time.
    #[deprecated = "say hello"]
    async fn hail(&self, name: String) -> Result<(), rpc::Error>;
    /// To many.
    fn greet(&self, ctx: &rpc::Context, names: rpc::Streaming<String>) -> impl rpc::Stream<Item = String>;
    /// To all who were here.
    #[rpc(drop_oldest = 1)]
    async fn recall(&self, place: &str) -> Result<impl rpc::Stream<Item = Result<String, rpc::Error>>, rpc::Error>;
}

mod private {
    #[rpc::service]
    trait Quiet {
        #[allow(non_snake_case)]
        async fn used(&self, camelCase: i64, data: Vec<u8>) -> i64;
        fn echo(&self, numbers: rpc::Streaming<u64>) -> impl rpc::Stream<Item = u64>;
    }

    struct Server;

    impl Quiet for Server {
        async fn used(&self, _number: i64, _data: Vec<u8>) -> i64 {
            1
        }

        fn echo(&self, numbers: rpc::Streaming<u64>) -> impl rpc::Stream<Item = u64> {
            rpc::StreamExt::filter_map(numbers, |number| async { number.ok() })
        }
    }

    pub(crate) fn run() {
        let dispatcher = QuietDispatcher::new(Server);
        let _client = |client: QuietClient| {
            (client.used(1, Vec::new()), client.echo(rpc::stream::empty()))
        };
        drop(dispatcher);
    }
}

fn main() {
    private::run();
}
