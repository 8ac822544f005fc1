//! What connections that do nothing cost a server: resident memory, before and after so many were opened and made one call each.

use std::{process::Command, thread, time::Duration};

use peers_harness::{Failure, Flavour, Kind};

use crate::{
    program::{Calls, Program, Server},
    results::Memory,
};

/// How many connections, and in how many rounds, each with a new server: so many say enough in one.
const COUNTS: [(usize, usize); 2] = [(2_000, 3), (20_000, 1)];

/// The descriptors that a process needs beside its connections.
const SPARE: usize = 64;

/// Memory counts as settled when it was the same so often, so far apart.
const SAME: usize = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// What was not measured is told in `skipped`.
pub(crate) fn memory(
    programs: &[Program],
    skipped: &mut Vec<String>,
) -> Result<Vec<Memory>, Failure> {
    let allowed = descriptors()?;
    let mut all = Vec::new();
    for (wanted, rounds) in COUNTS {
        let connections = wanted.min(allowed - SPARE);
        if connections < wanted {
            skipped.push(format!(
                "{wanted} idle connections: a process may have {allowed} descriptors here, so there were {connections}"
            ));
        }
        for flavour in Flavour::ALL {
            // Those without pings are clients of the same server; a script would have a thread for each connection.
            let able = |program: &&Program| {
                program.flavours.contains(&flavour)
                    && program.kinds.contains(&Kind::Ping)
                    && !program.is_script()
            };
            for program in programs.iter().filter(able) {
                let mut bytes = Vec::new();
                for _ in 0..rounds {
                    match idle(program, flavour, connections) {
                        Ok(each) => bytes.push(each),
                        Err(error) => {
                            let name = &program.name;
                            skipped
                                .push(format!("{connections} idle connections, {name}: {error}"));
                            break;
                        }
                    }
                }
                if !bytes.is_empty() {
                    let (flavour, subject) = (flavour.name.to_owned(), program.name.clone());
                    let memory = Memory { flavour, subject, connections, bytes };
                    println!("{memory}");
                    all.push(memory);
                }
            }
        }
    }
    Ok(all)
}

/// Bytes for each of so many connections.
fn idle(program: &Program, flavour: Flavour, connections: usize) -> Result<f64, Failure> {
    let server = program.serve(flavour)?;
    // What is made once is there before.
    let calls = Calls {
        address: &server.address,
        kind: Kind::Ping,
        connections: 1,
        window: 1,
        length: "100calls".to_owned(),
    };
    program.load(flavour, &calls)?;
    let before = settled(&server)?;
    let _idle = program.idle(flavour, &server.address, connections)?;
    Ok((settled(&server)? - before) / connections as f64)
}

/// The memory of a server once it does not change any more.
fn settled(server: &Server) -> Result<f64, Failure> {
    let (mut last, mut same) = (server.resident()?, 0);
    while same < SAME {
        thread::sleep(PAUSE);
        let now = server.resident()?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}

/// How many descriptors a process may have.
fn descriptors() -> Result<usize, Failure> {
    let output = Command::new("sh").args(["-c", "ulimit -n"]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
