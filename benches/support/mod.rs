//! What the benchmarks that start themselves as servers and loads have in common.

use std::{
    error::Error,
    io::{self, BufRead, BufReader},
    net::TcpListener,
    os::fd::{AsFd, OwnedFd},
    process::{Child, Command, Stdio},
};

use tokio::runtime::{Builder, Runtime};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The number behind the option `name`.
pub(crate) fn option(words: &[&str], name: &str, default: u64) -> Result<u64, Failure> {
    match words.iter().position(|word| *word == name) {
        Some(at) => Ok(words.get(at + 1).ok_or("an option wants a number")?.parse()?),
        None => Ok(default),
    }
}

/// A runtime of so many workers, or, for 0, of the one thread that blocks on it.
pub(crate) fn runtime(workers: usize) -> io::Result<Runtime> {
    match workers {
        0 => Builder::new_current_thread().enable_all().build(),
        workers => Builder::new_multi_thread().worker_threads(workers).enable_all().build(),
    }
}

/// This program in another role, on a listener that it finds as its standard input. It ends with this value.
pub(crate) struct ServerProcess(pub(crate) Child);

impl ServerProcess {
    /// Starts it, and waits until it serves.
    pub(crate) fn start(listener: &TcpListener, arguments: &[&str]) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(OwnedFd::from(listener.try_clone()?))
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let server = Self(child);
        BufReader::new(stdout).read_line(&mut String::new())?;
        Ok(server)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The listener that a server process was given; says that it is served.
pub(crate) fn inherited_listener() -> io::Result<TcpListener> {
    let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    println!("serving");
    Ok(listener)
}

/// This program in another role; what it prints, once it has ended.
pub(crate) struct LoadProcess(Child);

impl LoadProcess {
    pub(crate) fn start(arguments: &[&str]) -> Result<Self, Failure> {
        let child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    pub(crate) fn output(mut self) -> Result<String, Failure> {
        let stdout = self.0.stdout.take().ok_or("it has no output")?;
        let output = io::read_to_string(stdout)?;
        if !self.0.wait()?.success() {
            return Err("a load process failed".into());
        }
        Ok(output.trim().to_owned())
    }
}

impl Drop for LoadProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Minimum, median and maximum.
pub(crate) fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1])
}

/// How busy the machine is: what else ran in the last minutes is measured too.
pub(crate) fn load_average() -> io::Result<String> {
    let cores = std::thread::available_parallelism()?;
    Ok(format!("{cores} cores, load average {}", std::fs::read_to_string("/proc/loadavg")?))
}
