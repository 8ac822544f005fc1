//! Whatever a server does, every call ends, with an error that says what happened.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rpc::{Channel, Code, Error};
use rpc_core::msgpack::write_str;
use tokio::task::JoinHandle;

use crate::support::{
    Doorway, Network, Place, ProbeClient, Said, Wire, go_away, hello, on_each_network, refusal,
    response,
};

on_each_network!(
    what_breaks_the_protocol_ends_every_call,
    a_goodbye_says_why,
    a_violators_calls_are_not_repeated,
    a_server_that_sends_every_call_away_is_asked_ever_more_rarely,
    a_server_that_sends_everyone_away_is_asked_ever_more_rarely,
    an_end_inside_a_frame_is_said,
    an_answer_that_does_not_decode_fails_alone,
    an_answer_that_is_too_large_fails_alone,
    silence_ends_at_the_deadline,
    an_answer_behind_the_deadline_harms_nobody,
    a_server_that_accepts_no_calls_is_waited_for_until_the_deadline,
    a_ping_is_answered_beside_the_calls,
    a_server_that_does_not_read_is_waited_for_until_the_deadline,
    what_may_be_ignored_is_ignored,
);

type Sums = JoinHandle<Vec<Result<i64, Error>>>;

/// A client with three calls at a server that is played by hand.
async fn three_calls(network: Network) -> (Place, Doorway, ProbeClient, Wire, Vec<u32>, Sums) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let client = ProbeClient::new(Channel::builder(doorway.address()).connect_lazy());
    let calls = tokio::spawn(join_all((0..3).map(|number| client.add(number, 0))));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(wire.hear_request("Probe.add").await);
    }
    (place, doorway, client, wire, ids, calls)
}

/// Asserts that all calls ended with this kind, and that their errors say this.
async fn assert_ended(calls: Sums, kind: Code, text: &str) {
    for outcome in calls.await.expect("it does not panic") {
        let error = outcome.expect_err("the connection is gone");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(text), "{error} does not say {text}");
    }
}

async fn what_breaks_the_protocol_ends_every_call(network: Network) {
    let framed = |message: Vec<u8>| {
        let mut frame = u32::try_from(message.len()).expect("it is small").to_be_bytes().to_vec();
        frame.extend(message);
        frame
    };
    for (bytes, reason) in [
        (framed(response(0xfff_0000, 1)), "which is not outstanding (PROTOCOL 4.3)"),
        (framed(refusal(0xfff_0000, 13, "no", 0)), "which is not outstanding (PROTOCOL 4.3)"),
        (framed(hello(1)), "a second hello (PROTOCOL 1.5)"),
        (vec![0; 4], "a frame of length 0 (PROTOCOL 2.2)"),
        (b"garbage, garbage".to_vec(), "(PROTOCOL 2.3)"),
        (
            framed(vec![0x94, 0, 1, 0xa1, b'm', 0x90]),
            "a message of type 0 from the wrong side (PROTOCOL 3.4)",
        ),
        // One for each of its calls may be meant for a stream that it does not know of.
        (framed(vec![0x93, 6, 1, 0xc0]).repeat(4), "(PROTOCOL 10.8)"),
        (
            framed(vec![0x94, 8, 1, 0xc0, 0xc0]),
            "a message of type 8 from the wrong side (PROTOCOL 3.4)",
        ),
        (framed(vec![0x93, 21, 1, 0xc0]), "unknown message type 21 (PROTOCOL 3.4)"),
        (framed(vec![0x94, 1, 0, 7, 0xc0]), "the error of a message: expected an array"),
        (framed(vec![0x93, 1, 0, 0xc0]), "a message of type 1 with 3 elements (PROTOCOL 3.3)"),
    ] {
        let (_place, _doorway, client, mut wire, _, calls) = three_calls(network).await;
        wire.send(&bytes).await;
        assert_ended(calls, Code::Internal, reason).await;
        // PROTOCOL 9.4
        match wire.hear().await {
            Said::GoAway { accepted: 0, reason: Some(told) } => {
                assert!(told.contains(reason), "{told} does not say {reason}");
            }
            other => unreachable!("{other:?} instead of a goodbye: {reason}"),
        }
        assert_eq!(wire.hear().await, Said::Closed);
        drop(client);
    }
}

async fn a_goodbye_says_why(network: Network) {
    let (_place, _doorway, _client, mut wire, _, calls) = three_calls(network).await;
    wire.say(&go_away(3, Some("you broke a rule"))).await;
    drop(wire);
    assert_ended(calls, Code::Unavailable, "the server closed the connection: you broke a rule")
        .await;
}

