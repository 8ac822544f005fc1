//! What keeping strangers out costs: calls over TLS beside plain ones, connections a second with TLS and with a shared key, and whether the
//! time until a refusal tells which keys there are.
//!
//! `cargo bench -p rpc-security-tests --bench security -- [--rounds N] [--millis N]`
//!
//! Server and client are processes of their own (this program, started again), one of each at a time; what is compared takes turns within a round.
//! The bare handshake is tokio-rustls at both ends with the same certificate and cryptography, without this project.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rpc::{
    Bytes, Channel, Key, Server,
    tls::{ClientTls, ServerTls},
};
use rpc_core::auth::client::Challenge;
use rpc_security_tests::{
    authority::Authority,
    vault::{MyVault, VaultClient, VaultDispatcher},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
        version::TLS13,
    },
};

#[path = "../support/mod.rs"]
mod support;
use support::{Failure, LoadProcess, ServerProcess, inherited_listener, option, runtime, spread};

const IN_FLIGHT: usize = 64;

/// The bar: calls over TLS make at least so much of the plain rate.
const TLS_BAR: f64 = 0.7;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", what, folder, workers] => {
            runtime(workers.parse()?)?.block_on(serve(what, Path::new(folder)))
        }
        ["load", what, address, folder, millis, workers] => {
            let load = load(
                channel(what, address, Path::new(folder), true)?,
                Duration::from_millis(millis.parse()?),
            );
            let rate =
                runtime(workers.parse()?)?.block_on(async { tokio::spawn(load).await })??;
            println!("{rate}");
            Ok(())
        }
        ["connect", what, address, folder, millis] => {
            let rate = runtime(0)?.block_on(connects(
                what,
                address,
                Path::new(folder),
                Duration::from_millis(millis.parse()?),
            ))?;
            println!("{rate}");
            Ok(())
        }
        ["refusals", address, pairs] => {
            let times = runtime(0)?.block_on(refusals(address, pairs.parse()?))?;
            let words: Vec<String> = times.iter().map(f64::to_string).collect();
            println!("{}", words.join(" "));
            Ok(())
        }
        _ => compare(option(&words, "--rounds", 7)?, option(&words, "--millis", 1000)?),
    }
}

fn key() -> Result<Key, rpc::Error> {
    Key::new("bench", [7; 32])
}

async fn serve(what: &str, folder: &Path) -> Result<(), Failure> {
    let listener = inherited_listener()?;
    if what == "bare" {
        return serve_bare(listener, folder).await;
    }
    let server = Server::new(rpc::Listener::try_from(listener)?);
    let server = match what {
        "tls" => server
            .tls(ServerTls::from_pem_files(folder.join("server.pem"), folder.join("server.key"))?),
        "key" => server.key(key()?),
        _ => server,
    };
    let (events, _heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(server.serve(VaultDispatcher::new(MyVault { events }))).await??;
    Ok(())
}

/// Handshakes, and one byte behind each, which says that the client may go.
async fn serve_bare(listener: std::net::TcpListener, folder: &Path) -> Result<(), Failure> {
    let chain =
        CertificateDer::pem_file_iter(folder.join("server.pem"))?.collect::<Result<Vec<_>, _>>()?;
    let own = PrivateKeyDer::from_pem_file(folder.join("server.key"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, own)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut stream = acceptor.accept(stream).await?;
            stream.write_all(&[0]).await?;
            stream.read_to_end(&mut Vec::new()).await
        });
    }
}

fn client_tls(folder: &Path) -> Result<ClientTls, rpc::Error> {
    ClientTls::new().roots_pem_file(folder.join("ca.pem"))
}

/// How a channel is made; with `tls`, where sessions are to be resumed or not.
fn channel(
    what: &str,
    address: &str,
    folder: &Path,
    with_tls: bool,
) -> Result<rpc::ChannelBuilder, Failure> {
    Ok(match what {
        "tls" if with_tls => Channel::builder(format!("tls://{address}")).tls(client_tls(folder)?),
        "tls" => Channel::builder(format!("tls://{address}")),
        "key" => Channel::builder(format!("tcp://{address}")).key(key()?),
        _ => Channel::builder(format!("tcp://{address}")),
    })
}

