//! What the ping server and the ping client share: the trait, which makes the stub and the dispatcher.

/// Answers with what it was sent.
#[rpc::service]
pub(crate) trait Ping {
    /// Returns the message.
    async fn ping(&self, message: &str) -> String;
}
