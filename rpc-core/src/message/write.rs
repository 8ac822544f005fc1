//! The writers of messages: each appends what stands in front of a payload to a frame that a
//! [`WriteBuffer`](crate::buffer::WriteBuffer) has begun, or the whole of a message that has none (PROTOCOL 3.2).

use super::{FLAG_APPLICATION, FLAG_NOT_STARTED, PartState, kind};
use crate::{
    Error,
    hello::Hello,
    limits::MAX_ERROR_MESSAGE,
    metadata::{self, Extras, MetadataRef, micros},
    msgpack,
};

fn array(out: &mut Vec<u8>, elements: u32, kind: u8) {
    msgpack::write_array_len(out, elements);
    msgpack::write_uint(out, u64::from(kind));
}

/// Appends a request or, without an id, a notification, up to its arguments.
pub(crate) fn write_call(
    out: &mut Vec<u8>,
    id: Option<u32>,
    method: &str,
    extras: Extras,
    metadata: MetadataRef<'_>,
) {
    let plain = extras.is_empty() && metadata.is_empty();
    match (id.is_some(), plain) {
        (true, true) => array(out, 4, kind::REQUEST),
        (true, false) => array(out, 5, kind::REQUEST_WITH_METADATA),
        (false, true) => array(out, 3, kind::NOTIFICATION),
        (false, false) => array(out, 4, kind::NOTIFICATION_WITH_METADATA),
    }
    if let Some(id) = id {
        msgpack::write_uint(out, u64::from(id));
    }
    msgpack::write_str(out, method);
    if !plain {
        metadata::write(out, extras, metadata);
    }
}

/// Appends a response up to its result.
pub(crate) fn write_result(out: &mut Vec<u8>, id: u32) {
    array(out, 4, kind::RESPONSE);
    msgpack::write_uint(out, u64::from(id));
    msgpack::write_nil(out);
}

/// Appends a response with metadata up to its result.
pub(crate) fn write_result_with(out: &mut Vec<u8>, id: u32, metadata: MetadataRef<'_>) {
    array(out, 5, kind::RESPONSE_WITH_METADATA);
    msgpack::write_uint(out, u64::from(id));
    msgpack::write_nil(out);
    metadata::write(out, Extras::default(), metadata);
}

/// Appends a response with an error and metadata.
pub(crate) fn write_failure_with(
    out: &mut Vec<u8>,
    id: u32,
    error: &Error,
    metadata: MetadataRef<'_>,
) {
    array(out, 5, kind::RESPONSE_WITH_METADATA);
    msgpack::write_uint(out, u64::from(id));
    write_error(out, error);
    metadata::write(out, Extras::default(), metadata);
    msgpack::write_nil(out);
}

/// Appends a response with an error.
pub(crate) fn write_failure(out: &mut Vec<u8>, id: u32, error: &Error) {
    array(out, 4, kind::RESPONSE);
    msgpack::write_uint(out, u64::from(id));
    write_error(out, error);
    msgpack::write_nil(out);
}

/// Appends a cancel.
pub(crate) fn write_cancel(out: &mut Vec<u8>, id: u32) {
    array(out, 3, kind::CANCEL);
    msgpack::write_uint(out, u64::from(id));
    msgpack::write_nil(out);
}

/// The size of the message of so many items whose values have so many bytes.
pub(crate) fn items_size(id: u32, count: u32, values: usize) -> usize {
    // The head of an array of up to 15 elements is one byte, of up to 65,535 three.
    item_size(id, values) + if count > 12 { 2 } else { 0 }
}

/// The size of the message of an item whose value has so many bytes.
pub(crate) fn item_size(id: u32, value: usize) -> usize {
    let id = match id {
        0..=0x7f => 1,
        0x80..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=u32::MAX => 5,
    };
    3 + id + value
}

/// Appends an item of a stream up to its value.
pub(crate) fn write_item(out: &mut Vec<u8>, id: u32) {
    write_items(out, id, 1);
}

/// Appends so many items of a stream up to their values.
pub(crate) fn write_items(out: &mut Vec<u8>, id: u32, count: u32) {
    array(out, 3 + count, kind::ITEM);
    msgpack::write_uint(out, u64::from(id));
    msgpack::write_nil(out);
}

