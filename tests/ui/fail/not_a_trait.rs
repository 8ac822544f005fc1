//! The attribute on what is not a trait: the item stays, and its users have no error.

#[rpc::service]
pub trait Calc {
    async fn add(&self, a: i64, b: i64) -> i64;
}

pub struct Server;

#[rpc::service]
impl Calc for Server {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

#[rpc::service]
pub struct Store;

#[rpc::service]
pub fn function() {}

fn main() {
    function();
    let _ = Store;
    let _ = CalcClient::local(Server);
}
