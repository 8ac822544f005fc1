//! A closure is a method like a trait's: its callers cannot tell the difference, and it comes and goes while the server runs.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use futures_util::future::join_all;
use rpc::{Bytes, CallError, Channel, Code, Context, Error, Methods, Raw, Server};
use tokio::sync::{mpsc, oneshot};

use crate::support::{
    Event, MathError, Network, Place, ProbeDispatcher, Served, on_each_network, service,
};

on_each_network!(
    a_caller_cannot_tell_a_closure_from_a_traits_method,
    a_closure_knows_its_call,
    a_stub_calls_closures,
    methods_come_and_go_while_calls_run,
    methods_are_exchanged_under_load,
    a_panic_is_one_calls_error,
    a_handler_is_dropped_with_its_call,
    closures_run_in_tasks_of_their_own_where_the_server_says_so,
    what_is_wrong_with_a_registration_ends_the_server_at_once,
);

/// A server of these closures beside the services of the tests, and a channel to it.
async fn with(
    network: Network,
    register: impl FnOnce(Server) -> Server,
) -> (Served, Methods, Channel) {
    let mut methods = None;
    let served = Served::with(Place::new(network), |server| {
        methods = Some(server.methods());
        register(server)
    })
    .await;
    let channel = served.channel().await;
    (served, methods.expect("the server has a handle"), channel)
}

fn divide(a: i64, b: i64) -> Result<i64, MathError> {
    if a > 1_000 {
        return Err(MathError::TooLarge { value: a, limit: 1_000 });
    }
    a.checked_div(b).ok_or(MathError::DivideByZero)
}

async fn a_caller_cannot_tell_a_closure_from_a_traits_method(network: Network) {
    let (_served, _, channel) = with(network, |server| {
        server
            .register("Twin.add", |(a, b): (i64, i64)| a + b)
            .register("Twin.divide", |(a, b): (i64, i64)| divide(a, b).map_err(CallError::App))
            .register("Twin.refuse", |(why,): (String,)| async move {
                Err::<(), _>(Error::failed_precondition(why))
            })
            .register("Twin.reverse", |(mut data,): (Vec<u8>,)| {
                data.reverse();
                data
            })
            .register("Twin.length", |(data,): (Bytes,)| async move { data.len() })
            .register("Twin.echo", |(data,): (Bytes,)| Ok::<_, String>(data))
    })
    .await;
    let calls: [(&str, Raw); 12] = [
        ("add", encoded(&(2, 3))),
        ("add", encoded(&(2, 3, "more"))),
        ("add", encoded(&(2,))),
        ("add", encoded(&("two", 3))),
        ("divide", encoded(&(6, 3))),
        ("divide", encoded(&(6, 0))),
        ("divide", encoded(&(2_000, 0))),
        ("reverse", encoded(&(Bytes::from_static(b"abc"),))),
        ("reverse", encoded(&([1, 2, 3],))),
        ("length", encoded(&([1, 2, 3],))),
        ("length", encoded(&(Bytes::from(vec![7; 40_000]),))),
        ("echo", encoded(&(Bytes::from(vec![7; 300_000]),))),
    ];
    for (method, arguments) in calls {
        let [twin, probe] = ["Twin", "Probe"]
            .map(|service| channel.call::<Raw>(format!("{service}.{method}"), arguments.clone()));
        match (twin.await, probe.await) {
            (Err(twin), Err(probe)) => same(&twin, &probe),
            (twin, probe) => assert_eq!(twin.ok(), probe.ok(), "{method}"),
        }
    }
    // Whose arguments have no names.
    let missing = channel.call::<i64>("Twin.add", (2,)).await.expect_err("it lacks one");
    assert_eq!((missing.kind(), missing.message()), (Code::InvalidArgument, "missing argument 2"));
    let wrong = channel.call::<i64>("Twin.add", (2, "x")).await.expect_err("it is a text");
    assert!(wrong.message().starts_with("argument 2 does not decode: "), "{wrong}");
    let named = rpc::Named(std::collections::BTreeMap::from([("a", 1), ("b", 2)]));
    let named = channel.call::<i64>("Twin.add", named).await.expect_err("it has no names");
    let said = "argument 1 does not decode: expected an array, for the arguments of this method have no names, found a map";
    assert_eq!((named.kind(), named.message()), (Code::InvalidArgument, said));
    assert!(named.is_not_started());
    let refused = channel.call::<()>("Twin.refuse", ("why",)).await.expect_err("it refuses");
    assert_eq!((refused.kind(), refused.message()), (Code::FailedPrecondition, "why"));
}

fn encoded(value: &impl rpc::Encode) -> Raw {
    Raw::encode(value).expect("it can be encoded")
}

