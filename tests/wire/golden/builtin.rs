//! The examples of the services that every server answers (`docs/PROTOCOL.md`, 12).

use rpc_core::{
    HealthStatus, Value,
    description::{Argument, Method, Page, Service, ServiceDescription},
    msgpack,
    value::Encoded,
};

use super::{client_at_seven, same, server_config};
use crate::ends::{Server, call};

const ECHO: Service = Service::new(
    "Echo",
    "",
    &[Method::new("ping", "").arguments(&[Argument::new("data", "&[u8]")]).returns("Bytes", None)],
);

/// The request with id 7 that asks for the health of `Calc`.
fn asks_for_health() -> Vec<u8> {
    let mut client = client_at_seven();
    client.send(call("rpc.Health.check", |out| {
        msgpack::write_array_len(out.buffer(), 1);
        out.str("Calc");
    }));
    client.written()
}

/// What a server writes that answers the request with id 7 with this, and what a client reads of it.
fn answered<T: Value>(answer: &T, example: &[u8]) -> T {
    let mut server = Server::opened(server_config());
    let (key, request) = server.call(&asks_for_health());
    server.machine.answer(key, request.answer(answer).outcome());
    same(&server.written(), example);

    let mut client = client_at_seven();
    let call = client.send(call("rpc.Health.check", |out| {
        msgpack::write_array_len(out.buffer(), 0);
    }));
    client.feed(example).expect("an answer to an outstanding call");
    let payload = client.outcome(call).expect("the call succeeded");
    T::decode(Encoded::of_payload("answer", &payload)).expect("what was written")
}

pub(super) fn description(example: &[u8]) {
    let mut page = Page::default();
    page.services = vec![ServiceDescription::from(&ECHO)];
    assert_eq!(answered(&page, example), page);
}

pub(super) fn health_request(example: &[u8]) {
    same(&asks_for_health(), example);
    let mut server = Server::opened(server_config());
    let (_, request) = server.call(example);
    assert_eq!(request.context().method(), "rpc.Health.check");
    assert_eq!(request.arguments().take("service").str().expect("text"), "Calc");
}

pub(super) fn health_response(example: &[u8]) {
    let read = answered(&HealthStatus::Serving, example);
    assert_eq!(read, HealthStatus::Serving);
}
