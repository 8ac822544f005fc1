#[rpc::service(name = "queue.v2", crate = wire::rpc, spawn, requires = "member")]
pub(crate) trait Queue {
    #[rpc(name = "push", idempotent)]
    async fn add(&self, #[rpc(context)] call: &Call, #[rpc(default)] name: &str, #[rpc(default = 5)] limit: u32);
    #[rpc(blocking, requires("read", "write"))]
    fn sort(&self, #[rpc(default = vec![])] by: &[String]) -> Vec<String>;
    #[cfg(unix)]
    #[deprecated]
    async fn r#type(&self) -> u64 {
        4
    }
}
