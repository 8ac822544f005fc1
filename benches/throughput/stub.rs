//! The stub of the benchmark's service, written by hand like its dispatcher.

use rpc::{__private::Method, Call, Channel, Value};

use crate::service::{ALLOCATIONS, BORROWED, ECHO, PING, YIELDING};

/// The stub.
#[derive(Clone)]
pub(crate) struct BenchClient(pub(crate) Channel);

impl BenchClient {
    pub(crate) fn ping(&self, data: &[u8]) -> Call<Vec<u8>> {
        let mut request = self.0.prepare("Bench.ping", &PING);
        request.encoder().bin(data);
        request.call()
    }

    pub(crate) fn echo(&self, number: u64) -> Call<u64> {
        self.one("Bench.echo", &ECHO, number)
    }

    pub(crate) fn yielding(&self, number: u64) -> Call<u64> {
        self.one("Bench.yielding", &YIELDING, number)
    }

    pub(crate) fn borrowed(&self, name: &str, data: &[u8]) -> Call<u64> {
        let mut request = self.0.prepare("Bench.borrowed", &BORROWED);
        request.encoder().str(name);
        request.encoder().bin(data);
        request.call()
    }

    pub(crate) fn allocations(&self) -> Call<u64> {
        self.0.prepare("Bench.allocations", &ALLOCATIONS).call()
    }

    fn one(&self, name: &'static str, method: &'static Method, number: u64) -> Call<u64> {
        let mut request = self.0.prepare(name, method);
        let encoded = <u64 as Value>::encode(&number, request.encoder());
        request.encoded("number", encoded);
        request.call()
    }
}
