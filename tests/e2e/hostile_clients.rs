//! A client that breaks the protocol is told which rule, and shown out; nobody else notices. PROTOCOL 1 to 4, 9.4.

use crate::support::{
    Event, Network, Said, Served, Wire, hello, numbers, on_each_network, request, serve,
};

on_each_network!(
    another_protocol_is_closed_without_an_answer,
    another_version_is_answered_with_ours,
    a_broken_opening_is_named,
    a_hello_is_small,
    a_broken_frame_is_named,
    a_broken_message_is_named,
    an_end_inside_a_frame_is_named,
    handlers_of_a_violator_are_dropped,
    what_is_wrong_inside_a_payload_fails_its_call_alone,
    what_may_be_ignored_is_ignored,
    byte_by_byte_is_as_good_as_at_once,
);

/// Asserts that the server says goodbye with this reason, closes, and serves others.
async fn assert_shown_out(served: &Served, mut wire: Wire, accepted: u64, reason: &str) {
    match wire.hear().await {
        Said::GoAway { accepted: told, reason: Some(text) } => {
            assert_eq!(told, accepted, "{reason}");
            assert!(text.contains(reason), "{text} does not say {reason}");
        }
        other => unreachable!("{other:?} instead of a goodbye: {reason}"),
    }
    assert_eq!(wire.hear().await, Said::Closed);
    served.assert_serves().await;
}

async fn another_protocol_is_closed_without_an_answer(network: Network) {
    let served = serve(network).await;
    let garbage: Vec<u8> = (0..4096_u32).map(|index| (index * 31 % 251).to_le_bytes()[0]).collect();
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"\x94\0\x01",
        b"X",
        b"\0RPD\0\x01\0\0",
        &garbage,
    ] {
        let mut wire = served.wire().await;
        wire.send(bytes).await;
        assert_eq!(wire.preface().await, None);
        served.assert_serves().await;
    }
}

async fn another_version_is_answered_with_ours(network: Network) {
    let served = serve(network).await;
    for (major, minor) in [(0, 9), (2, 0), (u16::MAX, u16::MAX)] {
        let mut wire = served.wire().await;
        wire.send(&rpc_core::frame::preface(major, minor)).await;
        assert_eq!(wire.preface().await, Some(rpc_core::frame::preface(1, 0)));
        assert_eq!(wire.hear().await, Said::Closed);
    }
    // A later minor version is fine.
    let mut wire = served.wire().await;
    wire.send(&rpc_core::frame::preface(1, 7)).await;
    wire.say(&hello(0)).await;
    assert_eq!(wire.preface().await, Some(rpc_core::frame::preface(1, 0)));
    assert_eq!(wire.hear().await, Said::Hello);
    wire.say(&request(1, "Probe.add", numbers(&[1, 2]))).await;
    assert_eq!(wire.hear().await, Said::number(1, 3));
}

async fn a_broken_opening_is_named(network: Network) {
    let served = serve(network).await;
    for (message, reason) in [
        (request(1, "Probe.add", numbers(&[1, 2])), "has type 0, not a hello (PROTOCOL 1.5)"),
        (vec![0x93, 11, 1, 0xc0], "has type 11, not a hello (PROTOCOL 1.5)"),
        (vec![0x92, 14, 0x90], "expected a map, found an array (PROTOCOL 3.3)"),
        (vec![0xc1], "(PROTOCOL 3.3)"),
    ] {
        let mut wire = served.wire().await;
        wire.send(&rpc_core::frame::preface(1, 0)).await;
        wire.preface().await.expect("it speaks the protocol");
        assert_eq!(wire.hear().await, Said::Hello);
        wire.say(&message).await;
        assert_shown_out(&served, wire, 0, reason).await;
    }
    let mut wire = served.introduced().await;
    wire.say(&hello(0)).await;
    assert_shown_out(&served, wire, 0, "a second hello (PROTOCOL 1.5)").await;
}

/// A stranger does not have a message kept for it that is as large as those of who is served.
async fn a_hello_is_small(network: Network) {
    let served = serve(network).await;
    let mut wire = served.wire().await;
    wire.send(&rpc_core::frame::preface(1, 0)).await;
    wire.preface().await.expect("it speaks the protocol");
    assert_eq!(wire.hear().await, Said::Hello);
    // Its beginning is enough: the rest need not come.
    wire.send(&[0, 1, 0, 1]).await;
    wire.send(&[&[0x92, 14, 0x80][..], &[0xc0; 64]].concat()).await;
    let reason = "a message of type 14 with 65537 bytes";
    assert_shown_out(&served, wire, 0, reason).await;
}

