//! What each framework's guide has its user write: the dependencies, the service of many methods, the ping server.

use super::definition;

/// For the struct that methods take and return.
const SERDE: &str = r#"serde = { version = "1", features = ["derive"] }"#;

/// Every server runs on this.
const TOKIO: &str = r#"tokio = { version = "1", features = ["macros", "rt-multi-thread"] }"#;

const TARPC: &str = r#"
futures = "0.3"
tarpc = { version = "0.38", features = ["serde-transport", "serde-transport-bincode", "tcp"] }
"#;

const TONIC: &str = r#"
prost = "0.14"
tonic = "0.14"
tonic-prost = "0.14"
"#;

/// For its generator.
const TONIC_BUILD: &str = r#"
protox = "0.10"
tonic-prost-build = "0.14"
"#;

/// One framework, as its users have it: with its default features and those that a server on TCP needs.
pub(super) struct Subject {
    pub(super) name: &'static str,
    /// Of `Cargo.toml`.
    pub(super) dependencies: String,
    /// For those packages that have a build script.
    pub(super) build_dependencies: &'static str,
    pub(super) service: Sources,
    pub(super) server: Sources,
}

/// A package, but for its manifest.
#[derive(Default)]
pub(super) struct Sources {
    /// `lib.rs` or `main.rs`.
    pub(super) rust: String,
    /// Files beside the manifest: a build script, and what it reads.
    pub(super) others: Vec<(&'static str, String)>,
}

impl Sources {
    fn rust(rust: impl Into<String>) -> Self {
        Self { rust: rust.into(), others: Vec::new() }
    }

    /// With a definition that a build script reads.
    fn generated(rust: impl Into<String>, protobuf: impl Into<String>) -> Self {
        let build = include_str!("tonic_build.rs").to_owned();
        Self {
            rust: rust.into(),
            others: vec![("service.proto", protobuf.into()), ("build.rs", build)],
        }
    }
}

/// This project first.
pub(super) fn subjects() -> [Subject; 3] {
    [rpc(), tarpc(), tonic()]
}

fn rpc() -> Subject {
    let package = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    Subject {
        name: "rpc",
        dependencies: format!("rpc = {{ path = '{package}' }}\n{SERDE}\n{TOKIO}"),
        build_dependencies: "",
        service: Sources::rust(definition::in_rust("#[rpc::service]", "&self, ")),
        server: Sources::rust(include_str!("ping/rpc.rs")),
    }
}

fn tarpc() -> Subject {
    Subject {
        name: "tarpc",
        dependencies: format!("{TARPC}{SERDE}\n{TOKIO}"),
        build_dependencies: "",
        service: Sources::rust(definition::in_rust("#[tarpc::service]", "")),
        server: Sources::rust(include_str!("ping/tarpc.rs")),
    }
}

fn tonic() -> Subject {
    Subject {
        name: "tonic",
        dependencies: format!("{TONIC}{TOKIO}"),
        build_dependencies: TONIC_BUILD,
        service: Sources::generated(
            "tonic::include_proto!(\"catalog\");\n",
            definition::in_protobuf(),
        ),
        server: Sources::generated(include_str!("ping/tonic.rs"), include_str!("ping/tonic.proto")),
    }
}
