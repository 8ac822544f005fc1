//! What a server or a service offers, owned: what crosses the network, is stored, or compared with what was stored.
//!
//! Everything is in the order of its name, wherever it comes from, so two descriptions of one service are equal. What is at its default is
//! not written, unknown fields are ignored and absent ones are at their defaults, so old and new ends understand each other. They are always
//! written as maps by name (PROTOCOL 14.2): a field that is left out would shift those behind it in an array.

use serde::{Deserialize, Serialize};

use super::{Argument, Method, Pace, Run, Service};

/// What a server offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ServerDescription {
    /// What the server is.
    pub server: ServerInfo,
    /// Its services, in the order of their names.
    pub services: Vec<ServiceDescription>,
}

/// What a server is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ServerInfo {
    /// The version of the protocol that it speaks, such as `1.0`.
    pub protocol: String,
    /// The software that it is made with, such as `rpc`.
    pub software: String,
    /// The version of that software.
    pub version: String,
}

impl ServerInfo {
    /// A server that is made with this version of this project.
    pub fn of_this_project() -> Self {
        let (major, minor) = crate::frame::VERSION;
        Self {
            protocol: format!("{major}.{minor}"),
            software: "rpc".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// A service: a named list of methods.
///
/// That of a trait, without a server, is `ServiceDescription::from(CalcClient::DESCRIPTION)`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ServiceDescription {
    /// The name in front of the dot of `Calc.add`.
    pub name: String,
    /// The trait's documentation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub docs: String,
    /// Whether its documentation was too long to be sent, and is cut.
    #[serde(skip_serializing_if = "is_false")]
    pub abridged: bool,
    /// The methods, in the order of their names.
    pub methods: Vec<MethodDescription>,
}

/// One method of a service. Types are texts, as the trait writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MethodDescription {
    /// The name behind the dot of `Calc.add`.
    pub name: String,
    /// The method's documentation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub docs: String,
    /// The arguments that are on the wire, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<ArgumentDescription>,
    /// The stream that the caller sends: its name, and the type of its items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub takes: Option<ArgumentDescription>,
    /// The type of the result, or of each item of the stream that is the result.
    #[serde(skip_serializing_if = "is_unit")]
    pub result: String,
    /// The type of the error, where the method returns a `Result`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the result is a stream.
    #[serde(skip_serializing_if = "is_false")]
    pub streams: bool,
    /// How many unsent items of that stream are kept, where it does not wait for a caller that takes them slowly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drops_oldest: Option<u32>,
    /// The type of the error that an item may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_error: Option<String>,
    /// Whether the caller gets no answer.
    #[serde(skip_serializing_if = "is_false")]
    pub oneway: bool,
    /// Whether the call may be repeated when it is not known whether it ran.
    #[serde(skip_serializing_if = "is_false")]
    pub idempotent: bool,
    /// Where the handler runs: `inline`, in the task of its connection; `spawn`, in one of its own; `blocking`, on the pool for blocking work.
    #[serde(skip_serializing_if = "is_inline")]
    pub run: String,
    /// What a caller must be allowed to do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// Whether its documentation, and perhaps more than that, was too long to be sent, and is cut.
    #[serde(skip_serializing_if = "is_false")]
    pub abridged: bool,
}

/// One argument of a method, or the stream that its caller sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ArgumentDescription {
    /// Its name.
    pub name: String,
    /// Its type, or that of the stream's items.
    #[serde(rename = "type")]
    pub ty: String,
    /// Whether a caller may leave it out.
    #[serde(skip_serializing_if = "is_false")]
    pub optional: bool,
    /// What it is then, as an expression of the trait's language, where the trait says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// A part of what a server offers: what one answer of `rpc.Reflection.describe` brings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Page {
    /// Services, each with the methods of this page. The documentation of a service is on the page that begins it.
    pub services: Vec<ServiceDescription>,
    /// What to ask for the next page with; `None` on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Default for MethodDescription {
    fn default() -> Self {
        Self {
            name: String::new(),
            docs: String::new(),
            arguments: Vec::new(),
            takes: None,
            result: UNIT.to_owned(),
            error: None,
            streams: false,
            drops_oldest: None,
            item_error: None,
            oneway: false,
            idempotent: false,
            run: Run::Inline.name().to_owned(),
            requires: Vec::new(),
            abridged: false,
        }
    }
}

impl ServiceDescription {
    /// A service with these methods.
    pub fn new(
        name: impl Into<String>,
        docs: impl Into<String>,
        mut methods: Vec<MethodDescription>,
    ) -> Self {
        methods.sort_by(|one, other| one.name.cmp(&other.name));
        Self { name: name.into(), docs: docs.into(), abridged: false, methods }
    }
}

impl From<&Service> for ServiceDescription {
    fn from(service: &Service) -> Self {
        Self::new(service.name, service.docs, service.methods.iter().map(Into::into).collect())
    }
}

impl From<&Method> for MethodDescription {
    fn from(method: &Method) -> Self {
        Self {
            name: method.name.to_owned(),
            docs: method.docs.to_owned(),
            arguments: method.arguments.iter().map(Into::into).collect(),
            takes: method.takes.as_ref().map(Into::into),
            result: method.result.to_owned(),
            error: method.error.map(str::to_owned),
            streams: method.streams.is_some(),
            drops_oldest: match method.streams {
                Some(Pace::DropsOldest(kept)) => Some(kept),
                Some(Pace::Waits) | None => None,
            },
            item_error: method.item_error.map(str::to_owned),
            oneway: method.oneway,
            idempotent: method.idempotent,
            run: method.run.name().to_owned(),
            requires: method.requires.iter().map(|what| (*what).to_owned()).collect(),
            abridged: false,
        }
    }
}

impl From<&Argument> for ArgumentDescription {
    fn from(argument: &Argument) -> Self {
        Self {
            name: argument.name.to_owned(),
            ty: argument.ty.to_owned(),
            optional: argument.optional,
            default: argument.default.map(str::to_owned),
        }
    }
}

const UNIT: &str = "()";

fn is_unit(result: &str) -> bool {
    result == UNIT
}

fn is_inline(run: &str) -> bool {
    run == Run::Inline.name()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests;
