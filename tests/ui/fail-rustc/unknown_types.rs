//! A type that does not exist is reported once, though the stub and the dispatcher name it too.

#[rpc::service]
pub trait Calc {
    async fn argument(&self, job: Unknown, jobs: &[Unseen]) -> Missing;
}

fn main() {}
