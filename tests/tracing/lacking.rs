//! A handler that asks for a state which its server was not given: the log names the type, once for each method, and the caller does not learn it.

use std::sync::Arc;

use rpc::{Channel, Code, Context, serve_stream};
use tracing::Level;

use crate::log::own_log;

struct Database;

#[rpc::service]
trait Lacking {
    async fn find(&self, ctx: &Context) -> Result<u32, rpc::Error>;
    #[rpc(spawn)]
    async fn find_spawned(&self, ctx: &Context) -> Result<u32, rpc::Error>;
    async fn fail(&self) -> Result<u32, rpc::Error>;
}

struct Service;

impl Lacking for Service {
    async fn find(&self, ctx: &Context) -> Result<u32, rpc::Error> {
        ctx.state::<Database>().map(|_| 1)
    }
    async fn find_spawned(&self, ctx: &Context) -> Result<u32, rpc::Error> {
        self.find(ctx).await
    }
    async fn fail(&self) -> Result<u32, rpc::Error> {
        Err(rpc::Error::internal("another error").with_source("another source"))
    }
}

#[tokio::test]
async fn a_state_that_is_missing_is_named_in_the_log() {
    let (log, _guard) = own_log(Level::WARN);
    let (near, far) = tokio::io::duplex(64 << 10);
    tokio::spawn(serve_stream(far, vec![Arc::new(LackingDispatcher::new(Service))]));
    let client = LackingClient::new(Channel::from_stream(near));
    for _ in 0..2 {
        client.fail().await.expect_err("it fails");
        for end in [client.find().await, client.find_spawned().await] {
            let error = end.expect_err("there is none");
            assert_eq!(error.kind(), Code::Internal);
            assert!(!format!("{error:?}").contains("Database"), "{error:?}");
        }
    }
    let told = log.told();
    let methods: Vec<_> = told.iter().map(|told| told.fields["method"].as_str()).collect();
    assert_eq!(methods, ["Lacking.find", "Lacking.find_spawned"]);
    for told in told {
        let missing = &told.fields["missing"];
        assert!(missing.contains("::Database`; give it one with `Server::state`"), "{missing}");
    }
}
