use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{answer, is_result};
use crate::{
    Code, Error, Failure, Peer, Request, Surroundings, Value,
    dispatch::{Blank, Incoming},
    payload::{Body, Payload},
    value::Structs,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Trouble {
    Divided,
    Missing(u32),
    Named { key: String, at: Option<u8> },
    Several(u8, bool),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("trouble")
    }
}

fn request() -> Request {
    let incoming = Incoming {
        payload: Payload::new(Body::Small(vec![0x90]), 0),
        method: 0..0,
        metadata: None,
        attempt: 1,
        deadline: None,
        structs: Structs::Named,
    };
    Blank::new(Arc::new(Surroundings::new(Peer::Local))).fill(incoming, 0)
}

fn bytes<R: Serialize>(result: &R) -> Vec<u8> {
    let mut answer = answer(request(), result);
    let encoder = answer.outcome().expect("it is a value");
    std::mem::take(encoder).into_bytes().to_vec()
}

fn error<R: Serialize>(result: &R) -> Error {
    answer(request(), result).outcome().expect_err("it is an error").clone()
}

#[test]
fn the_value_of_a_result_is_answered_as_it_is() {
    assert_eq!(bytes(&Ok::<_, Trouble>(7_u8)), [7]);
    assert_eq!(bytes(&Ok::<_, Trouble>(())), [0xc0]);
    assert_eq!(bytes(&Ok::<_, Trouble>(vec![1_u8, 2])), [0xc4, 2, 1, 2]);
    assert_eq!(bytes(&Ok::<_, Trouble>(Bytes::from_static(&[1, 2]))), [0xc4, 2, 1, 2]);
    assert_eq!(bytes(&vec![1_u8, 2]), [0xc4, 2, 1, 2]);
    assert_eq!(bytes(&"text".to_owned()), b"\xa4text");
    // Deeper inside it is a value like any other.
    assert_eq!(bytes(&Some(Ok::<_, Trouble>(7_u8))), b"\x81\xa2Ok\x07");
}

#[test]
fn the_error_of_a_result_is_the_applications() {
    for (trouble, text) in [
        (Trouble::Divided, "Divided"),
        (Trouble::Missing(3), "Missing: 3"),
        (Trouble::Named { key: "a\"b".to_owned(), at: None }, r#"Named { key: "a\"b", at: none }"#),
        (Trouble::Several(1, true), "Several: [1, true]"),
    ] {
        let error = error(&Err::<(), _>(trouble.clone()));
        assert_eq!((error.kind(), error.message()), (Code::Unknown, text));
        assert!(error.is_application());
        // All but the text is as if a trait's method had returned it.
        assert_eq!(error.details(), trouble.clone().into_error(Structs::Named).details());
        let decoded = <Trouble as Failure>::from_error(error);
        assert_eq!(decoded.app(), Some(&trouble));
    }
    assert_eq!(error(&Err::<(), _>("plain words".to_owned())).message(), "plain words");
    let map = BTreeMap::from([(1, 2), (3, 4)]);
    assert_eq!(error(&Err::<(), _>(map)).message(), "{ 1: 2, 3: 4 }");
    assert_eq!(error(&Err::<(), _>(1.5)).message(), "1.5");
}

#[derive(Serialize, Deserialize)]
enum Result2 {
    Ok(u8),
}

#[test]
fn only_the_standard_librarys_result_is_one() {
    assert!(is_result::<Result<u8, ()>>());
    assert!(!is_result::<Result2>() && !is_result::<Option<Result<u8, ()>>>());
    assert_eq!(bytes(&Result2::Ok(7)), b"\x81\xa2Ok\x07");
    assert!(u8::decode(crate::value::Encoded::whole("it", &[7])).is_ok());
}
