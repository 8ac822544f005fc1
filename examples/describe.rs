//! Asks a running server what it offers: `cargo run --example describe -- [--json] [--service NAME] [URL]`.
//!
//! It knows nothing of the server's traits. A program of your own needs the feature `json` of `rpc` for `to_json`.

use std::error::Error;

use rpc::{
    Channel, Health, Reflection,
    description::{ServerDescription, ServiceDescription},
};

struct Options {
    address: String,
    service: Option<String>,
    json: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let channel = Channel::connect(&options.address).await?;
    let reflection = Reflection::new(channel.clone());
    if let Some(name) = &options.service {
        let service = reflection.service(name).await?;
        if options.json {
            print!("{}", service.to_json());
        } else {
            show(&service);
        }
        return Ok(());
    }
    let server = reflection.describe().await?;
    if options.json {
        print!("{}", server.to_json());
    } else {
        show_server(&server, &Health::new(channel)).await?;
    }
    Ok(())
}

async fn show_server(description: &ServerDescription, health: &Health) -> Result<(), rpc::Error> {
    let server = &description.server;
    println!("{} {}, protocol {}", server.software, server.version, server.protocol);
    // A server may tell what it offers and not how it does.
    if let Ok(status) = health.check("").await {
        println!("{status}");
    }
    for service in &description.services {
        println!();
        show(service);
    }
    Ok(())
}

fn show(service: &ServiceDescription) {
    show_docs("", &service.docs);
    println!("{}", printable(&service.name));
    for method in &service.methods {
        show_docs("    ", &method.docs);
        let flags = [(method.oneway, "  (one-way)"), (method.idempotent, "  (idempotent)")];
        let flags: String =
            flags.iter().filter(|(is_set, _)| *is_set).map(|(_, text)| *text).collect();
        println!("    {}{flags}", printable(&method.to_string()));
    }
}

fn show_docs(indent: &str, docs: &str) {
    for line in docs.lines() {
        println!("{}", format!("{indent}/// {}", printable(line)).trim_end());
    }
}

/// What a stranger says is not to move the cursor.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

fn options() -> Result<Options, Box<dyn Error>> {
    use lexopt::prelude::{Long, Value, ValueExt};

    let mut options =
        Options { address: "tcp://127.0.0.1:7000".to_owned(), service: None, json: false };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("json") => options.json = true,
            Long("service") => options.service = Some(arguments.value()?.string()?),
            Long("help") => {
                println!("usage: describe [--json] [--service NAME] [URL]");
                std::process::exit(0);
            }
            Value(address) => options.address = address.string()?,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(options)
}
