//! What the compiler says about a trait that is a service: nothing where it is right, one error where it is wrong.
//!
//! `TRYBUILD=overwrite cargo test --test ui` writes the expected messages anew; read the difference before it is
//! committed. Messages of the macro itself are the same with every compiler. Those of the compiler change, so
//! `fail-rustc` is compared on the version that they were recorded with alone.

use std::{path::Path, process::Command};

/// The compiler whose messages `tests/ui/fail-rustc` holds.
const RECORDED_WITH: &str = "rustc 1.95";

/// How many programs there are at least in a directory, so that none is lost unseen.
const AT_LEAST: [(&str, usize); 3] = [("pass", 12), ("fail", 11), ("fail-rustc", 12)];

#[test]
fn the_compiler_says_what_is_expected() {
    for (directory, at_least) in AT_LEAST {
        let found = programs(directory);
        assert!(
            found >= at_least,
            "tests/ui/{directory} has {found} programs, {at_least} expected"
        );
    }
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
    let version = rustc_version();
    if version.starts_with(RECORDED_WITH) {
        cases.compile_fail("tests/ui/fail-rustc/*.rs");
    } else {
        println!(
            "SKIPPED tests/ui/fail-rustc: its messages are those of {RECORDED_WITH}, this is {version}"
        );
    }
}

fn programs(directory: &str) -> usize {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui").join(directory);
    let entries = std::fs::read_dir(directory).expect("the directory is part of the repository");
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "rs"))
        .count()
}

fn rustc_version() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(rustc).arg("--version").output().expect("a compiler compiled this");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
