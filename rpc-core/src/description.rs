//! What a service is, as data: its methods, their arguments, types and flags.
//!
//! Made by the macro as constants, so that it cannot drift from the code. The server routes by it and reads
//! from it how a method runs. What a tool on another machine gets to see is [`ServiceDescription`], the same data owned.

mod owned;
mod show;

pub use owned::{
    ArgumentDescription, MethodDescription, Page, ServerDescription, ServerInfo, ServiceDescription,
};

/// A service: a named list of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Service {
    /// The name in front of the dot of `Calc.add`.
    pub name: &'static str,
    /// The trait's documentation.
    pub docs: &'static str,
    /// The methods, in the order of the trait; a method's index is its place in here.
    pub methods: &'static [Method],
}

impl Service {
    /// A service.
    pub const fn new(name: &'static str, docs: &'static str, methods: &'static [Method]) -> Self {
        Self { name, docs, methods }
    }
}

/// One method of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Method {
    /// The name behind the dot of `Calc.add`.
    pub name: &'static str,
    /// The method's documentation.
    pub docs: &'static str,
    /// The arguments that are on the wire, in order.
    pub arguments: &'static [Argument],
    /// The stream that the caller sends: its name, and the type of its items.
    pub takes: Option<Argument>,
    /// The type of the result, or of each item of the stream that is the result, as the trait writes it.
    pub result: &'static str,
    /// The type of the error, as the trait writes it, where the method returns a `Result`.
    pub error: Option<&'static str>,
    /// Whether the result is a stream, and how it treats a caller that takes its items slowly.
    pub streams: Option<Pace>,
    /// The type of the error that an item may be, as the trait writes it, where the items are `Result`s.
    pub item_error: Option<&'static str>,
    /// Whether the caller gets no answer.
    pub oneway: bool,
    /// Whether the call may be repeated when it is not known whether it ran.
    pub idempotent: bool,
    /// Where the handler runs.
    pub run: Run,
    /// What a caller needs to be allowed to call it, in the words of the program: the server's `authorize` hook gives them their meaning.
    pub requires: &'static [&'static str],
}

impl Method {
    /// A method without arguments, result, error or flags.
    pub const fn new(name: &'static str, docs: &'static str) -> Self {
        Self {
            name,
            docs,
            arguments: &[],
            takes: None,
            result: "()",
            error: None,
            streams: None,
            item_error: None,
            oneway: false,
            idempotent: false,
            run: Run::Inline,
            requires: &[],
        }
    }

    /// Sets the arguments.
    #[must_use]
    pub const fn arguments(mut self, arguments: &'static [Argument]) -> Self {
        self.arguments = arguments;
        self
    }

    /// Sets the types of the result and of the error.
    #[must_use]
    pub const fn returns(mut self, result: &'static str, error: Option<&'static str>) -> Self {
        self.result = result;
        self.error = error;
        self
    }

    /// Sets that the caller sends a stream.
    #[must_use]
    pub const fn takes(mut self, stream: Argument) -> Self {
        self.takes = Some(stream);
        self
    }

    /// Sets that the result is a stream, and the type of the error that an item may be.
    #[must_use]
    pub const fn streams(mut self, pace: Pace, item_error: Option<&'static str>) -> Self {
        self.streams = Some(pace);
        self.item_error = item_error;
        self
    }

    /// Sets that the caller gets no answer.
    #[must_use]
    pub const fn oneway(mut self) -> Self {
        self.oneway = true;
        self
    }

    /// Sets that the call may be repeated.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Sets where the handler runs.
    #[must_use]
    pub const fn run(mut self, run: Run) -> Self {
        self.run = run;
        self
    }

    /// Sets what a caller needs.
    #[must_use]
    pub const fn requires(mut self, requirements: &'static [&'static str]) -> Self {
        self.requires = requirements;
        self
    }
}

/// One argument of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// Its type, as the trait writes it.
    pub ty: &'static str,
    /// Whether a caller may leave it out.
    pub optional: bool,
    /// What it is then, as the trait writes it in `#[rpc(default = …)]`; `None` where that is the `Default` of its type.
    pub default: Option<&'static str>,
}

impl Argument {
    /// An argument that a caller must send.
    pub const fn new(name: &'static str, ty: &'static str) -> Self {
        Self { name, ty, optional: false, default: None }
    }

    /// Sets that a caller may leave it out.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Sets what it is where a caller leaves it out, as a text.
    #[must_use]
    pub const fn with_default(mut self, expression: &'static str) -> Self {
        self.optional = true;
        self.default = Some(expression);
        self
    }
}

/// What a stream does when its items are taken more slowly than they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pace {
    /// It waits: nothing is lost.
    #[default]
    Waits,
    /// It goes on, and drops all but the newest so many items that were not sent. The caller learns how many were dropped.
    DropsOldest(u32),
}

/// Where the handler of a method runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Run {
    /// In the task of its connection, beside the connection's other handlers. The fastest.
    #[default]
    Inline,
    /// In a task of its own, which may run on another core.
    Spawn,
    /// On the pool for blocking work.
    Blocking,
}

impl Run {
    /// The name in lower case, as a description carries it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Spawn => "spawn",
            Self::Blocking => "blocking",
        }
    }
}
