//! A TCP proxy on loopback that does to the bytes what a bad network does.

use std::time::Duration;

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// What happens to one direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flow {
    Pass,
    /// Each piece arrives so much later.
    Delay(Duration),
    /// So many bytes at once, and then a pause of a millisecond.
    Trickle(usize),
    /// Nothing arrives, and nobody learns of it.
    Silent,
    /// So many bytes arrive; then both directions end.
    Cut(usize),
    /// The same, and both ends get a reset.
    Reset(usize),
}

/// What happens to connections: that of the one from the client to the server, and that of the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) up: Flow,
    pub(crate) down: Flow,
    /// Whether new connections are closed at once.
    pub(crate) refuses: bool,
}

impl Plan {
    pub(crate) const PASS: Self = Self { up: Flow::Pass, down: Flow::Pass, refuses: false };
}

/// A proxy, which is gone with this.
pub(crate) struct Proxy {
    pub(crate) address: String,
    plan: watch::Sender<Plan>,
    connections: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// A proxy to the server at this address, such as `tcp://127.0.0.1:7000`.
    pub(crate) async fn to(server: &str, plan: Plan) -> Self {
        let server = server.trim_start_matches("tcp://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = format!("tcp://{}", listener.local_addr().expect("it is bound"));
        let (plan, plans) = watch::channel(plan);
        let (count, connections) = watch::channel(0);
        let task = tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.expect("it accepts");
                if plans.borrow().refuses {
                    continue;
                }
                count.send_modify(|count| *count += 1);
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                for stream in [&client, &server] {
                    stream.set_nodelay(true).expect("it is open");
                }
                tasks.spawn(carry(client, server, plans.clone()));
                while tasks.try_join_next().is_some() {}
            }
        });
        Self { address, plan, connections, task }
    }

    /// What happens from now on, to open connections too.
    pub(crate) fn plan(&self, plan: Plan) {
        self.plan.send_replace(plan);
    }

    /// Waits until so many connections were made in all.
    pub(crate) async fn connected(&mut self, count: usize) {
        self.connections.wait_for(|made| *made >= count).await.expect("the proxy lives");
    }
}

/// Carries bytes both ways until either direction ends.
async fn carry(client: TcpStream, server: TcpStream, plans: watch::Receiver<Plan>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = copy(&mut from_client, &mut to_server, plans.clone(), |plan| plan.up);
    let down = copy(&mut from_server, &mut to_client, plans, |plan| plan.down);
    let resets = tokio::select! {
        resets = up => resets,
        resets = down => resets,
    };
    if resets {
        for half in [&to_client, &to_server] {
            let socket: &TcpStream = half.as_ref();
            // Without waiting, closing sends a reset.
            let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
        }
    }
}

/// Carries bytes one way; whether the connection ends with a reset.
async fn copy(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut plans: watch::Receiver<Plan>,
    flow: impl Fn(&Plan) -> Flow,
) -> bool {
    let mut carried = 0;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let now = flow(&plans.borrow_and_update());
        let most = match now {
            Flow::Silent => {
                // Until the plan changes.
                if plans.changed().await.is_err() {
                    return false;
                }
                continue;
            }
            Flow::Trickle(size) => size,
            Flow::Cut(end) | Flow::Reset(end) => end - carried,
            Flow::Pass | Flow::Delay(_) => buffer.len(),
        };
        if most == 0 {
            return matches!(now, Flow::Reset(_));
        }
        let most = most.min(buffer.len());
        let read = tokio::select! {
            read = from.read(&mut buffer[..most]) => read.unwrap_or(0),
            changed = plans.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return false,
            },
        };
        let now = flow(&plans.borrow());
        match now {
            Flow::Delay(delay) => tokio::time::sleep(delay).await,
            Flow::Trickle(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            _ => {}
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return false;
        }
        carried += read;
    }
}