async fn a_violators_calls_are_not_repeated(network: Network) {
    let (_place, doorway, client, mut wire, ids, calls) = three_calls(network).await;
    wire.say(&response(ids[0], 7)).await;
    // It says that it took one call and that the next one broke a rule: it would do so again.
    wire.say(&go_away(1, Some("you broke a rule"))).await;
    drop(wire);
    let mut outcomes = calls.await.expect("it does not panic");
    for outcome in outcomes.split_off(1) {
        let error = outcome.expect_err("it is not repeated");
        assert!(error.is_unavailable() && error.is_not_started(), "{error:?}");
        assert!(error.message().contains("you broke a rule"), "{error}");
    }
    assert_eq!(outcomes.remove(0).expect("it was answered"), 7);
    // The next call begins anew.
    let sum = tokio::spawn(client.add(1, 2));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let id = wire.hear_request("Probe.add").await;
    wire.say(&response(id, 3)).await;
    assert_eq!(sum.await.expect("it does not panic").expect("it was answered"), 3);
}

/// How a server that is asked by one call sends it away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    /// When it has asked.
    ToTheCall,
    /// Right behind the hello.
    ToEveryone,
}

async fn a_server_that_sends_every_call_away_is_asked_ever_more_rarely(network: Network) {
    asked_ever_more_rarely(network, Goodbye::ToTheCall).await;
}

async fn a_server_that_sends_everyone_away_is_asked_ever_more_rarely(network: Network) {
    asked_ever_more_rarely(network, Goodbye::ToEveryone).await;
}

async fn asked_ever_more_rarely(network: Network, goodbye: Goodbye) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let client = ProbeClient::new(Channel::builder(doorway.address()).connect_lazy());
    let mut goodbyes = 0;
    let server = async {
        let mut pause = Duration::from_millis(10);
        let mut last_goodbye: Option<Instant> = None;
        loop {
            let mut wire = doorway.accept().await;
            if let Some(last_goodbye) = last_goodbye {
                // A pause is shortened at random by up to its half.
                let waited = last_goodbye.elapsed();
                assert!(waited >= pause / 2, "it came back after {waited:?}, not {pause:?}");
                pause *= 2;
            }
            match goodbye {
                Goodbye::ToTheCall => {
                    wire.welcome().await;
                    // Whatever it is, it is read: a socket that is closed with bytes unread may lose the goodbye.
                    wire.hear().await;
                    last_goodbye = Some(Instant::now());
                    wire.say(&go_away(0, None)).await;
                }
                Goodbye::ToEveryone => {
                    wire.preface().await.expect("it introduces itself");
                    assert_eq!(wire.hear().await, Said::Hello);
                    let mut bytes = rpc_core::frame::preface(1, 0).to_vec();
                    for message in [hello(1_024), go_away(0, None)] {
                        let length = u32::try_from(message.len()).expect("it is small");
                        bytes.extend_from_slice(&length.to_be_bytes());
                        bytes.extend_from_slice(&message);
                    }
                    last_goodbye = Some(Instant::now());
                    wire.send(&bytes).await;
                }
            }
            goodbyes += 1;
        }
    };
    let error = tokio::select! {
        biased;
        outcome = client.add(1, 2).timeout(Duration::from_millis(500)) => {
            outcome.expect_err("it is always sent away")
        }
        () = server => unreachable!("it serves for ever"),
    };
    assert!(error.is_timeout() && error.is_not_started(), "{error:?}");
    // At once, and after at least 5, 10, 20, 40, 80 and 160 ms; there is no time for 320 more.
    assert!((2..=7).contains(&goodbyes), "{goodbyes} connections");
}

async fn an_end_inside_a_frame_is_said(network: Network) {
    for bytes in [&[0, 0][..], &[0, 0, 0, 9, 0x94], &[0, 0, 0, 9]] {
        let (_place, _doorway, _client, mut wire, _, calls) = three_calls(network).await;
        wire.send(bytes).await;
        drop(wire);
        assert_ended(calls, Code::Unavailable, "the stream ended inside a frame").await;
    }
    let (_place, _doorway, _client, wire, _, calls) = three_calls(network).await;
    drop(wire);
    assert_ended(calls, Code::Unavailable, "the server closed the connection").await;
}

async fn an_answer_that_does_not_decode_fails_alone(network: Network) {
    let (_place, _doorway, _client, mut wire, ids, calls) = three_calls(network).await;
    // The head of an answer is that of one with a number of one byte.
    let head = |id| {
        let mut answer = response(id, 0);
        answer.pop();
        answer
    };
    let mut text = head(ids[0]);
    write_str(&mut text, "three");
    wire.say(&text).await;
    let mut deep = head(ids[1]);
    deep.resize(100_000, 0x91);
    wire.say(&deep).await;
    wire.say(&response(ids[2], 5)).await;
    let outcomes = calls.await.expect("it does not panic");
    for (outcome, why) in
        outcomes.iter().zip(["the answer does not decode", "nest deeper than 128"])
    {
        let error = outcome.as_ref().expect_err("it does not decode");
        assert_eq!(error.kind(), Code::Internal);
        assert!(error.message().contains(why), "{error} does not say {why}");
    }
    assert_eq!(*outcomes[2].as_ref().expect("it was answered"), 5);
}

