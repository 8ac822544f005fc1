//! Compiles the service, in Rust alone.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=echo.thrift");
    volo_build::Builder::thrift().add_service("echo.thrift").write()?;
    Ok(())
}
