//! The prefork example as processes: a child is killed under load, children are exchanged one by one, all are drained, and
//! nothing is left behind.
//!
//! Nothing here waits for a while. That no process is left is seen at the parent's standard error, a pipe that all of its
//! children inherit: it is at its end when the last of them is gone.

use std::{
    future::poll_fn,
    pin::Pin,
    process::{Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use rpc::{Channel, Code, Error};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStderr, ChildStdout},
    sync::Notify,
    task::JoinSet,
};

#[path = "../examples/ping/service.rs"]
mod ping;
#[path = "../examples/prefork/service.rs"]
mod worker;
use ping::PingClient;
use worker::WorkerClient;

/// So long may a test take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(120);

async fn within<F: Future>(test: F) -> F::Output {
    tokio::time::timeout(PATIENCE, test).await.expect("the test hangs")
}

/// Polls a call, which sends it, and does not wait for it.
async fn poll_once<F: Future + Unpin>(call: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *call).poll(cx))).await
}

/// The example's program, built as this test is.
fn program() -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--example", "prefork", "--message-format", "json-render-diagnostics"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs this test");
    assert!(output.status.success(), "the example does not build");
    let messages = String::from_utf8(output.stdout).expect("cargo writes JSON");
    let (_, path) = messages.rsplit_once(r#""executable":""#).expect("cargo names the program");
    path.split('"').next().expect("it is quoted").to_owned()
}

/// What the parent prints.
#[derive(Debug, PartialEq)]
enum Line {
    Listening(String),
    Started(u32),
    Ended(u32),
    Stopped,
}

struct Prefork {
    parent: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: ChildStderr,
    address: String,
    /// The children that were started and have not ended.
    children: Vec<u32>,
}

impl Prefork {
    /// Starts the program, and waits for all of its children.
    async fn start(children: usize) -> Self {
        let mut parent = tokio::process::Command::new(program())
            .args(["--listen", "tcp://127.0.0.1:0", "--children", &children.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it was built");
        let lines = BufReader::new(parent.stdout.take().expect("it is piped")).lines();
        let stderr = parent.stderr.take().expect("it is piped");
        let mut prefork =
            Self { parent, lines, stderr, address: String::new(), children: Vec::new() };
        let Line::Listening(address) = prefork.line().await else {
            unreachable!("it first says where it listens")
        };
        prefork.address = address;
        while prefork.children.len() < children {
            prefork.line().await;
        }
        prefork
    }

    /// The next thing that the parent says.
    async fn line(&mut self) -> Line {
        let line = self.lines.next_line().await.expect("it is text").expect("the parent lives");
        let id = |text: &str| text.parse::<u32>().expect("it is a process id");
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["listening", "on", address] => Line::Listening(address.to_owned()),
            ["child", child, "started"] => {
                self.children.push(id(child));
                Line::Started(id(child))
            }
            ["child", child, "ended:", ..] => {
                self.children.retain(|known| *known != id(child));
                Line::Ended(id(child))
            }
            ["stopped"] => Line::Stopped,
            _ => unreachable!("the parent says {line:?}"),
        }
    }

    /// Waits until a child has ended and another one has started; its id.
    async fn replaced(&mut self, child: u32) -> u32 {
        assert_eq!(self.line().await, Line::Ended(child));
        match self.line().await {
            Line::Started(replacement) => replacement,
            other => unreachable!("{other:?} instead of a replacement"),
        }
    }

    fn parent(&self) -> u32 {
        self.parent.id().expect("it was not waited for")
    }

    /// Waits until no process is left, parent or child.
    async fn gone(mut self) -> (ExitStatus, String) {
        let status = self.parent.wait().await.expect("it was started");
        let mut complaints = String::new();
        self.stderr.read_to_string(&mut complaints).await.expect("it is text");
        (status, complaints)
    }

    async fn worker(&self) -> WorkerClient {
        WorkerClient::connect(&self.address).await.expect("it listens")
    }
}

/// Sends a signal, through the shell, whose `kill` is there wherever a shell is.
fn send(signal: &str, process: u32) {
    let status = Command::new("sh")
        .args(["-c", &format!("kill -{signal} {process}")])
        .status()
        .expect("there is a shell");
    assert!(status.success(), "process {process} is there");
}

/// Calls from many tasks over connections of their own, until it is told to stop.
struct Load {
    callers: JoinSet<Tally>,
    /// The child at the other end of each connection, when it began.
    served_by: Vec<u32>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    answered: AtomicU64,
    progress: Notify,
}

/// How the calls of a caller ended.
#[derive(Default)]
struct Tally {
    calls: u64,
    answers: u64,
    failures: Vec<Error>,
}

impl Load {
    async fn start(address: &str, connections: usize, callers_each: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let mut callers = JoinSet::new();
        let mut served_by = Vec::new();
        for _ in 0..connections {
            let channel = Channel::connect(address).await.expect("it listens");
            let worker = WorkerClient::new(channel.clone());
            served_by.push(worker.pid().await.expect("it answers"));
            for _ in 0..callers_each {
                callers.spawn(call(PingClient::new(channel.clone()), Arc::clone(&shared)));
            }
        }
        Self { callers, served_by, shared }
    }

    /// Waits until so many further calls were answered.
    async fn answered(&self, calls: u64) {
        let wanted = self.shared.answered.load(Ordering::Acquire) + calls;
        while self.shared.answered.load(Ordering::Acquire) < wanted {
            self.shared.progress.notified().await;
        }
    }

