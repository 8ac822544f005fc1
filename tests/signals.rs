//! Signals: the first begins a drain, a second one ends it at once.
//!
//! They are the process's own, so there is one test only, and it has the process for itself.

use std::{future::poll_fn, process::Command, task::Poll, time::Duration};

use rpc::{Server, ServerState, ShutdownHandle, StateHandle, shutdown_signal};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

/// Longer than the test may take.
const LONG: Duration = Duration::from_secs(3600);

#[rpc::service]
trait Rest {
    /// Ends when the test lets it.
    async fn rest(&self);
}

struct Service(mpsc::UnboundedSender<oneshot::Sender<()>>);

impl Rest for Service {
    async fn rest(&self) {
        let (sender, released) = oneshot::channel();
        self.0.send(sender).expect("the test lives");
        let _ = released.await;
    }
}

/// Sends a signal to this process, through the shell, whose `kill` is there wherever a shell is.
fn send(signal: &str) {
    let command = format!("kill -{signal} {}", std::process::id());
    let status = Command::new("sh").args(["-c", &command]).status().expect("there is a shell");
    assert!(status.success(), "the process is there");
}

/// A server that has one call in flight, whose end the sender is.
struct Busy {
    running: JoinHandle<Result<(), rpc::Error>>,
    shutdown: ShutdownHandle,
    state: StateHandle,
    call: JoinHandle<Result<(), rpc::Error>>,
    release: oneshot::Sender<()>,
}

async fn busy() -> Busy {
    let server = Server::bind("tcp://127.0.0.1:0").await.expect("a port is free");
    let address = server.local_addr().expect("it is bound").to_string();
    let (shutdown, mut state) = (server.shutdown_handle(), server.state_handle());
    let (started, mut calls) = mpsc::unbounded_channel();
    let server = server.drain_timeout(LONG).add(RestDispatcher::new(Service(started)));
    let running = tokio::spawn(server.run_until(shutdown_signal()));
    // On a runtime of one thread, the signal is waited for as soon as this is told.
    assert_eq!(state.changed().await, ServerState::Ready);
    let client = RestClient::connect(&address).await.expect("it listens");
    let call = tokio::spawn(client.rest());
    let release = calls.recv().await.expect("the server lives");
    Busy { running, shutdown, state, call, release }
}

#[tokio::test]
async fn the_first_signal_drains_and_a_second_one_ends_at_once() {
    let test = async {
        // A drain that began without a signal: the first one is not the second.
        let Busy { running, shutdown, mut state, call, release } = busy().await;
        let mut caught = Box::pin(shutdown_signal());
        let polled = poll_fn(|cx| Poll::Ready(caught.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        shutdown.shutdown();
        assert_eq!(state.changed().await, ServerState::Draining);
        send("INT");
        caught.await;
        tokio::task::yield_now().await;
        assert_eq!(state.state(), ServerState::Draining);
        release.send(()).expect("it rests");
        call.await.expect("it does not panic").expect("it was accepted");
        running.await.expect("it does not panic").expect("it ended in order");

        for (first, second) in [("TERM", "TERM"), ("INT", "TERM"), ("TERM", "INT")] {
            let Busy { running, mut state, call, release, .. } = busy().await;
            send(first);
            assert_eq!(state.changed().await, ServerState::Draining);
            assert!(!call.is_finished());
            send(second);
            assert_eq!(state.changed().await, ServerState::Ended);
            running.await.expect("it does not panic").expect("it ended");
            let error = call.await.expect("it does not panic").expect_err("it was dropped");
            assert!(error.is_unavailable() && !error.is_not_started(), "{error:?}");
            release.send(()).expect_err("its handler is gone");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test hangs");
}
