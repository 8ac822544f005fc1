//! A TCP proxy that cuts its first connection, and counts what it carries.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Bytes that one connection carried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carried {
    pub(crate) up: usize,
    pub(crate) down: usize,
}

impl Carried {
    fn is_below(self, limit: usize) -> bool {
        self.up + self.down < limit
    }
}

/// A proxy, which is gone with this.
pub(crate) struct Proxy {
    pub(crate) address: String,
    carried: Arc<Mutex<Vec<Carried>>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// A proxy to the server at this address. The first connection ends when it has carried so many bytes.
    pub(crate) async fn cutting(server: &str, behind: usize) -> Self {
        let server = server.trim_start_matches("tcp://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = format!("tcp://{}", listener.local_addr().expect("it is bound"));
        let carried = Arc::new(Mutex::new(Vec::new()));
        let counted = Arc::clone(&carried);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let mut limit = behind;
            loop {
                let (client, _) = listener.accept().await.expect("it accepts");
                let server = TcpStream::connect(&server).await.expect("the server listens");
                let number = {
                    let mut counted = counted.lock().expect("nobody panicked");
                    counted.push(Carried::default());
                    counted.len() - 1
                };
                connections.spawn(carry(client, server, Arc::clone(&counted), number, limit));
                limit = usize::MAX;
            }
        });
        Self { address, carried, task }
    }

    /// What each connection has carried.
    pub(crate) fn carried(&self) -> Vec<Carried> {
        self.carried.lock().expect("nobody panicked").clone()
    }
}

/// Carries bytes both ways, until either end is gone or so many were carried.
async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    counted: Arc<Mutex<Vec<Carried>>>,
    number: usize,
    limit: usize,
) {
    let (mut up, mut down) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    let mut carried = Carried::default();
    while carried.is_below(limit) {
        let is_carried = tokio::select! {
            read = client.read(&mut up) => {
                let read = read.unwrap_or(0);
                carried.up += read;
                read > 0 && server.write_all(&up[..read]).await.is_ok()
            }
            read = server.read(&mut down) => {
                let read = read.unwrap_or(0);
                carried.down += read;
                read > 0 && client.write_all(&down[..read]).await.is_ok()
            }
        };
        counted.lock().expect("nobody panicked")[number] = carried;
        if !is_carried {
            return;
        }
    }
}
