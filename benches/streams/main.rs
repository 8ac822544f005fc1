//! What streams cost: bytes and items a second, what they make a ping wait, and what memory they take.
//!
//! `cargo bench --bench streams -- [--rounds N] [--seconds S] [--window BYTES] [--mib N]`
//!
//! * Bulk: 1 GiB (`--mib`) as items of 64 KiB, from the server and to it, beside a raw TCP copy of as many bytes.
//! * Items: items of 16 bytes a second of one stream from the server, beside pings of 16 bytes with 64 in flight.
//! * Beside a large answer: pings, one every 200 µs, on a connection that carries an answer of 256 MiB (a quarter of `--mib`) over
//!   and over, beside the same pings alone. The answer's bytes are made when the server begins.
//! * Memory: the heap that a stream holds at its receiver when its consumer stops, as the allocator counts it (the memory that the system
//!   has given the process would count pages that the allocator keeps); what 1,000 idle streams of one connection hold.
//! * Allocations per item in steady state, at both ends. Those of the user's own data are named beside: the bytes of an item.
//!
//! Servers and clients are processes of their own (this program, started again). The subjects take turns within each round, so that a
//! slow phase of the machine hits them all. What is printed is the median of the rounds and its spread; a ratio is taken within a round.

use std::time::Duration;

use rpc::{Channel, limits};

mod heap;
mod load;
mod memory;
mod raw;
mod service;
#[path = "../support/mod.rs"]
mod support;
mod table;

use load::SMALL;
use memory::ITEMS;
use service::BenchClient;
use support::{Failure, LoadProcess, ServerProcess, option, runtime};
use table::{Bar, Table};

/// The bytes of a large item, and of what the raw copy writes and reads at a time.
const ITEM: usize = 64 << 10;

/// What a message may take around its bytes.
const MESSAGE_HEAD: usize = 64;

/// The least window of a connection here.
const WINDOW_OF_CONNECTION: usize = limits::CONNECTION_WINDOW;

/// Runtimes by their numbers of workers; with 0 the thread that blocks on it does the work.
const FLAVOURS: [(&str, usize); 2] = [("current-thread", 0), ("multi-thread", 2)];

/// Sizes of items of which a stream is stalled, in bytes.
const STALLED: [usize; 4] = [SMALL, 1 << 10, 5 << 10, ITEM];

/// Streams that are open and idle.
const IDLE: usize = 1_000;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", "raw", workers] => {
            runtime(workers.parse()?)?.block_on(async { tokio::spawn(raw::serve()).await })?
        }
        ["serve", "rpc", workers, window, answer] => {
            let serving = service::serve(window.parse()?, answer.parse()?);
            runtime(workers.parse()?)?.block_on(async { tokio::spawn(serving).await })?
        }
        ["load", workers, window, answer, address, what, argument] => {
            let (window, answer) = (window.parse()?, answer.parse()?);
            let load =
                load(window, answer, address.to_owned(), what.to_owned(), argument.to_owned());
            // A caller on the thread of `block_on` is slow in any design.
            let figures =
                runtime(workers.parse()?)?.block_on(async { tokio::spawn(load).await })??;
            let words: Vec<String> = figures.iter().map(f64::to_string).collect();
            println!("{}", words.join(" "));
            Ok(())
        }
        _ => compare(&Options {
            rounds: option(&words, "--rounds", 5)?,
            millis: option(&words, "--seconds", 3)? * 1000,
            window: usize::try_from(option(&words, "--window", limits::STREAM_WINDOW as u64)?)?,
            bytes: option(&words, "--mib", 1024)?.max(4) << 20,
        }),
    }
}

