//! A handler knows who calls, what came along, until when, and under which name.

use std::time::Duration;

use crate::support::{Network, ProbeClient, Seen, on_each_network, request_with_metadata, serve};

on_each_network!(handlers_see_their_call, metadata_of_channel_and_call_is_joined);

fn text(metadata: &[(&str, &str)]) -> Vec<(String, String)> {
    metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn handlers_see_their_call(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    let Seen { peer, method, metadata, time_left, attempt } =
        client.seen().await.expect("it answers");
    match network {
        Network::Tcp => assert!(peer.starts_with("tcp://127.0.0.1:"), "{peer}"),
        // The server is in the same process.
        Network::Unix => {
            let pid = format!(", pid {})", std::process::id());
            assert!(peer.starts_with("unix (uid ") && peer.ends_with(&pid), "{peer}");
        }
    }
    assert_eq!((method.as_str(), metadata, attempt), ("Probe.seen", Vec::new(), 1));
    // The default, which does not travel with each call.
    let left = time_left.expect("there is a deadline");
    assert!(left > Duration::from_secs(20) && left <= Duration::from_secs(30), "{left:?}");
    let seen = client.seen().timeout(Duration::from_secs(300)).await.expect("it answers");
    let left = seen.time_left.expect("there is a deadline");
    assert!(left > Duration::from_secs(290) && left <= Duration::from_secs(300), "{left:?}");

    // A client without a default, in any language.
    let mut wire = served.introduced().await;
    wire.say(&request_with_metadata(1, "Probe.hold", 3_000_000, ("tenant", "a"), 9)).await;
    assert_eq!(served.event().await, crate::support::Event::Started(9));
}

async fn metadata_of_channel_and_call_is_joined(network: Network) {
    let served = serve(network).await;
    let channel = served.channel().await.metadata("tenant", "a").metadata("trace", "1");
    let plain = ProbeClient::new(served.channel().await);
    let client = ProbeClient::new(channel);
    let seen = client.seen().metadata("trace", "2").metadata("", "x").await;
    assert!(seen.expect_err("the key is empty").message().contains("a metadata key is empty"));
    let seen = client.seen().metadata("trace", "2").metadata("ключ", "").await.expect("it answers");
    assert_eq!(seen.metadata, text(&[("tenant", "a"), ("trace", "2"), ("ключ", "")]));
    let seen = client.seen().await.expect("it answers");
    assert_eq!(seen.metadata, text(&[("tenant", "a"), ("trace", "1")]));
    assert_eq!(plain.seen().await.expect("it answers").metadata, []);
}
