//! A default that is not of its parameter's type, or is not there.

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Options;

#[rpc::service]
pub trait Calc {
    async fn no_default(&self, #[rpc(default)] options: Options);
    async fn owned(&self, #[rpc(default = "ten")] limit: i64);
    async fn borrowed(&self, #[rpc(default = Some(1))] limit: &i64);
    async fn text(&self, #[rpc(default = 10)] name: &str);
    async fn bytes(&self, #[rpc(default = 10)] data: &[u8]);
    async fn list(&self, #[rpc(default = 10)] list: &[u32]);
}

fn main() {}
