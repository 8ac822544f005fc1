//! Cancels raced against answers, as many as one likes: `RPC_CANCELS=1000000 cargo test --release --test faults storm -- --nocapture`.

use std::time::Duration;

use rpc::Channel;

use crate::support::{Network, Place, ProbeClient, Served, poll_once, within};

/// What tables may have grown by where more calls were in flight at once than before. A leak of 8 bytes a cancel would be more.
const SLACK: usize = 512 << 10;

/// Bytes that are allocated now.
fn in_use() -> usize {
    let stats = crate::ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn cancels() -> u32 {
    match std::env::var("RPC_CANCELS") {
        Ok(text) => text.parse().expect("RPC_CANCELS is a number"),
        Err(_) => 100_000,
    }
}

#[tokio::test]
async fn a_storm_of_cancels_leaves_nothing_behind() {
    within(async {
        const BURST: u32 = 100;
        let limited = |server: rpc::Server| server.max_calls_per_connection(1024);
        let served = Served::with(Place::new(Network::Tcp), limited).await;
        let channel = Channel::builder(&served.address).timeout(Duration::from_secs(60));
        let client = ProbeClient::new(channel.connect().await.expect("it listens"));
        let total = cancels();
        let (mut made, mut cancelled, mut before) = (0, 0, None);
        while cancelled < total {
            let mut calls: Vec<_> = (0..BURST).map(|number| client.add(number.into(), 1)).collect();
            for call in &mut calls {
                assert!(poll_once(call).await.is_pending());
            }
            // Some answers arrive while the calls are dropped, at another point each time.
            for _ in 0..made / BURST % 7 {
                tokio::task::yield_now().await;
            }
            made += BURST;
            for mut call in calls {
                cancelled += u32::from(poll_once(&mut call).await.is_pending());
            }
            if before.is_none() && cancelled >= total / 10 {
                before = Some(settled(&client).await);
            }
        }
        let before = before.expect("a tenth was cancelled");
        // Other tests of this process hold some, too, for a while.
        let mut after = settled(&client).await;
        let patience = std::time::Instant::now();
        while after > before + SLACK && patience.elapsed() < Duration::from_secs(30) {
            after = settled(&client).await;
        }
        println!("{made} calls, {cancelled} of them cancelled; {before} bytes, then {after}");
        assert!(made > cancelled, "no answer was in time: nothing was raced");
        assert!(after <= before + SLACK, "{before} bytes, then {after}");
        // Every place is free again, on both sides: as many calls as are accepted run at once.
        let calls: Vec<_> = (0..1024).map(|key| tokio::spawn(client.hold(key))).collect();
        let mut served = served;
        let started = served.sorted_events(1024).await;
        assert_eq!(started.len(), 1024);
        (0..1024).for_each(|key| served.state.release(key));
        for call in calls {
            call.await.expect("it does not panic").expect("there was room");
        }
    })
    .await;
}

/// The bytes in use when what was cancelled has been answered.
async fn settled(client: &ProbeClient) -> usize {
    // An answer to this comes behind all others.
    client.add(0, 0).await.expect("it answers");
    in_use()
}
