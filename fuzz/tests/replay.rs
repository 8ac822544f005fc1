//! Every target over its corpus, and over mutations of it that a seed draws.
//!
//! `FUZZ_SEED=N` draws other mutations, `FUZZ_ITERATIONS=N` more of them for each target. A failure says the target and the input;
//! `FUZZ_TARGET=name FUZZ_INPUT=hex cargo test replay_one -- --nocapture` runs it alone.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use rpc_core::random::Random;
use rpc_fuzz::{TARGETS, mutate::mutated};

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("every target has a corpus")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    files.sort();
    let corpus: Vec<_> =
        files.iter().map(|file| std::fs::read(file).expect("it can be read")).collect();
    assert!(!corpus.is_empty(), "the corpus of {name} is empty");
    corpus
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("it is a number"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn run(name: &str, body: fn(&[u8]), input: &[u8], seed: u64) {
    let outcome = catch_unwind(AssertUnwindSafe(|| body(input)));
    assert!(
        outcome.is_ok(),
        "a finding with FUZZ_SEED={seed}: FUZZ_TARGET={name} FUZZ_INPUT={} cargo test replay_one",
        hex(input)
    );
}

#[test]
fn corpora_and_mutations() {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let seed = number("FUZZ_SEED").unwrap_or(clock.subsec_nanos().into());
    let iterations = number("FUZZ_ITERATIONS").unwrap_or(200_000);
    println!("FUZZ_SEED={seed}");
    for (name, body) in TARGETS {
        let corpus = corpus(name);
        for input in &corpus {
            run(name, body, input, seed);
        }
        let mut random = Random::new(seed);
        for _ in 0..iterations {
            run(name, body, &mutated(&corpus, &mut random), seed);
        }
        println!("{name}: {} inputs and {iterations} mutations", corpus.len());
    }
}

#[test]
fn replay_one() {
    let (Ok(target), Ok(input)) = (std::env::var("FUZZ_TARGET"), std::env::var("FUZZ_INPUT"))
    else {
        return;
    };
    let bytes: Vec<u8> = (0..input.len() / 2)
        .map(|at| u8::from_str_radix(&input[2 * at..2 * at + 2], 16).expect("it is hex"))
        .collect();
    let (_, body) = TARGETS.into_iter().find(|(name, _)| *name == target).expect("a target");
    body(&bytes);
}
