//! A server for probes from outside: it makes an authority and certificates, writes them into a folder, and serves with TLS.
//!
//!     tls_server FOLDER [--clients]
//!
//! Into the folder go `ca.pem`, and of a client `client.pem` and `client.key`; with `--clients`, only clients with a certificate of that
//! authority are served. It says where it listens, and ends in order with SIGINT or SIGTERM.

use std::{error::Error, path::PathBuf};

use rpc::{Server, shutdown_signal, tls::ServerTls};
use rpc_security_tests::{
    authority::Authority,
    vault::{MyVault, VaultDispatcher},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("tls_server FOLDER [--clients]")?);
    let wants_certificates = match arguments.next().as_deref() {
        None => false,
        Some("--clients") => true,
        Some(other) => return Err(format!("{other}: only --clients is known").into()),
    };
    let authority = Authority::new("the authority of a probe");
    let (server, client) = (authority.server(), authority.client("probe"));
    std::fs::write(folder.join("ca.pem"), authority.pem())?;
    std::fs::write(folder.join("client.pem"), &client.certificate)?;
    std::fs::write(folder.join("client.key"), &client.key)?;
    let mut tls = ServerTls::from_pem(&server.certificate, &server.key)?;
    if wants_certificates {
        tls = tls.client_roots_pem(authority.pem())?;
    }
    let server = Server::bind("tls://127.0.0.1:0").await?.tls(tls);
    println!("listening on {}", server.local_addr()?);
    let (events, _heard) = tokio::sync::mpsc::unbounded_channel();
    server.add(VaultDispatcher::new(MyVault { events })).run_until(shutdown_signal()).await?;
    println!("stopped");
    Ok(())
}
