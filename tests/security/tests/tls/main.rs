//! TLS over real sockets: whom each end trusts, what is said of a mistake, and that all else works as without.

mod clients;
mod crossed;
mod exchanging;
mod lifetimes;
mod raw;
mod servers;
mod settings;
mod traffic;

use std::time::Duration;

use rpc::{
    Channel, ChannelBuilder, Error, Server, ShutdownHandle,
    tls::{ClientTls, ServerTls},
};
use rpc_security_tests::{
    authority::{Authority, Issued},
    vault::{Event, MyVault, VaultClient, VaultDispatcher},
};
use tokio::{sync::mpsc, task::JoinHandle};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LONG, future).await.expect("it does not take so long")
}

/// A server in a task of its own.
struct Served {
    address: String,
    shutdown: ShutdownHandle,
    task: JoinHandle<Result<(), Error>>,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Served {
    async fn at(address: &str, options: impl FnOnce(Server) -> Server) -> Self {
        let (events, heard) = mpsc::unbounded_channel();
        let server = options(Server::bind(address).await.expect("it is free"));
        let address = server.local_addr().expect("it is bound").to_string();
        let server = server.add(VaultDispatcher::new(MyVault { events }));
        let shutdown = server.shutdown_handle();
        let task = tokio::spawn(server.run());
        Self { address, shutdown, task, events: heard }
    }

    async fn with(tls: ServerTls, options: impl FnOnce(Server) -> Server) -> Self {
        Self::at("tls://127.0.0.1:0", |server| options(server.tls(tls))).await
    }

    async fn new(tls: ServerTls) -> Self {
        Self::with(tls, |server| server).await
    }

    /// Where it listens, without the scheme.
    fn host(&self) -> &str {
        self.address.split_once("://").expect("it has a scheme").1
    }

    fn builder(&self, tls: &ClientTls) -> ChannelBuilder {
        Channel::builder(&self.address).tls(tls.clone())
    }

    async fn channel(&self, tls: &ClientTls) -> Result<Channel, Error> {
        within(self.builder(tls).connect()).await
    }

    async fn client(&self, tls: &ClientTls) -> VaultClient {
        VaultClient::new(self.channel(tls).await.expect("it listens"))
    }

    async fn event(&mut self) -> Event {
        within(self.events.recv()).await.expect("the service lives")
    }
}

fn server_tls(issued: &Issued) -> ServerTls {
    ServerTls::from_pem(&issued.certificate, &issued.key).expect("it is sound")
}

/// A server's, which wants a certificate of each client.
fn mutual(server: &Issued, clients: &Authority) -> ServerTls {
    server_tls(server).client_roots_pem(clients.pem()).expect("it is sound")
}

/// A client's, which trusts this authority alone.
fn trusting(authority: &Authority) -> ClientTls {
    ClientTls::new().roots_pem(authority.pem()).expect("it is sound")
}

fn identified(tls: ClientTls, issued: &Issued) -> ClientTls {
    tls.identity_pem(&issued.certificate, &issued.key).expect("it is sound")
}
