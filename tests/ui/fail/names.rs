//! Names that mean two things, or nothing.

#[rpc::service(name = "rpc.calc")]
pub trait Reserved {
    async fn add(&self, a: i64) -> i64;
}

#[rpc::service(name = "")]
pub trait Nameless {
    async fn add(&self, a: i64) -> i64;
}

#[rpc::service]
pub trait Calc {
    async fn new(&self) -> i64;
    async fn connect(&self) -> i64;
    async fn local(&self) -> i64;
    async fn channel(&self) -> i64;
    async fn clone(&self) -> i64;
    async fn add(&self) -> i64;
    #[rpc(name = "add")]
    async fn plus(&self) -> i64;
    async fn add(&self, a: i64) -> i64;
    #[rpc(name = "")]
    async fn empty(&self) -> i64;
    #[rpc(name = "a.b")]
    async fn dotted(&self) -> i64;
    #[rpc(name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    async fn long(&self) -> i64;
}

fn use_it(calc: &CalcClient, reserved: &ReservedClient, nameless: &NamelessClient) {
    let _ = calc.plus();
    let _ = calc.add();
    let _ = calc.empty();
    let _ = reserved.add(1);
    let _ = nameless.add(1);
}

fn main() {}
