//! What one call of large values costs, as `main.rs` counts it for small ones: a blob of 64 KiB, as `Bytes` and as `Vec<u8>`, and 100 structs, as
//! maps and compact.
//!
//! Of the allocations the user's own are two of `blob_vec`, one at each end, and 802 of the structs: a `Vec` and 400 `String`s at each end. `blob` has
//! none: what a handler or a caller gets is a slice of what was read. The others are ours: buffers that values are encoded into, until they have their size,
//! and, where something is sent from where it is, the list of what that is and the head in front of it.

use std::sync::LazyLock;

use rpc::{Bytes, Value};
use rpc_core::{
    Structs, msgpack,
    payload::Payload,
    value::{Encoded, Encoder},
};
use serde::{Deserialize, Serialize};

use pair::Failure;
use workload::Workload;

#[path = "../throughput/allocations.rs"]
mod allocations;
mod pair;
mod workload;

const BLOB_SIZE: usize = 64 << 10;
const RECORDS: u64 = 100;

static BLOB: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(blob()));
static BLOB_VEC: LazyLock<Vec<u8>> = LazyLock::new(blob);
static RECORDS_SENT: LazyLock<Vec<Record>> = LazyLock::new(|| (0..RECORDS).map(record).collect());

/// Answers with what it was sent.
#[rpc::service]
trait Large {
    async fn blob(&self, data: Bytes) -> Bytes;
    async fn blob_vec(&self, data: Vec<u8>) -> Vec<u8>;
    async fn structs(&self, records: Vec<Record>) -> Vec<Record>;
}

struct Echo;

impl Large for Echo {
    async fn blob(&self, data: Bytes) -> Bytes {
        data
    }

    async fn blob_vec(&self, data: Vec<u8>) -> Vec<u8> {
        data
    }

    async fn structs(&self, records: Vec<Record>) -> Vec<Record> {
        records
    }
}

/// A row of an ordinary table.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    id: u64,
    name: String,
    score: f64,
    email: String,
    city: String,
    note: String,
}

const WORKLOADS: [Workload; 4] = [
    Workload {
        name: "blob",
        calls: 2_000,
        method: "Large.blob",
        index: 0,
        structs: Structs::Named,
        encode: |encoder| encode(&*BLOB, encoder),
        check: |answer| {
            <Bytes as Value>::decode(Encoded::of_payload("answer", answer))
                .is_ok_and(|data| is_slice(&data, answer) && is_blob(&data))
        },
        is_pending: false,
    },
    Workload {
        name: "blob_vec",
        calls: 2_000,
        method: "Large.blob_vec",
        index: 1,
        structs: Structs::Named,
        encode: |encoder| encode(&*BLOB_VEC, encoder),
        check: |answer| {
            <Vec<u8> as Value>::decode(Encoded::of_payload("answer", answer))
                .is_ok_and(|data| is_blob(&data))
        },
        is_pending: false,
    },
    structs("structs", Structs::Named),
    structs("structs_compact", Structs::Compact),
];

const fn structs(name: &'static str, structs: Structs) -> Workload {
    Workload {
        name,
        calls: 200,
        method: "Large.structs",
        index: 2,
        structs,
        encode: |encoder| encode(&*RECORDS_SENT, encoder),
        check: |answer| {
            <Vec<Record> as Value>::decode(Encoded::of_payload("answer", answer))
                .is_ok_and(|records| records == *RECORDS_SENT)
        },
        is_pending: false,
    }
}

fn main() -> Result<(), Failure> {
    let Some((name, count)) = workload::asked()? else {
        workload::list(&WORKLOADS);
        return Ok(());
    };
    let dispatcher = LargeDispatcher::new(Echo);
    println!("{}", workload::allocations(&dispatcher, &WORKLOADS, &name, count)?);
    Ok(())
}

fn encode(value: &impl Value, encoder: &mut Encoder) {
    msgpack::write_array_len(encoder.buffer(), 1);
    value.encode(encoder).expect("it can be encoded");
}

/// Whether it lies in the payload: it was not copied.
fn is_slice(data: &Bytes, payload: &Payload) -> bool {
    payload.as_slice().as_ptr_range().contains(&data.as_ptr())
}

/// Whether it has the length and the end of what was sent: to compare all of it would cost as much as the call.
fn is_blob(data: &[u8]) -> bool {
    data.len() == BLOB_SIZE && data.ends_with(&BLOB[BLOB_SIZE - 32..])
}

fn blob() -> Vec<u8> {
    (0..=u8::MAX).cycle().take(BLOB_SIZE).collect()
}

fn record(number: u64) -> Record {
    Record {
        id: 1_000_000 + number,
        name: format!("Customer {number}"),
        score: number as f64 / 8.0,
        email: format!("customer.{number}@example.org"),
        city: "Springfield".to_owned(),
        note: format!("Has ordered {number} times, and wants to be called before noon."),
    }
}
