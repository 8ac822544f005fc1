//! One of the examples' programs that runs, and what it prints.

use std::{
    process::{ExitStatus, Stdio},
    sync::OnceLock,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};

/// So long may a test take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) async fn within<F: Future>(test: F) -> F::Output {
    tokio::time::timeout(PATIENCE, test).await.expect("the test hangs")
}

const EXAMPLES: [&str; 3] = ["chat", "file_transfer", "log_tail"];

/// The program of an example, built as this test is.
fn program(example: &str) -> &'static str {
    static BUILT: OnceLock<Vec<String>> = OnceLock::new();
    let programs = BUILT.get_or_init(|| {
        let mut cargo = std::process::Command::new(env!("CARGO"));
        cargo.args(["build", "--message-format", "json-render-diagnostics"]);
        for example in EXAMPLES {
            cargo.args(["--example", example]);
        }
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let output = cargo
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs this test");
        assert!(output.status.success(), "the examples do not build");
        let messages = String::from_utf8(output.stdout).expect("cargo writes JSON");
        let programs = messages.split(r#""executable":""#).skip(1);
        programs.filter_map(|text| text.split('"').next()).map(str::to_owned).collect()
    });
    let ending = format!("/{example}");
    programs.iter().find(|path| path.ends_with(&ending)).expect("cargo names the program")
}

pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    notes: Lines<BufReader<ChildStderr>>,
}

/// What a process has printed and not told when it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: Vec<String>,
    pub(crate) notes: Vec<String>,
}

impl Process {
    pub(crate) fn start(example: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program(example))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it was built");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let notes = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        Self { child, input, output, notes }
    }

    /// Starts a server; its address.
    pub(crate) async fn serve(example: &str, arguments: &[&str], listen: &str) -> (Self, String) {
        let arguments = [&["serve"], arguments, &["--listen", listen]].concat();
        let mut process = Self::start(example, &arguments);
        let line = process.line().await;
        let address = line.strip_prefix("listening on ").expect("it first says where it listens");
        (process, address.to_owned())
    }

    /// The next line on standard output.
    pub(crate) async fn line(&mut self) -> String {
        match self.output.next_line().await.expect("it is text") {
            Some(line) => line,
            None => unreachable!("the output has ended: {:?}", self.notes.next_line().await),
        }
    }

    /// The next line on standard error.
    pub(crate) async fn note(&mut self) -> String {
        self.notes.next_line().await.expect("it is text").expect("there is another")
    }

    /// Types text into standard input.
    pub(crate) async fn type_in(&mut self, text: &str) {
        let input = self.input.as_mut().expect("it is open");
        input.write_all(text.as_bytes()).await.expect("it reads");
    }

    /// Ends standard input, as Ctrl-D does.
    pub(crate) fn end_input(&mut self) {
        self.input = None;
    }

    /// Sends a signal, through the shell, whose `kill` is there wherever a shell is.
    pub(crate) fn send(&self, signal: &str) {
        let process = self.child.id().expect("it was not waited for");
        let status = std::process::Command::new("sh")
            .args(["-c", &format!("kill -{signal} {process}")])
            .status()
            .expect("there is a shell");
        assert!(status.success(), "process {process} is there");
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(mut self) -> Ended {
        let (output, notes) = tokio::join!(rest(self.output), rest(self.notes));
        let status = self.child.wait().await.expect("it was started");
        Ended { status, output, notes }
    }

    /// Ends a server in order.
    pub(crate) async fn stop(self) {
        self.send("TERM");
        let Ended { status, output, notes } = self.ended().await;
        assert!(status.success(), "{status}: {notes:?}");
        assert_eq!(output, ["stopped"]);
        assert_eq!(notes, [""; 0]);
    }
}

async fn rest<R: tokio::io::AsyncBufRead + Unpin>(mut lines: Lines<R>) -> Vec<String> {
    let mut rest = Vec::new();
    while let Some(line) = lines.next_line().await.expect("it is text") {
        rest.push(line);
    }
    rest
}
