//! A deadline covers everything, at both ends, and reaches the calls that a handler makes.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use rpc::{Channel, Code};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::support::{
    Event, Network, Place, ProbeClient, ProbeDispatcher, Said, Wire, numbers, on_each_network,
    poll_once, request, request_with_metadata, serve, service, within, within_a_day,
};

on_each_network!(
    a_caller_waits_no_longer_than_it_said,
    a_server_drops_a_handler_whose_deadline_passed,
    a_clients_default_holds_at_the_server,
    nested_calls_inherit_the_deadline,
    waiting_for_a_connection_counts,
    waiting_for_its_turn_counts,
    a_deadline_that_has_passed_sends_nothing,
    a_call_made_after_its_task_was_blocked_has_all_its_time,
);

const SHORT: Duration = Duration::from_millis(30);

/// Long enough for a handler to start on another thread, short enough to be awaited.
const BRIEF: Duration = Duration::from_millis(300);

async fn a_caller_waits_no_longer_than_it_said(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    let error = client.hold(1).timeout(SHORT).await.expect_err("nobody releases it");
    assert_eq!(error.kind(), Code::DeadlineExceeded);
    assert!(error.is_timeout() && !error.is_not_started(), "{error:?}");
    assert_eq!(served.event().await, Event::Started(1));
    assert_eq!(served.event().await, Event::Dropped(1));
    let error = client.hold_spawned(2).timeout(BRIEF).await.expect_err("nobody releases it");
    assert!(error.is_timeout());
    assert_eq!(served.event().await, Event::Started(2));
    assert_eq!(served.event().await, Event::Dropped(2));
    // A timeout of the channel, and the other calls go on.
    let short = ProbeClient::new(client.channel().clone().timeout(BRIEF));
    let held = tokio::spawn(client.hold(4));
    assert!(short.hold_blocking(3).await.expect_err("it waits for its end").is_timeout());
    let events = served.sorted_events(3).await;
    assert_eq!(events, [Event::Started(3), Event::Started(4), Event::Cancelled(3)]);
    served.state.release(4);
    assert_eq!(held.await.expect("it does not panic").expect("it answers"), 4);
}

async fn a_server_drops_a_handler_whose_deadline_passed(network: Network) {
    let mut served = serve(network).await;
    let mut wire = served.introduced().await;
    for (id, method) in [(5, "Probe.hold"), (6, "Probe.hold_spawned"), (7, "Probe.hold_blocking")] {
        let request = request_with_metadata(id, method, 300_000, ("a", "b"), id.into());
        wire.say(&request).await;
        assert_eq!(served.event().await, Event::Started(id));
        let end = if id == 7 { Event::Cancelled(id) } else { Event::Dropped(id) };
        assert_eq!(served.event().await, end);
        // The answer comes by itself, though the client says nothing more.
        let message = "the deadline passed while the handler ran".to_owned();
        let started = Instant::now();
        assert_eq!(wire.hear().await, Said::Failure { id, code: 4, message, flags: 0 });
        assert!(started.elapsed() < Duration::from_secs(2), "it comes at once");
    }
}

async fn a_clients_default_holds_at_the_server(network: Network) {
    let mut served = serve(network).await;
    let mut wire = served.wire().await;
    wire.send(&rpc_core::frame::preface(1, 0)).await;
    // A default timeout of 20 ms.
    wire.say(&[0x92, 14, 0x81, 4, 0xcd, 0x4e, 0x20]).await;
    wire.preface().await.expect("it speaks the protocol");
    assert_eq!(wire.hear().await, Said::Hello);
    wire.say(&request(1, "Probe.hold", numbers(&[1]))).await;
    assert_eq!(served.event().await, Event::Started(1));
    assert_eq!(served.event().await, Event::Dropped(1));
    assert!(matches!(wire.hear().await, Said::Failure { id: 1, code: 4, .. }));
}

