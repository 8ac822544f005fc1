//! Services that a declarative macro makes.
#![deny(warnings)]

macro_rules! service {
    ($(#[$attribute:meta])* $name:ident, $key:ty, { $($method:ident($argument:ident: $ty:ty) -> $result:ty;)* }) => {
        $(#[$attribute])*
        #[rpc::service]
        pub trait $name {
            $(async fn $method(&self, $argument: $ty, request: &str, list: &[$key]) -> $result;)*
            async fn key(&self, ctx: &rpc::Context, key: $key) -> Result<$key, rpc::Error>;
        }
    };
}

service!(
    /// Made by a macro.
    Made, u64, {
        add(a: i64) -> i64;
        name(a: &str) -> Option<String>;
    }
);

macro_rules! by_item {
    ($item:item) => {
        #[rpc::service(crate = rpc)]
        $item
    };
}

by_item! {
    pub trait Whole {
        async fn add(&self, a: i64, #[rpc(default = 5)] b: i64) -> i64;
    }
}

struct Server;

impl Made for Server {
    async fn add(&self, a: i64, _request: &str, _list: &[u64]) -> i64 {
        a
    }

    async fn name(&self, a: &str, _request: &str, _list: &[u64]) -> Option<String> {
        Some(a.to_owned())
    }

    async fn key(&self, _ctx: &rpc::Context, key: u64) -> Result<u64, rpc::Error> {
        Ok(key)
    }
}

impl Whole for Server {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

async fn client(made: MadeClient, whole: WholeClient) -> Result<i64, rpc::Error> {
    made.key(1).await?;
    whole.add(1, 2).await?;
    made.add(1, "", &[]).await
}

fn main() {
    let _ = (MadeDispatcher::new(Server), WholeDispatcher::new(Server));
    let _ = client;
}
