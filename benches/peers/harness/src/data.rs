//! What the calls carry. A subject that does not take what serde carries has it in types of its own, made from these once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The argument of a ping.
pub const PING: [u8; 16] = [7; 16];

/// The bytes of a blob.
pub const BLOB: usize = 64 << 10;

/// So long a slow call takes at the server.
pub const SLOW: Duration = Duration::from_millis(20);

/// One of the structs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: u64,
    pub name: String,
    pub score: f64,
    pub city: String,
    pub street: String,
    pub note: String,
}

/// The structs of one call.
pub fn records() -> Vec<Record> {
    (0..100_u64)
        .map(|id| Record {
            id: 1_000_000 + id,
            name: format!("customer number {id}"),
            score: id as f64 * 0.37,
            city: "Rotterdam".to_owned(),
            street: format!("Witte de Withstraat {id}"),
            note: "prefers to be called in the morning".to_owned(),
        })
        .collect()
}
