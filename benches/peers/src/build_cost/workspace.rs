//! A framework's user, played: a workspace in a temporary directory, and cargo run in it.
//!
//! It has three packages with the same dependencies: the service, the ping server, and one that is empty. It never outlives its value,
//! except in a process that is killed.

use std::{
    collections::BTreeSet,
    env::consts::EXE_SUFFIX,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use super::{
    Failure,
    subjects::{Sources, Subject},
};

/// The kernel's unit of CPU time, which is the same on every common architecture.
const TICKS_PER_SECOND: f64 = 100.0;

const PROFILE: &str = "\
[profile.release]
codegen-units = 1
lto = \"thin\"
strip = true
";

/// A package of the workspace.
#[derive(Clone, Copy)]
pub(super) enum Package {
    /// The service of many methods.
    Service,
    /// Nothing, beside the same dependencies.
    Empty,
}

impl Package {
    fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Empty => "empty",
        }
    }
}

pub(super) struct Workspace {
    pub(super) subject: Subject,
    root: PathBuf,
}

impl Workspace {
    pub(super) fn create(subject: Subject) -> Result<Self, Failure> {
        let name = format!("rpc-build-cost-{}-{}", std::process::id(), subject.name);
        let root = std::env::temp_dir().join(name);
        fs::create_dir(&root)?;
        // From here on it is removed, whatever happens.
        let workspace = Self { subject, root };
        let manifest = format!(
            "[workspace]\nmembers = [\"service\", \"empty\", \"server\"]\nresolver = \"3\"\n\n{PROFILE}"
        );
        fs::write(workspace.root.join("Cargo.toml"), manifest)?;
        workspace.write("service", "lib.rs", &workspace.subject.service)?;
        workspace.write("empty", "lib.rs", &Sources::default())?;
        workspace.write("server", "main.rs", &workspace.subject.server)?;
        Ok(workspace)
    }

    fn write(&self, package: &str, file: &str, sources: &Sources) -> Result<(), Failure> {
        let directory = self.root.join(package);
        fs::create_dir_all(directory.join("src"))?;
        let mut manifest = format!(
            "[package]\nname = \"{package}\"\nedition = \"2024\"\n\n[dependencies]\n{}\n",
            self.subject.dependencies
        );
        if !sources.others.is_empty() {
            manifest += "\n[build-dependencies]\n";
            manifest += self.subject.build_dependencies;
        }
        fs::write(directory.join("Cargo.toml"), manifest)?;
        fs::write(directory.join("src").join(file), &sources.rust)?;
        for (name, text) in &sources.others {
            fs::write(directory.join(name), text)?;
        }
        Ok(())
    }

    /// Checks a package with its dependencies, so that later checks find these done.
    pub(super) fn prepare(&self, package: Package) -> Result<(), Failure> {
        self.cargo(&["check", "--package", package.name()])?;
        Ok(())
    }

    /// Checks a package whose source has changed, and nothing else: the processor seconds of cargo and the compiler together.
    pub(super) fn check(&self, package: Package, round: usize) -> Result<f64, Failure> {
        let name = package.name();
        let source = match package {
            Package::Service => &self.subject.service.rust,
            Package::Empty => "",
        };
        let file = self.root.join(name).join("src/lib.rs");
        fs::write(file, format!("{source}\n// Round {round}.\n"))?;
        let cpu_before = children_cpu_seconds()?;
        let output = self.cargo(&["check", "--offline", "--package", name])?;
        let cpu_seconds = children_cpu_seconds()? - cpu_before;
        let compiled: Vec<&str> = output.log.lines().filter_map(compiled).collect();
        if compiled != [name] {
            return Err(format!("{compiled:?} was checked, and not {name} alone").into());
        }
        Ok(cpu_seconds)
    }

    /// The packages that the server is built from, with their versions: not itself, nor what build scripts need.
    pub(super) fn packages(&self) -> Result<BTreeSet<(String, String)>, Failure> {
        let arguments = ["tree", "--package", "server", "--edges", "normal", "--prefix", "none"];
        let tree = self.cargo(&arguments)?.answer;
        let package = |line: &str| {
            let (name, rest) = line.split_once(" v")?;
            Some((name.to_owned(), rest.split(' ').next()?.to_owned()))
        };
        let packages = tree.lines().skip(1).map(package).collect::<Option<_>>();
        packages.ok_or_else(|| format!("cargo's tree is of an unknown form:\n{tree}").into())
    }

    /// The size of the ping server as it would be shipped.
    pub(super) fn server_bytes(&self) -> Result<u64, Failure> {
        self.cargo(&["build", "--release", "--package", "server"])?;
        let program = self.root.join("target/release").join(format!("server{EXE_SUFFIX}"));
        Ok(fs::metadata(program)?.len())
    }

    fn cargo(&self, arguments: &[&str]) -> Result<Output, Failure> {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(arguments)
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", self.root.join("target"))
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_TERM_COLOR", "never")
            .env("CARGO_TERM_QUIET", "false")
            // What would change or replace the compiler.
            .env_remove("CARGO_BUILD_TARGET")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("RUSTC_WORKSPACE_WRAPPER")
            .env_remove("RUSTC_WRAPPER")
            .env_remove("RUSTFLAGS")
            .stdin(Stdio::null())
            .output()?;
        let log = String::from_utf8(output.stderr)?;
        if !output.status.success() {
            let name = self.subject.name;
            return Err(format!("cargo {} failed for {name}:\n{log}", arguments.join(" ")).into());
        }
        Ok(Output { answer: String::from_utf8(output.stdout)?, log })
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// What cargo prints.
struct Output {
    answer: String,
    log: String,
}

/// The package that a line of cargo's log says is compiled.
fn compiled(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    words.next().filter(|verb| ["Checking", "Compiling"].contains(verb))?;
    words.next()
}

/// What the processes have used that this one started and that have ended, with theirs.
fn children_cpu_seconds() -> Result<f64, Failure> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field, the program's name in parentheses, may hold spaces; the 16th and 17th are meant.
    let (_, from_third) = stat.rsplit_once(')').ok_or("the process has no name")?;
    let mut ticks = 0.0;
    for field in from_third.split_whitespace().skip(13).take(2) {
        ticks += field.parse::<f64>()?;
    }
    Ok(ticks / TICKS_PER_SECOND)
}
