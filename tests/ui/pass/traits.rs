//! Supertraits, default bodies, visibility, conditions on methods.
#![deny(warnings)]

use std::fmt::Debug;

pub trait Clock {
    fn now(&self) -> u64;
}

#[rpc::service(name = "clock.v2", spawn)]
pub(crate) trait Time: Clock + Debug {
    async fn now_or(&self, other: Option<u64>) -> Result<u64, rpc::Error> {
        if other == Some(0) {
            return Err(rpc::Error::invalid_argument("zero"));
        }
        let now = self.plain().await;
        Ok(other.map_or_else(|| Ok(now), |other| u64::try_from(i128::from(other)).map_err(|_| rpc::Error::internal("?")))?)
    }

    async fn plain(&self) -> u64 {
        Clock::now(self)
    }

    async fn later(&self) -> Vec<u64> {
        unimplemented!()
    }

    async fn named(&self, name: &str, list: &[u64]) -> String {
        format!("{name} {}", list.len())
    }

    #[rpc(blocking)]
    fn slow(&self, rounds: u64) -> u64 {
        rounds + Clock::now(self)
    }

    #[cfg(any())]
    async fn gone(&self, what: NoSuchType) -> AlsoNone;

    #[cfg(all())]
    async fn there(&self) -> i64;

    #[cfg(any())]
    async fn either(&self, a: i64) -> i64;

    #[cfg(not(any()))]
    async fn either(&self, a: &str) -> i64;

    #[cfg_attr(all(), cfg(any()))]
    async fn gone_too(&self, what: NoSuchType);

    #[cfg(any())]
    #[rpc(blocking)]
    fn gone_as_well(&self, what: NoSuchType);

    #[allow(clippy::too_many_arguments)]
    async fn wide(&self, a: i8, b: i8, c: i8, d: i8, e: i8, f: i8, g: i8, h: i8) -> i8;
}

#[derive(Debug)]
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> u64 {
        7
    }
}

impl Time for Fixed {
    async fn there(&self) -> i64 {
        1
    }

    async fn either(&self, a: &str) -> i64 {
        a.len() as i64
    }

    async fn wide(&self, a: i8, b: i8, c: i8, d: i8, e: i8, f: i8, g: i8, h: i8) -> i8 {
        a + b + c + d + e + f + g + h
    }
}

async fn client(time: TimeClient) -> Result<i64, rpc::Error> {
    time.now_or(None).await?;
    time.slow(1).await?;
    time.either("a").await?;
    time.there().await
}

fn main() {
    let _ = TimeDispatcher::from_arc(std::sync::Arc::new(Fixed));
    let _ = client;
}
