//! The clients: they draw what to call, call it, and rest.

use std::{sync::Arc, time::Duration};

use rpc::{Bytes, Channel, Error};
use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::{
    random::Random,
    service::SoakClient,
    streams,
    tally::{Kind, Outcome, Tally, WEIGHTS},
};

/// What callers do until they are told to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Call,
    Rest,
    Stop,
}

/// Draws and makes calls, one after the other, about one in each `interval`.
pub(crate) async fn call(
    client: SoakClient,
    mut wish: watch::Receiver<Wish>,
    interval: Duration,
    mut random: Random,
    tally: Arc<Tally>,
) {
    loop {
        // A gap; or the end, also where whoever told is gone.
        let Ok(Wish::Call | Wish::Rest) =
            wish.wait_for(|wish| *wish != Wish::Rest).await.map(|wish| *wish)
        else {
            return;
        };
        let kind = draw(&mut random);
        tally.begin();
        let ended = make(kind, &client, &mut random, &tally).await;
        tally.end(kind, ended);
        let micros = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX / 4);
        sleep(Duration::from_micros(random.between(0, 2 * micros + 1))).await;
    }
}

fn draw(random: &mut Random) -> Kind {
    let total = WEIGHTS.iter().map(|(_, weight)| weight).sum();
    let mut drawn = random.between(0, total);
    for (kind, weight) in WEIGHTS {
        if drawn < weight {
            return kind;
        }
        drawn -= weight;
    }
    Kind::Quick
}

async fn make(
    kind: Kind,
    client: &SoakClient,
    random: &mut Random,
    tally: &Arc<Tally>,
) -> Result<Outcome, Error> {
    let number = random.number();
    let micros = random.between(0, 20_000);
    match kind {
        Kind::Quick => Outcome::of(client.quick(number).await, &number),
        Kind::Idempotent => Outcome::of(client.find(number).await, &number),
        Kind::Slow | Kind::Burst => Outcome::of(client.slow(number, micros).await, &number),
        Kind::Spawned => Outcome::of(client.spawned(number, micros).await, &number),
        Kind::Blocking => Outcome::of(client.blocking(number, micros / 10).await, &number),
        Kind::OneWay => Outcome::of(client.note(number).await, &()),
        Kind::ApplicationError => Outcome::of_dislike(client.dislike(number).await, number),
        Kind::Status => Outcome::of(client.forbid(number).await, &number),
        Kind::Panic => Outcome::of(client.panic(random.coin()).await, &number),
        Kind::Large => {
            let [there, back] =
                [0; 2].map(|_| usize::try_from(random.between(0, 1 << 20)).unwrap_or(0));
            let data = Bytes::from(vec![7; there]);
            let fill = if there == 0 { 0 } else { 7 };
            Outcome::of(client.large(data, back).await, &Bytes::from(vec![fill; back]))
        }
        // Above the server's limit, or the client's.
        Kind::TooLarge => {
            let (there, back) = if random.coin() { (TOO_LARGE, 0) } else { (0, TOO_LARGE) };
            let data = Bytes::from(vec![7; there]);
            match client.large(data, back).await {
                Ok(_) => Ok(Outcome::Wrong),
                Err(error) => Err(error),
            }
        }
        Kind::Metadata => {
            let tenant = number.to_string();
            Outcome::of(client.tenant().metadata("tenant", &tenant).await, &tenant)
        }
        Kind::Deadline => {
            let timeout = random.millis(0, 30);
            let call = if random.coin() { client.never() } else { client.slow(number, 2 * micros) };
            Outcome::of(call.timeout(timeout).await, &number)
        }
        Kind::GivenUp => {
            let call = match number % 5 {
                0 => client.never(),
                1 => client.spawned(number, micros),
                2 => client.blocking(number, micros / 10),
                3 => client.find(number),
                _ => client.slow(number, micros),
            };
            // Sent, and dropped at any moment from then on.
            match tokio::time::timeout(random.millis(0, 10), call).await {
                Ok(result) => Outcome::of(result, &number),
                Err(_) => Ok(Outcome::GivenUp),
            }
        }
        Kind::Taken
        | Kind::Stalled
        | Kind::Dropped
        | Kind::Newest
        | Kind::Sent
        | Kind::SentInPart
        | Kind::SentAndDropped
        | Kind::Exchange => streams::make(kind, client, random, tally).await,
    }
}

/// Larger than a message may be here.
const TOO_LARGE: usize = MAX_MESSAGE_SIZE + 1;
pub(crate) const MAX_MESSAGE_SIZE: usize = 2 << 20;

/// More calls at once than the server takes, on connections that do not know that yet.
pub(crate) async fn burst(
    address: &str,
    channels: usize,
    calls: usize,
    mut random: Random,
    tally: &Arc<Tally>,
) {
    let channels: Vec<_> =
        (0..channels).map(|_| Channel::builder(address).connect_lazy()).collect();
    let mut callers = JoinSet::new();
    for channel in channels.iter().cycle().take(calls) {
        let client = SoakClient::new(channel.clone());
        let (tally, mut random) = (Arc::clone(tally), random.fork());
        callers.spawn(async move {
            tally.begin();
            let ended = make(Kind::Burst, &client, &mut random, &tally).await;
            tally.end(Kind::Burst, ended);
        });
    }
    callers.join_all().await;
}
