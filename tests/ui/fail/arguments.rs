//! Types that an argument cannot have, as far as tokens show it.

use std::borrow::Cow;

pub struct Context;

#[rpc::service]
pub trait Calc {
    async fn exclusive(&self, a: &mut Vec<u8>);
    async fn eternal(&self, a: &'static str);
    async fn inside(&self, a: Vec<&str>, b: Option<&[u8]>, c: (i64, &str), d: &[&str], e: &&str);
    async fn cow(&self, a: Cow<'_, str>);
    async fn object(&self, a: &dyn Send, b: Box<dyn Send>);
    async fn addresses(&self, a: *const u8, b: fn(i64) -> i64);
    async fn unsized_ones(&self, a: [u8], b: str);
    async fn own(&self, a: &Self);
    async fn nil_twice(&self, a: Option<Option<i64>>, b: Vec<Option<()>>);
    async fn contexts(&self, a: Context, b: &Context, c: &mut Context);
    async fn defaulted(&self, #[rpc(default)] ctx: &Context);
}

fn main() {}
