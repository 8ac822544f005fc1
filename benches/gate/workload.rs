//! What is called, how often, and what is counted meanwhile.

use rpc::__private::Dispatcher;
use rpc_core::{Structs, payload::Payload, value::Encoder};

use crate::{
    allocations,
    pair::{Failure, Pair},
};

/// Calls of a method.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// What one costs is the difference between so many calls and twice as many.
    pub(crate) calls: u64,
    pub(crate) method: &'static str,
    /// The method's index in its service.
    pub(crate) index: u32,
    /// How both ends write structs.
    pub(crate) structs: Structs,
    /// Appends the arguments, as a list.
    pub(crate) encode: fn(&mut Encoder),
    /// Whether the answer is right.
    pub(crate) check: fn(&Payload) -> bool,
    /// Whether the handler is pending at its first poll.
    pub(crate) is_pending: bool,
}

/// Which workload the program was asked for, and how many calls, if it was.
pub(crate) fn asked() -> Result<Option<(String, u64)>, Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[..] {
        [_, name, calls, ..] => Ok(Some((name.clone(), calls.parse()?))),
        _ => Ok(None),
    }
}

/// Prints what the program can be asked for.
pub(crate) fn list(workloads: &[Workload]) {
    for Workload { name, calls, .. } in workloads {
        println!("{name} {calls}");
    }
}

/// The allocations that so many calls take.
pub(crate) fn allocations(
    dispatcher: &dyn Dispatcher,
    workloads: &[Workload],
    name: &str,
    calls: u64,
) -> Result<u64, Failure> {
    let workload = workloads.iter().find(|workload| workload.name == name);
    let workload = workload.ok_or("no such workload")?;
    let mut pair = Pair::new(dispatcher, workload.structs)?;
    // Everything that is made once is made here.
    for _ in 0..100 {
        pair.call(workload)?;
    }
    let before = allocations::count();
    for _ in 0..calls {
        pair.call(workload)?;
    }
    Ok(allocations::count() - before)
}
