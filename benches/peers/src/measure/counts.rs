//! Instructions and allocations of a call, of client and server, counted by valgrind: current-thread runtimes, real sockets. A figure
//! is the difference between many calls and few, so what is done once does not count.

use std::{env, ffi::OsString, fs, path::Path, process::Command};

use peers_harness::{Failure, Flavour, WORKLOADS, Workload};

use crate::{
    program::{Calls, Program},
    results::{Count, Counts},
};

/// Workloads and how many calls are counted of each; as many again come before.
const WORKLOADS_COUNTED: [(&str, u64); 3] = [("ping-64", 6_400), ("blobs", 80), ("structs", 64)];

/// What was not measured is told in `skipped`.
pub(crate) fn counts(
    programs: &[Program],
    skipped: &mut Vec<String>,
) -> Result<Vec<Counts>, Failure> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        skipped.push("instructions and allocations: valgrind is not installed".to_owned());
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for (name, calls) in WORKLOADS_COUNTED {
        let workload = WORKLOADS.iter().find(|workload| workload.name == name);
        let workload = workload.ok_or("there is such a workload")?;
        // An interpreter's instructions say little, and its threads confuse the tool.
        let able =
            |program: &&Program| program.kinds.contains(&workload.kind) && !program.is_script();
        for program in programs.iter().filter(able) {
            let [client, server] = counted(program, workload, calls)?;
            let counts =
                Counts { workload: name.to_owned(), subject: program.name.clone(), client, server };
            println!("{counts}");
            all.push(counts);
        }
    }
    Ok(all)
}

/// Client and server.
fn counted(program: &Program, workload: &Workload, calls: u64) -> Result<[Count; 2], Failure> {
    let instructions = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let allocations = ["--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"];
    let differ = |tool: &[&str], marker| -> Result<[f64; 2], Failure> {
        let few = totals(program, workload, calls, tool, marker)?;
        let many = totals(program, workload, 2 * calls, tool, marker)?;
        Ok([0, 1].map(|side| (many[side] - few[side]) / calls as f64))
    };
    let instructions = differ(&instructions, "Collected :")?;
    let allocations = differ(&allocations, "total heap usage:")?;
    Ok([0, 1]
        .map(|side| Count { instructions: instructions[side], allocations: allocations[side] }))
}

/// What the tool counted of the client and of the server, in all.
fn totals(
    program: &Program,
    workload: &Workload,
    calls: u64,
    tool: &[&str],
    marker: &str,
) -> Result<[f64; 2], Failure> {
    let flavour = Flavour::ALL[0];
    let directory = env::temp_dir().join(format!("rpc-peers-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let logs = ["client", "server"].map(|side| directory.join(side));
    let behind = |log: &Path| -> Vec<OsString> {
        let log = format!("--log-file={}", log.display());
        ["valgrind"].iter().chain(tool).map(OsString::from).chain([log.into()]).collect()
    };
    let server = program.serve_behind(&behind(&logs[1]), flavour)?;
    let calls = Calls {
        address: &server.address,
        kind: workload.kind,
        connections: workload.connections,
        window: workload.window,
        length: format!("{calls}calls"),
    };
    program.load_behind(&behind(&logs[0]), flavour, &calls)?;
    server.terminate()?;
    let mut totals = [0.0; 2];
    for (total, log) in totals.iter_mut().zip(&logs) {
        let text = fs::read_to_string(log)?;
        let number = text.split(marker).nth(1).and_then(|rest| rest.split_whitespace().next());
        *total = number.ok_or("valgrind says nothing")?.replace(',', "").parse()?;
    }
    fs::remove_dir_all(directory)?;
    Ok(totals)
}
