//! Which addresses may connect: networks that are allowed, networks that are denied.
//!
//! The handle is shared: what one clone [replaces](AddressRules::replace) holds for all, and so for a server that runs. The lists are
//! walked from the start for each connection that is accepted; they are short where people write them, and a thousand networks take a few microseconds,
//! less than accepting does.

use std::{
    fmt,
    net::IpAddr,
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
};

use ipnet::{IpNet, Ipv4Net};
use rpc_core::Error;

/// Which addresses may connect to a server over TCP: see [`Server::addresses`](crate::Server::addresses).
///
/// What is denied is denied, whatever else allows it. Where anything is allowed, everything else is denied; where nothing is, everything
/// else is allowed. An IPv4 client is the same one on a socket of either kind, and IPv6 networks (such as `::/0`) do not contain it.
///
/// ```
/// use rpc_server::AddressRules;
///
/// let rules = AddressRules::new().allow("10.0.0.0/8")?.allow("2001:db8::/32")?.deny("10.66.0.0/16")?;
/// assert!(rules.admits("10.1.2.3".parse().unwrap()));
/// assert!(!rules.admits("10.66.2.3".parse().unwrap()));
/// assert!(!rules.admits("192.0.2.1".parse().unwrap()));
/// # Ok::<_, rpc_core::Error>(())
/// ```
///
/// The same as a text, one rule a line, for a program that reads a file and, on SIGHUP perhaps, reads it again:
///
/// ```
/// # use rpc_server::AddressRules;
/// let rules: AddressRules = "
///     allow 10.0.0.0/8    # the office
///     deny 10.66.0.0/16   # but not its guests
/// "
/// .parse()?;
/// let shared_with_the_server = rules.clone();
/// rules.replace("allow 192.0.2.0/24  # moved".parse()?);
/// assert!(shared_with_the_server.admits("192.0.2.1".parse().unwrap()));
/// # Ok::<_, rpc_core::Error>(())
/// ```
///
/// A clone is the same rules, and sees what [`replace`](Self::replace) does; [`allow`](Self::allow) and [`deny`](Self::deny) make rules
/// of their own, and leave clones as they are.
#[derive(Clone, Default)]
pub struct AddressRules(Arc<RwLock<Lists>>);

#[derive(Clone, Debug, Default)]
struct Lists {
    allowed: Vec<IpNet>,
    denied: Vec<IpNet>,
}

impl AddressRules {
    /// No rule: everybody may connect.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows a network such as `10.0.0.0/8` or `2001:db8::/32`, or one address; and so denies what is not allowed.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for what is not a network.
    pub fn allow(self, network: &str) -> Result<Self, Error> {
        let network = parse(network)?;
        Ok(self.with(|lists| lists.allowed.push(network)))
    }

    /// Denies a network such as `10.66.0.0/16`, or one address.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for what is not a network.
    pub fn deny(self, network: &str) -> Result<Self, Error> {
        let network = parse(network)?;
        Ok(self.with(|lists| lists.denied.push(network)))
    }

    /// Puts the rules of `rules` in the place of these, here and in every clone. They hold for the connections that are accepted from now on.
    ///
    /// Connections that are open live on: [`max_connection_age`](crate::Server::max_connection_age) bounds for how long.
    pub fn replace(&self, rules: Self) {
        let lists = rules.into_lists();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = lists;
    }

    /// Whether a client with this address may connect.
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let is_in = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
        !is_in(&lists.denied) && (lists.allowed.is_empty() || is_in(&lists.allowed))
    }

    fn with(self, change: impl FnOnce(&mut Lists)) -> Self {
        let mut lists = self.into_lists();
        change(&mut lists);
        Self(Arc::new(RwLock::new(lists)))
    }

    /// The lists, which are copied only if somebody else has them too.
    fn into_lists(self) -> Lists {
        match Arc::try_unwrap(self.0) {
            Ok(lists) => lists.into_inner().unwrap_or_else(PoisonError::into_inner),
            Err(shared) => shared.read().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// Reads one rule a line: `allow NETWORK` or `deny NETWORK`; what follows a `#` is a comment.
///
/// A text without any rule is refused, for a file that was cut short must not let everybody in; to say so, write `allow 0.0.0.0/0` and
/// `allow ::/0`.
impl FromStr for AddressRules {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut lists = Lists::default();
        for (number, line) in (1..).zip(text.lines()) {
            let rule = line.split_once('#').map_or(line, |(rule, _)| rule).trim();
            let in_line = |why: &str| Error::invalid_argument(format!("line {number}: {why}"));
            let network = |text: &str| parse(text).map_err(|error| in_line(error.message()));
            match *rule.split_whitespace().collect::<Vec<_>>() {
                [] => {}
                ["allow", text] => lists.allowed.push(network(text)?),
                ["deny", text] => lists.denied.push(network(text)?),
                _ => {
                    return Err(in_line(&format!(
                        "\"{rule}\" is no rule; write allow NETWORK or deny NETWORK"
                    )));
                }
            }
        }
        if lists.allowed.is_empty() && lists.denied.is_empty() {
            return Err(Error::invalid_argument(
                "there is no rule, which would let everybody in; to say so, write allow 0.0.0.0/0 and allow ::/0",
            ));
        }
        Ok(Self(Arc::new(RwLock::new(lists))))
    }
}

/// As [`FromStr`] reads it, but for comments.
impl fmt::Display for AddressRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for network in &lists.allowed {
            writeln!(f, "allow {network}")?;
        }
        for network in &lists.denied {
            writeln!(f, "deny {network}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for AddressRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("AddressRules")
            .field("allowed", &lists.allowed)
            .field("denied", &lists.denied)
            .finish()
    }
}

/// A network, or an address as the network of one. An IPv4 network that is written as part of IPv6 is an IPv4 network.
fn parse(text: &str) -> Result<IpNet, Error> {
    let wrong = |why: &str| {
        Error::invalid_argument(format!(
            "\"{text}\" is not a network: {why}; write it as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1"
        ))
    };
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let Some((address, length)) = text.split_once('/') else {
        return Err(wrong("it is no address, and has no length behind a slash"));
    };
    let address: IpAddr =
        address.parse().map_err(|_| wrong("there is no address before the slash"))?;
    let length: u8 = length.parse().map_err(|_| wrong("its length is no number of bits"))?;
    let network = IpNet::new(address, length)
        .map_err(|_| wrong("its length is more bits than its address has"))?;
    if network.trunc() != network {
        // Whoever wrote it meant a smaller network, or another one.
        return Err(wrong(&format!(
            "its address has bits beyond its length, unlike {}",
            network.trunc()
        )));
    }
    Ok(match (network, network.addr().to_canonical()) {
        (IpNet::V6(mapped), IpAddr::V4(address)) if mapped.prefix_len() >= MAPPED => {
            Ipv4Net::new_assert(address, mapped.prefix_len() - MAPPED).into()
        }
        (network, _) => network,
    })
}

/// So many bits of an IPv6 address say that it is an IPv4 address (RFC 4291, 2.5.5.2).
const MAPPED: u8 = 96;

#[cfg(test)]
mod tests;
