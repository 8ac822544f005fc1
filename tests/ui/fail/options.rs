//! Options that are not known, not complete, or in the wrong place.

#[rpc::service(version = 2, spawn = true, name)]
pub trait Options {
    async fn add(&self, a: i64) -> i64;
}

#[rpc::service]
#[rpc(spawn)]
pub trait Calc {
    #[rpc(retry)]
    async fn unknown(&self) -> i64;
    #[rpc(oneway = true)]
    async fn valued(&self);
    #[rpc(name = 5)]
    async fn not_text(&self) -> i64;
    #[rpc]
    async fn bare(&self) -> i64;
    #[rpc(idempotent, idempotent)]
    async fn twice(&self) -> i64;
    #[cfg_attr(unix, rpc(oneway))]
    async fn conditional(&self);
    async fn parameter(&self, #[rpc(optional)] a: i64) -> i64;
    async fn expression(&self, #[rpc(default = )] a: i64) -> i64;
    #[rpc(requires)]
    async fn nothing_required(&self);
    #[rpc(requires = admin)]
    async fn not_text_required(&self);
    #[rpc(requires("read", 5))]
    async fn not_texts_required(&self);
    #[rpc(requires())]
    async fn none_required(&self);
    #[rpc(requires = "")]
    async fn empty_required(&self);
    #[rpc(requires("read", "read"))]
    async fn required_twice(&self);
    #[rpc(requires = "read", requires = "write")]
    async fn given_twice(&self);
    #[rpc(requires["read"], idempotent = 1)]
    async fn other_brackets(&self);
}

#[rpc::service(requires = [])]
pub trait Required {
    async fn add(&self, a: i64) -> i64;
}

fn use_it(calc: &CalcClient, options: &OptionsClient) {
    let _ = calc.unknown();
    let _ = calc.parameter(1);
    let _ = options.add(1);
}

fn main() {}
