//! What a service says about itself, and how a call runs, without a server.
#![deny(warnings)]

use rpc::__private::{Dispatcher, Run};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub enum Problem {
    Full,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("full")
    }
}

/// Keeps jobs.
///
/// In memory.
#[rpc::service(name = "queue.v1")]
pub trait Queue {
    /// Adds a job.
    #[rpc(name = "push", idempotent, spawn)]
    async fn add(&self, ctx: &rpc::Context, name: &str, #[rpc(default)] tags: &[Vec<String>]) -> Result<u64, Problem>;
    #[doc = concat!("Removes", " all")]
    #[rpc(oneway)]
    async fn clear(&self);
    #[cfg(any())]
    async fn gone(&self);
    #[rpc(blocking)]
    fn sort(&self, by: (String, [u8; 4])) -> std::collections::BTreeMap<String, u64>;
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
}

fn main() {
    let dispatcher = QueueDispatcher::new(Server);
    let service = dispatcher.description();
    assert_eq!((service.name, service.docs), ("queue.v1", "Keeps jobs.\n\nIn memory."));
    let [add, clear, sort] = service.methods else { panic!("{service:?}") };

    assert_eq!((add.name, add.docs), ("push", "Adds a job."));
    assert_eq!((add.result, add.error), ("u64", Some("Problem")));
    assert!(add.idempotent && !add.oneway && add.run == Run::Spawn);
    let [name, tags] = add.arguments else { panic!("{add:?}") };
    assert_eq!((name.name, name.ty, name.optional), ("name", "&str", false));
    assert_eq!((tags.name, tags.ty, tags.optional), ("tags", "&[Vec<String>]", true));

    assert_eq!((clear.name, clear.result, clear.error), ("clear", "()", None));
    assert_eq!(clear.docs.trim(), "Removes all");
    assert!(clear.oneway && !clear.idempotent && clear.run == Run::Inline);

    assert_eq!(sort.result, "std::collections::BTreeMap<String, u64>");
    assert_eq!(sort.arguments[0].ty, "(String, [u8; 4])");
    assert!(sort.run == Run::Blocking);

    let _ = (dispatcher.session(0), dispatcher.session(2));
}
