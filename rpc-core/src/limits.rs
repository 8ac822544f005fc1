//! Every bound of the project, its default, and why.
//!
//! One file, so that a reader who asks "what stops a peer from …?" looks in one place. A bound that a
//! user may set has a setter of the same name on the server or the channel builder, and the error that a
//! bound causes names the bound, its value and that setter. Nothing in here is read from a peer: what a
//! peer announces can only make a bound tighter.

use std::{ops::RangeInclusive, time::Duration};

use crate::Backoff;

/// The largest message that an end accepts, in bytes of its frame's body: 16 MiB.
///
/// Large enough for a batch of records. A connection holds one that is arriving, and those of its calls in flight: lower it
/// where many peers are not trusted.
/// Setter: `max_message_size`, on both builders.
pub const MAX_MESSAGE_SIZE: usize = 16 << 20;

/// The largest length that a frame's prefix may announce at all: 1 GiB (PROTOCOL 2.3).
///
/// A length between the message limit and this one fails the call it belongs to; a length above it is
/// taken for a broken frame, because no end can be configured to accept it.
pub const MAX_FRAME_SIZE: usize = 1 << 30;

/// What a client assumes about a server's message limit until the server's hello has come: 64 KiB (PROTOCOL 1.6). A server takes no larger message of
/// a client whose hello has not come (PROTOCOL 1.5).
pub const ASSUMED_MESSAGE_SIZE: usize = 64 << 10;

/// The calls in flight that a server accepts on one connection: 1,024.
///
/// A pending call costs one slot, about as large as its handler's future. Setter: `max_calls_per_connection`.
pub const MAX_CALLS_PER_CONNECTION: u32 = 1024;

/// What a client assumes about a server's call limit until the server's hello has come: 128 (PROTOCOL 1.6).
pub const ASSUMED_CALLS: u32 = 128;

/// The calls that one channel holds at once, in flight or waiting for their turn: 1,048,575.
///
/// Each one is a future that the program itself holds; the bound comes from the bits of a call id.
pub const MAX_CALLS_PER_CHANNEL: usize = (1 << 20) - 1;

/// The calls in flight that a server accepts over all its connections: 65,536. Setter: `max_calls`.
pub const MAX_CALLS: u32 = 65_536;

/// How long a client is asked to wait before it repeats a call for which there was no room: 50 ms.
pub const RETRY_AFTER: Duration = Duration::from_millis(50);

/// The connections that a server serves at once: 10,000. Setter: `max_connections`.
pub const MAX_CONNECTIONS: usize = 10_000;

/// Clients that are told at once why they are not served, such as that there are too many connections from their address: 64. Further ones are
/// closed without a word.
pub const MAX_REFUSALS: usize = 64;

/// How deep arrays and maps may nest in a payload: 128 (PROTOCOL 3.6).
///
/// A decoder recurses once a level; this keeps the deepest one far inside a stack of 2 MiB.
/// Setter: `max_nesting`, on both builders, which can only lower it.
pub const MAX_NESTING: u8 = 128;

/// The encoded metadata of one call, in bytes: 8 KiB, as large as the usual limit on HTTP headers. Setter: `max_metadata_size`, on
/// both builders.
pub const MAX_METADATA_SIZE: usize = 8 << 10;

/// The most that [`MAX_METADATA_SIZE`] can be raised to: 32 KiB. With it, a message of 64 KiB still has room for arguments.
pub const LARGEST_METADATA: usize = 32 << 10;

/// The text of one error on the wire, in bytes: 4 KiB. What is longer is cut.
pub const MAX_ERROR_MESSAGE: usize = 4 << 10;

/// The longest method name, service name included, in bytes: 255.
pub const MAX_METHOD_NAME: usize = 255;

/// The id of a shared key, in bytes: from 1 to 64 (PROTOCOL 12.2).
pub const MAX_KEY_ID: usize = 64;

/// The secret of a shared key, in bytes: at least 32, as many as its proofs have. It cannot be guessed then.
pub const LEAST_SECRET: usize = 32;

/// The file of a shared key, in bytes: at most 4 KiB.
pub const MAX_KEY_FILE: usize = 4 << 10;

/// A message of the challenge with a shared key, in bytes: at most 256 (PROTOCOL 12.8). The largest, in the widest forms that there are, has 121.
pub const MAX_CHALLENGE_MESSAGE: usize = 256;

/// The time a new connection has for its preface and hello: 10 s. Setter: `handshake_timeout`.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time a client spends on one attempt to connect: 10 s. Setter: `connect_timeout`.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a call may wait while there is no connection: 5 s. Setter: `wait_for_connection`.
///
/// Long enough for a server to start anew, short enough for a person who waits to learn that there is none.
pub const WAIT_FOR_CONNECTION: Duration = Duration::from_secs(5);

