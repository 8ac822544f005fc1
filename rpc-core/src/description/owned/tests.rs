use serde::Serialize;

use super::*;
use crate::value::{Encoded, Encoder, Structs, Value};

const SEARCH: Method = Method::new("search", "Finds things.")
    .arguments(&[
        Argument::new("text", "&str"),
        Argument::new("tags", "&[String]").optional(),
        Argument::new("limit", "u32").with_default("20"),
    ])
    .returns("Hit", Some("SearchError"))
    .streams(Pace::DropsOldest(16), Some("HitError"))
    .idempotent()
    .run(Run::Spawn);
const UPLOAD: Method =
    Method::new("add", "").takes(Argument::new("things", "Thing")).returns("u64", None);
const LOG: Method = Method::new("log", "").arguments(&[Argument::new("line", "&str")]).oneway();
const STORE: Service = Service::new("Store", "Keeps things.", &[SEARCH, UPLOAD, LOG]);

fn named(value: &impl Serialize) -> Vec<u8> {
    let mut encoder = Encoder::new(Structs::Named);
    encoder.serialize(value).expect("it encodes");
    encoder.into_bytes().to_vec()
}

#[test]
fn all_that_a_trait_says_arrives() {
    let sent = ServiceDescription::from(&STORE);
    let names: Vec<_> = sent.methods.iter().map(|method| &*method.name).collect();
    assert_eq!(names, ["add", "log", "search"]);
    let search = &sent.methods[2];
    assert_eq!((&*search.run, search.streams, search.drops_oldest), ("spawn", true, Some(16)));
    assert_eq!(search.arguments[2].default.as_deref(), Some("20"));
    assert!(search.arguments[1].optional && search.arguments[1].default.is_none());
    assert!(search.idempotent && sent.methods[1].oneway);
    let bytes = named(&sent);
    let arrived = ServiceDescription::decode(Encoded::whole("answer", &bytes));
    assert_eq!(arrived.expect("it decodes"), sent);
}

#[test]
fn a_newer_end_is_understood() {
    #[derive(Serialize)]
    struct Newer {
        name: &'static str,
        since: u64,
        result: &'static str,
        run: &'static str,
    }
    let newer = Newer { name: "add", since: 3, result: "i64", run: "elsewhere" };
    let bytes = named(&newer);
    let read = MethodDescription::decode(Encoded::whole("answer", &bytes)).expect("it decodes");
    assert_eq!((&*read.name, &*read.result, &*read.run), ("add", "i64", "elsewhere"));
    // What was not said is at its default.
    let nothing = MethodDescription::decode(Encoded::whole("answer", &[0x80]));
    assert_eq!(nothing.expect("it decodes"), MethodDescription::default());
}

#[test]
fn a_method_reads_as_its_signature() {
    let texts: Vec<_> =
        ServiceDescription::from(&STORE).methods.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "add(things: Streaming<Thing>) -> u64",
            "log(line: &str)",
            "search(text: &str, tags: &[String] = …, limit: u32 = 20) -> \
             Result<impl Stream<Item = Result<Hit, HitError>>, SearchError>",
        ]
    );
}