    async fn stop(mut self) -> Tally {
        self.shared.is_over.store(true, Ordering::Release);
        let mut total = Tally::default();
        while let Some(tally) = self.callers.join_next().await {
            let tally = tally.expect("a caller does not panic");
            total.calls += tally.calls;
            total.answers += tally.answers;
            total.failures.extend(tally.failures);
        }
        total
    }
}

async fn call(client: PingClient, shared: Arc<Shared>) -> Tally {
    let mut tally = Tally::default();
    while !shared.is_over.load(Ordering::Acquire) {
        tally.calls += 1;
        match client.ping("are you there?").await {
            Ok(answer) => {
                assert_eq!(answer, "are you there?");
                tally.answers += 1;
                shared.answered.fetch_add(1, Ordering::AcqRel);
                shared.progress.notify_one();
            }
            Err(error) => tally.failures.push(error),
        }
    }
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_is_killed_under_load_is_replaced() {
    within(async {
        let mut prefork = Prefork::start(3).await;
        let originals = prefork.children.clone();
        let load = Load::start(&prefork.address, 12, 4).await;
        load.answered(1_000).await;

        // The one with the most connections. Which child accepts one is up to the system.
        let connections = |child: &u32| load.served_by.iter().filter(|by| *by == child).count();
        let victim = originals.iter().copied().max_by_key(connections).expect("there are three");
        let connections = connections(&victim);
        send("KILL", victim);
        let replacement = prefork.replaced(victim).await;
        assert!(!originals.contains(&replacement));
        load.answered(1_000).await;

        // A child that is asked to end does so without losing a call. In the end only replacements are there, so they serve.
        for original in originals.iter().filter(|original| **original != victim) {
            send("TERM", *original);
            prefork.replaced(*original).await;
            load.answered(1_000).await;
        }
        let pid = prefork.worker().await.pid().await.expect("it answers");
        assert!(prefork.children.contains(&pid), "{pid} is not one of the replacements");

        let tally = load.stop().await;
        println!(
            "{} connections to the killed child; {} calls, {} answered, {} failed",
            connections,
            tally.calls,
            tally.answers,
            tally.failures.len()
        );
        assert_eq!(tally.calls, tally.answers + tally.failures.len() as u64, "every call ends");
        if let Some(failure) = tally.failures.first() {
            unreachable!("an idempotent call is repeated, but one failed: {failure}");
        }

        send("TERM", prefork.parent());
        let (status, complaints) = prefork.gone().await;
        assert!(status.success(), "{status}");
        assert_eq!(complaints, "");
    })
    .await;
}

#[tokio::test]
async fn calls_in_flight_are_answered_when_all_are_drained() {
    for signal in ["TERM", "INT"] {
        within(async {
            let prefork = Prefork::start(2).await;
            let mut workers = Vec::new();
            let mut calls = JoinSet::new();
            for _ in 0..8 {
                let worker = prefork.worker().await;
                let mut call = worker.rest(500);
                assert!(poll_once(&mut call).await.is_pending());
                calls.spawn(call);
                // What was sent before on the same connection has been taken when this is answered.
                worker.pid().await.expect("it answers");
                workers.push(worker);
            }
            send(signal, prefork.parent());
            while let Some(answer) = calls.join_next().await {
                answer.expect("it does not panic").expect("it was in flight");
            }
            let address = prefork.address.clone();
            let (status, complaints) = prefork.gone().await;
            assert!(status.success(), "{status}");
            assert_eq!(complaints, "");
            let host = address.strip_prefix("tcp://").expect("it is TCP");
            TcpStream::connect(host).await.expect_err("nobody listens");
        })
        .await;
    }
}

#[tokio::test]
async fn a_second_signal_ends_all_at_once() {
    within(async {
        let mut prefork = Prefork::start(2).await;
        let worker = prefork.worker().await;
        let mut call = worker.rest(60_000);
        assert!(poll_once(&mut call).await.is_pending());
        let busy = worker.pid().await.expect("it answers");
        let idle = *prefork.children.iter().find(|child| **child != busy).expect("there are two");
        send("TERM", prefork.parent());
        // The parent has taken the first signal when the idle child is gone.
        assert_eq!(prefork.line().await, Line::Ended(idle));
        send("TERM", prefork.parent());
        assert_eq!(prefork.line().await, Line::Ended(busy));
        assert_eq!(prefork.line().await, Line::Stopped);
        assert_eq!(call.await.expect_err("its server was killed").kind(), Code::Unavailable);
        let (status, complaints) = prefork.gone().await;
        assert!(status.success(), "{status}");
        assert_eq!(complaints, "");
    })
    .await;
}

#[tokio::test]
async fn no_child_outlives_a_parent_that_is_killed() {
    within(async {
        let prefork = Prefork::start(3).await;
        let worker = prefork.worker().await;
        worker.pid().await.expect("it answers");
        send("KILL", prefork.parent());
        let (status, complaints) = prefork.gone().await;
        assert!(!status.success(), "{status}");
        assert_eq!(complaints, "");
        assert_eq!(worker.pid().await.expect_err("it is gone").kind(), Code::Unavailable);
    })
    .await;
}

#[tokio::test]
async fn children_that_die_at_once_are_replaced_at_most_once_a_second() {
    within(async {
        let start = Instant::now();
        let mut prefork = Prefork::start(1).await;
        for _ in 0..3 {
            let child = prefork.children[0];
            send("KILL", child);
            prefork.replaced(child).await;
        }
        assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
        prefork.worker().await.pid().await.expect("the last one serves");
        send("TERM", prefork.parent());
        let (status, _) = prefork.gone().await;
        assert!(status.success(), "{status}");
    })
    .await;
}
