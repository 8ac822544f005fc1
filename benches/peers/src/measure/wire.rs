//! Bytes of a ping on the wire: a relay between client and server counts what passes.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use peers_harness::{Failure, Flavour, Kind};

use crate::{
    program::{Calls, Program},
    results::Wire,
};

/// The pings between these numbers are counted: what is sent once does not count, and ids have their usual length.
const CALLS: [u64; 2] = [2_000, 3_000];

pub(crate) fn wire(programs: &[Program]) -> Result<Vec<Wire>, Failure> {
    let flavour = Flavour::ALL[0];
    let framed = |program: &&Program| program.kinds.contains(&Kind::Ping);
    let mut all = Vec::new();
    for program in programs.iter().filter(framed) {
        let server = program.serve(flavour)?;
        let few = passed(program, flavour, &server.address, CALLS[0])?;
        let many = passed(program, flavour, &server.address, CALLS[1])?;
        let calls = (CALLS[1] - CALLS[0]) as f64;
        let [request, answer] = [0, 1].map(|way| (many[way] - few[way]) as f64 / calls);
        all.push(Wire { subject: program.name.clone(), request, answer });
    }
    Ok(all)
}

/// The bytes of so many pings, there and back, over all connections that the client makes.
fn passed(
    program: &Program,
    flavour: Flavour,
    server: &str,
    calls: u64,
) -> Result<[u64; 2], Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let to = server.to_owned();
    let is_over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_over);
    let relay = thread::spawn(move || relay(&listener, &to, &told));
    let calls = Calls {
        address: &address.to_string(),
        kind: Kind::Ping,
        connections: 1,
        window: 1,
        length: format!("{calls}calls"),
    };
    let made = program.load(flavour, &calls);
    is_over.store(true, Ordering::Release);
    // The relay looks when there is a connection.
    drop(TcpStream::connect(address)?);
    made?;
    relay.join().map_err(|_| "the relay panicked")?
}

fn relay(listener: &TcpListener, server: &str, is_over: &AtomicBool) -> Result<[u64; 2], Failure> {
    let mut counting = Vec::new();
    loop {
        let (client, _) = listener.accept()?;
        if is_over.load(Ordering::Acquire) {
            break;
        }
        let upstream = TcpStream::connect(server)?;
        client.set_nodelay(true)?;
        upstream.set_nodelay(true)?;
        let (back_from, back_to) = (upstream.try_clone()?, client.try_clone()?);
        counting.push([
            thread::spawn(move || copy(client, upstream)),
            thread::spawn(move || copy(back_from, back_to)),
        ]);
    }
    let mut passed = [0, 0];
    for ways in counting {
        for (passed, way) in passed.iter_mut().zip(ways) {
            *passed += way.join().map_err(|_| "the relay panicked")??;
        }
    }
    Ok(passed)
}

/// Copies one way to its end; how many bytes.
fn copy(mut from: TcpStream, mut to: TcpStream) -> io::Result<u64> {
    let (mut buffer, mut passed) = (vec![0; 64 << 10], 0);
    loop {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                passed += count as u64;
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
        }
    }
    // Either may be closed already.
    let _ = to.shutdown(Shutdown::Write);
    Ok(passed)
}
