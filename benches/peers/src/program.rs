//! The processes of a measurement: servers, loads, and connections that idle, each a program that plays the roles of the harness.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
};

use peers_harness::{Failure, Flavour, Kind, Subject, cpu_seconds};

/// What a subject is run as.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    /// Such as `tarpc 0.37.0`.
    pub(crate) version: String,
    /// The program and its first arguments.
    pub(crate) command: Vec<OsString>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) flavours: Vec<Flavour>,
}

/// The calls of one load, as arguments.
pub(crate) struct Calls<'a> {
    pub(crate) address: &'a str,
    pub(crate) kind: Kind,
    pub(crate) connections: usize,
    pub(crate) window: usize,
    /// Such as `1000ms` or `5000calls`.
    pub(crate) length: String,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    pub(crate) calls: f64,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
}

impl Program {
    /// One that this program is itself.
    pub(crate) fn of(subject: &Subject, version: String) -> Result<Self, Failure> {
        Ok(Self {
            name: subject.name.to_owned(),
            version,
            command: vec![std::env::current_exe()?.into_os_string()],
            kinds: subject.kinds.to_vec(),
            flavours: Flavour::ALL.to_vec(),
        })
    }

    /// Whether an interpreter runs it.
    pub(crate) fn is_script(&self) -> bool {
        self.command.len() > 1
    }

    /// A command of it, behind `wrapper`, such as a tool that counts.
    pub(crate) fn command(&self, wrapper: &[OsString], role: &str, flavour: Flavour) -> Command {
        let mut words = wrapper.iter().chain(&self.command);
        let mut command = Command::new(words.next().expect("a program has a name"));
        command.args(words).args([role, &self.name]).arg(flavour.workers.to_string());
        command
    }

    pub(crate) fn serve(&self, flavour: Flavour) -> Result<Server, Failure> {
        self.serve_behind(&[], flavour)
    }

    pub(crate) fn serve_behind(
        &self,
        wrapper: &[OsString],
        flavour: Flavour,
    ) -> Result<Server, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut address = listener.local_addr()?.to_string();
        let mut child = self
            .command(wrapper, "serve", flavour)
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::piped())
            .spawn()?;
        let (stdout, mut line) = (child.stdout.take(), String::new());
        let process = Process(child);
        BufReader::new(stdout.ok_or("a server has no output")?).read_line(&mut line)?;
        match line.trim().strip_prefix("serving") {
            Some("") => {}
            // It listens elsewhere.
            Some(own) => address = own.trim().to_owned(),
            None => return Err(format!("the server of {} does not serve", self.name).into()),
        }
        Ok(Server { process, address })
    }

    pub(crate) fn load(&self, flavour: Flavour, calls: &Calls<'_>) -> Result<Made, Failure> {
        self.load_behind(&[], flavour, calls)
    }

    pub(crate) fn load_behind(
        &self,
        wrapper: &[OsString],
        flavour: Flavour,
        calls: &Calls<'_>,
    ) -> Result<Made, Failure> {
        let output = self
            .command(wrapper, "load", flavour)
            .args([calls.address, calls.kind.name()])
            .args([calls.connections, calls.window].map(|number| number.to_string()))
            .arg(&calls.length)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        let numbers = text.split_whitespace().map(str::parse::<f64>).collect::<Result<Vec<_>, _>>();
        match numbers.as_deref() {
            Ok(&[calls, seconds, cpu_seconds]) if output.status.success() && calls > 0.0 => {
                Ok(Made { calls, seconds, cpu_seconds })
            }
            _ => Err(format!("{} fails at {}: {text:?}", self.name, calls.kind.name()).into()),
        }
    }

    /// Opens idle connections, which close when this is dropped.
    pub(crate) fn idle(
        &self,
        flavour: Flavour,
        address: &str,
        count: usize,
    ) -> Result<Idle, Failure> {
        let mut child = self
            .command(&[], "idle", flavour)
            .args([address, &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (stdout, mut line) = (child.stdout.take(), String::new());
        let process = Process(child);
        BufReader::new(stdout.ok_or("it has no output")?).read_line(&mut line)?;
        if line.trim() != "idle" {
            return Err(format!("{} does not open {count} connections", self.name).into());
        }
        Ok(Idle { _process: process })
    }
}

/// A process that is killed when this is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server at work.
pub(crate) struct Server {
    process: Process,
    /// Host and port.
    pub(crate) address: String,
}

impl Server {
    /// The processor time that it took so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, Failure> {
        cpu_seconds(&self.process.0.id().to_string())
    }

    /// The memory that it has, in bytes.
    pub(crate) fn resident(&self) -> Result<f64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.0.id()))?;
        let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = size.and_then(|size| size.split_whitespace().next());
        Ok(kibibytes.ok_or("the kernel does not say")?.parse::<f64>()? * 1024.0)
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn terminate(mut self) -> Result<(), Failure> {
        let id = self.process.0.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        self.process.0.wait()?;
        Ok(())
    }
}

/// A client whose connections idle.
pub(crate) struct Idle {
    _process: Process,
}
