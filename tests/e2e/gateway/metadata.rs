//! What a handler sends back beside its answer, behind two gateways, and what it gets beside its arguments.

use rpc::{
    Bytes, CallError, Channel, Code, Context, Error, Forward, MetadataValue, Server, Stream, stream,
};

use crate::support::{MathError, Network, on_each_network};

on_each_network!(response_metadata_comes_back);

#[rpc::service]
trait Desk {
    /// All that came along, also sent back.
    async fn mirror(&self, ctx: &Context) -> Vec<(String, Bytes)>;
    async fn fail(&self, ctx: &Context) -> Result<(), MathError>;
    async fn refuse(&self, ctx: &Context) -> Result<(), Error>;
    /// Counts, and says at its end which node did.
    fn count(&self, ctx: &Context, to: u64) -> impl Stream<Item = u64>;
}

struct Clerk;

impl Desk for Clerk {
    async fn mirror(&self, ctx: &Context) -> Vec<(String, Bytes)> {
        let entries = ctx.metadata().iter().map(|(key, value)| {
            let value = match value {
                MetadataValue::Bin(bytes) => {
                    ctx.set_response_metadata_bin(key, bytes);
                    bytes
                }
                MetadataValue::Str(text) => {
                    ctx.set_response_metadata(key, text);
                    text.as_bytes()
                }
                _ => unreachable!("there are two kinds"),
            };
            (key.to_owned(), Bytes::copy_from_slice(value))
        });
        entries.collect()
    }

    async fn fail(&self, ctx: &Context) -> Result<(), MathError> {
        ctx.set_response_metadata("node", "b");
        Err(MathError::DivideByZero)
    }

    async fn refuse(&self, ctx: &Context) -> Result<(), Error> {
        ctx.set_response_metadata_bin("node", &[0, 0xff]);
        Err(Error::aborted("torn"))
    }

    fn count(&self, ctx: &Context, to: u64) -> impl Stream<Item = u64> {
        ctx.set_response_metadata("node", "b");
        stream::iter(0..to)
    }
}

/// Runs a server of its own and gives a channel to it.
async fn run(server: impl FnOnce(Server) -> Server) -> Channel {
    let bound = Server::bind("tcp://127.0.0.1:0").await.expect("it is free");
    let address = bound.local_addr().expect("it is bound").to_string();
    tokio::spawn(server(bound).run());
    Channel::connect(&address).await.expect("it listens")
}

async fn response_metadata_comes_back(_: Network) {
    let desk = run(|server| server.add(DeskDispatcher::new(Clerk))).await;
    let far = run(|server| server.add(Forward::new(DeskClient::DESCRIPTION, desk))).await;
    // A text is bytes for this one, which tells the other end that both kinds cross.
    let near = Forward::new(DeskClient::DESCRIPTION, far)
        .metadata(|_, metadata| metadata.insert_bin("digest", &[0, 0xff]));
    let client = DeskClient::new(run(|server| server.add(near)).await);
    let (seen, metadata) = client.mirror().metadata("tenant", "a").with_metadata().await;
    let sent = [("tenant", &b"a"[..]), ("digest", &[0, 0xff])];
    let sent = sent.map(|(key, value)| (key.to_owned(), Bytes::copy_from_slice(value)));
    assert_eq!(seen.expect("it answers"), sent);
    assert_eq!(metadata.get("tenant"), Some("a"));
    assert_eq!((metadata.get("digest"), metadata.get_bin("digest")), (None, Some(&[0, 0xff][..])));
    let (failed, metadata) = client.fail().with_metadata().await;
    assert!(matches!(failed, Err(CallError::App(MathError::DivideByZero))));
    assert_eq!(metadata.get("node"), Some("b"));
    let (refused, metadata) = client.refuse().with_metadata().await;
    assert_eq!(refused.expect_err("it refuses").kind(), Code::Aborted);
    assert_eq!(metadata.get_bin("node"), Some(&[0, 0xff][..]));
    for to in [0, 3] {
        let mut numbers = client.count(to);
        while let Some(number) = numbers.next().await {
            assert!(number.expect("it arrives") < to);
        }
        let metadata = numbers.response_metadata().expect("it has ended");
        assert_eq!(metadata.get("node"), Some("b"));
    }
}
