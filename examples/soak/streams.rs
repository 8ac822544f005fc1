//! The callers' streams: taken, stalled, dropped, and sent; each item is looked at.

use std::{sync::Arc, time::Duration};

use rpc::{Bytes, Error, Stream, StreamExt, stream};
use tokio::time::sleep;

use crate::{
    random::Random,
    service::SoakClient,
    tally::{Kind, Outcome, Tally},
};

/// How many items, and how large each is: many small ones, or a few that travel in parts.
fn shape(random: &mut Random) -> (u64, usize) {
    match random.between(0, 10) {
        0 => (random.between(0, 10), 300_000),
        1 | 2 => (random.between(0, 100), 20_000),
        _ => (random.between(0, 2_000), usize::try_from(random.between(0, 200)).unwrap_or(0)),
    }
}

/// Items for the server, which are counted until they are dropped.
fn items(tally: &Arc<Tally>, count: u64, size: usize) -> impl Stream<Item = Bytes> + Send + use<> {
    counted(Arc::clone(tally), stream::iter(0..count).map(move |_| Bytes::from(vec![7; size])))
}

/// The same stream, which is counted while it lives.
fn counted<S: Stream + Send + 'static>(
    tally: Arc<Tally>,
    items: S,
) -> impl Stream<Item = S::Item> + Send + use<S> {
    tally.upload_begins();
    let counted = Counted(tally);
    items.inspect(move |_| {
        let _ = &counted;
    })
}

struct Counted(Arc<Tally>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.upload_ends();
    }
}

pub(crate) async fn make(
    kind: Kind,
    client: &SoakClient,
    random: &mut Random,
    tally: &Arc<Tally>,
) -> Result<Outcome, Error> {
    let (count, size) = shape(random);
    match kind {
        Kind::Sent | Kind::SentInPart | Kind::SentAndDropped => {
            let most = if kind == Kind::SentInPart { count / 2 } else { u64::MAX };
            let items = items(tally, count, size);
            let call = if random.coin() {
                client.gather(items, most)
            } else {
                client.gather_spawned(items, most)
            };
            let taken = count.min(most);
            let expected = (taken, taken * size as u64);
            if kind != Kind::SentAndDropped {
                return Outcome::of(call.await, &expected);
            }
            match tokio::time::timeout(random.millis(0, 5), call).await {
                Ok(result) => Outcome::of(result, &expected),
                Err(_) => Ok(Outcome::GivenUp),
            }
        }
        Kind::Exchange => {
            let numbers = counted(Arc::clone(tally), stream::iter(0..count));
            let mut doubled = client.double(numbers);
            for number in 0..count {
                match doubled.next().await {
                    Some(Ok(twice)) if twice == 2 * number => {}
                    Some(Err(error)) => return Err(error),
                    Some(Ok(_)) | None => return Ok(Outcome::Wrong),
                }
            }
            ended(doubled.next().await.map(|item| item.map(drop)))
        }
        Kind::Newest => {
            let mut newest = client.newest();
            let (mut next, mut lost) = (0, 0);
            for _ in 0..count {
                match newest.next().await {
                    Some(Ok(number)) if number == next + newest.lost() - lost => {
                        (next, lost) = (number + 1, newest.lost());
                    }
                    Some(Err(error)) => return Err(error),
                    Some(Ok(_)) | None => return Ok(Outcome::Wrong),
                }
            }
            Ok(Outcome::GivenUp)
        }
        _ => {
            let mut feed = if random.coin() {
                client.feed(count, size)
            } else {
                client.feed_spawned(count, size)
            };
            let taken = if kind == Kind::Dropped { random.between(0, count + 1) } else { count };
            for number in 0..taken {
                match feed.next().await {
                    Some(Ok((at, item))) if at == number && item.len() == size => {}
                    Some(Err(error)) => return Err(error),
                    Some(Ok(_)) | None => return Ok(Outcome::Wrong),
                }
                if kind == Kind::Stalled && number % 64 == 0 {
                    sleep(Duration::from_millis(random.between(0, 20))).await;
                }
            }
            if kind == Kind::Dropped {
                return Ok(Outcome::GivenUp);
            }
            ended(feed.next().await.map(|item| item.map(drop)))
        }
    }
}

/// What a stream of which everything was taken has left.
fn ended(rest: Option<Result<(), Error>>) -> Result<Outcome, Error> {
    match rest {
        None => Ok(Outcome::Answered),
        Some(Err(error)) => Err(error),
        Some(Ok(())) => Ok(Outcome::Wrong),
    }
}
