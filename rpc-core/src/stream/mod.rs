//! Streams: rows of items that belong to a call, in either direction (PROTOCOL 10).
//!
//! | file | what it is |
//! |---|---|
//! | `window.rs` | how many bytes of items may be under way, at both ends of a direction |
//! | `inbox.rs` | items that have arrived and were not taken |
//! | `outlet.rs` | what of a server's stream is on its way out: one message |
//! | `run.rs` | items that are there at once, on their way there |
//! | `upload.rs` | the stream that a client's call sends |
//! | `streaming.rs` | what a program meets: [`Streaming`] |
//! | `forward.rs` | items that are passed on as they came |
//!
//! Items leave a handler as its answer does: through its session, into the connection's write buffer; one at a time, or a few small ones that
//! were there at once. What finds no room waits in its outlet, and its stream is not asked for more.

mod forward;
mod inbox;
mod outlet;
mod run;
mod streaming;
mod upload;
mod window;

pub(crate) use forward::send_on;
pub use inbox::{Chunk, Inbox};
pub use outlet::{Content, Offered, Outlet};
pub(crate) use outlet::{Outgo, Way};
pub(crate) use run::{Produced, Run};
pub use streaming::{Arrivals, ServerInbox, Source, Streaming, Taken};
pub use upload::{Upload, Uploaded};
pub(crate) use window::{Receiving, Sending};
