//! The rows of the bar, and what each asks for.

use crate::report::figures::{OURS, Quantity};

/// The bytes of a ping in both directions, at most.
pub(super) const WIRE: f64 = 74.0;

pub(super) struct Row {
    /// As the reasons name it.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) subject: &'static str,
    pub(super) quantity: Quantity,
    /// The share of the codec echo's figure, in the order of [`Flavour::ALL`](peers_harness::Flavour::ALL).
    pub(super) of_codec: Option<[f64; 2]>,
    /// What would be better still.
    pub(super) aim: Option<f64>,
    pub(super) of_peer: Option<f64>,
}

/// What most rows have.
const ROW: Row = Row {
    name: "",
    title: "",
    subject: OURS,
    quantity: Quantity::Wire,
    of_codec: None,
    aim: None,
    of_peer: None,
};

/// All but that of the wire, and that of memory, which depends on the run.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "ping",
        title: "one ping at a time",
        quantity: Quantity::Rate("ping"),
        of_codec: Some([0.95, 0.95]),
        of_peer: Some(1.35),
        ..ROW
    },
    Row {
        name: "ping-cpu",
        title: "processor time per call, one ping at a time",
        quantity: Quantity::Cpu("ping"),
        of_codec: Some([1.15, 1.15]),
        ..ROW
    },
    Row {
        name: "ping-64",
        title: "64 in flight, one connection",
        quantity: Quantity::Rate("ping-64"),
        of_codec: Some([0.60, 0.50]),
        of_peer: Some(4.0),
        ..ROW
    },
    Row {
        name: "ping-64x16",
        title: "64 connections × 16",
        quantity: Quantity::Rate("ping-64x16"),
        of_codec: Some([0.55, 0.55]),
        of_peer: Some(2.9),
        ..ROW
    },
    Row {
        name: "blobs",
        title: "64 KiB blobs, `Bytes`",
        quantity: Quantity::Rate("blobs"),
        of_codec: Some([0.85, 0.85]),
        aim: Some(0.95),
        of_peer: Some(1.0),
        ..ROW
    },
    Row {
        name: "blobs-vec",
        title: "64 KiB blobs, `Vec<u8>`",
        subject: "rpc-vec",
        quantity: Quantity::Rate("blobs"),
        ..ROW
    },
    Row {
        name: "structs",
        title: "100 structs, named",
        quantity: Quantity::Rate("structs"),
        of_peer: Some(1.1),
        ..ROW
    },
    Row {
        name: "structs-compact",
        title: "100 structs, compact",
        subject: "rpc-compact",
        quantity: Quantity::Rate("structs"),
        of_peer: Some(1.4),
        ..ROW
    },
    Row {
        name: "ping-64-cpu",
        title: "processor time per call, 64 in flight",
        quantity: Quantity::Cpu("ping-64"),
        of_codec: Some([2.5, 2.5]),
        of_peer: Some(0.4),
        ..ROW
    },
];

pub(super) const IDLE: Row = Row {
    name: "idle",
    title: "memory of an idle connection",
    of_codec: Some([0.5, 0.5]),
    of_peer: Some(0.25),
    ..ROW
};

pub(super) const WIRE_NAME: &str = "wire";
pub(super) const WIRE_TITLE: &str = "bytes of a ping, request and answer";
