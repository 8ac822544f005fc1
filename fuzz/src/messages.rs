//! Every message, at either end: it means something, or it is a violation that names its rule.

use crate::link::{Client, Server};

/// The input is one message, which both ends get behind the hellos.
pub fn run(input: &[u8]) {
    if input.is_empty() {
        return;
    }
    let mut server = Server::opened();
    if let Err(violation) = server.receive(input) {
        assert!(violation.to_string().contains("PROTOCOL"), "{violation} names its rule");
        server.machine.violated(&violation);
    }
    server.end();
    let mut client = Client::opened(3);
    if let Err(violation) = client.receive(input) {
        assert!(violation.to_string().contains("PROTOCOL"), "{violation} names its rule");
    }
    client.end();
}