/// A client process: the figures of one measurement.
async fn load(
    window: usize,
    answer: usize,
    address: String,
    what: String,
    argument: String,
) -> Result<Vec<f64>, Failure> {
    match &*what {
        "raw-download" => return Ok(vec![raw::download(address, argument.parse()?).await?]),
        "raw-upload" => return Ok(vec![raw::upload(address, argument.parse()?).await?]),
        _ => {}
    }
    let channel = Channel::builder(&address)
        .stream_window(window)
        .connection_window(WINDOW_OF_CONNECTION.max(window))
        .max_message_size(limits::MAX_MESSAGE_SIZE.max(answer + MESSAGE_HEAD));
    let client = BenchClient::new(channel.connect().await?);
    let duration = || Ok::<_, Failure>(Duration::from_millis(argument.parse()?));
    Ok(match &*what {
        "download" => vec![load::download(client, argument.parse()?).await?],
        "upload" => vec![load::upload(client, argument.parse()?).await?],
        "items" => vec![load::items(client, duration()?).await?],
        "pings-of-one-task" => vec![load::pings_of_one_task(client, duration()?).await?],
        "pings-of-tasks" => vec![load::pings_of_tasks(client, duration()?).await?],
        "pings-alone" => load::pings(client, duration()?, true).await?.figures(),
        "pings-beside" => load::pings(client, duration()?, false).await?.figures(),
        "stalled" => vec![memory::stalled(client, argument.parse()?).await?],
        "idle" => memory::idle(client, argument.parse()?).await?,
        "allocations" => memory::allocations(client, &argument).await?,
        _ => return Err(format!("nothing is named {what}").into()),
    })
}

struct Options {
    rounds: u64,
    millis: u64,
    window: usize,
    bytes: u64,
}

/// The servers of one flavour.
struct Servers {
    raw: Server,
    /// Its large answer takes memory, and a raised limit on messages could be told from the default one.
    large: Server,
    rpc: Server,
}

struct Server {
    address: String,
    answer: usize,
    _process: ServerProcess,
}

impl Server {
    fn start(arguments: &[&str], answer: usize) -> Result<Self, Failure> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = format!("tcp://{}", listener.local_addr()?);
        Ok(Self { address, answer, _process: ServerProcess::start(&listener, arguments)? })
    }
}

/// A flavour's measurements of one round.
struct Round<'a> {
    options: &'a Options,
    flavour: usize,
    servers: &'a Servers,
    table: &'a mut Table,
}

fn compare(options: &Options) -> Result<(), Failure> {
    let Options { rounds, millis, window, bytes } = options;
    print!("{}", support::load_average()?);
    println!(
        "{rounds} rounds, {} s for what is timed, subjects interleaved; medians [minimum … maximum]; windows of {} KiB, {} MiB moved\n",
        millis / 1000,
        window >> 10,
        bytes >> 20
    );
    let mut servers = Vec::new();
    for (_, workers) in FLAVOURS {
        let [workers, window] = [workers, *window].map(|number| number.to_string());
        let answer = usize::try_from(bytes / 4)?;
        let large = ["serve", "rpc", &workers, &window, &answer.to_string()];
        servers.push(Servers {
            raw: Server::start(&["serve", "raw", &workers], 0)?,
            large: Server::start(&large, answer)?,
            rpc: Server::start(&["serve", "rpc", &workers, &window, "0"], 0)?,
        });
    }
    let mut table = Table::default();
    for _ in 0..*rounds {
        for (flavour, servers) in servers.iter().enumerate() {
            let mut round = Round { options, flavour, servers, table: &mut table };
            round.bulk()?;
            round.items()?;
            round.pings()?;
            round.memory()?;
            round.allocations()?;
        }
    }
    print!("{table}");
    print!("\n{}", support::load_average()?);
    Ok(())
}

