//! How a call ended, in one word: what logs, metrics and tests of both ends call it.

use std::fmt;

use crate::{Code, Error};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// With its answer.
    Ok,
    /// With the application's own error.
    App,
    /// With an error of the framework, or one that a handler returned, of this code.
    Status(Code),
    /// Its caller lost interest.
    Cancelled,
    /// Its deadline passed.
    Expired,
    /// It was refused for want of room, and did not start.
    Shed,
    /// Its connection was lost, or its server ended, while its handler ran.
    Dropped,
}

impl Outcome {
    /// The name in lower case, as logs write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::App => "app",
            Self::Status(code) => code.name(),
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Shed => "shed",
            Self::Dropped => "dropped",
        }
    }
}

impl From<&Error> for Outcome {
    fn from(error: &Error) -> Self {
        match error.kind() {
            _ if error.is_application() => Self::App,
            Code::Cancelled => Self::Cancelled,
            Code::DeadlineExceeded => Self::Expired,
            Code::ResourceExhausted if error.is_not_started() => Self::Shed,
            code => Self::Status(code),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Outcome;
    use crate::{Code, Error};

    #[test]
    fn an_error_has_one_outcome() {
        let full = Error::resource_exhausted("full");
        let app = Error::unknown("mine").with_details(Bytes::new(), true);
        for (error, outcome) in [
            (app, Outcome::App),
            (Error::cancelled(""), Outcome::Cancelled),
            (Error::deadline_exceeded(""), Outcome::Expired),
            (full.clone().not_started(true), Outcome::Shed),
            // A handler's own limit: the call did run.
            (full, Outcome::Status(Code::ResourceExhausted)),
            (Error::internal(""), Outcome::Status(Code::Internal)),
        ] {
            assert_eq!(Outcome::from(&error), outcome);
        }
        assert_eq!(Outcome::Status(Code::NotFound).to_string(), "not_found");
    }
}
