//! Messages about streams, written by hand (`docs/PROTOCOL.md`, 2.7 and 10).

use rpc_core::msgpack::{write_bin, write_nil, write_uint};

/// The head of a message: its elements, its type, and the id of its call.
fn head(elements: u8, kind: u64, id: u32) -> Vec<u8> {
    let mut message = vec![0x90 | elements];
    write_uint(&mut message, kind);
    write_uint(&mut message, u64::from(id));
    message
}

/// An item that is an unsigned number.
pub(crate) fn item(id: u32, number: u64) -> Vec<u8> {
    let mut message = head(4, 7, id);
    write_nil(&mut message);
    write_uint(&mut message, number);
    message
}

/// An item that is so many bytes.
pub(crate) fn blob(id: u32, size: usize) -> Vec<u8> {
    let mut message = head(4, 7, id);
    write_nil(&mut message);
    write_bin(&mut message, &vec![7; size]);
    message
}

/// The end of the client's stream.
pub(crate) fn end(id: u32) -> Vec<u8> {
    let mut message = head(4, 8, id);
    message.extend_from_slice(&[0xc0, 0xc0]);
    message
}

/// That the server's stream has begun.
pub(crate) fn begin(id: u32) -> Vec<u8> {
    let mut message = head(3, 15, id);
    write_nil(&mut message);
    message
}

/// That the call is cancelled, or that the server takes no more items.
pub(crate) fn cancel(id: u32) -> Vec<u8> {
    let mut message = head(3, 6, id);
    write_nil(&mut message);
    message
}

/// The end of the server's stream, which is complete.
pub(crate) fn complete(id: u32) -> Vec<u8> {
    let mut message = head(4, 1, id);
    message.extend_from_slice(&[0xc0, 0xc0]);
    message
}

/// Credit of a stream.
pub(crate) fn credit(id: u32, bytes: u64) -> Vec<u8> {
    let mut message = head(4, 9, id);
    write_uint(&mut message, bytes);
    write_nil(&mut message);
    message
}

/// Credit of the connection.
pub(crate) fn connection_credit(bytes: u64) -> Vec<u8> {
    let mut message = vec![0x94, 9, 0xc0];
    write_uint(&mut message, bytes);
    write_nil(&mut message);
    message
}

/// A ping.
pub(crate) fn ping(token: u64) -> Vec<u8> {
    let mut message = vec![0x93, 11];
    write_uint(&mut message, token);
    write_nil(&mut message);
    message
}

/// A part in this state: 1 where others follow, 0 for the last, 2 where the rest will not come.
pub(crate) fn part(state: u64, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![0x93, 10];
    write_uint(&mut message, state);
    write_bin(&mut message, bytes);
    message
}

/// That so many bytes of parts were received.
pub(crate) fn received(bytes: u64) -> Vec<u8> {
    let mut message = vec![0x93, 17];
    write_uint(&mut message, bytes);
    write_nil(&mut message);
    message
}