async fn nested_calls_inherit_the_deadline(network: Network) {
    let served = serve(network).await;
    let client = served.client().await;
    served.state.upstream.set(served.client().await).expect("it is set once");
    let timeout = Duration::from_secs(5);
    let relayed = [
        client.relay(false).timeout(timeout).await.expect("it answers"),
        client.relay(true).timeout(timeout).await.expect("it answers"),
        client.relay_spawned().timeout(timeout).await.expect("it answers"),
    ];
    for (left, seen) in relayed {
        let (left, upstream) = (left.expect("it has one"), seen.time_left.expect("it has one"));
        assert!(upstream <= left && left <= timeout, "{upstream:?} of {left:?}");
    }
    // Its own timeout is the shorter one where the handler has longer.
    let (_, seen) =
        client.relay(false).timeout(Duration::from_secs(900)).await.expect("it answers");
    assert!(seen.time_left.expect("it has one") <= Duration::from_secs(30));
    // What one handler leaves on the thread, the next call does not inherit.
    let seen = client.seen().timeout(Duration::from_secs(500)).await.expect("it answers");
    assert!(seen.time_left.expect("it has one") > Duration::from_secs(400));
}

async fn waiting_for_a_connection_counts(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    // The system accepts; nobody answers.
    let client = ProbeClient::new(Channel::builder(doorway.address()).connect_lazy());
    let error = client.add(1, 2).timeout(SHORT).await.expect_err("nobody answers");
    assert_eq!(error.kind(), Code::DeadlineExceeded);
}