async fn a_broken_frame_is_named(network: Network) {
    let served = serve(network).await;
    for (prefix, reason) in [
        ([0, 0, 0, 0], "a frame of length 0 (PROTOCOL 2.2)"),
        (
            [0xff; 4],
            "a frame of 4294967295 bytes, more than the 1073741824 that any end accepts (PROTOCOL 2.3)",
        ),
        (*b"GET ", "(PROTOCOL 2.3)"),
    ] {
        let mut wire = served.introduced().await;
        wire.send(&prefix).await;
        assert_shown_out(&served, wire, 0, reason).await;
    }
    // Within what any end accepts, and above the limit: fine where it belongs to a call, which is then told.
    let mut wire = served.introduced().await;
    wire.send(&[0x30, 0, 0, 0]).await;
    wire.send(&request(9, "Probe.add", numbers(&[1; 15]))).await;
    assert!(matches!(wire.hear().await, Said::Failure { id: 9, code: 8, flags: 1, .. }));
    let mut wire = served.introduced().await;
    wire.send(&[0x30, 0, 0, 0]).await;
    wire.send(&[0x93, 11, 0].repeat(20)).await;
    assert_shown_out(
        &served,
        wire,
        0,
        "a message of type 11 with 805306368 bytes, more than the limit (PROTOCOL 2.4)",
    )
    .await;
}

async fn a_broken_message_is_named(network: Network) {
    let served = serve(network).await;
    let nested = [vec![0x95, 3, 1, 0xa1, b'm', 0x81, 0xa1, b'k'], vec![0x91; 100_000]].concat();
    for (message, reason) in [
        (vec![0xc0], "expected an array, found nil (PROTOCOL 3.3)"),
        (vec![0x90], "(PROTOCOL 3.3)"),
        (vec![0x93, 0, 1, 0xa1, b'm'], "a message of type 0 with 3 elements (PROTOCOL 3.3)"),
        (
            vec![0x94, 0, 0xa1, b'i', 0xa1, b'm', 0x90],
            "the id of a message: expected an unsigned integer, found a string (PROTOCOL 3.3)",
        ),
        (vec![0x94, 0, 1, 7, 0x90], "the method of a message: expected a string"),
        (vec![0x95, 3, 1, 0xa1, b'm', 0x90, 0x90], "the metadata of a message: expected a map"),
        (
            nested,
            "nest deeper than 128 levels, as `max_nesting` of the receiver allows (PROTOCOL 3.3)",
        ),
        (vec![0x94, 1, 1, 0xc0, 0xc0], "from the wrong side (PROTOCOL 3.4)"),
        (vec![0x93, 21, 1, 0xc0], "unknown message type 21 (PROTOCOL 3.4)"),
        (
            vec![0x93, 20, 1, 0xc0],
            "where none is under way; does this end ask for keys? (PROTOCOL 12.1)",
        ),
        (vec![0x91, 63], "unknown message type 63 (PROTOCOL 3.4)"),
        (vec![0x91, 0xcc, 200], "unknown message type 200 (PROTOCOL 3.4)"),
        (vec![0xdd, 0xff, 0xff, 0xff, 0xff, 0], "announces 4294967295 elements"),
    ] {
        let mut wire = served.introduced().await;
        wire.say(&message).await;
        assert_shown_out(&served, wire, 0, reason).await;
    }
}

async fn an_end_inside_a_frame_is_named(network: Network) {
    let mut served = serve(network).await;
    let whole = request(1, "Probe.hold", numbers(&[1]));
    for cut in [1, 3, 4, 10] {
        let mut wire = served.introduced().await;
        wire.say(&whole).await;
        assert_eq!(served.event().await, Event::Started(1));
        let frame = [&[0, 0, 0, 20][..], &whole].concat();
        wire.send(&frame[..cut]).await;
        wire.finish().await;
        assert_shown_out(&served, wire, 1, "the stream ended inside a frame (PROTOCOL 2.6)").await;
        assert_eq!(served.event().await, Event::Dropped(1));
    }
    let mut wire = served.wire().await;
    wire.send(b"\0RPC").await;
    wire.finish().await;
    assert_eq!(wire.preface().await, None);
    served.assert_serves().await;
}

