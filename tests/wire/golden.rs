//! The examples of `docs/PROTOCOL.md`: each is what one end writes and what the other reads. Those of streams, and of messages in parts,
//! are in [`streams`], those of shared keys in [`keys`], those of the built-in services in [`builtin`].

mod builtin;
mod keys;
mod streams;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use rpc_core::{
    Code, Error, Metadata, Structs, Value, Violation,
    connection::{client, server},
    frame::{preface, take_preface},
    msgpack::{self, Reader},
    value::{Encoded, Encoder},
};

use crate::ends::{Asked, Client, EMPTY_HELLO, LEAST, PREFACE, Server, call, drain, ping};

const PROTOCOL: &str = include_str!("../../docs/PROTOCOL.md");

/// What holds an example to the code.
type Check = fn(&[u8]);

/// The checks, by the names of their examples.
const CHECKS: &[(&str, Check)] = &[
    ("preface", the_preface),
    ("hello-client", hello_of_a_client),
    ("hello-server", hello_of_a_server),
    ("request", request),
    ("response", response),
    ("notification", notification),
    ("cancel", cancel),
    ("response-error", response_with_an_error),
    ("response-error-details", response_with_an_application_error),
    ("request-with-metadata", request_with_metadata),
    ("notification-with-metadata", notification_with_metadata),
    ("response-with-metadata", response_with_metadata),
    ("response-error-with-metadata", response_error_with_metadata),
    ("ping", ping_message),
    ("pong", pong),
    ("go-away", go_away),
    ("go-away-violation", go_away_after_a_violation),
    ("part-first", streams::first_part),
    ("part-last", streams::last_part),
    ("part-abandoned", streams::abandoned_part),
    ("received", streams::received),
    ("item-client", streams::item_of_a_client),
    ("end", streams::end),
    ("items", streams::items),
    ("item-server", streams::item_of_a_server),
    ("item-error", streams::item_that_is_an_error),
    ("begin", streams::begin),
    ("cancel-server", streams::cancel_of_a_server),
    ("credit", streams::credit),
    ("credit-connection", streams::credit_of_a_connection),
    ("lost", streams::lost),
    ("authenticate", keys::authenticate),
    ("challenge", keys::challenge),
    ("proof", keys::proof),
    ("description", builtin::description),
    ("health-request", builtin::health_request),
    ("health-response", builtin::health_response),
];

/// What the server says of `Calc.addd`.
const NO_METHOD: &str = "service \"Calc\" has no method \"addd\"; did you mean \"add\"?";

/// The examples, by name and in order.
fn examples() -> Vec<(&'static str, Vec<u8>)> {
    let mut examples = Vec::new();
    let mut blocks = PROTOCOL.split("```hex ").skip(1);
    for block in &mut blocks {
        let (name, rest) = block.split_once('\n').expect("a name stands in a line of its own");
        let (digits, _) = rest.split_once("```").expect("a block ends");
        let bytes = digits
            .split_whitespace()
            .map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"));
        examples.push((name.trim(), bytes.collect()));
    }
    examples
}

#[test]
fn every_example_is_what_the_code_writes_and_reads() {
    for (name, bytes) in examples() {
        let check = CHECKS.iter().find(|(known, _)| *known == name);
        let (_, check) = check.unwrap_or_else(|| unreachable!("no test knows the example {name}"));
        check(&bytes);
    }
}

#[test]
fn every_check_has_an_example() {
    let examples: Vec<&str> = examples().iter().map(|(name, _)| *name).collect();
    let checks: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names(&examples), names(&checks));
    assert_eq!(examples.len(), checks.len(), "no name stands twice");
}

#[test]
fn every_message_type_has_an_example() {
    let kinds: BTreeSet<u64> = examples()
        .iter()
        .filter(|(name, _)| *name != "preface")
        .map(|(_, bytes)| {
            let mut reader = Reader::new(&bytes[4..]);
            reader.array_len().expect("a message is an array");
            reader.unsigned().expect("a message begins with its type")
        })
        .collect();
    assert_eq!(kinds, (0..=20).collect());
}

#[track_caller]
fn same(written: &[u8], example: &[u8]) {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
    assert_eq!(hex(written), hex(example), "left: what the code writes; right: the document");
}

fn client_config() -> client::Config {
    client::Config::new(16 << 20, None, Structs::Named)
}

fn server_config() -> server::Config {
    server::Config::new(16 << 20, 1024)
}