/// Keeps 64 calls in flight on one connection; calls a second.
async fn load(builder: rpc::ChannelBuilder, duration: Duration) -> Result<f64, Failure> {
    let client = VaultClient::new(builder.connect().await?);
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let client = client.clone();
        calls.spawn(async move {
            let mut count = 0_u64;
            while start.elapsed() < duration {
                client.echo(Bytes::from_static(&[7; 16])).await?;
                count += 1;
            }
            Ok::<_, rpc::Error>(count)
        });
    }
    let mut count = 0;
    while let Some(done) = calls.join_next().await {
        count += done??;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// Connects one time after the other; connections a second.
async fn connects(
    what: &str,
    address: &str,
    folder: &Path,
    duration: Duration,
) -> Result<f64, Failure> {
    let (what, is_resumed) = match what.strip_suffix("-resumed") {
        Some(what) => (what, true),
        None => (what, false),
    };
    let roots = fs::read(folder.join("ca.pem"))?;
    let kept = client_tls(folder)?;
    let bare = bare_config(&roots)?;
    let start = Instant::now();
    let mut count = 0_u64;
    while start.elapsed() < duration {
        match what {
            "bare" => {
                let config = if is_resumed { Arc::clone(&bare) } else { bare_config(&roots)? };
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let name = ServerName::try_from("127.0.0.1")?;
                let mut stream = TlsConnector::from(config).connect(name, stream).await?;
                stream.read_u8().await?;
                stream.shutdown().await?;
            }
            _ => {
                let builder = channel(what, address, folder, false)?;
                let builder = match what {
                    "tls" if is_resumed => builder.tls(kept.clone()),
                    "tls" => builder.tls(ClientTls::new().roots_pem(&roots)?),
                    _ => builder,
                };
                drop(builder.connect().await?);
            }
        }
        count += 1;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

fn bare_config(roots: &[u8]) -> Result<Arc<ClientConfig>, Failure> {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots) {
        store.add(root?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// How long a client that has not the secret waits for the challenge, and then for its refusal, in µs: of an id that the server knows, and of
/// one that it does not; medians.
async fn refusals(address: &str, pairs: usize) -> Result<[f64; 4], Failure> {
    let mut times: [Vec<f64>; 4] = Default::default();
    for turn in 0..2 * pairs {
        let is_known = turn % 2 == 0;
        // Both have the same length.
        let id = if is_known { "bench" } else { "nobod" };
        let mut opening = Vec::new();
        Challenge::begin(Key::new(id, [9; 32])?, [u8::try_from(turn % 256)?; 32], &mut opening);
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let start = Instant::now();
        stream.write_all(&opening).await?;
        stream.read_exact(&mut [0; CHALLENGE]).await?;
        let until_challenge = start.elapsed();
        let start = Instant::now();
        stream.write_all(&WRONG_PROOF).await?;
        // It says hello and good-bye, and waits for this end to close: what it says is what counts.
        if stream.read(&mut [0; 1024]).await? == 0 {
            return Err("the server closed the connection without a word".into());
        }
        let until_refusal = start.elapsed();
        let place = usize::from(!is_known);
        times[place].push(until_challenge.as_secs_f64() * 1e6);
        times[2 + place].push(until_refusal.as_secs_f64() * 1e6);
    }
    Ok(times.map(|times| spread(&times).1))
}

/// A preface and the frame of a challenge, in bytes (PROTOCOL 12.3).
const CHALLENGE: usize = 8 + 4 + 0x47;

/// A proof of zeros (PROTOCOL 12.5), and an empty hello behind it.
const WRONG_PROOF: [u8; 48] = {
    let mut bytes = [0; 48];
    let head = [0, 0, 0, 0x25, 0x93, 0x14, 0xc4, 0x20];
    let mut at = 0;
    while at < head.len() {
        bytes[at] = head[at];
        at += 1;
    }
    bytes[40] = 0xc0;
    bytes[44] = 3;
    bytes[45] = 0x92;
    bytes[46] = 0x0e;
    bytes[47] = 0x80;
    bytes
};

/// A folder that goes with this.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("rpc-security-{}", std::process::id()));
        fs::create_dir(&path)?;
        let authority = Authority::new("the authority of a benchmark");
        let server = authority.server();
        fs::write(path.join("ca.pem"), authority.pem())?;
        fs::write(path.join("server.pem"), &server.certificate)?;
        fs::write(path.join("server.key"), &server.key)?;
        Ok(Self(path))
    }

    fn text(&self) -> Result<&str, Failure> {
        self.0.to_str().ok_or_else(|| "the temporary directory's name is no text".into())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(what: &str, folder: &str, workers: &str) -> Result<(ServerProcess, String), Failure> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    Ok((ServerProcess::start(&listener, &["serve", what, folder, workers])?, address))
}

/// What is counted with these arguments behind the address.
fn measure(server: &str, workers: &str, folder: &str, role: &[&str]) -> Result<f64, Failure> {
    let (_server, address) = start(server, folder, workers)?;
    let [kind, what, rest @ ..] = role else {
        return Err("a role has a kind and a subject".into());
    };
    let mut arguments = vec![*kind, *what, &*address, folder];
    arguments.extend(rest);
    Ok(LoadProcess::start(&arguments)?.output()?.parse()?)
}

fn compare(rounds: u64, millis: u64) -> Result<(), Failure> {
    print!("{}", support::load_average()?);
    println!(
        "{rounds} rounds of {millis} ms each, subjects taking turns; medians of the rounds [minimum … maximum]\n"
    );
    let folder = Folder::new()?;
    let folder = folder.text()?;
    let millis = millis.to_string();
    let flavours = [("current-thread", "0"), ("multi-thread", "2")];
    let kinds = ["plain", "bare", "tls", "bare-resumed", "tls-resumed", "key"];
    let mut calls: [[Vec<f64>; 2]; 2] = Default::default();
    let mut connections: [Vec<f64>; 6] = Default::default();
    let mut waits: [Vec<f64>; 4] = Default::default();
    for _ in 0..rounds {
        for ((_, workers), calls) in flavours.iter().zip(&mut calls) {
            for (what, rates) in ["plain", "tls"].iter().zip(calls) {
                rates.push(measure(what, workers, folder, &["load", what, &millis, workers])?);
            }
        }
        for (kind, rates) in kinds.iter().zip(&mut connections) {
            let server = kind.trim_end_matches("-resumed");
            rates.push(measure(server, "0", folder, &["connect", kind, &millis])?);
        }
        let (_server, address) = start("key", folder, "0")?;
        let output = LoadProcess::start(&["refusals", &address, "300"])?.output()?;
        for (times, word) in waits.iter_mut().zip(output.split(' ')) {
            times.push(word.parse()?);
        }
    }
    println!("Calls with {IN_FLIGHT} in flight on one connection, 16 bytes there and back:\n");
    println!(
        "| runtime | plain, calls/s | TLS, calls/s | TLS / plain | bar |\n|---|---|---|---|---|"
    );
    for ((flavour, _), [plain, tls]) in flavours.iter().zip(&calls) {
        let ratio = cell(&ratios(tls, plain), 2);
        println!("| {flavour} | {} | {} | {ratio} | {TLS_BAR} |", cell(plain, 0), cell(tls, 0));
    }
    println!(
        "\nConnections, one after the other, to the server's hello or, bare, to a first byte:\n"
    );
    println!("| | connections/s | beside |\n|---|---|---|");
    let [plain, bare, tls, bare_resumed, tls_resumed, key] = &connections;
    for (name, rates, beside) in [
        ("plain", plain, None),
        ("bare handshake", bare, None),
        ("TLS", tls, Some((bare, "the bare handshake"))),
        ("bare handshake, resumed", bare_resumed, None),
        ("TLS, resumed", tls_resumed, Some((bare_resumed, "the bare handshake, resumed"))),
        ("shared key", key, Some((plain, "plain"))),
    ] {
        let beside = beside.map_or("–".to_owned(), |(other, name)| {
            format!("{} of {name}", cell(&ratios(rates, other), 2))
        });
        println!("| {name} | {} | {beside} |", cell(rates, 0));
    }
    println!(
        "\nA client without the secret, 300 of each kind a round, taking turns, medians in µs:\n"
    );
    println!("| until | known id | unknown id | unknown / known |\n|---|---|---|---|");
    let [known_challenge, unknown_challenge, known_refusal, unknown_refusal] = &waits;
    for (name, known, unknown) in [
        ("the challenge", known_challenge, unknown_challenge),
        ("the refusal", known_refusal, unknown_refusal),
    ] {
        let ratio = cell(&ratios(unknown, known), 3);
        println!("| {name} | {} | {} | {ratio} |", cell(known, 1), cell(unknown, 1));
    }
    Ok(())
}

/// Round by round.
fn ratios(values: &[f64], beside: &[f64]) -> Vec<f64> {
    values.iter().zip(beside).map(|(value, other)| value / other).collect()
}

fn cell(values: &[f64], digits: usize) -> String {
    let (low, middle, high) = spread(values);
    format!("{middle:.digits$} [{low:.digits$} … {high:.digits$}]")
}
