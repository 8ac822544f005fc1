//! Ten thousand idle connections, and two hundred busy ones beside them.

use rpc::Channel;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    process::{PingClient, Server},
    support::within,
};

const IDLE: usize = 10_000;
const BUSY: usize = 200;

/// What a client says first: preface and hello.
const OPENING: [u8; 15] = [0, b'R', b'P', b'C', 0, 1, 0, 0, 0, 0, 0, 3, 0x92, 14, 0x80];

fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("the system tells");
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)).expect("there is a limit");
    soft.parse().unwrap_or(usize::MAX)
}

async fn idle(host: &str) -> TcpStream {
    let mut stream = TcpStream::connect(host).await.expect("it listens");
    stream.write_all(&OPENING).await.expect("it is open");
    // The server's preface and hello.
    let mut preface = [0; 8];
    stream.read_exact(&mut preface).await.expect("it introduces itself");
    let mut hello = vec![0; stream.read_u32().await.expect("a length") as usize];
    stream.read_exact(&mut hello).await.expect("a hello");
    stream
}

#[tokio::test]
async fn busy_connections_do_not_mind_idle_ones() {
    within(async {
        let server = Server::start("tcp://127.0.0.1:0", None).await;
        // Either process needs some for itself.
        let count = IDLE.min(descriptors().saturating_sub(BUSY + 100));
        println!("idle connections: {count} of {IDLE} (descriptor limit {})", descriptors());
        let host = server.address.trim_start_matches("tcp://").to_owned();
        let warm = PingClient::connect(&server.address).await.expect("it listens");
        warm.ping("warm").await.expect("it answers");
        let before = server.resident();
        let mut crowd = Vec::with_capacity(count);
        while crowd.len() + BUSY + 1 < count.min(9_700) {
            crowd.push(idle(&host).await);
        }
        let each = (server.resident() - before) as f64 / crowd.len() as f64;
        println!("{} idle connections: {each:.1} KiB each", crowd.len());
        assert!(each <= 16.0, "{each} KiB for each idle connection");

        let mut busy = JoinSet::new();
        for caller in 0..BUSY {
            let address = server.address.clone();
            busy.spawn(async move {
                let channel = Channel::connect(&address).await.expect("it accepts");
                let client = PingClient::new(channel);
                for number in 0..20 {
                    let message = format!("{caller}: {number}");
                    assert_eq!(client.ping(&message).await.expect("it answers"), message);
                }
            });
        }
        while let Some(ended) = busy.join_next().await {
            ended.expect("every busy one is served");
        }
        // The idle ones are still there: a ping of some of them is answered.
        for stream in crowd.iter_mut().step_by(97) {
            stream.write_all(&[0, 0, 0, 4, 0x93, 11, 42, 0xc0]).await.expect("it is open");
            let mut pong = [0; 8];
            stream.read_exact(&mut pong).await.expect("it answers");
            assert_eq!(pong, [0, 0, 0, 4, 0x93, 12, 42, 0xc0]);
        }
    })
    .await;
}
