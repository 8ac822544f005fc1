//! Shared keys, client certificates and tokens together, over TLS: each is asked for in its turn, and a handler and a hook see what all of
//! them have proved.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rpc::{
    Channel, ChannelBuilder, Code, Context, Error, Key, Server, Token,
    tls::{ClientTls, ServerTls},
};
use rpc_security_tests::authority::{Authority, Validity};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

/// What is known of a caller: the id of its key, and the subject of its certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Caller {
    key: Option<String>,
    certificate: Option<String>,
    token: Option<String>,
}

impl Caller {
    fn of(ctx: &Context) -> Self {
        Self {
            key: ctx.key_id().map(str::to_owned),
            certificate: ctx.certificate().map(|certificate| certificate.subject().to_owned()),
            token: ctx.metadata().bearer().map(str::to_owned),
        }
    }
}

#[rpc::service]
trait Who {
    /// The caller, as its handler knows it, and as the hook did.
    async fn am_i(&self, ctx: &Context) -> (Caller, Option<Caller>);
}

struct Registry(Arc<AtomicUsize>);

impl Who for Registry {
    async fn am_i(&self, ctx: &Context) -> (Caller, Option<Caller>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        (Caller::of(ctx), ctx.extension().cloned())
    }
}

/// A server in a task of its own, with its authorities.
struct World {
    servers: Authority,
    clients: Authority,
    address: String,
    calls: Arc<AtomicUsize>,
    task: JoinHandle<Result<(), Error>>,
}

impl World {
    /// One with a certificate and a key; `options` adds the rest.
    async fn new(options: impl FnOnce(Server, ServerTls, &Authority) -> Server) -> Self {
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        let own = servers.server();
        let tls = ServerTls::from_pem(own.certificate, own.key).expect("it is sound");
        let server = Server::bind("tls://127.0.0.1:0").await.expect("a port is free");
        let address = server.local_addr().expect("it is bound").to_string();
        let server = options(server.key(key("a", 1)), tls, &clients);
        let calls = Arc::new(AtomicUsize::new(0));
        let registry = WhoDispatcher::new(Registry(Arc::clone(&calls)));
        let task = tokio::spawn(server.serve(registry));
        Self { servers, clients, address, calls, task }
    }

    /// One that asks for the key alone.
    async fn plain() -> Self {
        Self::new(|server, tls, _| server.tls(tls)).await
    }

    /// One that asks for a client's certificate as well.
    async fn mutual() -> Self {
        Self::new(|server, tls, clients| server.tls(mutual(tls, clients))).await
    }

    /// A client's TLS, which trusts the server's authority.
    fn tls(&self) -> ClientTls {
        ClientTls::new().roots_pem(self.servers.pem()).expect("it is sound")
    }

    /// The same, which has a certificate of this authority.
    fn identified(&self, authority: &Authority, validity: Validity) -> ClientTls {
        let own = authority.client_with("worker-7", validity);
        self.tls().identity_pem(own.certificate, own.key).expect("it is sound")
    }

