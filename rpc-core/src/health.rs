//! How a service does, as a server tells those who ask (PROTOCOL 14.6).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a service, or a server, can be given work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HealthStatus {
    /// It can.
    Serving,
    /// It cannot now, or for ever, if its server drains.
    NotServing,
    /// The server has no service of that name, or says something that this end does not know.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serving => "serving",
            Self::NotServing => "not serving",
            Self::Unknown => "unknown",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::HealthStatus;
    use crate::value::{Encoded, Encoder, Structs, Value};

    #[test]
    fn a_status_is_its_name_on_the_wire() {
        for (status, name) in [
            (HealthStatus::Serving, "serving"),
            (HealthStatus::NotServing, "not_serving"),
            (HealthStatus::Unknown, "unknown"),
        ] {
            let (mut one, mut other) = (Encoder::new(Structs::Named), Encoder::new(Structs::Named));
            status.encode(&mut one).expect("it encodes");
            other.str(name);
            let bytes = one.into_bytes();
            assert_eq!(bytes, other.into_bytes());
            let read = HealthStatus::decode(Encoded::whole("answer", &bytes));
            assert_eq!(read.expect("it decodes"), status);
        }
    }

    #[test]
    fn a_status_of_the_future_is_unknown() {
        let mut encoder = Encoder::new(Structs::Named);
        encoder.str("tired");
        let bytes = encoder.into_bytes();
        let read = HealthStatus::decode(Encoded::whole("answer", &bytes));
        assert_eq!(read.expect("it decodes"), HealthStatus::Unknown);
    }
}
