//! Where a server is: `tcp://host:port`, `tls://host:port` or `unix:///path`.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    path::PathBuf,
    str::FromStr,
};

use crate::Error;

/// An address that a server can listen on and a client connect to.
///
/// ```
/// # use rpc_core::Address;
/// let address: Address = "tcp://[::1]:7000".parse()?;
/// assert_eq!(address, Address::Tcp("[::1]:7000".to_owned()));
/// assert!("localhost:7000".parse::<Address>().is_err());
/// # Ok::<_, rpc_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// `tcp://host:port`; the host is a name or an IP address (IPv6 in brackets), port 0 lets the system choose.
    Tcp(String),
    /// `tls://host:port`: the same with TLS, for which both ends need the feature `tls`. Clients check the server's certificate against the
    /// host.
    Tls(String),
    /// `unix:///path/to/socket`, or `unix://relative`.
    Unix(PathBuf),
}

impl Address {
    /// Whether nobody on the way can read what is sent there: TLS, a Unix socket, or TCP to this very machine, written as `localhost` or as an
    /// address of the loopback (127.0.0.0/8, `::1`).
    ///
    /// Bearer tokens are sent there alone, unless the channel's builder allows more.
    pub fn is_private(&self) -> bool {
        match self {
            Self::Tcp(address) => is_loopback(address),
            Self::Tls(_) | Self::Unix(_) => true,
        }
    }
}

/// Whether a host and its port are this machine's own, as they are written: names are not looked up.
fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    if let Some(bare) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        // Anything else in brackets is a name that is looked up.
        return bare.parse().is_ok_and(|address: Ipv6Addr| address.to_canonical().is_loopback());
    }
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            Error::invalid_argument(format!(
                "\"{text}\" is not an address: {why}; write tcp://host:port, tls://host:port or unix:///path"
            ))
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(wrong("it has no scheme"));
        };
        match scheme {
            "tcp" | "tls" => match rest.rsplit_once(':') {
                None => Err(wrong("it has no port")),
                Some(("", _)) => Err(wrong("it has no host")),
                Some((_, port)) if port.parse::<u16>().is_err() => {
                    Err(wrong("its port is not a number up to 65535"))
                }
                Some(_) if scheme == "tls" => Ok(Self::Tls(rest.to_owned())),
                Some(_) => Ok(Self::Tcp(rest.to_owned())),
            },
            "unix" if rest.is_empty() => Err(wrong("it has no path")),
            "unix" => Ok(Self::Unix(PathBuf::from(rest))),
            _ => Err(wrong("its scheme is not known")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Tls(address) => write!(f, "tls://{address}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn reads_what_it_writes() {
        for text in [
            "tcp://127.0.0.1:0",
            "tcp://[::1]:7000",
            "tcp://localhost:7000",
            "tls://localhost:7443",
            "unix:///run/a.sock",
        ] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_leaves_the_machine_in_the_clear_is_not_private() {
        let is_private = |text: &str| text.parse::<Address>().expect(text).is_private();
        for text in [
            "unix:///run/a.sock",
            "tls://example:1",
            "tcp://127.0.0.1:1",
            "tcp://127.9.9.9:1",
            "tcp://[::1]:1",
            "tcp://[::ffff:127.0.0.1]:1",
            "tcp://localhost:1",
            "tcp://LocalHost:1",
        ] {
            assert!(is_private(text), "{text}");
        }
        for text in [
            "tcp://10.0.0.1:1",
            "tcp://0.0.0.0:1",
            "tcp://[::]:1",
            "tcp://[2001:db8::1]:1",
            "tcp://[localhost]:1",
            "tcp://[127.0.0.1]:1",
            "tcp://localhost@example:1",
            "tcp://localhost.example:1",
            "tcp://127.0.0.1.example:1",
            "tcp://example:1",
        ] {
            assert!(!is_private(text), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            ("127.0.0.1:7000", "no scheme"),
            ("tcp://localhost", "no port"),
            ("tcp://:7000", "no host"),
            ("tcp://localhost:http", "not a number"),
            ("tls://localhost", "no port"),
            ("unix://", "no path"),
            ("http://localhost:80", "scheme is not known"),
        ] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.contains(why) && error.contains("tcp://host:port"), "{text}: {error}");
        }
    }
}
