//! Generates tonic's code as its guide does, but that the definition is read by protox: so protoc need not be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=service.proto");
    tonic_prost_build::compile_fds(protox::compile(["service.proto"], ["."])?)?;
    Ok(())
}
