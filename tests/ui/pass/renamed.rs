//! A crate that re-exports the facade under a name of its own.
#![deny(warnings)]

mod vendor {
    pub mod remote {
        pub use ::rpc::*;
    }
}

mod service {
    use crate::vendor::remote::{self as wire, Context};

    #[wire::service(crate = crate::vendor::remote)]
    pub trait Calc {
        async fn add(&self, ctx: &Context, a: i64, b: &[String]) -> Result<i64, wire::Error>;
        #[rpc(blocking)]
        fn slow(&self) -> i64;
    }
}

struct Server;

impl service::Calc for Server {
    async fn add(&self, _: &rpc::Context, a: i64, _: &[String]) -> Result<i64, rpc::Error> {
        Ok(a)
    }

    fn slow(&self) -> i64 {
        1
    }
}

fn main() {
    let _ = service::CalcDispatcher::new(Server);
    let _ = |client: service::CalcClient| client.add(1, &[]);
}
