//! What the ping server and the ping client share: the trait, which makes the stub and the dispatcher.

/// Answers with what it was sent.
#[rpc::service]
pub(crate) trait Ping {
    /// Returns the message. That may be done twice, so a client whose connection was lost asks again by itself.
    #[rpc(idempotent)]
    async fn ping(&self, message: &str) -> String;
}
