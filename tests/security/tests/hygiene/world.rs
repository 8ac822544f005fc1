//! A server with every means in use, its clients, and what is shown of both.

use std::{error::Error as _, fmt::Debug, sync::Arc, time::Duration};

use rpc::{
    Channel, ChannelBuilder, Error, Key, Keyring, Listener, Server, ShutdownHandle, Token,
    tls::{ClientTls, ServerTls},
};
use rpc_security_tests::authority::{Authority, Issued};
use tokio::task::JoinHandle;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, pem::PemObject};

use crate::{
    secrets::Secret,
    service::{MySafe, SafeClient, SafeDispatcher, Secrets, hook, waiting_hook},
};

/// Texts that show something.
#[derive(Default)]
pub(crate) struct Shown(pub(crate) Vec<String>);

impl Shown {
    pub(crate) fn debug(&mut self, value: &impl Debug) {
        self.0.push(format!("{value:?} {value:#?}"));
    }

    /// All that there is to know of an error.
    pub(crate) fn error(&mut self, error: &Error) {
        self.debug(error);
        self.0.push(format!("{error} {:?}", error.details()));
        let mut source = error.source();
        while let Some(cause) = source {
            self.0.push(format!("{cause} {cause:?}"));
            source = cause.source();
        }
    }
}

/// A server in a task of its own, whose every means is in use.
pub(crate) struct World {
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) servers: Authority,
    pub(crate) client: Issued,
    pub(crate) address: String,
    pub(crate) key: Key,
    pub(crate) shown: Shown,
    pub(crate) shutdown: ShutdownHandle,
    pub(crate) task: JoinHandle<Result<(), Error>>,
}

/// The private number of an ECDSA key in PKCS#8. What stands around it is the same in every such key, or in its certificate.
fn private_number(issued: &Issued) -> Vec<u8> {
    let der = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("it is a key");
    let der = der.secret_der();
    let start = der.windows(2).position(|head| head == [4, 32]).expect("it has one") + 2;
    let number = der[start..start + 32].to_vec();
    let text: String = issued.key.lines().filter(|line| !line.starts_with('-')).collect();
    let secret = Secret::new("a private key", &number);
    assert!(secret.found_in(&text).is_some(), "it is found in PEM");
    number
}

impl World {
    pub(crate) async fn new() -> Self {
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        let (own, client) = (servers.server(), clients.client("worker-7"));
        let secrets = Arc::new(Secrets {
            key: Secret::drawn("the shared key"),
            another_key: Secret::drawn("another shared key"),
            server_key: Secret::new("the server's private key", &private_number(&own)),
            client_key: Secret::new("the client's private key", &private_number(&client)),
            token: Secret::text("the token"),
            stale_token: Secret::text("a token that is not good any more"),
            metadata: Secret::text("a value of metadata"),
            response: Secret::text("a value of a response's metadata"),
            extension: Secret::text("what a hook attached"),
            panic: Secret::text("the text of a panic"),
            source: Secret::text("the source of an error"),
            argument: Secret::text("an argument"),
            result: Secret::text("a result"),
        });
        let mut shown = Shown::default();
        let key = Key::new("worker-7", &secrets.key.bytes).expect("it is long enough");
        let ring = Keyring::new([key.clone()]).expect("one id");
        let tls = ServerTls::from_pem(&own.certificate, &own.key).expect("it is sound");
        let tls = tls.client_roots_pem(clients.pem()).expect("it is sound");
        let listener = Listener::bind("tls://127.0.0.1:0").await.expect("a port is free");
        shown.debug(&listener);
        let (at_once, later) = (Arc::clone(&secrets), Arc::clone(&secrets));
        let server = Server::new(listener)
            .tls(tls.clone())
            .keys(ring.clone())
            .state(secrets.extension.as_str().to_owned())
            .authorize(move |ctx, method| hook(&at_once, ctx, method))
            .authorize_async(move |_, method| waiting_hook(Arc::clone(&later), method.name));
        let dispatcher = SafeDispatcher::new(MySafe(Arc::clone(&secrets)));
        shown.debug(&(&key, &ring, &tls, &dispatcher));
        let server = server.add(dispatcher);
        shown.debug(&(server.methods(), server.health(), server.shutdown_handle()));
        shown.debug(&server);
        let address = server.local_addr().expect("it is bound").to_string();
        let shutdown = server.shutdown_handle();
        let task = tokio::spawn(server.run());
        Self { secrets, servers, client, address, key, shown, shutdown, task }
    }

    pub(crate) fn trusting(&self) -> ClientTls {
        ClientTls::new().roots_pem(self.servers.pem()).expect("it is sound")
    }

    /// The TLS of a client that is let in.
    pub(crate) fn tls(&self) -> ClientTls {
        let Issued { certificate, key, .. } = &self.client;
        self.trusting().identity_pem(certificate, key).expect("it is sound")
    }

    /// A client that has all that is asked for but a token.
    pub(crate) fn builder(&self) -> ChannelBuilder {
        Channel::builder(&self.address).tls(self.tls()).key(self.key.clone())
    }

    pub(crate) fn token(&self) -> Token {
        Token::new(self.secrets.token.as_str()).expires_in(Duration::from_secs(3_600))
    }

    /// A client is not served, and learns why.
    pub(crate) async fn is_refused(&mut self, builder: ChannelBuilder) -> Error {
        self.shown.debug(&builder);
        let channel = builder.connect_lazy();
        let error = within(SafeClient::new(channel).number(1)).await.expect_err("not served");
        self.shown.error(&error);
        error
    }
}

/// What hangs fails.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it does not take so long")
}
