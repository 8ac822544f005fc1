//! How long a token is used, and how long it is waited for; in virtual time.

use std::time::Duration;

use super::mint::{Lock, Mint};
use crate::support::{FeedClient, Network, ProbeClient, within_a_day};

#[tokio::test(start_paused = true)]
async fn a_token_is_used_until_shortly_before_its_expiry() {
    within_a_day(async {
        let mut lock = Lock::serve(Network::Unix).await;
        let mint = Mint::new();
        let client =
            ProbeClient::new(lock.connect(mint.source_for(Duration::from_secs(200))).await);
        assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
        // Ten seconds before the end.
        tokio::time::sleep(Duration::from_secs(189)).await;
        assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
        assert_eq!(lock.shown(), ["token-1", "token-1"]);
        lock.fits("token-2");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
        assert_eq!((lock.shown(), mint.count()), (vec!["token-2".to_owned()], 2));
        // A tenth of a short life.
        let mint = Mint::new();
        lock.fits("token-1");
        let client = ProbeClient::new(lock.connect(mint.source_for(Duration::from_secs(10))).await);
        for seconds in [8, 2] {
            assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
        lock.fits("token-2");
        assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
        assert_eq!(lock.shown(), ["token-1", "token-1", "token-2"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_gives_nothing_is_given_up() {
    within_a_day(async {
        let lock = Lock::serve(Network::Unix).await;
        let mint = Mint::closed();
        let feed = FeedClient::new(lock.connect(mint.source()).await);
        let before = tokio::time::Instant::now();
        let end = feed.count(1).next().await.expect("it says why");
        let error = end.expect_err("there is no token");
        assert_eq!(error.message(), "the token source gave no token within 30s");
        assert!(error.is_not_started() && before.elapsed() < Duration::from_secs(31));
        mint.open();
        lock.fits("token-2");
        let one = feed.count(1).next().await.expect("it has one");
        assert_eq!(one.expect("it comes"), 0);
    })
    .await;
}