/// The pauses between attempts to connect: from 10 ms, doubling, to 5 s. Setter: `reconnect_backoff`.
pub const RECONNECT_BACKOFF: Backoff =
    Backoff::preset(Duration::from_millis(10), 2.0, Duration::from_secs(5));

/// The pauses before a call is repeated: from 10 ms, doubling, to 1 s. Setter: `retry_backoff`.
pub const RETRY_BACKOFF: Backoff =
    Backoff::preset(Duration::from_millis(10), 2.0, Duration::from_secs(1));

/// The longest that a server can keep a channel from connecting again: 60 s. What it asks for beyond that is not obeyed.
pub const LONGEST_PUSH_BACK: Duration = Duration::from_secs(60);

/// How often a call may be sent in all, where it may be repeated: 4 times. Setter: `max_attempts`.
pub const MAX_ATTEMPTS: u32 = 4;

/// Of a hundred calls of a channel so many may be repeated: 20. Setter: `retry_budget`.
pub const RETRY_PERCENT: u32 = 20;

/// So many calls a second may be repeated besides: 10. Setter: `retry_budget`.
pub const RETRIES_PER_SECOND: u32 = 10;

/// So many repetitions can be saved up: 1,000, about as many as are in flight when a connection is lost.
pub const MAX_REPEATS: u64 = 1_000;

/// The connections of one channel: 4. One takes new calls; the others go away, and have calls to finish.
pub const MAX_LINKS: usize = 4;

/// The deadline of a call that set none: 30 s. Setter: `timeout`, on the channel and on the call.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The time that a channel's token source has to give a token: 30 s. Without an end of their own, streams would wait for one that gives none.
pub const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);

/// Tokens that a channel fetches in the place of ones that a server refused, within [`TOKEN_RENEWAL_PERIOD`]: 10. Where a server refuses all that the
/// source gives, the source and the server are not asked without end.
pub const TOKEN_RENEWALS: usize = 10;

/// The period of [`TOKEN_RENEWALS`]: 10 s.
pub const TOKEN_RENEWAL_PERIOD: Duration = Duration::from_secs(10);

/// How long before its expiry a token is no longer used: 10 s, or a tenth of its life, if that is shorter. A call that takes it along then still arrives in
/// time.
pub const TOKEN_MARGIN: Duration = Duration::from_secs(10);

/// The longest timeout that can be asked for: about 68 years. A longer one means this one.
///
/// It keeps `now + timeout` inside of what every platform's clock can represent.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(1 << 31);

/// Unsent bytes above which an end stops taking on work: 1 MiB.
///
/// A server stops reading until its output has drained below; a client keeps further calls waiting. Setter: `write_high_water`,
/// on both builders.
pub const WRITE_HIGH_WATER: usize = 1 << 20;

/// The time that draining may take before what is left is dropped: 30 s. Setter: `drain_timeout`.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Payloads up to this size are copied, larger ones are slices of what was read: 4 KiB.
///
/// A slice pins the whole read buffer that it came from. For a small payload that costs far more memory
/// than its bytes: 1,024 pending calls of 36 bytes held 8.2 MiB.
pub const SMALL_PAYLOAD: usize = 4 << 10;

/// Byte strings from this size on are written from where they are, not copied: 16 KiB.
pub const LARGE_SEGMENT: usize = 16 << 10;

/// Buffers that one thread keeps for the next calls: 64, of up to [`SMALL_PAYLOAD`] bytes.
pub const POOLED_BUFFERS: usize = 64;

/// Read and write buffers that one thread keeps for the next connection that has something to move: 32.
pub const POOLED_IO_BUFFERS: usize = 32;

/// The size that a connection's buffer starts with: 8 KiB.
pub const IO_BUFFER: usize = 8 << 10;

/// The largest buffer that is kept among those [`POOLED_IO_BUFFERS`] rather than freed: 64 KiB. Read buffers for large frames are
/// [kept apart](POOLED_LARGE_READ_BUFFERS).
pub const MAX_POOLED_IO_BUFFER: usize = 64 << 10;

/// Read buffers above [`IO_BUFFER`] that one thread keeps for the next large frames: 16.
///
/// Enough for the frames that are under way on a few busy connections. They may still be shared with frames that the user holds. At most
/// 4 MiB a thread, kept until the thread ends.
pub const POOLED_LARGE_READ_BUFFERS: usize = 16;

/// The largest of them: 256 KiB, so that a part of a large message ([`FRAGMENT`]) fits.
pub const MAX_POOLED_READ_BUFFER: usize = 256 << 10;

