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
mod tests {
    use rpc_core::Code;

    use super::{AddressRules, Error, IpAddr};

    fn rules(text: &str) -> AddressRules {
        text.parse().expect(text)
    }

    /// Asserts which of these addresses the rules let in.
    fn assert_admits(rules: &AddressRules, admitted: &[&str], denied: &[&str]) {
        let admits = |text: &&str| rules.admits(text.parse::<IpAddr>().expect(text));
        for address in admitted {
            assert!(admits(address), "{address} is kept out by {rules:?}");
        }
        for address in denied {
            assert!(!admits(address), "{address} is let in by {rules:?}");
        }
    }

    #[test]
    fn where_something_is_allowed_everything_else_is_denied() {
        let rules = rules("allow 10.0.0.0/8\nallow 2001:db8::/32\nallow 192.0.2.7");
        assert_admits(
            &rules,
            &["10.0.0.0", "10.255.255.255", "2001:db8:ffff::1", "192.0.2.7", "::ffff:10.1.2.3"],
            &["9.255.255.255", "11.0.0.0", "192.0.2.8", "2001:db9::", "::1", "::10.1.2.3"],
        );
    }

    #[test]
    fn where_nothing_is_allowed_only_what_is_denied_is_kept_out() {
        let rules = rules("deny 192.0.2.0/24\ndeny 2001:db8::1");
        assert_admits(
            &rules,
            &["192.0.3.0", "2001:db8::2", "::1"],
            &["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.1", "2001:db8::1"],
        );
        assert_admits(&AddressRules::new(), &["192.0.2.1", "::1", "0.0.0.0"], &[]);
    }

    #[test]
    fn what_is_denied_is_denied_whatever_allows_it() {
        for text in ["allow 10.0.0.0/8\ndeny 10.66.0.0/16", "deny 10.66.0.0/16\nallow 10.0.0.0/8"] {
            assert_admits(&rules(text), &["10.65.255.255"], &["10.66.0.0", "::ffff:10.66.1.1"]);
        }
        assert_admits(&rules("allow 10.66.1.1\ndeny 10.66.0.0/16"), &[], &["10.66.1.1"]);
    }

    #[test]
    fn an_ipv4_network_is_one_however_it_is_written() {
        let rules = rules("allow ::ffff:10.0.0.0/104\nallow ::ffff:192.0.2.1");
        assert_eq!(rules.to_string(), "allow 10.0.0.0/8\nallow 192.0.2.1/32\n");
        assert_admits(&rules, &["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.1"], &["11.1.2.3"]);
        // All of IPv6, and all of IPv4.
        assert_admits(&self::rules("allow ::/0"), &["::1", "2001:db8::1"], &["10.1.2.3"]);
        let everything_mapped = self::rules("deny ::ffff:0:0/96");
        assert_admits(&everything_mapped, &["::1"], &["0.0.0.0", "255.255.255.255"]);
        assert_admits(&self::rules("deny 0.0.0.0/0"), &["::1"], &["::ffff:1.2.3.4"]);
    }

    #[test]
    fn a_text_is_read_and_written() {
        let text = "# a comment\n\n  allow 10.0.0.0/8\t# the office\r\nallow\t192.0.2.1\ndeny 10.66.0.0/16#guests";
        let rules = rules(text);
        let written = "allow 10.0.0.0/8\nallow 192.0.2.1/32\ndeny 10.66.0.0/16\n";
        assert_eq!(rules.to_string(), written);
        assert_eq!(self::rules(written).to_string(), written);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, why) in [
            ("office", "\"office\" is not a network: it is no address"),
            ("10.0.0", "\"10.0.0\" is not a network"),
            ("", "\"\" is not a network"),
            ("office/8", "no address before the slash"),
            ("10.0.0.0/", "no number of bits"),
            ("10.0.0.0/-1", "no number of bits"),
            ("10.0.0.0/255.0.0.0", "no number of bits"),
            ("10.0.0.0/33", "more bits than its address has"),
            ("2001:db8::/129", "more bits than its address has"),
            ("10.1.2.3/8", "bits beyond its length, unlike 10.0.0.0/8"),
        ] {
            for error in [AddressRules::new().allow(text), AddressRules::new().deny(text)] {
                let error: Error = error.expect_err(text);
                assert_eq!(error.kind(), Code::InvalidArgument);
                assert!(error.message().contains(why), "{error}");
                assert!(error.message().contains("write it as 10.0.0.0/8"), "{error}");
            }
        }
        for (text, why) in [
            ("allow 10.0.0.0/8\n\npermit 11.0.0.0/8", "line 3: \"permit 11.0.0.0/8\" is no rule"),
            ("allow", "line 1: \"allow\" is no rule"),
            ("allow 10.0.0.0/8 11.0.0.0/8", "line 1: "),
            ("#\ndeny 10.0.0.0/99", "line 2: \"10.0.0.0/99\" is not a network"),
            ("", "there is no rule"),
            ("# nothing but a comment", "there is no rule"),
        ] {
            let error = text.parse::<AddressRules>().expect_err(text);
            assert_eq!(error.kind(), Code::InvalidArgument);
            assert!(error.message().starts_with(why), "{error}");
        }
    }

    #[test]
    fn clones_are_replaced_together_and_extended_apart() {
        let rules = rules("allow 10.0.0.0/8");
        let clone = rules.clone();
        let more = clone.clone().allow("192.0.2.1").expect("it is an address");
        assert_admits(&more, &["10.1.1.1", "192.0.2.1"], &[]);
        assert_admits(&rules, &["10.1.1.1"], &["192.0.2.1"]);
        clone.replace(more.clone());
        assert_admits(&rules, &["10.1.1.1", "192.0.2.1"], &["::1"]);
        // What was put in the place of others is a copy.
        more.replace(AddressRules::new());
        assert_admits(&rules, &[], &["::1"]);
        // Rules may be put in their own place.
        rules.replace(clone);
        assert_admits(&rules, &["10.1.1.1"], &["::1"]);
    }
}