/// Appends an item of a stream that is an error.
pub(crate) fn write_failed_item(out: &mut Vec<u8>, id: u32, error: &Error) {
    array(out, 4, kind::ITEM);
    msgpack::write_uint(out, u64::from(id));
    write_error(out, error);
    msgpack::write_nil(out);
}

/// Appends the end of a client's stream.
pub(crate) fn write_end(out: &mut Vec<u8>, id: u32, error: Option<&Error>) {
    array(out, 4, kind::END);
    msgpack::write_uint(out, u64::from(id));
    match error {
        Some(error) => write_error(out, error),
        None => msgpack::write_nil(out),
    }
    msgpack::write_nil(out);
}

/// Appends a credit.
pub(crate) fn write_credit(out: &mut Vec<u8>, id: Option<u32>, bytes: u64) {
    array(out, 4, kind::CREDIT);
    match id {
        Some(id) => msgpack::write_uint(out, u64::from(id)),
        None => msgpack::write_nil(out),
    }
    msgpack::write_uint(out, bytes);
    msgpack::write_nil(out);
}

/// Appends a part of a message up to its bytes, of which there are so many.
pub(crate) fn write_part(out: &mut Vec<u8>, state: PartState, size: usize) {
    array(out, 3, kind::PART);
    msgpack::write_uint(
        out,
        match state {
            PartState::Last => 0,
            PartState::More => 1,
            PartState::Abandoned => 2,
        },
    );
    msgpack::write_bin_len(out, size);
}

/// Appends that so many bytes of parts have been received in all.
pub(crate) fn write_received(out: &mut Vec<u8>, bytes: u64) {
    array(out, 3, kind::RECEIVED);
    msgpack::write_uint(out, bytes);
    msgpack::write_nil(out);
}

/// Appends that a stream has begun.
pub(crate) fn write_begin(out: &mut Vec<u8>, id: u32) {
    array(out, 3, kind::BEGIN);
    msgpack::write_uint(out, u64::from(id));
    msgpack::write_nil(out);
}

/// Appends that so many items of a stream were dropped.
pub(crate) fn write_lost(out: &mut Vec<u8>, id: u32, count: u64) {
    array(out, 4, kind::LOST);
    msgpack::write_uint(out, u64::from(id));
    msgpack::write_uint(out, count);
    msgpack::write_nil(out);
}

/// Appends a ping.
pub(crate) fn write_ping(out: &mut Vec<u8>, token: u64) {
    array(out, 3, kind::PING);
    msgpack::write_uint(out, token);
    msgpack::write_nil(out);
}

/// Appends a pong.
pub(crate) fn write_pong(out: &mut Vec<u8>, token: u64) {
    array(out, 3, kind::PONG);
    msgpack::write_uint(out, token);
    msgpack::write_nil(out);
}

/// Appends a go-away.
pub(crate) fn write_go_away(out: &mut Vec<u8>, accepted: u64, error: Option<&Error>) {
    array(out, 4, kind::GO_AWAY);
    msgpack::write_uint(out, accepted);
    match error {
        Some(error) => write_error(out, error),
        None => msgpack::write_nil(out),
    }
    msgpack::write_nil(out);
}

/// Appends a hello.
pub(crate) fn write_hello(out: &mut Vec<u8>, hello: &Hello) {
    array(out, 2, kind::HELLO);
    hello.write(out);
}

/// Appends an error (PROTOCOL 6.1).
pub(crate) fn write_error(out: &mut Vec<u8>, error: &Error) {
    msgpack::write_array_len(out, if error.retry_after().is_some() { 5 } else { 4 });
    msgpack::write_uint(out, u64::from(error.kind() as u8));
    msgpack::write_str(out, cut(error.message()));
    match error.details() {
        Some(details) => msgpack::write_bin(out, details),
        None => msgpack::write_nil(out),
    }
    let not_started = if error.is_not_started() { FLAG_NOT_STARTED } else { 0 };
    let application = if error.is_application() { FLAG_APPLICATION } else { 0 };
    msgpack::write_uint(out, not_started | application);
    if let Some(delay) = error.retry_after() {
        msgpack::write_uint(out, micros(delay));
    }
}

fn cut(message: &str) -> &str {
    let mut end = message.len().min(MAX_ERROR_MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}
