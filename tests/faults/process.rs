//! A server as a process of its own: the example `ping_server`.

use std::process::{Command, Stdio};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

/// The same method, of which this client does not know that it may be repeated.
#[rpc::service(name = "Ping")]
pub(crate) trait PlainPing {
    async fn ping(&self, message: &str) -> String;
}

/// The same method, as the example's client knows it.
#[rpc::service(name = "Ping")]
pub(crate) trait Ping {
    #[rpc(idempotent)]
    async fn ping(&self, message: &str) -> String;
}

/// A running server, which is killed with this.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: String,
}

/// The program, built as this test is.
fn program() -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--example", "ping_server", "--message-format"]);
    cargo.arg("json-render-diagnostics");
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::null()).output();
    let output = built.expect("cargo runs this test");
    assert!(output.status.success(), "the example does not build");
    let messages = String::from_utf8(output.stdout).expect("cargo writes JSON");
    let (_, path) = messages.rsplit_once(r#""executable":""#).expect("cargo names the program");
    path.split('"').next().expect("it is quoted").to_owned()
}

impl Server {
    /// Starts a server at this address, with so many file descriptors at most if that is said.
    pub(crate) async fn start(address: &str, descriptors: Option<u32>) -> Self {
        let limit = descriptors.map_or(String::new(), |most| format!("ulimit -n {most}; "));
        let script = format!("{limit}exec \"$0\" --listen {address}");
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", &script, &program()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it was built");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let line = lines.next_line().await.expect("it is text").expect("it says where it listens");
        let address = line.strip_prefix("listening on ").expect("it listens").to_owned();
        Self { child, address }
    }

    fn id(&self) -> u32 {
        self.child.id().expect("it was not awaited")
    }

    /// Sends a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(sent.success(), "SIG{name} was not sent");
    }

    /// Waits until the process is stopped, or runs again.
    pub(crate) async fn reached(&self, is_stopped: bool) {
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()));
            let stat = stat.expect("the process is there");
            let state = stat.rsplit_once(") ").map(|(_, rest)| rest.starts_with('T'));
            if state == Some(is_stopped) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// The memory that it holds, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.expect("the process is there");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB")
    }

    /// The processor time that it has used, in hundredths of a second.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()));
        let stat = stat.expect("the process is there");
        let (_, rest) = stat.rsplit_once(") ").expect("the name is in parentheses");
        let fields: Vec<&str> = rest.split(' ').collect();
        [fields[11], fields[12]].iter().map(|ticks| ticks.parse::<u64>().expect("ticks")).sum()
    }

    pub(crate) async fn kill(mut self) -> String {
        self.child.kill().await.expect("it runs");
        self.address
    }
}
