//! The service whose check is timed, in Rust and in Protobuf: 50 methods of 3 arguments, of four kinds of values in turn.

const METHODS: usize = 50;

/// What a service's methods take and return.
struct Kind {
    in_rust: &'static str,
    in_protobuf: &'static str,
}

const KINDS: [Kind; 4] = [
    Kind { in_rust: "u64", in_protobuf: "uint64" },
    Kind { in_rust: "String", in_protobuf: "string" },
    Kind { in_rust: "Vec<u64>", in_protobuf: "repeated uint64" },
    Kind { in_rust: "Record", in_protobuf: "Record" },
];

const RECORD_IN_RUST: &str = "\
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    pub id: u64,
    pub name: String,
    pub values: Vec<u64>,
}
";

const RECORD_IN_PROTOBUF: &str = "\
message Record {
  uint64 id = 1;
  string name = 2;
  repeated uint64 values = 3;
}
";

/// The arguments of a method, and its answer: each next method begins a kind later.
fn signature(method: usize) -> ([&'static Kind; 3], &'static Kind) {
    let kind = |at: usize| &KINDS[(method + at) % KINDS.len()];
    ([kind(0), kind(1), kind(2)], kind(3))
}

/// A trait with this attribute, whose methods begin their parameters with this receiver.
pub(super) fn in_rust(attribute: &str, receiver: &str) -> String {
    let method = |number| {
        let ([a, b, c], answer) = signature(number);
        format!(
            "    async fn method{number}({receiver}a: {}, b: {}, c: {}) -> {};\n",
            a.in_rust, b.in_rust, c.in_rust, answer.in_rust
        )
    };
    let methods: String = (0..METHODS).map(method).collect();
    format!("{RECORD_IN_RUST}\n{attribute}\npub trait Catalog {{\n{methods}}}\n")
}

/// The same, with a message for the arguments of each method and one for its answer.
pub(super) fn in_protobuf() -> String {
    let method = |number| {
        format!("  rpc Method{number}(Method{number}Request) returns (Method{number}Response);\n")
    };
    let messages = |number| {
        let ([a, b, c], answer) = signature(number);
        format!(
            "message Method{number}Request {{\n  {} a = 1;\n  {} b = 2;\n  {} c = 3;\n}}\n\
             message Method{number}Response {{\n  {} answer = 1;\n}}\n",
            a.in_protobuf, b.in_protobuf, c.in_protobuf, answer.in_protobuf
        )
    };
    let methods: String = (0..METHODS).map(method).collect();
    let messages: String = (0..METHODS).map(messages).collect();
    format!(
        "syntax = \"proto3\";\npackage catalog;\n\nservice Catalog {{\n{methods}}}\n\n{RECORD_IN_PROTOBUF}{messages}"
    )
}
