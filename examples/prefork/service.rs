//! What the prefork server's children serve besides pings, so that one can see who answers.

/// Tells the children apart.
#[rpc::service]
pub(crate) trait Worker {
    /// The id of the process that answers.
    #[rpc(idempotent)]
    async fn pid(&self) -> u32;
    /// Answers after so many milliseconds: a call for which a drain waits.
    async fn rest(&self, millis: u64) -> u32;
}