impl Round<'_> {
    fn add(&mut self, name: &str, digits: usize, bar: Bar, figure: f64) {
        self.table.add(name, digits, bar, self.flavour, figure);
    }

    /// The figures of a client process of this flavour.
    fn load(&self, server: &Server, what: &str, argument: &str) -> Result<Vec<f64>, Failure> {
        let workers = FLAVOURS[self.flavour].1;
        let [workers, window, answer] =
            [workers, self.options.window, server.answer].map(|number| number.to_string());
        let arguments = ["load", &workers, &window, &answer, &server.address, what, argument];
        let output = LoadProcess::start(&arguments)?.output()?;
        Ok(output.split(' ').map(str::parse).collect::<Result<_, _>>()?)
    }

    /// The one figure of a client process.
    fn figure(&self, server: &Server, what: &str, argument: &str) -> Result<f64, Failure> {
        Ok(*self.load(server, what, argument)?.first().ok_or("there is no figure")?)
    }

    fn bulk(&mut self) -> Result<(), Failure> {
        let bytes = self.options.bytes.to_string();
        for (what, raw) in [("download", "raw-download"), ("upload", "raw-upload")] {
            let copied = self.figure(&self.servers.raw, raw, &bytes)?;
            let moved = self.figure(&self.servers.rpc, what, &bytes)?;
            self.add(&format!("{what}, raw copy, MB/s"), 0, Bar::None, copied / 1e6);
            self.add(&format!("{what} of 64 KiB items, MB/s"), 0, Bar::None, moved / 1e6);
            self.add(&format!("{what}, of the raw copy"), 2, Bar::AtLeast(0.8), moved / copied);
        }
        Ok(())
    }

    fn items(&mut self) -> Result<(), Failure> {
        let millis = self.options.millis.to_string();
        let server = &self.servers.rpc;
        let of_one = self.figure(server, "pings-of-one-task", &millis)?;
        let items = self.figure(server, "items", &millis)?;
        let of_tasks = self.figure(server, "pings-of-tasks", &millis)?;
        self.add("pings with 64 in flight, one task, 1/s", 0, Bar::None, of_one);
        self.add("pings with 64 in flight, 64 tasks, 1/s", 0, Bar::None, of_tasks);
        self.add("16-byte items of one stream, 1/s", 0, Bar::None, items);
        self.add("items, of the pings of one task", 2, Bar::AtLeast(1.0), items / of_one);
        self.add("items, of the pings of 64 tasks", 2, Bar::AtLeast(1.0), items / of_tasks);
        Ok(())
    }

    fn pings(&mut self) -> Result<(), Failure> {
        let millis = self.options.millis.to_string();
        for (what, beside, bar) in [
            ("pings-alone", "alone", Bar::AtMost(1.0)),
            ("pings-beside", "beside a large answer", Bar::AtMost(5.0)),
        ] {
            let figures = self.load(&self.servers.large, what, &millis)?;
            let [p50, p99, max, pings, answers] = figures[..] else {
                return Err("five figures were expected".into());
            };
            self.add(&format!("ping {beside}, p50, ms"), 3, Bar::None, p50);
            self.add(&format!("ping {beside}, p99, ms"), 3, bar, p99);
            self.add(&format!("ping {beside}, max, ms"), 3, Bar::None, max);
            self.add(&format!("pings {beside} in a round"), 0, Bar::None, pings);
            if what == "pings-beside" {
                let rate = answers * self.options.bytes as f64 / 4.0 / millis.parse::<f64>()? / 1e3;
                self.add("the answers meanwhile, MB/s", 0, Bar::None, rate);
            }
        }
        Ok(())
    }

    fn memory(&mut self) -> Result<(), Failure> {
        let bar = Bar::AtMost((self.options.window + (16 << 10)) as f64 / 1024.0);
        for size in STALLED {
            let held = self.figure(&self.servers.rpc, "stalled", &size.to_string())?;
            self.add(
                &format!("stalled, items of {size} bytes, KiB of heap"),
                1,
                bar,
                held / 1024.0,
            );
        }
        // What earlier streams left behind would be used again.
        let [workers, window] =
            [FLAVOURS[self.flavour].1, self.options.window].map(|number| number.to_string());
        let fresh = Server::start(&["serve", "rpc", &workers, &window, "0"], 0)?;
        let figures = self.load(&fresh, "idle", &IDLE.to_string())?;
        let [there, resident, here] = figures[..] else {
            return Err("three figures were expected".into());
        };
        self.add("idle stream, bytes of heap at the server", 0, Bar::AtMost(1024.0), there);
        self.add("idle stream, bytes resident at the server", 0, Bar::None, resident);
        self.add("idle stream, bytes of heap at the client", 0, Bar::None, here);
        Ok(())
    }

    fn allocations(&mut self) -> Result<(), Failure> {
        for items in &ITEMS {
            let figures = self.load(&self.servers.rpc, "allocations", items.name)?;
            for ((end, figure), own) in ["server", "client"].iter().zip(figures).zip(items.own) {
                let name = format!("allocations per item, {}, {end}", items.title);
                // What a stream itself takes, and what its backlogs do, is spread over its items.
                self.add(&name, 3, Bar::AtMost(own + 0.01), figure);
            }
        }
        Ok(())
    }
}
