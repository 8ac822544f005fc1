//! A hook that panics, or leaves something behind that does, ends its own call and nothing else.

use rpc::{Code, Server};

use crate::support::{Event, Network, Place, Served, on_each_network};

on_each_network!(a_panic_of_a_hook_is_its_calls_error, a_destructor_of_an_extension_may_panic);

#[expect(clippy::panic, reason = "what a hook that panics does to others is tested")]
async fn a_panic_of_a_hook_is_its_calls_error(network: Network) {
    let hooks = |server: Server| {
        server
            .authorize(|ctx, _| {
                assert!(ctx.metadata().get("panic") != Some("at once"), "the hook panics");
                Ok(())
            })
            .authorize_async(|ctx, _| {
                let how = ctx.metadata().get("panic").unwrap_or_default().to_owned();
                assert!(how != "at its making", "the hook panics");
                async move {
                    assert!(how != "at first", "the hook panics");
                    tokio::task::yield_now().await;
                    assert!(how != "later", "the hook panics");
                    if how == "twice" {
                        std::panic::panic_any(Bomb);
                    }
                    Ok(())
                }
            })
    };
    let mut served = Served::with(Place::new(network), hooks).await;
    let client = served.client().await;
    let held = tokio::spawn(client.hold(1));
    assert_eq!(served.event().await, Event::Started(1));
    for how in ["at once", "at its making", "at first", "later", "twice", "at once", "later"] {
        let ends = [
            client.add(1, 2).metadata("panic", how).await.map(drop),
            client.hold_spawned(2).metadata("panic", how).await.map(drop),
            client.hold_blocking(3).metadata("panic", how).await.map(drop),
        ];
        for end in ends {
            let error = end.expect_err("its hook panics");
            assert_eq!((error.kind(), error.message()), (Code::Internal, "the handler panicked"));
        }
        assert_eq!(client.add(1, 2).await.expect("the connection goes on"), 3);
    }
    served.state.release(1);
    assert_eq!(held.await.expect("no panic").expect("it answers"), 1);
    assert_eq!(served.event().await, Event::Ended(1));
    assert!(served.events.try_recv().is_err(), "no other handler began");
}

/// Panics in its destructor.
struct Bomb;

impl Drop for Bomb {
    #[expect(clippy::panic, reason = "a user's destructor may")]
    fn drop(&mut self) {
        panic!("the destructor panics");
    }
}

async fn a_destructor_of_an_extension_may_panic(network: Network) {
    struct Other(Bomb);
    let hooks =
        |server: Server| server.authorize(|_, _| Ok(Bomb)).authorize(|_, _| Ok(Other(Bomb)));
    let mut served = Served::with(Place::new(network), hooks).await;
    let client = served.client().await;
    for _ in 0..3 {
        assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
        // The handler panics, and both extensions go while it unwinds.
        assert_eq!(client.panic(false).await.expect_err("it panics").kind(), Code::Internal);
        let call = tokio::spawn(client.hold(1));
        assert_eq!(served.event().await, Event::Started(1));
        call.abort();
        assert_eq!(served.event().await, Event::Dropped(1));
    }
}
