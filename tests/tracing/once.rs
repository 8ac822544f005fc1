//! However a call ends and wherever its handler runs, its end is told exactly once.

use std::{fmt::Write, sync::Arc};

use rpc::{Context, serve_stream};
use tracing::Level;

use crate::{
    log::{Told, own_log},
    wire::{Said, Wire, numbers, request, request_with_metadata},
};

#[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[error("mine")]
struct Mine;

/// How a handler is to end.
const OK: u64 = 0;
const APP: u64 = 1;
const PANIC: u64 = 2;
const NEVER: u64 = 3;

#[rpc::service]
trait Ways {
    async fn inline(&self, how: u64) -> Result<(), Mine>;
    #[rpc(spawn)]
    async fn spawned(&self, how: u64) -> Result<(), Mine>;
    #[rpc(blocking)]
    fn blocking(&self, ctx: &Context, how: u64) -> Result<(), Mine>;
}

struct Service;

async fn end(how: u64) -> Result<(), Mine> {
    match how {
        OK => Ok(()),
        APP => Err(Mine),
        NEVER => std::future::pending().await,
        PANIC => panic!("on purpose"),
        other => unreachable!("{other} is no way to end"),
    }
}

impl Ways for Service {
    async fn inline(&self, how: u64) -> Result<(), Mine> {
        end(how).await
    }
    async fn spawned(&self, how: u64) -> Result<(), Mine> {
        end(how).await
    }
    fn blocking(&self, ctx: &Context, how: u64) -> Result<(), Mine> {
        let ends = async {
            tokio::select! {
                outcome = end(how) => outcome,
                // A thread cannot be dropped: it is told to end.
                () = ctx.cancelled() => Ok(()),
            }
        };
        tokio::runtime::Handle::current().block_on(ends)
    }
}

/// The ends that were told, one a line, in order.
fn ends(told: &[Told]) -> String {
    let mut lines: Vec<_> = told
        .iter()
        .filter_map(|Told { fields, span, .. }| {
            let method = span.get("method").or(fields.get("method"))?;
            Some(format!("{method} {}", fields.get("outcome")?))
        })
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[tokio::test]
async fn every_way_to_end_is_told_once_wherever_the_handler_runs() {
    let (log, _guard) = own_log(Level::DEBUG);
    let (client, server) = tokio::io::duplex(1 << 20);
    let serving = tokio::spawn(serve_stream(server, vec![Arc::new(WaysDispatcher::new(Service))]));
    let mut wire = Wire::new(client);
    wire.introduce().await;
    let mut expected = String::new();
    for (id, method) in (0..).step_by(10).zip(["Ways.blocking", "Ways.inline", "Ways.spawned"]) {
        for (id, how) in (id..).zip([OK, APP, PANIC]) {
            wire.say(&request(id, method, numbers(&[how]))).await;
            let said = wire.hear().await;
            assert!(matches!(said, Said::Result { .. } | Said::Failure { .. }), "{said:?}");
        }
        // It is never cancelled, so that nothing but its deadline ends it.
        wire.say(&request_with_metadata(id + 3, method, 1_000, ("a", "b"), NEVER)).await;
        assert!(matches!(wire.hear().await, Said::Failure { code: 4, .. }));
        wire.say(&request(id + 4, method, numbers(&[NEVER]))).await;
        wire.say(&[0x93, 6, u8::try_from(id + 4).expect("it is small"), 0xc0]).await;
        assert!(matches!(wire.hear().await, Said::Failure { code: 1, .. }));
        // This one goes with its connection.
        wire.say(&request(id + 5, method, numbers(&[NEVER]))).await;
        for outcome in ["app", "cancelled", "dropped", "expired", "internal", "ok"] {
            writeln!(expected, "{method} {outcome}").expect("a string takes all");
        }
    }
    wire.say(&request(100, "Ways.none", numbers(&[]))).await;
    let said = wire.hear().await;
    assert!(matches!(said, Said::Failure { id: 100, .. }), "{said:?}");
    expected.push_str("Ways.none unimplemented");
    drop(wire);
    serving.await.expect("it does not panic").expect("it is closed");
    // The connection's task is gone, and every handler's slot with it: nothing more can be told.
    let mut expected: Vec<_> = expected.lines().collect();
    expected.sort_unstable();
    assert_eq!(ends(&log.told()), expected.join("\n"));
}

#[tokio::test]
async fn a_call_too_many_is_told_as_shed() {
    let (log, _guard) = own_log(Level::DEBUG);
    let (client, server) = tokio::io::duplex(1 << 20);
    let serving = tokio::spawn(serve_stream(server, vec![Arc::new(WaysDispatcher::new(Service))]));
    let mut wire = Wire::new(client);
    wire.introduce().await;
    // As many as a connection may have in flight by default, and one more.
    for id in 0..1_025 {
        wire.say(&request(id, "Ways.inline", numbers(&[NEVER]))).await;
    }
    assert!(matches!(wire.hear().await, Said::Failure { id: 1_024, code: 8, flags: 1, .. }));
    drop(wire);
    serving.await.expect("it does not panic").expect("it is closed");
    let ends = ends(&log.told());
    let count = |outcome: &str| ends.lines().filter(|line| line.ends_with(outcome)).count();
    assert_eq!((count("dropped"), count("shed"), ends.lines().count()), (1_024, 1, 1_025));
}
