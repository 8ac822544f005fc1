//! What is measured: what a call does, over how many connections, how many at a time.

use crate::Failure;

/// What one call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 16 bytes there and back.
    Ping,
    /// 64 KiB there and back.
    Blob,
    /// 100 structs there and back.
    Structs,
    /// As [`Structs`](Self::Structs), and every hundredth call is a slow one beside: the server sleeps before it answers. Only the fast
    /// ones count.
    Mixed,
    /// One stream of 16-byte items from the server, each there when it is asked for. An item counts as a call.
    Items,
    /// The same, made by a task of its own, and sent through a queue.
    QueuedItems,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Ping, Self::Blob, Self::Structs, Self::Mixed, Self::Items, Self::QueuedItems];

    /// As it is named on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Blob => "blob",
            Self::Structs => "structs",
            Self::Mixed => "mixed",
            Self::Items => "items",
            Self::QueuedItems => "queued-items",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Result<Self, Failure> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| format!("no kind of call is named {name}").into())
    }
}

/// A row of the tables.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// As it is named on the command line.
    pub name: &'static str,
    /// As it is named in the tables.
    pub title: &'static str,
    pub kind: Kind,
    pub connections: usize,
    /// Calls in flight on each connection.
    pub window: usize,
}

const fn pings(
    name: &'static str,
    title: &'static str,
    connections: usize,
    window: usize,
) -> Workload {
    Workload { name, title, kind: Kind::Ping, connections, window }
}

const fn one(name: &'static str, title: &'static str, kind: Kind, window: usize) -> Workload {
    Workload { name, title, kind, connections: 1, window }
}

/// All of them. Where a connection carries one call at a time, a client has as many connections as calls are in flight.
pub const WORKLOADS: [Workload; 11] = [
    pings("ping", "one ping at a time", 1, 1),
    pings("ping-64", "pings, 64 in flight on one connection", 1, 64),
    pings("ping-64x16", "pings, 64 connections × 16 in flight", 64, 16),
    one("blobs", "64 KiB blobs, 8 in flight", Kind::Blob, 8),
    one("structs", "100 structs, 32 in flight", Kind::Structs, 32),
    one("mixed", "100 structs, 32 in flight, 1 % slow calls beside", Kind::Mixed, 32),
    pings("clients-10", "pings, 10 connections × 1", 10, 1),
    pings("clients-100", "pings, 100 connections × 1", 100, 1),
    pings("clients-1000", "pings, 1,000 connections × 1", 1000, 1),
    one("items", "a stream of 16-byte items, there at once", Kind::Items, 1),
    one("queued-items", "a stream of 16-byte items, queued by a task", Kind::QueuedItems, 1),
];

/// A kind of Tokio runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flavour {
    pub name: &'static str,
    /// Its workers; with 0 the thread that blocks on it does the work.
    pub workers: usize,
}

impl Flavour {
    /// Both of them, on a machine of two cores.
    pub const ALL: [Self; 2] =
        [Self { name: "current-thread", workers: 0 }, Self { name: "multi-thread", workers: 2 }];
}