    fn builder(&self, tls: ClientTls) -> ChannelBuilder {
        Channel::builder(&self.address).tls(tls)
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn mutual(tls: ServerTls, clients: &Authority) -> ServerTls {
    tls.client_roots_pem(clients.pem()).expect("it is sound")
}

/// A key whose secret is this byte 32 times.
fn key(id: &str, secret: u8) -> Key {
    Key::new(id, [secret; 32]).expect("a key")
}

/// What hangs fails.
async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it does not take so long")
}

async fn call(channel: Channel) -> Result<(Caller, Option<Caller>), Error> {
    within(WhoClient::new(channel).am_i()).await
}

/// Why a client is not served, whether it connects at once or at its first call; no handler has begun.
async fn refusal(world: &World, builder: impl Fn() -> ChannelBuilder) -> Error {
    let early = match within(builder().connect()).await {
        Ok(channel) => call(channel).await.expect_err("it is not served"),
        Err(error) => error,
    };
    let late = call(builder().connect_lazy()).await.expect_err("it is not served");
    assert_eq!((early.kind(), early.message()), (late.kind(), late.message()));
    assert_eq!(early.kind(), Code::Unauthenticated, "{early:?}");
    assert!(late.is_not_started(), "{late:?}");
    assert_eq!(world.calls(), 0);
    late
}

#[tokio::test]
async fn who_has_the_key_is_known() {
    let world = World::plain().await;
    // The second connection resumes the TLS session of the first, and proves the key all the same.
    let tls = world.tls();
    for _ in 0..2 {
        let channel = within(world.builder(tls.clone()).key(key("a", 1)).connect()).await;
        let (caller, _) = call(channel.expect("it has the key")).await.expect("it answers");
        assert_eq!(caller, Caller { key: Some("a".to_owned()), certificate: None, token: None });
    }
}

#[tokio::test]
async fn who_has_no_key_is_told_what_it_lacks() {
    let world = World::plain().await;
    let error = refusal(&world, || world.builder(world.tls())).await;
    assert!(error.message().contains("this server wants a shared key"), "{error}");
}

#[tokio::test]
async fn another_secret_and_an_unknown_id_are_one_error() {
    let world = World::plain().await;
    let wrong = refusal(&world, || world.builder(world.tls()).key(key("a", 2))).await;
    let unknown = refusal(&world, || world.builder(world.tls()).key(key("z", 1))).await;
    assert_eq!(wrong.message(), "the server has another secret for key \"a\", or does not know it");
    assert_eq!(wrong.message(), unknown.message().replace("\"z\"", "\"a\""));
}

#[tokio::test]
async fn a_certificate_and_a_key_are_both_known() {
    let world = World::mutual().await;
    let tls = world.identified(&world.clients, Validity::Now);
    let channel = within(world.builder(tls).key(key("a", 1)).connect()).await;
    let (caller, _) = call(channel.expect("it has both")).await.expect("it answers");
    assert_eq!(caller.key.as_deref(), Some("a"));
    assert_eq!(caller.certificate.as_deref(), Some(r"CN=worker-7,O=Example\, Ltd"));
}

#[tokio::test]
async fn a_certificate_does_not_stand_for_a_key() {
    let world = World::mutual().await;
    let tls = world.identified(&world.clients, Validity::Now);
    let error = refusal(&world, || world.builder(tls.clone())).await;
    assert!(error.message().contains("this server wants a shared key"), "{error}");
    let error = refusal(&world, || world.builder(tls.clone()).key(key("a", 2))).await;
    assert!(error.message().contains("another secret for key \"a\""), "{error}");
}

#[tokio::test]
async fn a_key_does_not_stand_for_a_certificate() {
    let world = World::mutual().await;
    let strangers = [
        (world.tls(), "the server wants a client certificate"),
        (
            world.identified(&world.servers, Validity::Now),
            "does not trust the authority of the client's certificate",
        ),
        (world.identified(&world.clients, Validity::Past), "the client's certificate has expired"),
    ];
    for (tls, words) in strangers {
        let error = refusal(&world, || world.builder(tls.clone()).key(key("a", 1))).await;
        assert!(error.message().contains(words), "no \"{words}\" in: {error}");
    }
}

#[tokio::test]
async fn a_hook_sees_the_certificate_the_key_and_the_token() {
    let world = World::new(|server, tls, clients| {
        server.tls(mutual(tls, clients)).authorize(|ctx, method| {
            let caller = Caller::of(ctx);
            match (method.name, caller.token.as_deref()) {
                ("am_i", Some("sesame")) => Ok(caller),
                _ => Err(Error::unauthenticated("send a bearer token")),
            }
        })
    })
    .await;
    let tls = world.identified(&world.clients, Validity::Now);
    let builder = || world.builder(tls.clone()).key(key("a", 1));
    let error = refusal(&world, builder).await;
    assert_eq!(error.message(), "send a bearer token");
    let channel = within(builder().token(Token::new("sesame")).connect()).await;
    let (caller, seen) =
        call(channel.expect("it is let in")).await.expect("the hook has admitted it");
    assert_eq!(seen.as_ref(), Some(&caller), "the handler knows what the hook knew");
    assert!(caller.key.is_some() && caller.certificate.is_some() && caller.token.is_some());
}

/// `0.0.0.0` leads to this machine, and is not written as if it did: a token does not go there in the clear.
#[tokio::test]
async fn a_token_goes_over_tls_without_further_ado() {
    let world = World::plain().await;
    let (_, port) = world.address.rsplit_once(':').expect("it has a port");
    let plain = Channel::builder(format!("tcp://0.0.0.0:{port}")).token(Token::new("sesame"));
    let error = within(plain.connect()).await.expect_err("it would be read on the way");
    assert_eq!(error.kind(), Code::FailedPrecondition, "{error}");
    assert!(error.message().contains("use tls://"), "{error}");

    let tls = world.tls().server_name("localhost").expect("it is a name");
    let secure = Channel::builder(format!("tls://0.0.0.0:{port}")).tls(tls).key(key("a", 1));
    let channel = within(secure.token(Token::new("sesame")).connect()).await;
    let (caller, _) = call(channel.expect("it is private")).await.expect("it answers");
    assert_eq!(caller.token.as_deref(), Some("sesame"));
}
