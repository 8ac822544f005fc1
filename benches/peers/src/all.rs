//! The peers that are measured only when all are asked for. Each is a program of its own, which plays the roles of the harness: the
//! packages of this workspace that are no default members, and scripts in Python. They are built, or installed, when they are asked
//! for; one that cannot be is told of, and the others are measured.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use peers_harness::{Failure, Flavour, Kind};

use crate::program::Program;

/// A package of this workspace.
struct Package {
    name: &'static str,
    /// The crate that it measures.
    measures: &'static str,
    subjects: &'static [&'static str],
    flavours: &'static [Flavour],
}

const PACKAGES: [Package; 2] = [
    Package {
        name: "peers-volo",
        measures: "volo-thrift",
        subjects: &["volo", "volo-mux"],
        flavours: &Flavour::ALL,
    },
    Package {
        name: "peers-capnp",
        measures: "capnp-rpc",
        subjects: &["capnp"],
        flavours: &[Flavour::ALL[0]],
    },
];

/// What the packages' subjects can do.
const KINDS: [Kind; 4] = [Kind::Ping, Kind::Blob, Kind::Structs, Kind::Mixed];

/// The subjects in Python's standard library, and their scripts.
const STANDARD: [(&str, &str); 2] = [("xmlrpc", "xmlrpc_.py"), ("connection", "connection.py")];

/// What the scripts' subjects can do.
const SCRIPT_KINDS: [Kind; 3] = [Kind::Ping, Kind::Blob, Kind::Structs];

/// What prints an interpreter's path and its version, if it understands the scripts.
const INTERPRETER: &str = "
import platform, sys
if sys.version_info < (3, 10):
    sys.exit('error: the scripts want Python 3.10')
print(sys.executable)
print('Python', platform.python_version())
";

/// What prints the version of zerorpc, if it can be used.
const ZERORPC: &str = "
import importlib.metadata, zerorpc
print('zerorpc', importlib.metadata.version('zerorpc'))
";

/// All that could be built or installed. What could not is told in `skipped`, with its reason.
pub(crate) fn programs(skipped: &mut Vec<String>) -> Result<Vec<Program>, Failure> {
    let executable = env::current_exe()?;
    let target = executable.ancestors().nth(2).ok_or("there is no target directory")?;
    let mut programs = Vec::new();
    for package in PACKAGES {
        let names = package.subjects.join(", ");
        add(&mut programs, skipped, &names, package.build(target));
    }
    let python = said(Command::new("python3").args(["-c", INTERPRETER]));
    let standard = python.and_then(|said| {
        let (path, version) = said.split_once('\n').ok_or("python3 does not say what it is")?;
        Ok(STANDARD.map(|(name, file)| script(name, version, path.into(), file)).into())
    });
    add(&mut programs, skipped, &STANDARD.map(|(name, _)| name).join(", "), standard);
    add(&mut programs, skipped, "zerorpc", zerorpc(&target.join("python")));
    Ok(programs)
}

/// Takes these programs, or tells why there are none.
fn add(
    programs: &mut Vec<Program>,
    skipped: &mut Vec<String>,
    names: &str,
    these: Result<Vec<Program>, Failure>,
) {
    match these {
        Ok(these) => programs.extend(these),
        Err(reason) => skipped.push(format!("{names}: {reason}")),
    }
}

impl Package {
    fn build(&self, target: &Path) -> Result<Vec<Program>, Failure> {
        println!("building {}", self.name);
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let manifest = workspace().join("Cargo.toml");
        said(
            Command::new(cargo)
                .args(["build", "--release", "--package", self.name, "--manifest-path"])
                .args([&*manifest, Path::new("--target-dir"), target]),
        )?;
        let version = format!("{} {}", self.measures, locked(self.measures)?);
        let program = target.join("release").join(self.name).into_os_string();
        Ok(self
            .subjects
            .iter()
            .map(|&name| Program {
                name: name.to_owned(),
                version: version.clone(),
                command: vec![program.clone()],
                kinds: KINDS.to_vec(),
                flavours: self.flavours.to_vec(),
            })
            .collect())
    }
}

/// Installs zerorpc into a virtual environment in this directory.
fn zerorpc(environment: &Path) -> Result<Vec<Program>, Failure> {
    println!("installing zerorpc");
    let python = environment.join("bin/python");
    if !python.exists() {
        said(Command::new("python3").args(["-m", "venv"]).arg(environment))?;
    }
    let requirements = workspace().join("python/requirements.txt");
    said(
        Command::new(&python)
            .args(["-m", "pip", "install", "--disable-pip-version-check", "--requirement"])
            .arg(requirements),
    )?;
    let version = said(Command::new(&python).args(["-c", ZERORPC]))?;
    Ok(vec![script("zerorpc", &version, python.into(), "zerorpc_.py")])
}

/// A subject that is written in Python. An interpreter runs one thread at a time, so there is one flavour.
fn script(name: &str, version: &str, python: OsString, file: &str) -> Program {
    Program {
        name: name.to_owned(),
        version: version.to_owned(),
        command: vec![python, workspace().join("python").join(file).into_os_string()],
        kinds: SCRIPT_KINDS.to_vec(),
        flavours: vec![Flavour::ALL[0]],
    }
}

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The version of a package in the lock file.
pub(crate) fn locked(package: &str) -> Result<String, Failure> {
    let lock = fs::read_to_string(workspace().join("Cargo.lock"))?;
    let name = format!("name = \"{package}\"\nversion = \"");
    let version = lock.split(&*name).nth(1).and_then(|rest| rest.split('"').next());
    Ok(version.ok_or_else(|| format!("{package} is not in the lock file"))?.to_owned())
}

/// What a command prints; an error, if it fails.
fn said(command: &mut Command) -> Result<String, Failure> {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let program = program.to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program}: {}", reason(&errors).unwrap_or("it fails")).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The last line that tells of an error: the ones before say what failed because of it.
fn reason(errors: &str) -> Option<&str> {
    let tells = |line: &&str| line.to_ascii_lowercase().contains("error");
    errors.lines().rfind(tells).or(errors.lines().last()).map(str::trim)
}
