//! A proxy between clients and the server that cuts connections: some after a while, some after so many bytes, which may be in
//! the middle of a frame.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, copy, copy_bidirectional},
    net::{TcpListener, TcpStream},
    select,
    task::JoinSet,
};

use crate::random::Random;

/// Carries connections to `target` until it is dropped, and counts those it cuts.
pub(crate) async fn carry_all(
    listener: TcpListener,
    target: SocketAddr,
    mut random: Random,
    cuts: Arc<AtomicU64>,
) {
    let mut connections = JoinSet::new();
    loop {
        select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                connections.spawn(carry(client, target, random.fork(), Arc::clone(&cuts)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(
    mut client: TcpStream,
    target: SocketAddr,
    mut random: Random,
    cuts: Arc<AtomicU64>,
) -> io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let is_cut = match random.between(0, 3) {
        // Out of the client's or the server's sight after so many bytes.
        0 => {
            let bytes = random.between(1, 200_000);
            let (mut from_client, mut to_client) = client.split();
            let (mut from_server, mut to_server) = server.split();
            let (mut there, mut back) = if random.coin() {
                ((&mut from_client).take(bytes), (&mut from_server).take(u64::MAX))
            } else {
                ((&mut from_client).take(u64::MAX), (&mut from_server).take(bytes))
            };
            select! {
                copied = copy(&mut there, &mut to_server) => copied? == bytes,
                copied = copy(&mut back, &mut to_client) => copied? == bytes,
            }
        }
        _ => {
            let lifetime = random.millis(1, 4_000);
            select! {
                _ = copy_bidirectional(&mut client, &mut server) => false,
                () = tokio::time::sleep(lifetime) => true,
            }
        }
    };
    cuts.fetch_add(u64::from(is_cut), Ordering::Relaxed);
    Ok(())
}
