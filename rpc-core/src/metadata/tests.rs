use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::{Extras, Metadata, MetadataValue, from_micros, micros, read, write};
use crate::{
    Code,
    limits::{MAX_METADATA_SIZE, MAX_TIMEOUT},
};

fn entries(metadata: &Metadata) -> Vec<(&str, MetadataValue<'_>)> {
    metadata.view().iter().collect()
}

#[test]
fn a_key_is_set_replaced_and_removed() {
    let mut metadata = Metadata::new();
    assert!(metadata.is_empty() && metadata.view().is_empty());
    metadata.insert("a", "1");
    metadata.insert("b", "2");
    metadata.insert_bin("c", &[0xff]);
    metadata.insert("a", "3");
    let expected = [
        ("b", MetadataValue::Str("2")),
        ("c", MetadataValue::Bin(&[0xff])),
        ("a", MetadataValue::Str("3")),
    ];
    assert_eq!(entries(&metadata), expected);
    metadata.remove("c");
    metadata.remove("not there");
    assert_eq!(entries(&metadata), [expected[0], expected[2]]);
    metadata.remove("a");
    metadata.remove("b");
    assert!(metadata.is_empty());
    assert_eq!(metadata, Metadata::new());
}

#[test]
fn a_value_is_text_or_bytes() {
    let mut metadata = Metadata::new();
    metadata.insert("text", "t");
    metadata.insert_bin("bytes", b"b");
    let view = metadata.view();
    assert_eq!((view.get("text"), view.get("bytes"), view.get("no")), (Some("t"), None, None));
    assert_eq!(view.get_bin("text"), Some(&b"t"[..]));
    assert_eq!(view.get_bin("bytes"), Some(&b"b"[..]));
    assert_eq!(view.get_bin("no"), None);
    metadata.insert_bin("text", b"now bytes");
    assert_eq!(metadata.view().get("text"), None);
}

#[test]
fn a_value_that_looks_like_a_key_is_none() {
    let mut metadata = Metadata::new();
    metadata.insert("a", "b");
    metadata.insert("b", "c");
    metadata.remove("b");
    assert_eq!(entries(&metadata), [("a", MetadataValue::Str("b"))]);
}

#[test]
fn values_are_not_shown() {
    let mut metadata = Metadata::new();
    metadata.insert("authorization", "Bearer secret");
    assert_eq!(format!("{metadata:?}"), "{\"authorization\"}");
}

#[test]
fn bounds_are_checked() {
    let mut metadata = Metadata::new();
    assert!(metadata.check(MAX_METADATA_SIZE).is_ok());
    metadata.insert("k", &"v".repeat(MAX_METADATA_SIZE - 100));
    assert!(metadata.check(MAX_METADATA_SIZE).is_ok());
    metadata.insert("k", &"v".repeat(MAX_METADATA_SIZE));
    let error = metadata.check(MAX_METADATA_SIZE).expect_err("too large");
    assert_eq!(error.kind(), Code::ResourceExhausted);
    assert!(error.is_not_started() && error.message().contains("8192 allowed"), "{error}");
    metadata.remove("k");
    metadata.insert("", "v");
    assert_eq!(
        metadata.check(MAX_METADATA_SIZE).expect_err("no name").kind(),
        Code::InvalidArgument
    );
}

#[test]
fn durations_stay_within_the_longest() {
    assert_eq!(from_micros(u64::MAX), MAX_TIMEOUT);
    assert_eq!(from_micros(micros(Duration::MAX)), MAX_TIMEOUT);
    assert_eq!(micros(Duration::from_nanos(1999)), 1);
}

proptest! {
    #[test]
    fn metadata_is_read_as_it_was_set(
        changes in proptest::collection::vec(
            ("[a-d]{1,2}|[a-z]{200}", proptest::option::of((any::<bool>(), ".{0,40}"))),
            0..20,
        ),
        timeout in proptest::option::of(0..u64::MAX),
        attempt in proptest::option::of(any::<u32>()),
    ) {
        let mut metadata = Metadata::new();
        let mut model = BTreeMap::new();
        for (key, change) in &changes {
            match change {
                Some((true, value)) => metadata.insert(key, value),
                Some((false, value)) => metadata.insert_bin(key, value.as_bytes()),
                None => metadata.remove(key),
            }
            match change {
                Some((is_text, value)) => model.insert(key.as_str(), (*is_text, value.as_str())),
                None => model.remove(key.as_str()),
            };
        }
        let extras = Extras { timeout: timeout.map(from_micros), attempt };
        let mut map = Vec::new();
        write(&mut map, extras, metadata.view());
        let (found, view) = read(&map).expect("it was written by us");
        prop_assert_eq!(found, extras);
        let found: BTreeMap<_, _> = view
            .iter()
            .map(|(key, value)| match value {
                MetadataValue::Str(value) => (key, (true, value)),
                MetadataValue::Bin(value) => {
                    (key, (false, std::str::from_utf8(value).expect("it was text")))
                }
            })
            .collect();
        prop_assert_eq!(view.iter().count(), model.len());
        prop_assert_eq!(view.is_empty(), model.is_empty());
        prop_assert_eq!(found, model);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Ok((_, view)) = read(&bytes) {
            view.iter().count();
        }
    }
}

#[test]
fn a_bearer_token_is_what_stands_behind_its_scheme() {
    let bearer = |value: &str| {
        let mut metadata = Metadata::new();
        metadata.insert("authorization", value);
        metadata.view().bearer().map(str::to_owned)
    };
    for value in ["Bearer a.b-c", "bearer a.b-c", "BEARER a.b-c", "Bearer   a.b-c "] {
        assert_eq!(bearer(value).as_deref(), Some("a.b-c"), "{value}");
    }
    for value in
        ["", "Bearer", "Bearer ", "Bearer  ", "Basic a.b-c", "Bearera.b-c", " Bearer a", "a.b-c"]
    {
        assert_eq!(bearer(value), None, "{value}");
    }
    let mut metadata = Metadata::new();
    assert_eq!(metadata.view().bearer(), None);
    metadata.insert("Authorization", "Bearer a");
    metadata.insert_bin("authorization", b"Bearer a");
    assert_eq!(metadata.view().bearer(), None);
}

#[test]
fn merging_replaces_what_is_there() {
    let mut metadata = Metadata::new();
    metadata.insert("tenant", "theirs");
    metadata.insert("kept", "x");
    let mut own = Metadata::new();
    own.insert("tenant", "mine");
    own.insert_bin("digest", &[0, 0xff]);
    metadata.merge(own.view());
    assert_eq!(metadata.view().iter().count(), 3);
    assert_eq!((metadata.get("tenant"), metadata.get("kept")), (Some("mine"), Some("x")));
    assert_eq!(metadata.view().to_metadata().get_bin("digest"), Some(&[0, 0xff][..]));
}
