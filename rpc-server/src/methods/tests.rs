use std::{
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rpc_core::{CallError, Code, Context, Error, Raw};

use super::Methods;

#[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[error("no")]
struct No;

fn doubled((number,): (u32,)) -> u32 {
    number * 2
}

async fn awaited((number,): (u32,)) -> Result<u32, Error> {
    Ok(number)
}

#[test]
fn every_form_is_described() {
    let methods = Methods::default();
    let counter = Arc::new(AtomicU32::new(0));
    let all = [
        methods.register("a", |(a, b): (i64, i64)| a + b),
        methods.register("b", |(): (), ctx: &Context| ctx.method().to_owned()),
        methods.register("c", |(list,): (Vec<String>,)| async move { list.len() }),
        methods.register("d", |(): (), ctx: &Context| {
            let attempt = ctx.attempt();
            async move { Ok::<_, Error>(attempt) }
        }),
        methods.register("e", |(a,): (u8,)| a.checked_sub(1).ok_or_else(|| "no".to_owned())),
        methods.register("f", |(): ()| Err::<(), _>(CallError::App(No))),
        methods.register("g", |(): ()| async { Ok::<_, No>((1, "x".to_owned())) }),
        methods.register("h", doubled),
        methods.register("i", awaited),
        methods.register("j", |(raw,): (Raw,)| raw),
        methods.register("k", |(): ()| -> Ready<u8> { ready(1) }),
        methods.register("l", move |(): ()| counter.fetch_add(1, Ordering::Relaxed)),
        methods.register("m", |(): ()| {}),
        methods
            .register("n", |(a, _, _, _, _, _, _, _): (u8, u8, u8, u8, u8, u8, u8, Option<u8>)| a),
    ];
    for registered in all {
        registered.expect("its name is free");
    }
    let described: Vec<_> = methods
        .list()
        .into_iter()
        .map(|method| {
            let types: Vec<_> = method.arguments.into_iter().map(|argument| argument.ty).collect();
            (method.name, types.join(" "), method.result, method.error)
        })
        .collect();
    let expected = [
        ("a", "i64 i64", "i64", None),
        ("b", "", "String", None),
        ("c", "Vec<String>", "usize", None),
        ("d", "", "u32", Some("Error")),
        ("e", "u8", "u8", Some("String")),
        ("f", "", "()", Some("No")),
        ("g", "", "(i32, String)", Some("No")),
        ("h", "u32", "u32", None),
        ("i", "u32", "u32", Some("Error")),
        ("j", "Raw", "Raw", None),
        ("k", "", "u8", None),
        ("l", "", "u32", None),
        ("m", "", "()", None),
        ("n", "u8 u8 u8 u8 u8 u8 u8 Option<u8>", "u8", None),
    ];
    let expected = expected.map(|(name, arguments, result, error)| {
        (name.to_owned(), arguments.to_owned(), result.to_owned(), error.map(str::to_owned))
    });
    assert_eq!(described, expected);
}

#[test]
fn a_name_is_taken_once() {
    let methods = Methods::default();
    methods.register("add", |(): ()| 1).expect("it is free");
    let error = methods.clone().register("add", |(): ()| 2).expect_err("it is taken");
    assert_eq!(error.kind(), Code::AlreadyExists);
    let said = "a method \"add\" is registered already; `Methods::replace` exchanges it";
    assert_eq!(error.message(), said);
    assert!(methods.replace("add", |(): ()| 3).expect("its name is good"));
    assert!(!methods.replace("sub", |(): ()| 3).expect("its name is good"));
    assert!(methods.remove("add") && !methods.remove("add"));
    assert_eq!(format!("{methods:?}"), "{\"sub\"}");
    methods.register("add", |(): ()| 1).expect("it is free again");
    let error = methods.register("rpc.add", |(): ()| 1).expect_err("it is reserved");
    assert_eq!(error.kind(), Code::InvalidArgument);
    assert!(methods.replace("", |(): ()| 1).is_err());
}
