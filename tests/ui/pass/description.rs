//! What a service says about itself, and how a call runs, without a server.
#![deny(warnings)]

use rpc::{Dispatcher, description::{Pace, Run}};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub enum Problem {
    Full,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("full")
    }
}

const FIRST: u64 = 2;

/// Keeps jobs.
///
/// In memory.
#[rpc::service(name = "queue.v1", requires = "member")]
pub trait Queue {
    /// Adds a job.
    #[rpc(name = "push", idempotent, spawn)]
    async fn add(&self, ctx: &rpc::Context, name: &str, #[rpc(default)] tags: &[Vec<String>]) -> Result<u64, Problem>;
    #[doc = concat!("Removes", " all")]
    #[rpc(oneway, requires("admin", "member", "audit",))]
    async fn clear(&self);
    #[cfg(any())]
    async fn gone(&self);
    #[rpc(blocking)]
    fn sort(&self, by: (String, [u8; 4])) -> std::collections::BTreeMap<String, u64>;
    #[rpc(idempotent)]
    fn follow(&self, #[rpc(default = 1 + FIRST)] since: u64) -> impl rpc::Stream<Item = Result<Vec<u8>, Problem>>;
    #[rpc(drop_oldest = 16)]
    async fn work(&self, results: rpc::Streaming<Vec<u64>>, name: &str) -> Result<impl rpc::Stream<Item = String>, Problem>;
}

struct Server;

impl Queue for Server {
    async fn add(&self, _: &rpc::Context, _: &str, _: &[Vec<String>]) -> Result<u64, Problem> {
        Err(Problem::Full)
    }

    async fn clear(&self) {}

    fn sort(&self, _: (String, [u8; 4])) -> std::collections::BTreeMap<String, u64> {
        Default::default()
    }

    fn follow(&self, _: u64) -> impl rpc::Stream<Item = Result<Vec<u8>, Problem>> {
        rpc::stream::empty()
    }

    async fn work(&self, _: rpc::Streaming<Vec<u64>>, _: &str) -> Result<impl rpc::Stream<Item = String>, Problem> {
        Ok(rpc::stream::empty())
    }
}

fn main() {
    let dispatcher = QueueDispatcher::new(Server);
    let service = dispatcher.description();
    assert_eq!(service, QueueClient::DESCRIPTION);
    assert_eq!((service.name, service.docs), ("queue.v1", "Keeps jobs.\n\nIn memory."));
    let [add, clear, sort, follow, work] = service.methods else { panic!("{service:?}") };

    assert_eq!((add.name, add.docs), ("push", "Adds a job."));
    assert_eq!((add.result, add.error), ("u64", Some("Problem")));
    assert!(add.idempotent && !add.oneway && add.run == Run::Spawn);
    let [name, tags] = add.arguments else { panic!("{add:?}") };
    assert_eq!((name.name, name.ty, name.optional), ("name", "&str", false));
    assert_eq!((tags.name, tags.ty, tags.optional), ("tags", "&[Vec<String>]", true));
    assert_eq!((name.default, tags.default), (None, None));

    assert_eq!((clear.name, clear.result, clear.error), ("clear", "()", None));
    assert_eq!(clear.docs.trim(), "Removes all");
    assert_eq!((add.requires, clear.requires), (&["member"][..], &["member", "admin", "audit"][..]));
    assert!(clear.oneway && !clear.idempotent && clear.run == Run::Inline);

    assert_eq!(sort.result, "std::collections::BTreeMap<String, u64>");
    assert_eq!(sort.arguments[0].ty, "(String, [u8; 4])");
    assert!(sort.run == Run::Blocking);
    assert_eq!((sort.streams, sort.item_error, sort.takes), (None, None, None));

    assert_eq!((follow.result, follow.error, follow.item_error), ("Vec<u8>", None, Some("Problem")));
    assert_eq!((follow.arguments[0].optional, follow.arguments[0].default), (true, Some("1 + FIRST")));
    assert_eq!((follow.streams, follow.takes), (Some(Pace::Waits), None));

    assert_eq!((work.result, work.error, work.item_error), ("String", Some("Problem"), None));
    assert_eq!(work.streams, Some(Pace::DropsOldest(16)));
    let results = work.takes.unwrap_or_else(|| panic!("{work:?}"));
    assert_eq!((results.name, results.ty, results.optional), ("results", "Vec<u64>", false));
    assert_eq!(work.arguments.len(), 1);

    let _ = (dispatcher.session(0), dispatcher.session(2), dispatcher.session(4));
}
