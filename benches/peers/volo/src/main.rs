//! volo-thrift, as a program that is measured: with its pool of connections that carry one call at a time, as it comes, and with the
//! connections that its feature `multiplex` shares. See ../../README.md.

mod peer;
mod service;

#[expect(unsafe_code, reason = "the generator writes it")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/volo_gen.rs"));
}

use generated::volo_gen::echo;
use peer::Peer;
use peers_harness::{Failure, Kind, Subject};

const KINDS: &[Kind] = &[Kind::Ping, Kind::Blob, Kind::Structs, Kind::Mixed];

const SUBJECTS: &[Subject] = &[
    Subject::of::<Peer<false>>("volo", KINDS, |listener| Box::pin(service::serve(listener, false))),
    Subject::of::<Peer<true>>("volo-mux", KINDS, |listener| {
        Box::pin(service::serve(listener, true))
    }),
];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if peers_harness::play(SUBJECTS, &words)? {
        return Ok(());
    }
    Err("it plays the roles of the harness: serve, load and idle".into())
}
