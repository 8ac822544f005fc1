//! What one call, or one item of a stream, costs both machines and a session, in memory, on one thread: instructions and
//! allocations, which do not drift as times do.
//!
//! `benches/gate/run` counts with callgrind and compares with `baseline.txt`. By itself this program makes
//! `calls` calls of a workload, or as many items, and prints the allocations that they took: `gate WORKLOAD CALLS`. Without arguments it
//! lists its workloads, each with so many calls as tell what one costs.
//!
//! Its service is that of the throughput benchmark. Large values are those of `large.rs`, a program of its own: what else a program calls decides what
//! the compiler inlines, and a new workload is not to move the figures of the old ones. Handlers on tasks or threads of their own (`#[rpc(spawn)]`,
//! `#[rpc(blocking)]`) are no workloads: they need a runtime, whose threads do not take the same instructions twice.

use std::sync::Arc;

use rpc::{IntoArguments, Value};
use rpc_core::{
    Structs, msgpack,
    payload::Payload,
    value::{Encoded, Encoder},
};

use pair::{Failure, Pair};
use workload::Workload;

#[path = "../throughput/allocations.rs"]
mod allocations;
mod items;
mod pair;
#[path = "../throughput/service.rs"]
mod service;
mod workload;

const CALLS: u64 = 10_000;

const WORKLOADS: [Workload; 5] = [
    Workload {
        name: "ping",
        calls: CALLS,
        method: "Bench.ping",
        index: 0,
        structs: Structs::Named,
        encode: |encoder| {
            msgpack::write_array_len(encoder.buffer(), 1);
            encoder.bin(&[7; 16]);
        },
        check: is_ping,
        is_pending: false,
    },
    Workload {
        name: "by_name",
        calls: CALLS,
        method: "Bench.ping",
        index: 0,
        structs: Structs::Named,
        encode: |encoder| {
            let encoded = (&[7_u8; 16][..],).append_to(encoder);
            encoded.expect("bytes can be encoded");
        },
        check: is_ping,
        is_pending: false,
    },
    Workload {
        name: "echo",
        calls: CALLS,
        method: "Bench.echo",
        index: 1,
        structs: Structs::Named,
        encode: |encoder| encode(7, encoder),
        check: |answer| is_number(answer, 7),
        is_pending: false,
    },
    Workload {
        name: "yielding",
        calls: CALLS,
        method: "Bench.yielding",
        index: 2,
        structs: Structs::Named,
        encode: |encoder| encode(7, encoder),
        check: |answer| is_number(answer, 7),
        is_pending: true,
    },
    Workload {
        name: "borrowed",
        calls: CALLS,
        method: "Bench.borrowed",
        index: 3,
        structs: Structs::Named,
        encode: |encoder| {
            msgpack::write_array_len(encoder.buffer(), 2);
            encoder.str("name");
            encoder.bin(&[7; 16]);
        },
        check: |answer| is_number(answer, 20),
        is_pending: true,
    },
];

fn main() -> Result<(), Failure> {
    let dispatcher = service::BenchDispatcher(Arc::new(service::Bench));
    let Some((name, count)) = workload::asked()? else {
        workload::list(&WORKLOADS);
        println!("{} {}", items::NAME, items::COUNT);
        return Ok(());
    };
    let allocations = if name == items::NAME {
        items::allocations(Pair::new(&dispatcher, Structs::Named)?, count)?
    } else {
        workload::allocations(&dispatcher, &WORKLOADS, &name, count)?
    };
    println!("{allocations}");
    Ok(())
}

fn encode(number: u64, encoder: &mut Encoder) {
    msgpack::write_array_len(encoder.buffer(), 1);
    <u64 as Value>::encode(&number, encoder).expect("a number can be encoded");
}

fn is_ping(answer: &Payload) -> bool {
    <Vec<u8> as Value>::decode(Encoded::of_payload("answer", answer))
        .is_ok_and(|data| data == [7; 16])
}

fn is_number(answer: &Payload, expected: u64) -> bool {
    <u64 as Value>::decode(Encoded::of_payload("answer", answer))
        .is_ok_and(|number| number == expected)
}