/// But for the names of arguments, which only one of them has.
#[track_caller]
fn same(twin: &Error, probe: &Error) {
    let unnamed = |error: &Error| {
        let message = error.message().replace("argument \"b\"", "argument 2");
        let message = message.replace("argument \"a\" (position 1)", "argument 1");
        message.replace("argument \"data\" (position 1)", "argument 1")
    };
    assert_eq!(unnamed(twin), unnamed(probe));
    assert_eq!((twin.kind(), twin.details()), (probe.kind(), probe.details()));
    assert_eq!(twin.is_application(), probe.is_application());
    assert_eq!(twin.is_not_started(), probe.is_not_started());
}

async fn a_closure_knows_its_call(network: Network) {
    let (_served, _, channel) = with(network, |server| {
        server
            .register("whoami", |(): (), ctx: &Context| {
                let tenant = ctx.metadata().get("tenant").map(str::to_owned);
                let method = ctx.method().to_owned();
                async move {
                    let tenant = tenant.ok_or_else(|| Error::permission_denied("no tenant"))?;
                    Ok::<_, Error>((method, tenant))
                }
            })
            .register("at.once", |(greeting,): (String,), ctx: &Context| {
                format!("{greeting}, {}", ctx.metadata().get("tenant").unwrap_or("nobody"))
            })
    })
    .await;
    let error = channel.call::<(String, String)>("whoami", ()).await.expect_err("it is nobody");
    assert_eq!((error.kind(), error.message()), (Code::PermissionDenied, "no tenant"));
    let channel = channel.metadata("tenant", "a");
    let whoami: (String, String) = channel.call("whoami", ()).await.expect("it answers");
    assert_eq!(whoami, ("whoami".to_owned(), "a".to_owned()));
    assert_eq!(channel.call::<String>("at.once", ("hi",)).await.expect("it answers"), "hi, a");
}

/// What a client takes for a trait's.
#[rpc::service]
trait Sums {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, MathError>;
    #[rpc(oneway)]
    async fn note(&self, line: &str);
}

async fn a_stub_calls_closures(network: Network) {
    let (noted, mut notes) = mpsc::unbounded_channel();
    let (_served, _, channel) = with(network, |server| {
        server
            .register("Sums.add", |(a, b): (i64, i64)| async move { a + b })
            // Serializable, and so a value: it is an error all the same.
            .register("Sums.divide", |(a, b): (i64, i64)| divide(a, b))
            .register("Sums.note", move |(line,): (String,)| {
                noted.send(line).map_err(|_| Error::aborted("nobody takes notes"))
            })
    })
    .await;
    let client = SumsClient::new(channel.clone());
    assert_eq!(client.add(2, 3).await.expect("it answers"), 5);
    assert_eq!(client.divide(6, 3).await.expect("it answers"), 2);
    let error = client.divide(2_000, 1).await.expect_err("it is too large");
    assert_eq!(error.app(), Some(&MathError::TooLarge { value: 2_000, limit: 1_000 }));
    let error = channel.call::<i64>("Sums.divide", (2_000, 1)).await.expect_err("it is too large");
    assert!(error.is_application());
    assert_eq!(error.message(), "TooLarge { value: 2000, limit: 1000 }");
    client.note("x").await.expect("it is accepted");
    assert_eq!(notes.recv().await.as_deref(), Some("x"));
}

async fn methods_come_and_go_while_calls_run(network: Network) {
    let (_served, methods, channel) = with(network, |server| server).await;
    let call = || channel.call::<u32>("late", ());
    let error = call().await.expect_err("it is not there");
    assert_eq!(error.kind(), Code::Unimplemented);
    let (release, released) = oneshot::channel::<()>();
    let (begun, mut has_begun) = mpsc::unbounded_channel();
    let released = Arc::new(Mutex::new(Some(released)));
    let held = Arc::clone(&released);
    methods
        .register("late", move |(): ()| {
            let released = held.lock().expect("nobody panics").take();
            let begun = begun.clone();
            async move {
                begun.send(()).expect("the test waits");
                released.expect("it is called once").await.map_err(|_| Error::aborted("gone"))?;
                Ok::<_, Error>(1)
            }
        })
        .expect("it is free");
    let running = tokio::spawn(call());
    has_begun.recv().await.expect("it begins");
    let error = methods.register("late", |(): ()| 2_u32).expect_err("it is taken");
    assert_eq!(error.kind(), Code::AlreadyExists);
    assert!(methods.replace("late", |(): ()| 2_u32).expect("its name is good"));
    assert_eq!(call().await.expect("it answers"), 2);
    // What the old closure held is gone with it, but for what its call has taken.
    assert_eq!(Arc::strong_count(&released), 1);
    assert!(methods.remove("late"));
    let error = call().await.expect_err("it is gone");
    assert_eq!(error.kind(), Code::Unimplemented);
    release.send(()).expect("its call waits");
    assert_eq!(running.await.expect("it does not panic").expect("it answers"), 1);
    let error = methods.register("Probe.late", |(): ()| 3).expect_err("that is a trait's");
    assert_eq!(error.kind(), Code::AlreadyExists);
}

