//! Types that a method cannot return, as far as tokens show it.

use std::io;

#[rpc::service]
pub trait Calc {
    async fn borrowed(&self) -> &str;
    async fn borrowed_inside(&self) -> Result<Vec<&str>, rpc::Error>;
    async fn alias(&self) -> io::Result<i64>;
    async fn opaque(&self) -> impl Send;
    async fn object(&self) -> dyn Send;
    async fn never(&self) -> !;
    async fn nil_twice(&self) -> Option<Option<i64>>;
    async fn nil_inside(&self) -> Result<Option<()>, rpc::Error>;
    async fn own(&self) -> Self
    where
        Self: Sized;
    #[rpc(oneway)]
    async fn answered(&self) -> i64;
    #[rpc(oneway)]
    async fn failing(&self) -> Result<(), rpc::Error>;
}

fn main() {}