/// A client whose next call has the id 7, and whose earlier ones are outstanding.
fn client_at_seven() -> Client {
    let mut client = Client::opened(client_config(), server_config());
    for _ in 0..7 {
        client.send(ping(0));
    }
    client.written();
    client
}

fn hi() -> client::Outgoing {
    call("Echo.ping", |out| {
        msgpack::write_array_len(out.buffer(), 1);
        out.bin(b"hi");
    })
}

fn answer_of(client: &mut Client, call: client::CallRef) -> Vec<u8> {
    let payload = client.outcome(call).expect("the call succeeded");
    Vec::<u8>::decode(Encoded::of_payload("answer", &payload)).expect("bytes")
}

fn the_preface(example: &[u8]) {
    same(&preface(1, 0), example);
    let mut bytes = BytesMut::from(example);
    assert_eq!(take_preface(&mut bytes), Ok(Some((1, 0))));
    assert!(bytes.is_empty());
    let mut server = Server::new(server_config());
    server.feed(example).expect("a right preface");
    assert_eq!(server.written()[..8], *example, "the server answers with its own");
}

fn hello_of_a_client(example: &[u8]) {
    let config = client::Config::new(16 << 20, Some(Duration::from_secs(30)), Structs::Named);
    same(&Client::connected(config).written()[8..], example);
    let mut server = Server::new(server_config());
    server.feed(&[&PREFACE, example].concat()).expect("a right opening");
    assert!(server.machine.is_open());
    assert_eq!(server.machine.default_timeout(), Some(Duration::from_secs(30)));
    assert_eq!(server.machine.structs(), Structs::Named);
}

fn hello_of_a_server(example: &[u8]) {
    let mut server = Server::new(server_config());
    server.feed(&PREFACE).expect("a right preface");
    same(&server.written()[8..], example);
    let mut client = Client::connected(client_config());
    client.feed(&[&PREFACE, example].concat()).expect("a right opening");
    assert!(client.machine.is_open(client.link));
    for _ in 0..1025 {
        client.send(ping(0));
    }
    assert_eq!(client.machine.in_flight(client.link), 1024, "the limit that the hello announced");
}

fn request(example: &[u8]) {
    let mut client = client_at_seven();
    client.send(hi());
    same(&client.written(), example);

    let mut server = Server::opened(server_config());
    let (key, request) = server.call(example);
    assert!(!key.is_notification());
    assert_eq!(request.context().method(), "Echo.ping");
    assert_eq!(request.context().deadline(), None);
    assert_eq!(request.context().attempt(), 1);
    assert!(request.context().metadata().is_empty());
    assert_eq!(request.arguments().take("data").bin().expect("bytes"), b"hi");
    server.machine.answer(key, Err(&Error::aborted("no")));
    assert_eq!(server.written()[6], 7, "the answer is to this request");
}

fn response(example: &[u8]) {
    let mut client = client_at_seven();
    let call = client.send(hi());
    let request = client.written();
    let mut server = Server::opened(server_config());
    let (key, request) = server.call(&request);
    let mut answer = request.answer(&Bytes::from_static(b"hi"));
    server.machine.answer(key, answer.outcome());
    same(&server.written(), example);

    client.feed(example).expect("an answer to an outstanding call");
    assert_eq!(answer_of(&mut client, call), b"hi");
    assert_eq!(client.machine.in_flight(client.link), 7);
}

fn notification(example: &[u8]) {
    let mut client = Client::opened(client_config(), server_config());
    let mut log = call("Calc.log", |out| {
        msgpack::write_array_len(out.buffer(), 1);
        out.str("hi");
    });
    log.oneway = true;
    let call = client.send(log);
    assert!(client.outcome(call).is_ok(), "a one-way call ends when it is written");
    same(&client.written(), example);

    let mut server = Server::opened(server_config());
    let (key, request) = server.call(example);
    assert!(key.is_notification());
    assert_eq!(request.context().method(), "Calc.log");
    assert_eq!(request.arguments().take("line").str().expect("text"), "hi");
    server.machine.answer(key, request.done().outcome());
    assert!(server.written().is_empty(), "nobody waits for an answer");
}