/// The most that is allocated for a frame of which nothing has arrived yet, rounded up to whole [`IO_BUFFER`]s: 64 KiB. A buffer that a
/// thread has kept may be larger, up to [`MAX_POOLED_READ_BUFFER`].
///
/// Beyond it a buffer grows with what has really arrived, at most doubling, so the length that a peer
/// announced never decides what is allocated.
pub const READ_AHEAD: usize = 64 << 10;

/// How long a peer may be silent before it is asked whether it is there: 20 s. Setter: `keepalive_idle`, on both builders.
///
/// Shorter than what firewalls and address translators commonly forget idle connections after.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(20);

/// How long a peer may be silent after it was asked, before it counts as lost: 10 s. Setter: `keepalive_timeout`, on both builders.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The idle times that TCP's own keepalive takes on Linux: whole seconds, up to 32,767 (tcp(7), `TCP_KEEPIDLE`). Setter: `tcp_keepalive`, on
/// both builders, which brings what it is told into this range.
pub const TCP_KEEPALIVE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(32_767);

/// The least time between the pings of a peer: 1 s (PROTOCOL 8.2). Setter: `keepalive_floor`, on the server.
pub const PING_INTERVAL: Duration = Duration::from_secs(1);

/// Pings, pongs and ignored messages that are taken at once, beyond one every [`PING_INTERVAL`]: 64 (PROTOCOL 8.3).
pub const FREE_FRAMES: u32 = 64;

/// The bytes of a stream's items that may be under way or untaken: 256 KiB (PROTOCOL 10.5). Setter: `stream_window`, on both builders.
///
/// What one consumer that stops costs its receiver, and what a stream can move within a round trip: on a link of 50 ms, 5 MiB a second.
pub const STREAM_WINDOW: usize = 256 << 10;

/// The same over all streams of a connection: 16 MiB, 64 of them full. Setter: `connection_window`, on both builders.
pub const CONNECTION_WINDOW: usize = 16 << 20;

/// The most that either window can be raised to: 1 GiB.
pub const LARGEST_WINDOW: usize = 1 << 30;

/// A message above this size travels in parts of this size, with their heads, between which others find their place: 128 KiB (PROTOCOL 2.7).
pub const FRAGMENT: usize = 128 << 10;

/// Bytes of parts that an end sends ahead of what its peer has read: 2 MiB (PROTOCOL 2.9). Setter: `parts_ahead`, on both builders.
///
/// They wait in the peer's kernel in front of what is small: 2 ms at 1 GB/s. On a link of 50 ms they let a large message move 40 MB a second.
pub const PARTS_AHEAD: usize = 2 << 20;

/// So many bytes of parts are read, and the peer is told: 256 KiB, or what it has left to be told of.
pub const PARTS_TOLD: usize = 256 << 10;

/// Bytes that the kernel holds unsent for a TCP connection before it takes no more: 256 KiB.
///
/// What it holds can no longer be overtaken. Two parts keep it busy.
pub const UNSENT_IN_KERNEL: u32 = 256 << 10;

/// Bytes of a stream's items that are there at once and go out in one message: 4 KiB, and at most a quarter of a window.
pub const ITEM_RUN: usize = 4 << 10;

/// Items of a stream in one message: 1,024.
pub const MAX_ITEM_RUN: u32 = 1024;

/// Items of a stream up to this size are copied together into blocks, larger ones stay slices of what was read: 16 KiB.
pub const SMALL_ITEM: usize = 16 << 10;

/// The size of such a block: 4 KiB, as much as [`POOLED_BUFFERS`] keep, or that of an item that is larger.
pub const ITEM_BLOCK: usize = SMALL_PAYLOAD;

/// What one answer of `rpc.Reflection.describe` brings, in bytes: 48 KiB (PROTOCOL 14.4). With its envelope it is below the smallest limit on
/// messages that an end may have ([`ASSUMED_MESSAGE_SIZE`]).
pub const REFLECTION_PAGE: usize = 48 << 10;

/// The most methods that such an answer brings: 1,000.
pub const REFLECTION_METHODS: u32 = 1_000;

/// The most methods that a client takes of what a server says it offers: 100,000. A server that never comes to an end is not listened to.
pub const REFLECTION_TOTAL: usize = 100_000;

/// The arguments of one `rpc.Health.watch`, in bytes: 4 KiB (PROTOCOL 14.7). They are kept for as long as it lasts, and strangers may watch.
pub const MAX_WATCH_ARGUMENTS: usize = 4 << 10;

/// The same in bytes: 64 MiB, more than twice what so many usual methods take.
pub const REFLECTION_TOTAL_SIZE: usize = 64 << 20;