async fn an_answer_that_is_too_large_fails_alone(network: Network) {
    let (_place, _doorway, _client, mut wire, ids, calls) = three_calls(network).await;
    let mut huge = response(ids[1], 1);
    huge.resize((16 << 20) + 1, 0);
    wire.say(&huge).await;
    wire.say(&response(ids[2], 5)).await;
    wire.say(&response(ids[0], 4)).await;
    let outcomes = calls.await.expect("it does not panic");
    let error = outcomes[1].as_ref().expect_err("it is too large");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    assert_eq!(
        error.message(),
        "the answer has 16777217 bytes, more than the 16777216 that this channel accepts; raise it with `max_message_size` on the channel's builder"
    );
    assert_eq!(*outcomes[0].as_ref().expect("it was answered"), 4);
    assert_eq!(*outcomes[2].as_ref().expect("it was answered"), 5);
}

const SHORT: Duration = Duration::from_millis(30);

async fn silence_ends_at_the_deadline(network: Network) {
    let (_place, _doorway, client, mut wire, _, calls) = three_calls(network).await;
    let error = client.add(1, 2).timeout(SHORT).await.expect_err("nobody answers");
    assert!(error.is_timeout());
    let id = wire.hear_request("Probe.add").await;
    assert_eq!(wire.hear().await, Said::Cancel { id });
    calls.abort();
}

async fn an_answer_behind_the_deadline_harms_nobody(network: Network) {
    let (_place, _doorway, client, mut wire, ids, calls) = three_calls(network).await;
    for _ in 0..3 {
        client.add(1, 2).timeout(SHORT).await.expect_err("nobody answers");
        let id = wire.hear_request("Probe.add").await;
        assert_eq!(wire.hear().await, Said::Cancel { id });
        // The cancelled call is outstanding until it is answered, with whatever came first.
        wire.say(&response(id, 99)).await;
    }
    for (id, number) in ids.into_iter().zip(10..) {
        wire.say(&response(id, number)).await;
    }
    let outcomes: Result<Vec<_>, _> = calls.await.expect("it does not panic").into_iter().collect();
    assert_eq!(outcomes.expect("all are answered"), [10, 11, 12]);
}

async fn a_server_that_accepts_no_calls_is_waited_for_until_the_deadline(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let (connected, wire) = tokio::join!(Channel::connect(doorway.address()), async {
        let mut wire = doorway.accept().await;
        wire.send(&rpc_core::frame::preface(1, 0)).await;
        wire.say(&hello(0)).await;
        wire
    });
    let client = ProbeClient::new(connected.expect("it introduced itself"));
    let error = client.add(1, 2).timeout(SHORT).await.expect_err("it is never its turn");
    assert_eq!(error.message(), "the deadline passed while the call waited for its turn");
    drop(wire);
}

async fn a_ping_is_answered_beside_the_calls(network: Network) {
    let (_place, _doorway, _client, mut wire, ids, calls) = three_calls(network).await;
    wire.say(&[0x93, 11, 7, 0xc0]).await;
    assert_eq!(wire.hear().await, Said::Pong(7));
    for id in ids {
        wire.say(&response(id, 0)).await;
    }
    assert_eq!(calls.await.expect("it does not panic").len(), 3);
}

async fn a_server_that_does_not_read_is_waited_for_until_the_deadline(network: Network) {
    let (_place, _doorway, client, wire, _, calls) = three_calls(network).await;
    let data = vec![0; 4 << 20];
    let stuck = join_all((0..4).map(|_| client.length(&data).timeout(SHORT))).await;
    assert!(stuck.iter().all(|end| end.as_ref().is_err_and(Error::is_timeout)), "{stuck:?}");
    drop(wire);
    assert_ended(calls, Code::Unavailable, "the connection").await;
}

async fn what_may_be_ignored_is_ignored(network: Network) {
    let (_place, _doorway, _client, mut wire, ids, calls) = three_calls(network).await;
    wire.say(&[0x92, 127, 0xc1]).await;
    wire.say(&[0x93, 12, 1, 0xc0]).await;
    for id in ids {
        wire.say(&response(id, 1)).await;
    }
    for sum in calls.await.expect("it does not panic") {
        assert_eq!(sum.expect("it was answered"), 1);
    }
}