async fn methods_are_exchanged_under_load(network: Network) {
    let (_served, methods, channel) =
        with(network, |server| server.register("v", |(): ()| 0)).await;
    let calls = (0..4).map(|_| {
        let channel = channel.clone();
        async move {
            let mut last = 0;
            while last < 200 {
                let version: u32 = channel.call("v", ()).await.expect("there is always one");
                assert!(version >= last, "it never goes back");
                last = version;
            }
        }
    });
    let exchange = async {
        for version in 1..=200_u32 {
            assert!(methods.replace("v", move |(): ()| version).expect("its name is good"));
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(join_all(calls), exchange);
}

#[expect(clippy::panic, reason = "what a handler that panics does to others is tested")]
async fn a_panic_is_one_calls_error(network: Network) {
    let (served, _, channel) = with(network, |server| {
        server
            .register("panic.now", |(how,): (String,)| -> u32 { panic!("{how}") })
            .register("panic.later", |(): ()| async {
                tokio::task::yield_now().await;
                assert!(tokio::task::try_id().is_none(), "the handler panics");
                1
            })
            .register("one", |(): ()| 1)
    })
    .await;
    for call in [
        channel.call::<u32>("panic.now", ("it panics",)),
        channel.call("panic.later", ()),
        channel.call("panic.now", ("again",)),
    ] {
        let error = call.await.expect_err("it panics");
        assert_eq!((error.kind(), error.message()), (Code::Internal, "the handler panicked"));
        assert_eq!(channel.call::<u32>("one", ()).await.expect("the connection lives"), 1);
    }
    served.assert_serves().await;
}

/// Tells when it is dropped.
struct Guard(mpsc::UnboundedSender<&'static str>);

impl Drop for Guard {
    fn drop(&mut self) {
        // The test may have ended.
        let _ = self.0.send("dropped");
    }
}

async fn a_handler_is_dropped_with_its_call(network: Network) {
    let (told, mut tells) = mpsc::unbounded_channel();
    let (_served, _, channel) = with(network, |server| {
        server.register("hold", move |(): ()| {
            let guard = Guard(told.clone());
            async move {
                guard.0.send("begun").expect("the test waits");
                pending::<()>().await;
            }
        })
    })
    .await;
    let mut call = channel.call::<()>("hold", ());
    assert!(crate::support::poll_once(&mut call).await.is_pending());
    assert_eq!(tells.recv().await, Some("begun"));
    drop(call);
    assert_eq!(tells.recv().await, Some("dropped"));
}

async fn closures_run_in_tasks_of_their_own_where_the_server_says_so(network: Network) {
    let (mut served, _, channel) = with(network, |server| {
        server
            .spawn_handlers(true)
            .register("task", |(): ()| tokio::task::try_id().map(|id| id.to_string()))
            .register("later", |(): ()| async {
                tokio::task::yield_now().await;
                tokio::task::try_id().map(|id| id.to_string())
            })
    })
    .await;
    let mut tasks = Vec::new();
    for name in ["task", "task", "later", "later"] {
        let task: Option<String> = channel.call(name, ()).await.expect("it answers");
        tasks.push(task.expect("it runs in a task"));
    }
    tasks.sort_unstable();
    tasks.dedup();
    assert_eq!(tasks.len(), 4, "each call has its own");
    channel.notify("Probe.note", ("still",)).await.expect("it is accepted");
    assert_eq!(served.event().await, Event::Noted("still".to_owned()));
}

async fn what_is_wrong_with_a_registration_ends_the_server_at_once(network: Network) {
    let run = async |register: fn(Server) -> Server| {
        let place = Place::new(network);
        let server = Server::bind(place.address()).await.expect("it is free");
        register(server).run().await.expect_err("it cannot be")
    };
    let error = run(|server| server.register("rpc.x", |(): ()| 1).register("", |(): ()| 1)).await;
    assert_eq!(error.kind(), Code::InvalidArgument);
    let said =
        "\"rpc.x\" cannot be the name of a method: names that begin with \"rpc.\" are reserved";
    assert_eq!(error.message(), said);
    let error = run(|server| server.register("x", |(): ()| 1).register("x", |(): ()| 1)).await;
    assert_eq!(error.kind(), Code::AlreadyExists);
    assert!(error.message().starts_with("a method \"x\" is registered already"), "{error}");
    for register in [
        (|server| {
            let probe = ProbeDispatcher::new(service().0);
            server.add(probe).register("Probe.x", |(): ()| 1)
        }) as fn(Server) -> Server,
        |server| {
            let probe = ProbeDispatcher::new(service().0);
            server.register("Probe.x", |(): ()| 1).add(probe)
        },
    ] {
        let error = run(register).await;
        assert_eq!(error.kind(), Code::AlreadyExists);
        assert!(
            error.message().starts_with("a method \"Probe.x\" cannot be registered"),
            "{error}"
        );
    }
}
