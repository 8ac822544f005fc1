//! Which addresses are let in, and which mistakes are named.

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
