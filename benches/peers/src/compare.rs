//! One run: every subject, every measurement, and what they found out together.

use std::{fs, process::Command};

use peers_harness::Failure;

use crate::{
    all, build_cost, measure,
    options::Options,
    program::Program,
    results::{Machine, Results, Version},
    subjects::SUBJECTS,
};

pub(crate) fn run(options: &Options) -> Result<Results, Failure> {
    let mut skipped = Vec::new();
    let programs = programs(options, &mut skipped)?;
    if programs.is_empty() {
        return Err("no subject is left to measure".into());
    }
    let before = load_average()?;
    let rates = measure::rates(&programs, options)?;
    let (mut memory, mut wire, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    let mut build = Vec::new();
    if !options.only_rates {
        let measured = measure::memory(&programs, &mut skipped);
        memory = or_skipped("idle connections", measured, &mut skipped);
        wire = or_skipped("bytes on the wire", measure::wire(&programs), &mut skipped);
        let counted = measure::counts(&programs, &mut skipped);
        counts = or_skipped("instructions and allocations", counted, &mut skipped);
        let built = build_cost::measure(options.rounds);
        build = or_skipped("build cost", built, &mut skipped);
    }
    let subjects = programs
        .iter()
        .map(|program| Version { subject: program.name.clone(), version: program.version.clone() })
        .collect();
    let machine = machine([before, load_average()?])?;
    Ok(Results {
        machine,
        rounds: options.rounds,
        milliseconds: options.millis,
        subjects,
        rates,
        memory,
        wire,
        counts,
        build,
        skipped,
    })
}

/// What was measured, or nothing, and the reason goes to `skipped`: the rates took long, and are not lost for it.
fn or_skipped<T>(
    what: &str,
    measured: Result<Vec<T>, Failure>,
    skipped: &mut Vec<String>,
) -> Vec<T> {
    measured.unwrap_or_else(|error| {
        skipped.push(format!("{what}: {error}"));
        Vec::new()
    })
}

fn programs(options: &Options, skipped: &mut Vec<String>) -> Result<Vec<Program>, Failure> {
    let mut programs = Vec::new();
    for subject in SUBJECTS {
        programs.push(Program::of(subject, version(subject.name)?)?);
    }
    if options.all {
        programs.extend(all::programs(skipped)?);
    }
    programs.retain(|program| options.has_subject(&program.name));
    Ok(programs)
}

/// The package that a subject is, and its version.
fn version(subject: &str) -> Result<String, Failure> {
    let package = match subject {
        "raw" => "tokio",
        "codec" => "tokio-util",
        _ => subject.split('-').next().unwrap_or(subject),
    };
    Ok(format!("{package} {}", all::locked(package)?))
}

fn machine(load: [String; 2]) -> Result<Machine, Failure> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map(|model| model.trim_start_matches([' ', '\t', ':']));
    Ok(Machine {
        processor: model.unwrap_or("unknown").to_owned(),
        cores: std::thread::available_parallelism()?.get(),
        system: said("uname", &["-sr"])?,
        rustc: said("rustc", &["--version"])?,
        date: said("date", &["+%F"])?,
        load,
    })
}

fn load_average() -> Result<String, Failure> {
    let line = fs::read_to_string("/proc/loadavg")?;
    Ok(line.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

fn said(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new(program).args(arguments).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