async fn handlers_of_a_violator_are_dropped(network: Network) {
    let mut served = serve(network).await;
    let mut wire = served.introduced().await;
    for (id, method) in [(1, "Probe.hold"), (2, "Probe.hold_spawned"), (3, "Probe.hold_blocking")] {
        wire.say(&request(id, method, numbers(&[id.into()]))).await;
    }
    assert_eq!(served.sorted_events(3).await, [1, 2, 3].map(Event::Started));
    wire.say(&request(2, "Probe.add", numbers(&[1, 2]))).await;
    let ends = [Event::Dropped(1), Event::Dropped(2), Event::Cancelled(3)];
    assert_eq!(served.sorted_events(3).await, ends);
    assert_shown_out(&served, wire, 3, "a request with id 2, which is outstanding (PROTOCOL 4.1)")
        .await;
}

async fn what_is_wrong_inside_a_payload_fails_its_call_alone(network: Network) {
    let served = serve(network).await;
    let mut wire = served.introduced().await;
    let deep = |out: &mut Vec<u8>| {
        out.push(0x91);
        out.resize(out.len() + 100_000, 0x91);
        out.push(0xc0);
    };
    wire.say(&request(1, "Probe.mirror", deep)).await;
    let Said::Failure { id: 1, code: 3, message, flags: 1 } = wire.hear().await else {
        unreachable!("it is refused")
    };
    assert_eq!(
        message,
        "argument \"points\" (position 1) does not decode: arrays and maps nest deeper than 128 levels, as `max_nesting` of the receiver allows"
    );
    for arguments in [
        &[][..],
        &[0xc1],
        &[0xc0],
        &[0x92, 1],
        &[0xdd, 0xff, 0xff, 0xff, 0xff],
        &[0x91, 0xc6, 0xff, 0xff, 0xff, 0xff, 1],
        &[0x81, 0xa1, b'a'],
        &[0x92, 1, 0xa1, 0xff],
    ] {
        wire.say(&request(2, "Probe.add", |out| out.extend_from_slice(arguments))).await;
        let said = wire.hear().await;
        assert!(matches!(said, Said::Failure { id: 2, code: 3, .. }), "{arguments:02x?}: {said:?}");
    }
    // By name, in any order, with more than the method has; and more than it has by position.
    wire.say(&request(3, "Probe.add", |out| {
        out.extend_from_slice(b"\x83\xa1b\x02\xa1x\x90\xa1a\x01")
    }))
    .await;
    assert_eq!(wire.hear().await, Said::number(3, 3));
    wire.say(&request(4, "Probe.add", numbers(&[1, 2, 3]))).await;
    assert_eq!(wire.hear().await, Said::number(4, 3));
}

async fn what_may_be_ignored_is_ignored(network: Network) {
    let served = serve(network).await;
    let mut wire = served.introduced().await;
    wire.say(&request(77, "Probe.add", numbers(&[1, 2]))).await;
    assert_eq!(wire.hear().await, Said::number(77, 3));
    // A cancel that crossed its answer, a pong that nobody asked for, an extension, a go-away of a client.
    for message in [
        &[0x93, 6, 77, 0xc0][..],
        &[0x93, 12, 1, 0xc0],
        &[0x92, 64, 0xc1],
        &[0x94, 13, 0, 0xc0, 0xc0],
    ] {
        wire.say(message).await;
    }
    wire.say(&[0x93, 11, 42, 0xc0]).await;
    assert_eq!(wire.hear().await, Said::Pong(42));
    wire.say(&request(1, "Probe.add", numbers(&[1, 2]))).await;
    assert_eq!(wire.hear().await, Said::number(1, 3));
}

async fn byte_by_byte_is_as_good_as_at_once(network: Network) {
    let served = serve(network).await;
    let mut wire = served.wire().await;
    let mut bytes = rpc_core::frame::preface(1, 0).to_vec();
    for message in [hello(0), request(1, "Probe.add", numbers(&[1, 2])), vec![0x93, 11, 5, 0xc0]] {
        bytes.extend_from_slice(&u32::try_from(message.len()).expect("it is small").to_be_bytes());
        bytes.extend_from_slice(&message);
    }
    for byte in bytes {
        wire.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    wire.preface().await.expect("it speaks the protocol");
    assert_eq!(wire.hear().await, Said::Hello);
    assert_eq!(wire.hear().await, Said::number(1, 3));
    assert_eq!(wire.hear().await, Said::Pong(5));
}
