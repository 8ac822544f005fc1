//! A one-way call is handed over and not waited for, and what was handed over arrives.

use futures_util::future::join_all;

use crate::support::{Event, Network, ProbeClient, on_each_network, serve};

on_each_network!(
    handlers_run_and_are_not_waited_for,
    calls_of_one_caller_arrive_in_order,
    what_was_accepted_arrives_though_the_client_is_dropped,
    more_than_the_output_holds_arrives_without_any_answer,
    one_that_fails_disturbs_nobody,
);

/// A caller that knows a method which the server does not have.
#[rpc::service(name = "Probe")]
trait Newer {
    #[rpc(oneway)]
    async fn vanish(&self);
}

async fn handlers_run_and_are_not_waited_for(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    client.hold_unanswered(1).await.expect("it is accepted");
    assert_eq!(served.event().await, Event::Started(1));
    client.hold_unanswered(2).await.expect("it is accepted");
    assert_eq!(served.event().await, Event::Started(2));
    served.state.release(1);
    assert_eq!(served.event().await, Event::Ended(1));
    drop(client);
    assert_eq!(served.event().await, Event::Dropped(2));
}

async fn calls_of_one_caller_arrive_in_order(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    for number in 0..200 {
        client.note(&number.to_string()).await.expect("it is accepted");
    }
    for number in 0..200 {
        assert_eq!(served.event().await, Event::Noted(number.to_string()));
    }
}

async fn what_was_accepted_arrives_though_the_client_is_dropped(network: Network) {
    let mut served = serve(network).await;
    // Callers that were answered together share the next write; this one comes alone, and leaves.
    let client = served.client().await;
    for sum in join_all((0..10).map(|number| client.add(number, 1))).await {
        sum.expect("it answers");
    }
    client.note("last words").await.expect("it is accepted");
    drop(client);
    assert_eq!(served.event().await, Event::Noted("last words".to_owned()));
    // So does what is more than a socket takes at once.
    let client = served.client().await;
    let data = vec![1; 900 << 10];
    client.receive(&data).await.expect("it is accepted");
    drop(client);
    assert_eq!(served.event().await, Event::Received(data.len()));
    // And what was accepted together with others, on a connection that had to be made first.
    let client = ProbeClient::new(rpc::Channel::builder(&served.address).connect_lazy());
    for accepted in join_all((0..3).map(|_| client.note("hello"))).await {
        accepted.expect("it is accepted");
    }
    drop(client);
    for _ in 0..3 {
        assert_eq!(served.event().await, Event::Noted("hello".to_owned()));
    }
}

async fn more_than_the_output_holds_arrives_without_any_answer(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    let data = vec![7; 600 << 10];
    for accepted in join_all((0..8).map(|_| client.receive(&data))).await {
        accepted.expect("it is accepted");
    }
    for _ in 0..8 {
        assert_eq!(served.event().await, Event::Received(data.len()));
    }
}

async fn one_that_fails_disturbs_nobody(network: Network) {
    let mut served = serve(network).await;
    let client = served.client().await;
    client.panic_unanswered().await.expect("it is accepted");
    NewerClient::new(client.channel().clone()).vanish().await.expect("it is accepted");
    client.note("still here").await.expect("it is accepted");
    assert_eq!(served.event().await, Event::Noted("still here".to_owned()));
    assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
}