async fn waiting_for_its_turn_counts(network: Network) {
    let mut served = crate::support::Served::with(Place::new(network), |server| {
        server.max_calls_per_connection(1)
    })
    .await;
    let client = served.client().await;
    let held = tokio::spawn(client.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    let error = client.hold(2).timeout(SHORT).await.expect_err("the other is first");
    assert_eq!(error.message(), "the deadline passed while the call waited for its turn");
    assert!(error.is_timeout() && error.is_not_started());
    served.state.release(1);
    assert_eq!(held.await.expect("it does not panic").expect("it answers"), 1);
    assert_eq!(served.event().await, Event::Ended(1));
    served.assert_serves().await;
    assert!(served.events.try_recv().is_err(), "the second call never began");
}

async fn a_deadline_that_has_passed_sends_nothing(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    let error = client.hold(1).timeout(Duration::ZERO).await.expect_err("it is late");
    assert_eq!(error.message(), "the deadline had passed before the call was sent");
    assert!(error.is_timeout() && error.is_not_started());
    assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
    assert!(served.events.try_recv().is_err(), "nothing began");
}

async fn a_call_made_after_its_task_was_blocked_has_all_its_time(network: Network) {
    let served = serve(network).await;
    let client = served.client().await;
    assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
    // Two calls wake the channel's task, which cannot run before the thread is free again.
    let (one, other, last) = tokio::join!(client.add(1, 1), client.add(2, 2), async {
        std::thread::sleep(3 * BRIEF);
        client.add(3, 3).timeout(2 * BRIEF).await
    });
    for (outcome, sum) in [(one, 2), (other, 4), (last, 6)] {
        assert_eq!(outcome.expect("it is not late"), sum);
    }
}

/// Gives 16 KiB a read at most, as a stream of TLS records does.
struct Piecemeal(DuplexStream);

impl AsyncRead for Piecemeal {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut record = [0; 16 << 10];
        let size = record.len().min(buffer.remaining());
        let mut record = ReadBuf::new(&mut record[..size]);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut record))?;
        buffer.put_slice(record.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Piecemeal {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_deadline_holds_though_reading_used_up_the_turn_that_noted_it() {
    within(async {
        let (steward, _state, mut events) = service();
        // The pipe takes all at once, so that the server finds all of it in one turn.
        let (client, server) = tokio::io::duplex(16 << 20);
        let dispatchers: Vec<Arc<dyn rpc::Dispatcher>> =
            vec![Arc::new(ProbeDispatcher::new(steward))];
        let task = tokio::spawn(rpc::serve_stream(Piecemeal(server), dispatchers));
        let mut wire = Wire::new(client);
        wire.introduce().await;
        wire.say(&[0x93, 11, 1, 0xc0]).await;
        assert_eq!(wire.hear().await, Said::Pong(1));

        let mut burst = Vec::new();
        // A task may read 128 times a turn; this request takes several times as many reads.
        let large = request(2, "Probe.length", |out| {
            out.extend_from_slice(&[0x91, 0xc6, 0, 0x80, 0, 0]);
            out.resize(out.len() + (8 << 20), 0);
        });
        let micros = u64::try_from(BRIEF.as_micros()).expect("it is short");
        for message in [request_with_metadata(1, "Probe.hold", micros, ("a", "b"), 1), large] {
            let length = u32::try_from(message.len()).expect("it is small");
            burst.extend_from_slice(&length.to_be_bytes());
            burst.extend_from_slice(&message);
        }
        let before = Instant::now();
        wire.send(&burst).await;
        assert_eq!(events.recv().await, Some(Event::Started(1)));
        assert_eq!(events.recv().await, Some(Event::Dropped(1)));
        assert!(before.elapsed() < 10 * BRIEF, "it took {:?}", before.elapsed());
        let (first, second) = (wire.hear().await, wire.hear().await);
        for said in [first, second] {
            let is_expected = said == Said::number(2, 8 << 20)
                || matches!(said, Said::Failure { id: 1, code: 4, .. });
            assert!(is_expected, "{said:?}");
        }
        task.abort();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_timeout_counts_from_the_first_poll() {
    within_a_day(async {
        let client = ProbeClient::local(service().0);
        let call = client.add(1, 2).timeout(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(call.await.expect("it is not late"), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn paused_time_is_the_only_time() {
    within_a_day(async {
        let (steward, state, mut events) = service();
        let client = ProbeClient::local(steward);
        assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
        // Far from the system's clock, and longer than idle slots are kept.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        // Two calls in flight make the channel's task put its flush off, and one comes in between its turns.
        let held = [5, 6].map(|key| tokio::spawn(client.hold(key)));
        for key in [5, 6] {
            assert_eq!(events.recv().await, Some(Event::Started(key)));
        }
        let mut first = Box::pin(client.add(1, 2));
        assert!(poll_once(&mut first).await.is_pending());
        let between = tokio::spawn(client.add(3, 4));
        assert_eq!(between.await.expect("no panic").expect("it is not late"), 7);
        assert_eq!(first.await.expect("it is not late"), 3);
        for (key, call) in (5..).zip(held) {
            state.release(key);
            assert_eq!(call.await.expect("no panic").expect("it is not late"), key);
            assert_eq!(events.recv().await, Some(Event::Ended(key)));
        }
        let before = tokio::time::Instant::now();
        let error = client.hold(1).await.expect_err("nobody releases it");
        assert!(error.is_timeout() && before.elapsed() >= Duration::from_secs(30));
        assert!(before.elapsed() < Duration::from_secs(31));
        assert_eq!(events.recv().await, Some(Event::Started(1)));
        assert_eq!(events.recv().await, Some(Event::Dropped(1)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_introduces_itself_is_given_up() {
    within_a_day(async {
        let (client, server) = tokio::io::duplex(64);
        let client = ProbeClient::new(Channel::from_stream(client));
        let before = tokio::time::Instant::now();
        let error = client.hold(1).await.expect_err("nobody answers");
        assert_eq!(error.kind(), Code::Unavailable);
        assert!(error.message().contains("no connection within 10s"), "{error}");
        assert!(before.elapsed() < Duration::from_secs(11));
        drop(server);
    })
    .await;
}