fn cancel(example: &[u8]) {
    let mut client = client_at_seven();
    let call = client.send(hi());
    let request = client.written();
    assert!(client.machine.cancel(call).is_some(), "what it was to send comes back at once");
    same(&client.written(), example);
    assert_eq!(client.machine.in_flight(client.link), 8, "the call stays outstanding");

    let mut server = Server::opened(server_config());
    let (key, _request) = server.call(&request);
    server.machine.pending(key, 41, None);
    let asked = server.feed(example).expect("a cancel");
    assert!(matches!(asked[..], [Asked::Cancel(41)]), "{asked:?}");
    assert_eq!(server.machine.in_flight(), 0);
    client.feed(&server.written()).expect("the cancelled call is answered");
    assert_eq!(client.machine.in_flight(client.link), 7);

    // Rule 4.5: one cancel for each request, crossing its response or not.
    let (key, answered) = server.call(&request);
    server.machine.answer(key, answered.done().outcome());
    server.written();
    let asked = server.feed(example).expect("a cancel that crossed the response");
    assert!(asked.is_empty() && server.written().is_empty(), "it is ignored");
    assert_eq!(server.feed(example).err(), Some(Violation::TooManyCancels));
}

fn response_with_an_error(example: &[u8]) {
    let error = Error::unimplemented(NO_METHOD).not_started(true);
    let mut client = client_at_seven();
    let call = client.send(hi());
    let mut server = Server::opened(server_config());
    let (key, _request) = server.call(&client.written());
    server.machine.answer(key, Err(&error));
    same(&server.written(), example);

    client.feed(example).expect("an answer to an outstanding call");
    let error = client.outcome(call).expect_err("the server refused the call");
    assert_eq!(error.kind(), Code::Unimplemented);
    assert_eq!(error.message(), NO_METHOD);
    assert!(error.is_not_started() && !error.is_application());
    assert_eq!((error.details(), error.retry_after()), (None, None));
}

fn response_with_an_application_error(example: &[u8]) {
    let mut details = Encoder::default();
    details.str("DivideByZero");
    let error = Error::unknown("division by zero")
        .with_details(details.into_bytes(), true)
        .with_retry_after(Duration::from_millis(50));
    let mut client = client_at_seven();
    let call = client.send(hi());
    let mut server = Server::opened(server_config());
    let (key, _request) = server.call(&client.written());
    server.machine.answer(key, Err(&error));
    same(&server.written(), example);

    client.feed(example).expect("an answer to an outstanding call");
    let error = client.outcome(call).expect_err("the method failed");
    assert_eq!((error.kind(), error.message()), (Code::Unknown, "division by zero"));
    assert!(error.is_application() && !error.is_not_started());
    assert_eq!(error.details().map(|bytes| &bytes[..]), Some(&b"\xacDivideByZero"[..]));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(50)));
}

fn tenant() -> Option<Arc<Metadata>> {
    let mut metadata = Metadata::new();
    metadata.insert("tenant", "a");
    Some(Arc::new(metadata))
}

fn request_with_metadata(example: &[u8]) {
    let mut client = client_at_seven();
    let mut outgoing = ping(0);
    outgoing.metadata = tenant();
    client.submit(outgoing, Some(client.now + Duration::from_millis(50)));
    client.transmit();
    same(&client.written(), example);

    let mut server = Server::opened(server_config());
    let (key, request) = server.call(example);
    assert!(!key.is_notification());
    assert_eq!(request.context().method(), "Echo.ping");
    assert_eq!(request.context().deadline(), Some(server.now + Duration::from_millis(50)));
    assert_eq!(request.context().metadata().get("tenant"), Some("a"));
    assert_eq!(request.arguments().take("data").bin().expect("bytes"), b"");
}

fn notification_with_metadata(example: &[u8]) {
    let mut client = Client::opened(client_config(), server_config());
    let mut log = call("Calc.log", |out| {
        msgpack::write_array_len(out.buffer(), 1);
        out.str("hi");
    });
    log.oneway = true;
    log.metadata = tenant();
    client.send(log);
    same(&client.written(), example);

    let mut server = Server::opened(server_config());
    let (key, request) = server.call(example);
    assert!(key.is_notification());
    assert_eq!(request.context().metadata().get("tenant"), Some("a"));
    assert_eq!(request.arguments().take("line").str().expect("text"), "hi");
}

/// What a handler sends back.
fn node() -> Metadata {
    let mut metadata = Metadata::new();
    metadata.insert("node", "b");
    metadata
}

