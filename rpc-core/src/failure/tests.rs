use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Failure;
use crate::{CallError, Code, Error, Structs};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
enum MathError {
    #[error("division by zero")]
    DivideByZero,
    #[error("{value} is above {limit}")]
    Overflow { value: u64, limit: u64 },
    #[error("{0}")]
    Other(String),
    #[error("pair")]
    Pair(u8, u8),
}

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("newer")]
enum Newer {
    Unheard(u8),
}

struct Unencodable;

impl std::fmt::Display for Unencodable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unencodable")
    }
}

impl Serialize for Unencodable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no"))
    }
}

impl<'de> Deserialize<'de> for Unencodable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("no"))
    }
}

#[test]
fn application_errors_come_back() {
    for error in [
        MathError::DivideByZero,
        MathError::Overflow { value: u64::MAX, limit: 7 },
        MathError::Other("text".to_owned()),
        MathError::Pair(1, 2),
    ] {
        for structs in [Structs::Named, Structs::Compact] {
            let sent = error.clone().into_error(structs);
            assert_eq!((sent.kind(), sent.message()), (Code::Unknown, &error.to_string()[..]));
            assert!(sent.is_application() && !sent.is_not_started());
            match MathError::from_error(sent) {
                CallError::App(found) => assert_eq!(found, error),
                CallError::Rpc(other) => unreachable!("it decodes: {other}"),
            }
        }
    }
}

#[test]
fn the_frameworks_errors_stay_what_they_are() {
    let error = Error::unavailable("gone").not_started(true);
    match MathError::from_error(error) {
        CallError::Rpc(error) => {
            assert_eq!((error.kind(), error.message()), (Code::Unavailable, "gone"));
            assert!(error.is_not_started());
        }
        CallError::App(other) => unreachable!("it is no application error: {other}"),
    }
    let flat = <Error as Failure>::from_error(Error::aborted("flat"));
    assert_eq!((flat.kind(), flat.message()), (Code::Aborted, "flat"));
}

#[test]
fn a_handler_cannot_claim_that_it_did_not_start() {
    let error = Error::unavailable("a nested call failed").not_started(true);
    assert!(!Failure::into_error(error, Structs::Named).is_not_started());
}

#[test]
fn details_that_do_not_decode_are_an_error_with_the_text() {
    let newer = Newer::Unheard(1).into_error(Structs::Named);
    let details = Bytes::from_static(&[0xdd, 0xff, 0xff, 0xff, 0xff]);
    let broken = Error::unknown("newer").with_details(details, true);
    for error in [newer, broken] {
        match MathError::from_error(error) {
            CallError::Rpc(error) => {
                assert_eq!(error.kind(), Code::Unknown);
                let message = error.message();
                assert!(message.starts_with("newer (its details do not decode: "), "{message}");
            }
            CallError::App(other) => unreachable!("it does not decode: {other}"),
        }
    }
}

#[test]
fn an_error_that_cannot_be_encoded_says_so() {
    let error = Unencodable.into_error(Structs::Named);
    assert_eq!(error.kind(), Code::Internal);
    assert!(error.message().starts_with("the method's error cannot be encoded"), "{error}");
    assert!(!error.is_application());
}

#[test]
fn call_errors_show_what_they_hold() {
    let app: CallError<MathError> = CallError::App(MathError::DivideByZero);
    assert_eq!(app.to_string(), "division by zero");
    assert!(app.app().is_some() && app.rpc().is_none());
    let rpc: CallError<MathError> = Error::aborted("no").into();
    assert_eq!(rpc.to_string(), "aborted: no");
    assert!(rpc.app().is_none() && rpc.rpc().is_some());
    let io = std::io::Error::other("cause");
    let sourced: CallError<MathError> = Error::aborted("no").with_source(io).into();
    assert_eq!(std::error::Error::source(&sourced).map(ToString::to_string), Some("cause".into()));
}
