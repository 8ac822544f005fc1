//! What the command line asks for.

use std::path::{Path, PathBuf};

use peers_harness::{Failure, WORKLOADS};

pub(crate) const HELP: &str = "\
rpc-peers [OPTIONS]           compares, and writes the page and the plot
rpc-peers report FILE DIR     writes them again from saved results

  --all              also volo-thrift, capnp-rpc, and Python's xmlrpc, multiprocessing.connection and zerorpc
  --rounds N         rounds of each measurement, in which the subjects take turns (7)
  --millis N         how long a rate is measured in a round (1000)
  --subjects A,B     only these
  --workloads A,B    only these, of: ping ping-64 ping-64x16 blobs structs mixed clients-10 clients-100 clients-1000
                     items queued-items
  --rates            only rates and processor time: no memory, bytes on the wire, counts and compile times
  --out DIR          where BENCHMARKS.md and benchmarks.svg go (docs of this repository); `-` for nowhere
  --save FILE        where the raw results go (target/results.json of this workspace)
";

/// The options of a comparison.
pub(crate) struct Options {
    pub(crate) all: bool,
    pub(crate) rounds: usize,
    pub(crate) millis: u64,
    /// All, where there is none.
    pub(crate) subjects: Vec<String>,
    pub(crate) workloads: Vec<String>,
    pub(crate) only_rates: bool,
    /// Where the page goes, if anywhere.
    pub(crate) out: Option<PathBuf>,
    pub(crate) save: PathBuf,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, Failure> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut options = Self {
            all: false,
            rounds: 7,
            millis: 1000,
            subjects: Vec::new(),
            workloads: Vec::new(),
            only_rates: false,
            out: Some(workspace.join("../../docs")),
            save: workspace.join("target/results.json"),
        };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let mut value =
                || words.next().ok_or_else(|| format!("{word} wants a value\n\n{HELP}"));
            match word {
                "--all" => options.all = true,
                "--rates" => options.only_rates = true,
                "--rounds" => options.rounds = value()?.parse()?,
                "--millis" => options.millis = value()?.parse()?,
                "--subjects" => options.subjects = list(value()?),
                "--workloads" => options.workloads = list(value()?),
                "--out" => options.out = Some(value()?).filter(|out| *out != "-").map(Into::into),
                "--save" => options.save = value()?.into(),
                _ => return Err(format!("there is no option {word}\n\n{HELP}").into()),
            }
        }
        if options.rounds == 0 || options.millis == 0 {
            return Err("there is at least one round, of at least a millisecond".into());
        }
        for name in &options.workloads {
            if WORKLOADS.iter().all(|workload| workload.name != name) {
                return Err(format!("no workload is named {name}\n\n{HELP}").into());
            }
        }
        Ok(options)
    }

    /// Whether this subject is asked for.
    pub(crate) fn has_subject(&self, name: &str) -> bool {
        self.subjects.is_empty() || self.subjects.iter().any(|subject| subject == name)
    }

    /// Whether this workload is asked for.
    pub(crate) fn has_workload(&self, name: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|workload| workload == name)
    }
}

fn list(words: &str) -> Vec<String> {
    words.split(',').map(str::to_owned).collect()
}
