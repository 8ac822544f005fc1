//! A server that cannot accept says so, and accepts again when it can.

use std::{env, fs::File, process::Command};

use rpc::Server;
use tokio::net::TcpStream;
use tracing::Level;

use crate::{
    log::{Told, own_log},
    wire::Wire,
};

#[rpc::service]
trait Full {
    async fn nothing(&self);
}

struct Service;

impl Full for Service {
    async fn nothing(&self) {}
}

const NAME: &str = "accepting::a_server_without_descriptors_says_so_and_goes_on";
const IS_CONFINED: &str = "RPC_TEST_IS_CONFINED";

/// In a process of its own, which may open a few files only: the other tests need theirs.
#[tokio::test]
async fn a_server_without_descriptors_says_so_and_goes_on() {
    if env::var_os(IS_CONFINED).is_some() {
        return run_out_of_descriptors().await;
    }
    let program = env::current_exe().expect("this is a program");
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(program)
        .arg(NAME)
        .env(IS_CONFINED, "1")
        .output()
        .expect("there is a shell");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{complaint}");
}

async fn run_out_of_descriptors() {
    let (log, _guard) = own_log(Level::WARN);
    let server = Server::bind("tcp://127.0.0.1:0").await.expect("a port is free");
    let address = server.local_addr().expect("it is bound").to_string();
    let running = tokio::spawn(server.serve(FullDispatcher::new(Service)));
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    // Room for the client's end, and none for the server's.
    drop(files.pop());
    let stream = TcpStream::connect(address.trim_start_matches("tcp://")).await;
    let mut wire = Wire::new(stream.expect("the system accepts it"));
    // Twice: it goes on to try, and waits in between.
    let is_failure = |told: &Told| told.fields["message"].contains("could not be accepted");
    let told = log.wait_for(2, is_failure).await;
    assert!(told[0].fields["error"].contains("Too many open files"), "{told:?}");
    assert_ne!(told[0].fields["pause"], told[1].fields["pause"]);
    drop(files);
    wire.introduce().await;
    FullClient::connect(&address).await.expect("it listens").nothing().await.expect("it answers");
    running.abort();
}
