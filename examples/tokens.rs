//! Who may call, with bearer tokens, in one process: `cargo run --example tokens`.
//!
//! A server's hook knows tokens and their roles, and checks what each method requires. One client has a token that is always the same, another one a
//! source that gets a new one when the last has expired.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use rpc::{Channel, Context, Error, Server, Token};

/// A counter that everybody may read.
#[rpc::service(requires = "read")]
pub trait Counter {
    /// What it is at.
    async fn get(&self) -> u32;
    /// Adds one, and says who did.
    #[rpc(requires = "write")]
    async fn increment(&self, ctx: &Context) -> String;
}

struct MyCounter(AtomicU32);

impl Counter for MyCounter {
    async fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    async fn increment(&self, ctx: &Context) -> String {
        let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let name = ctx.extension::<User>().map_or("nobody", |user| user.name);
        format!("{name} made it {count}")
    }
}

/// Who calls: what the hook attaches to the call's context.
#[derive(Clone)]
struct User {
    name: &'static str,
    roles: &'static [&'static str],
}

/// The tokens that are valid, until when, and whose they are. A real one keeps their hashes, so that nobody can read them there.
#[derive(Default)]
struct Desk(Mutex<HashMap<String, (User, Instant)>>);

impl Desk {
    /// Gives out a token for so long.
    fn issue(&self, user: &User, lifetime: Duration) -> Token {
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A real one draws it from the system's randomness.
        let secret = format!("token-{}-of-{}", issued.len() + 1, user.name);
        println!("desk: {} has a token for {lifetime:?}", user.name);
        issued.insert(secret.clone(), (user.clone(), Instant::now() + lifetime));
        Token::new(secret).expires_in(lifetime)
    }

    /// Whose token this is.
    fn check(&self, token: Option<&str>) -> Result<User, Error> {
        let token = token.ok_or_else(|| Error::unauthenticated("send a bearer token"))?;
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).get(token) {
            Some((user, until)) if Instant::now() < *until => Ok(user.clone()),
            _ => Err(Error::unauthenticated("this token is not known, or has expired")),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let desk = Arc::new(Desk::default());
    let alice = User { name: "alice", roles: &["read", "write"] };
    let bob = User { name: "bob", roles: &["read"] };

    // A server whose hook says who calls, and compares what they may with what the method requires.
    let known = Arc::clone(&desk);
    let server = Server::bind("tcp://127.0.0.1:0").await?.authorize(move |ctx, method| {
        let user = known.check(ctx.metadata().bearer())?;
        match method.requires.iter().find(|role| !user.roles.contains(role)) {
            None => Ok(user),
            Some(role) => Err(Error::permission_denied(format!("{} may not {role}", user.name))),
        }
    });
    let address = server.local_addr()?.to_string();
    let shutdown = server.shutdown_handle();
    let running = tokio::spawn(server.serve(CounterDispatcher::new(MyCounter(AtomicU32::new(0)))));

    // Without a token nothing is told, not even what there is.
    let stranger = CounterClient::connect(&address).await?;
    println!("stranger: {}", stranger.get().await.expect_err("nobody is known"));

    // A token that is always the same. Over tcp:// to another machine it would not be sent: that takes tls://.
    let token = desk.issue(&bob, Duration::from_secs(60));
    let reader = CounterClient::new(Channel::builder(&address).token(token).connect().await?);
    println!("bob: it is at {}", reader.get().await?);
    let error = reader.increment().await.expect_err("he may only read");
    println!("bob: {error} (not started: {})", error.is_not_started());

    // A source: it is asked once for all calls, and again shortly before the token expires.
    let lifetime = Duration::from_millis(200);
    let source = move || {
        let token = desk.issue(&alice, lifetime);
        async move { Ok(token) }
    };
    let writer = CounterClient::new(Channel::builder(&address).token(source).connect().await?);
    for _ in 0..2 {
        let calls = (0..3).map(|_| writer.increment());
        for said in futures_util::future::try_join_all(calls).await? {
            println!("alice: {said}");
        }
        tokio::time::sleep(lifetime).await;
    }
    println!("bob: it is at {}", reader.get().await?);

    shutdown.shutdown();
    running.await??;
    println!("stopped");
    Ok(())
}
