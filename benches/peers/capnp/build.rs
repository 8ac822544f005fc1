//! Compiles the schema with the `capnp` tool.

use std::{
    error::Error,
    io::ErrorKind,
    process::{Command, Stdio},
};

fn main() -> Result<(), Box<dyn Error>> {
    let found = Command::new("capnp").arg("--version").stdout(Stdio::null()).status();
    if found.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Err("the `capnp` tool is not there: install the package capnproto".into());
    }
    Ok(capnpc::CompilerCommand::new().file("echo.capnp").run()?)
}
