//! What differs from subject to subject, and a reader must know: it goes onto the page as it stands here.

/// A note, with the subjects that it is about: it is printed where one of them is in the results. A subject is meant by the beginning
/// of its name.
pub(super) type Note = (&'static [&'static str], &'static str);

pub(super) const NOTES: &[Note] = &[
    (
        &["raw", "codec"],
        "`raw` and the codec echo have no calls: one task per connection moves batches, as many messages at a time as are to be in flight. \
         `raw` knows no frames. `codec` sends each message through `LengthDelimitedCodec`, and flushes once for each batch that it read.",
    ),
    (
        &["rpc"],
        "`rpc` is this project as it comes: structs carry the names of their fields, blobs are `Bytes`, and a handler runs in its \
         connection's task.",
    ),
    (&["rpc-compact"], "`rpc-compact` sends structs without the names of their fields."),
    (&["rpc-vec"], "`rpc-vec` takes and gives blobs as `Vec<u8>`, and so copies them."),
    (&["rpc-spawn"], "`rpc-spawn` runs each handler on a task of its own."),
    (
        &["volo"],
        "volo-thrift carries one call at a time on a connection, so it has as many connections as calls in flight.",
    ),
    (
        &["capnp"],
        "capnp's clients and servers stay on one thread: it is measured on current-thread runtimes, and stands in the tables of both. It decodes \
         nothing: its structs are written from ours, copied by the server as they lie, and the client looks how many there are.",
    ),
    (
        &["xmlrpc", "connection", "zerorpc"],
        "`xmlrpc`, `connection` (multiprocessing.connection, with a key) and `zerorpc` are in Python, client and server, and have no Tokio \
         runtime: they stand in the tables of both, and their processor time is that of the interpreter.",
    ),
    (
        &["tarpc"],
        "tarpc has bincode over its own TCP transport with `TCP_NODELAY`, blobs as `Bytes`, and a task for each connection and each handler.",
    ),
    (
        &["jsonrpsee"],
        "jsonrpsee speaks over a WebSocket. Its blobs are `Vec<u8>`, and arrays of numbers in JSON.",
    ),
    (
        &["tonic"],
        "tonic has `TCP_NODELAY`, and windows of 2 MiB a stream and 16 MiB a connection, above its own. Its services are written by hand, with \
         prost messages, as its generator would write them.",
    ),
];
