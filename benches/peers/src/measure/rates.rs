//! Calls per second and processor time. The subjects take turns within a round, so that a slow phase of the machine hits them all, and
//! each round begins with another one.

use peers_harness::{Failure, Flavour, WORKLOADS};

use crate::{
    options::Options,
    program::{Calls, Program},
    results::{Rates, Round},
};

pub(crate) fn rates(programs: &[Program], options: &Options) -> Result<Vec<Rates>, Failure> {
    let mut all = Vec::new();
    for flavour in Flavour::ALL {
        let mut servers = Vec::new();
        for program in programs.iter().filter(|program| program.flavours.contains(&flavour)) {
            servers.push((program, program.serve(flavour)?));
        }
        for workload in WORKLOADS.iter().filter(|workload| options.has_workload(workload.name)) {
            let able: Vec<_> = servers
                .iter()
                .filter(|(program, _)| program.kinds.contains(&workload.kind))
                .collect();
            let mut rounds = vec![Vec::new(); able.len()];
            for first in 0..options.rounds {
                for turn in 0..able.len() {
                    let index = (first + turn) % able.len();
                    let (program, server) = able[index];
                    let calls = Calls {
                        address: &server.address,
                        kind: workload.kind,
                        connections: workload.connections,
                        window: workload.window,
                        length: format!("{}ms", options.millis),
                    };
                    let before = server.cpu_seconds()?;
                    let made = program.load(flavour, &calls)?;
                    let spent = server.cpu_seconds()? - before;
                    rounds[index].push(Round {
                        calls_per_second: made.calls / made.seconds,
                        client_cpu: made.cpu_seconds / made.calls * 1e6,
                        server_cpu: spent / made.calls * 1e6,
                    });
                }
            }
            for ((program, _), rounds) in able.into_iter().zip(rounds) {
                let rates = Rates {
                    flavour: flavour.name.to_owned(),
                    workload: workload.name.to_owned(),
                    subject: program.name.clone(),
                    rounds,
                };
                println!("{rates}");
                all.push(rates);
            }
        }
    }
    Ok(all)
}
