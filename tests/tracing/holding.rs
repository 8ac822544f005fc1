//! A handler whose poll takes over 10 ms is named once, with what to do about it; and no other is.
//!
//! Time is paused, and passes in the handlers alone: a machine that is busy cannot take any from them.

use std::{
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use rpc::serve_stream;
use tracing::Level;

use crate::{
    log::own_log,
    wire::{Said, Wire, numbers, request},
};

#[rpc::service]
trait Held {
    async fn quick(&self);
    async fn slow(&self, millis: u64);
    #[rpc(spawn)]
    async fn slow_spawned(&self, millis: u64);
    /// Never ends, and takes its time to be dropped.
    async fn cling(&self, millis: u64);
}

struct Service;

/// Takes so much of the time, in a single poll.
fn take(millis: u64) {
    let advance = pin!(tokio::time::advance(Duration::from_millis(millis)));
    // The time has passed with the first poll; what is left is to let others run.
    let _ = advance.poll(&mut Context::from_waker(Waker::noop()));
}

struct Clinging(u64);

impl Drop for Clinging {
    fn drop(&mut self) {
        take(self.0);
    }
}

impl Held for Service {
    async fn quick(&self) {}
    async fn slow(&self, millis: u64) {
        take(millis);
    }
    async fn slow_spawned(&self, millis: u64) {
        take(millis);
    }
    async fn cling(&self, millis: u64) {
        let _clinging = Clinging(millis);
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn the_one_slow_method_among_cheap_calls_is_named_once() {
    let (log, _guard) = own_log(Level::WARN);
    let client = HeldClient::local(Service);
    // Cheap calls all around, so that the clock is read rarely. Where the slow one lay in a group, the next one is timed alone.
    for _ in 0..10 {
        let mut calls = tokio::task::JoinSet::new();
        for index in 0..128 {
            calls.spawn(client.quick());
            calls.spawn(client.slow(if index == 77 { 12 } else { 0 }));
        }
        while let Some(outcome) = calls.join_next().await {
            outcome.expect("it does not panic").expect("it answers");
        }
    }
    let [told] = &log.told()[..] else { unreachable!("not once: {:?}", log.told()) };
    assert_eq!(told.level, Level::WARN);
    assert_eq!(told.fields["method"], "Held.slow");
    assert_eq!(told.fields["spent"], "12ms");
    let text = &told.fields["message"];
    assert!(text.contains("#[rpc(spawn)]") && text.contains("#[rpc(blocking)]"), "{text}");
    // Who listens to warnings only does not pay for spans.
    assert_eq!(log.spans(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_quick_enough_or_has_a_task_of_its_own_is_not_named() {
    let (log, _guard) = own_log(Level::WARN);
    let client = HeldClient::local(Service);
    for _ in 0..10 {
        client.quick().await.expect("it answers");
        client.slow(9).await.expect("it answers");
        client.slow_spawned(12).await.expect("it answers");
    }
    assert!(log.told().is_empty(), "{:?}", log.told());
    client.slow(10).await.expect("it answers");
    assert_eq!(log.told().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_method_is_named_for_a_handler_that_is_slow_to_drop() {
    let (log, _guard) = own_log(Level::WARN);
    let (client, server) = tokio::io::duplex(1 << 16);
    let serving =
        tokio::spawn(serve_stream(server, vec![std::sync::Arc::new(HeldDispatcher::new(Service))]));
    let mut wire = Wire::new(client);
    wire.introduce().await;
    for id in [0, 3, 6] {
        wire.say(&request(id, "Held.cling", numbers(&[12]))).await;
        wire.say(&request(id + 1, "Held.quick", numbers(&[]))).await;
        assert!(matches!(wire.hear().await, Said::Result { .. }));
        wire.say(&[0x93, 6, u8::try_from(id).expect("it is small"), 0xc0]).await;
        assert!(matches!(wire.hear().await, Said::Failure { code: 1, .. }));
        wire.say(&request(id + 2, "Held.quick", numbers(&[]))).await;
        assert!(matches!(wire.hear().await, Said::Result { .. }));
    }
    drop(wire);
    serving.await.expect("it does not panic").expect("it is closed");
    assert!(log.told().is_empty(), "{:?}", log.told());
}
