//! A connection that ends takes its calls along at once; the next call makes a new one.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::future::join_all;
use rpc::{Channel, Code};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    sync::{mpsc, oneshot},
};

use crate::support::{
    Event, Network, Place, ProbeClient, ProbeDispatcher, Served, go_away, on_each_network,
    response, serve, service, within,
};

on_each_network!(
    a_killed_server_fails_every_call_at_once,
    the_next_call_connects_to_the_server_that_came_back,
    calls_behind_the_last_accepted_one_go_to_the_next_connection,
    clones_share_one_connection,
);

async fn a_killed_server_fails_every_call_at_once(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    let calls: Vec<_> = (0..5).map(|key| tokio::spawn(client.hold(key))).collect();
    assert_eq!(served.sorted_events(5).await, [0, 1, 2, 3, 4].map(Event::Started));
    served.task.abort();
    for call in join_all(calls).await {
        let error = call.expect("it does not panic").expect_err("the server is gone");
        assert_eq!(error.kind(), Code::Unavailable);
        assert!(!error.is_not_started() && !error.is_retryable(), "they ran: {error:?}");
        assert!(error.message().contains("connection"), "{error}");
    }
    assert_eq!(served.sorted_events(5).await, [0, 1, 2, 3, 4].map(Event::Dropped));
}

async fn the_next_call_connects_to_the_server_that_came_back(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    for round in 0..3 {
        let call = tokio::spawn(client.hold(round));
        assert_eq!(served.event().await, Event::Started(round));
        let (place, address) = served.kill().await;
        call.await.expect("it does not panic").expect_err("the server is gone");
        let brief = client.add(1, 2).timeout(Duration::from_millis(10));
        let error = brief.await.expect_err("nobody listens");
        assert!(error.is_timeout() && error.is_not_started(), "{error:?}");
        served = Served::at(place, &address, |server| server).await;
        assert_eq!(client.add(1, round.into()).await.expect("it is back"), 1 + i64::from(round));
    }
}

async fn calls_behind_the_last_accepted_one_go_to_the_next_connection(network: Network) {
    let place = Place::new(network);
    let doorway = place.listen().await;
    let client = ProbeClient::new(Channel::builder(doorway.address()).connect_lazy());
    let calls = tokio::spawn(join_all((0..4).map(|number| client.add(number, 0))));
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(wire.hear_request("Probe.add").await);
    }
    // Two were accepted, one of which is answered.
    wire.say(&go_away(2, None)).await;
    wire.say(&response(ids[1], 11)).await;
    drop(wire);
    let mut wire = doorway.accept().await;
    wire.welcome().await;
    for number in [22, 33] {
        let id = wire.hear_request("Probe.add").await;
        wire.say(&response(id, number)).await;
    }
    let answers = calls.await.expect("it does not panic");
    let error = answers[0].as_ref().expect_err("it may have run");
    assert!(error.is_unavailable() && !error.is_not_started(), "{error:?}");
    let answers: Vec<_> = answers.into_iter().filter_map(Result::ok).collect();
    assert_eq!(answers, [11, 22, 33]);
}

async fn clones_share_one_connection(network: Network) {
    let served = Served::with(Place::new(network), |server| server.max_connections(1)).await;
    let client = served.client().await;
    let clone = ProbeClient::new(client.channel().clone().metadata("a", "b"));
    drop(client.clone());
    let (one, other) = tokio::join!(client.add(1, 1), clone.add(2, 2));
    assert_eq!((one.expect("it answers"), other.expect("it answers")), (2, 4));
    drop(client);
    assert_eq!(clone.add(3, 3).await.expect("it answers"), 6);
    // The last handle closes it, which lets another connection in.
    drop(clone);
    served.assert_serves().await;
}

/// Keeps what is written until it is flushed, which takes until the test lets it.
struct Reluctant {
    stream: DuplexStream,
    kept: Vec<u8>,
    asks: mpsc::UnboundedSender<oneshot::Sender<()>>,
    asked: Option<oneshot::Receiver<()>>,
}

impl AsyncRead for Reluctant {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Reluctant {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.kept.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, kept, asks, asked } = &mut *self;
        if kept.is_empty() {
            return Pin::new(stream).poll_flush(cx);
        }
        let permission = asked.get_or_insert_with(|| {
            let (permit, permission) = oneshot::channel();
            asks.send(permit).expect("the test listens");
            permission
        });
        ready!(Pin::new(permission).poll(cx)).expect("the test permits it");
        while !kept.is_empty() {
            let sent = ready!(Pin::new(&mut *stream).poll_write(cx, kept))?;
            kept.drain(..sent);
        }
        *asked = None;
        Pin::new(stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_stream_that_takes_time_to_flush_delivers() {
    within(async {
        let (stream, server) = tokio::io::duplex(64 << 10);
        let dispatchers: Vec<Arc<dyn rpc::Dispatcher>> =
            vec![Arc::new(ProbeDispatcher::new(service().0))];
        let task = tokio::spawn(rpc::serve_stream(server, dispatchers));
        let (asks, mut flushes) = mpsc::unbounded_channel();
        let stream = Reluctant { stream, kept: Vec::new(), asks, asked: None };
        let client = ProbeClient::new(Channel::from_stream(stream));
        for number in 0..3 {
            let mut sum = Box::pin(client.add(number, 1));
            let mut flushed = 0;
            let outcome = loop {
                tokio::select! {
                    biased;
                    outcome = &mut sum => break outcome,
                    permit = flushes.recv() => {
                        flushed += 1;
                        permit.expect("the stream lives").send(()).expect("it is awaited");
                    }
                }
            };
            assert_eq!(outcome.expect("it answers"), number + 1);
            assert!(flushed > 0, "it was sent");
        }
        task.abort();
    })
    .await;
}
