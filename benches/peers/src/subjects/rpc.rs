//! This project.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use rpc::{Bytes, Listener, Server, Stream, stream};

use super::{ITEM, ITEMS_PER_LOOK, Pace, queued};
use crate::support::Failure;

#[rpc::service]
trait Bench {
    fn items(&self) -> impl Stream<Item = Bytes>;
    fn queued_items(&self) -> impl Stream<Item = Bytes>;
}

struct Source;

impl Bench for Source {
    fn items(&self) -> impl Stream<Item = Bytes> {
        stream::repeat(Bytes::from(vec![7; ITEM]))
    }

    fn queued_items(&self) -> impl Stream<Item = Bytes> {
        queued(Bytes::from(vec![7; ITEM]))
    }
}

pub(super) async fn serve(listener: TcpListener) -> Result<(), Failure> {
    Ok(Server::new(Listener::try_from(listener)?).serve(BenchDispatcher::new(Source)).await?)
}

pub(super) async fn items(address: String, pace: Pace, duration: Duration) -> Result<f64, Failure> {
    let client = BenchClient::connect(format!("tcp://{address}")).await?;
    let start = Instant::now();
    let mut items = match pace {
        Pace::AtOnce => client.items(),
        Pace::Queued => client.queued_items(),
    };
    let mut count = 0_u64;
    while let Some(item) = items.next().await {
        assert_eq!(item?.len(), ITEM, "the item is whole");
        count += 1;
        if count.is_multiple_of(ITEMS_PER_LOOK) && start.elapsed() >= duration {
            break;
        }
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}