fn response_with_metadata(example: &[u8]) {
    let mut client = client_at_seven();
    let call = client.send(client::Outgoing { wants_metadata: true, ..hi() });
    let mut server = Server::opened(server_config());
    let (key, _) = server.call(&client.written());
    let mut result = Encoder::default();
    result.bin(b"hi");
    assert!(server.machine.answer_with(key, Ok(&mut result), &node()).is_none());
    same(&server.written(), example);

    client.feed(example).expect("an answer to an outstanding call");
    assert_eq!(answer_of(&mut client, call), b"hi");
    assert_eq!(client.metadata.take(), Some(node()));

    // A caller that does not ask for it does not see it.
    let mut client = client_at_seven();
    let call = client.send(hi());
    client.feed(example).expect("an answer to an outstanding call");
    assert_eq!(answer_of(&mut client, call), b"hi");
    assert_eq!(client.metadata, None);
}

fn response_error_with_metadata(example: &[u8]) {
    let mut client = client_at_seven();
    let call = client.send(client::Outgoing { wants_metadata: true, ..hi() });
    let mut server = Server::opened(server_config());
    let (key, _) = server.call(&client.written());
    let error = Error::not_found("gone");
    assert!(server.machine.answer_with(key, Err(&error), &node()).is_none());
    same(&server.written(), example);

    client.feed(example).expect("an answer to an outstanding call");
    let error = client.outcome(call).expect_err("it failed");
    assert_eq!((error.kind(), error.message()), (Code::NotFound, "gone"));
    assert_eq!(client.metadata.take(), Some(node()));
}

// No end of this version sends one; both answer it.
fn ping_message(example: &[u8]) {
    let pong = examples().into_iter().find(|(name, _)| *name == "pong").expect("an example").1;
    let mut server = Server::opened(server_config());
    server.feed(example).expect("a ping");
    same(&server.written(), &pong);
    let mut client = client_at_seven();
    client.feed(example).expect("a ping");
    same(&client.written(), &pong);
}

// That it is written is checked with the ping. One that nobody waits for is ignored.
fn pong(example: &[u8]) {
    let mut server = Server::opened(server_config());
    assert!(server.feed(example).expect("a pong").is_empty());
    assert!(server.written().is_empty());
    let mut client = client_at_seven();
    assert!(client.feed(example).expect("a pong").is_empty());
    assert!(client.written().is_empty());
}

fn go_away(example: &[u8]) {
    let mut server = Server::opened(server_config());
    let mut client = Client::opened(client_config(), server_config());
    for _ in 0..3 {
        client.send(ping(0));
    }
    let asked = server.feed(&client.written()).expect("three calls");
    assert_eq!(asked.len(), 3);
    server.machine.go_away();
    same(&drain(server.machine.output()), example);

    let farewells = client.feed(example).expect("a go-away");
    assert!(matches!(farewells[..], [None]), "{farewells:?}");
    client.send(ping(0));
    assert!(client.written().is_empty(), "no call is sent to a server that goes away");

    let asked = server.feed(example).expect("a client may go away too");
    assert!(matches!(asked[..], [Asked::GoAway(None)]), "{asked:?}");
}

fn go_away_after_a_violation(example: &[u8]) {
    let mut server = Server::opened(server_config());
    let violation = server.feed(&EMPTY_HELLO).expect_err("a second hello");
    assert_eq!(violation, Violation::SecondHello);
    server.machine.violated(&violation);
    same(&server.written(), example);

    let mut client = client_at_seven();
    let farewells = client.feed(example).expect("a go-away");
    assert_eq!(farewells.len(), 1);
    let reason = farewells[0].as_ref().expect("the reason");
    assert_eq!(
        (reason.kind(), reason.message()),
        (Code::Internal, "a second hello (PROTOCOL 1.5)")
    );
    client.machine.violated(client.link, &violation);
    same(&client.written(), example);
}

#[test]
fn conversations_of_the_least_limit_open_too() {
    let config = client::Config::new(0, None, Structs::Compact);
    assert_eq!(config.max_message_size, LEAST);
    let mut server = Server::new(server::Config::new(0, 0));
    server.feed(&Client::connected(config).written()).expect("a right opening");
    assert_eq!(server.machine.structs(), Structs::Compact);
    // The message limit is what an absent one means, so the hello leaves it out; and so it does with windows that are shut.
    let config =
        server::Config { stream_window: 0, connection_window: 0, ..server::Config::new(0, 0) };
    let mut server = Server::new(config);
    server.feed(&PREFACE).expect("a right preface");
    same(&server.written()[8..], &[0, 0, 0, 5, 0x92, 14, 0x81, 0, 1]);
}
