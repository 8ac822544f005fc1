//! What a framework costs its users at build time: how long the check of a service takes, how many packages come with it, how large
//! a server becomes.
//!
//! The users are played: see `workspace`. A check is timed once the dependencies are checked and the package's own source has changed,
//! without incremental compilation, beside a check of an empty package with the same dependencies: that much is cargo and the
//! compiler's start. The subjects take turns within each round.

use peers_harness::Failure;

use crate::results::BuildCost;

mod definition;
mod subjects;
mod workspace;

use workspace::{Package, Workspace};

/// Measures all, in some minutes: every dependency is built twice.
pub(crate) fn measure(rounds: usize) -> Result<Vec<BuildCost>, Failure> {
    if rounds == 0 {
        return Err("there is nothing to say after no rounds".into());
    }
    let mut measured = Vec::new();
    for subject in subjects::subjects() {
        eprintln!("building what {} needs, and its server", subject.name);
        let workspace = Workspace::create(subject)?;
        for package in [Package::Service, Package::Empty] {
            workspace.prepare(package)?;
        }
        let packages = workspace.packages()?;
        let subject = workspace.subject.name;
        let version = packages.iter().find(|(name, _)| name == subject);
        let (_, version) = version.ok_or_else(|| format!("its server is without {subject}"))?;
        let cost = BuildCost {
            subject: subject.to_owned(),
            version: version.clone(),
            check_seconds: Vec::new(),
            empty_check_seconds: Vec::new(),
            crates: packages.len(),
            server_bytes: workspace.server_bytes()?,
        };
        measured.push((workspace, cost));
    }
    for round in 1..=rounds {
        eprintln!("checking, round {round} of {rounds}");
        for (workspace, cost) in &mut measured {
            cost.check_seconds.push(workspace.check(Package::Service, round)?);
            cost.empty_check_seconds.push(workspace.check(Package::Empty, round)?);
        }
    }
    Ok(measured.into_iter().map(|(_, cost)| cost).collect())
}
