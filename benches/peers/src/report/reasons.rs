//! Why a bar is missed, for each row where that was found out.
//!
//! The names of the rows are those in `bar.rs`, the runtimes `current-thread` and `multi-thread`, and nothing for the row `wire`. A
//! reason is printed only while its row is missed; one that names no row is an error.

/// A row's name, the runtime, and a sentence that goes on from "is missed:".
pub(super) type Reason = (&'static str, &'static str, &'static str);

pub(super) const REASONS: &[Reason] = &[
    ("ping", CURRENT, ALL_WAIT_FOR_THE_KERNEL),
    ("ping", MULTI, ALL_WAIT_FOR_THE_KERNEL),
    ("ping-64", CURRENT, THE_ECHO_IS_NEAR),
    ("ping-64", MULTI, THE_ECHO_IS_NEAR),
    ("ping-64x16", CURRENT, THE_CLIENT_IS_FULL),
    (
        "ping-64x16",
        MULTI,
        "as with one thread, the client has no time left; and here the tasks that share a channel run on both workers, so that its lock and \
         its wake-ups cross cores.",
    ),
    ("ping-64-cpu", CURRENT, HALF_IS_THE_KERNEL),
    ("ping-64-cpu", MULTI, HALF_IS_THE_KERNEL),
    ("structs", CURRENT, NAMES_COST),
    ("structs", MULTI, NAMES_COST),
    ("structs-compact", CURRENT, STRINGS_COST),
    ("structs-compact", MULTI, STRINGS_COST),
];

const CURRENT: &str = "current-thread";
const MULTI: &str = "multi-thread";

const ALL_WAIT_FOR_THE_KERNEL: &str = "what one ping waits for is the kernel, which wakes one process and then the other. A call's own \
     microsecond at either end is what the echo has less, and is within the spread of the rounds; and the echo, which has no calls, is \
     itself not so many times as fast as the fastest peer.";

const THE_ECHO_IS_NEAR: &str = "on this machine most of the time is that of waking the other process, which all wait for: the codec echo, \
     which has no calls, is itself not so many times as fast as the fastest peer.";

const THE_CLIENT_IS_FULL: &str = "the client has no time left. Moving the bytes, which is all that the echo does, takes about half of it; the \
     rest is what a call is: its deadline, its place in the table, its frame, waking its caller, and decoding the answer.";

const HALF_IS_THE_KERNEL: &str = "about half of a call's processor time at 64 in flight is the kernel's, which moves bytes and wakes whoever \
     waits, and is the same for all who write together.";

const NAMES_COST: &str = "each of the 600 fields brings its name, which is written, walked over, compared and checked for UTF-8; neither bincode \
     nor Thrift sends names, and capnp decodes nothing.";

const STRINGS_COST: &str = "most of the time is that of the 800 strings that a call makes and drops, and of checking that they are UTF-8, which is \
     the same for all who decode. Besides, every count is checked against what has arrived before anything is built from it.";
