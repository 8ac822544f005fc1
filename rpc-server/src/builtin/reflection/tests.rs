use std::sync::Arc;

use rpc_core::description::Argument;

use super::*;
use crate::methods::Methods;

/// So many methods with texts of a usual length.
fn service(name: &str, methods: std::ops::Range<usize>) -> ServiceDescription {
    const ADD: rpc_core::description::Method = rpc_core::description::Method::new(
        "add",
        "Adds two numbers, and says what became of them when that did not fit.\n\nNothing is kept.",
    )
    .arguments(&[Argument::new("first", "i64"), Argument::new("second", "i64").with_default("0")])
    .returns("i64", Some("MathError"));
    let methods = methods.map(|number| {
        let mut method = MethodDescription::from(&ADD);
        method.name = format!("method_{number:05}");
        method
    });
    ServiceDescription::new(name, "Arithmetic over the network.", methods.collect())
}

fn question(after: &str, limit: u32) -> Question {
    Question { after: after.to_owned(), limit, service: None }
}

/// The full names on a page, each service's own among them, and what is asked for next.
fn names(page: &Page) -> Vec<String> {
    let of = |service: &ServiceDescription| {
        let head = (!service.docs.is_empty()).then(|| format!("{}.", service.name));
        let name = service.name.clone();
        let methods = service.methods.iter().map(move |method| format!("{name}.{}", method.name));
        head.into_iter().chain(methods).collect::<Vec<_>>()
    };
    page.services.iter().flat_map(of).collect()
}

fn walk(services: &[ServiceDescription], limit: u32) -> (Vec<String>, usize) {
    let (mut after, mut seen, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let page = question(&after, limit).answer(services).expect("there is one");
        assert!(size(&page) < 64 << 10, "{} bytes", size(&page));
        let methods = page.services.iter().map(|service| service.methods.len()).sum::<usize>();
        assert!(limit == 0 || methods <= limit as usize, "{methods} methods");
        pages += 1;
        seen.extend(names(&page));
        match page.next {
            Some(next) => {
                assert!(next > after, "{next} is behind {after}");
                after = next;
            }
            None => return (seen, pages),
        }
    }
}

#[test]
fn each_thing_is_told_once_however_large_the_pages_are() {
    let services = [
        service("A", 0..3),
        service("Empty", 0..0),
        service("Z.of.dots", 0..300),
        service("Zebra", 0..1),
    ];
    let all = walk(&services, 0).0;
    assert_eq!(all.len(), 4 + 3 + 300 + 1);
    for limit in [1, 2, 3, 4, 7, 303, 304, 305] {
        assert_eq!(walk(&services, limit).0, all, "with {limit} on a page");
    }
}

#[test]
fn ten_thousand_methods_are_bounded_pages() {
    let (seen, pages) = walk(&[service("Large", 0..10_000)], 0);
    assert_eq!(seen.len(), 10_001);
    assert!((20..=100).contains(&pages), "{pages} pages");
}

#[test]
fn fifty_methods_with_documentation_are_one_page() {
    let page = question("", 0).answer(&[service("Fifty", 0..50)]).expect("there is one");
    assert_eq!(page.services[0].methods.len(), 50);
    assert_eq!(page.next, None);
    assert!(size(&page) < 16 << 10, "{} bytes", size(&page));
}

#[test]
fn what_comes_and_goes_between_two_pages_does_not_hide_what_stays() {
    let page = question("", 3).answer(&[service("B", 0..6)]).expect("there is one");
    assert_eq!(page.next.as_deref(), Some("B.method_00002"));
    // The method of the token is gone, and so is one behind it; there is another service in front, and one behind.
    let mut changed = service("B", 0..6);
    changed.methods.retain(|method| !["method_00002", "method_00004"].contains(&&*method.name));
    let services = [service("A", 0..1), changed, service("C", 0..1)];
    let next = question(page.next.as_deref().unwrap_or_default(), 9);
    let rest = next.answer(&services).expect("there is one");
    assert_eq!(names(&rest), ["B.method_00003", "B.method_00005", "C.", "C.method_00000"]);
    // The whole service is gone.
    let rest = next.answer(&[service("C", 0..1)]).expect("there is one");
    assert_eq!(names(&rest), ["C.", "C.method_00000"]);
}

#[test]
fn what_has_no_room_is_cut_and_says_so() {
    let mut large = service("Large", 0..3);
    large.docs = "é".repeat(100_000);
    large.methods[0].docs = "x".repeat(1 << 20);
    let argument = (&Argument::new("a", "i64")).into();
    large.methods[1].arguments = vec![argument; 100_000];
    let (seen, _) = walk(std::slice::from_ref(&large), 0);
    assert_eq!(seen.len(), 4);
    let page = question("", 0).answer(&[large]).expect("there is one");
    let told = &page.services[0];
    assert!(told.abridged && told.docs.starts_with("éé") && told.docs.len() > 10_000);
    let method = &told.methods[0];
    assert!(method.abridged && method.docs.starts_with("xx") && method.arguments.len() == 2);
    let method = &told.methods[1];
    assert!(method.abridged && method.docs.is_empty() && method.arguments.is_empty());
    assert!(!told.methods[2].abridged);
}

#[test]
fn one_service_can_be_asked_for() {
    let services = [service("A", 0..2), service("B", 0..2), service("C", 0..2)];
    let of_b = |after: &str| Question { service: Some("B".to_owned()), ..question(after, 1) };
    let page = of_b("").answer(&services).expect("there is one");
    assert_eq!(names(&page), ["B.", "B.method_00000"]);
    let page = of_b("B.method_00000").answer(&services).expect("there is one");
    assert_eq!(names(&page), ["B.method_00001"]);
    assert_eq!(page.next, None);
    let nothing = Question { service: Some("D".to_owned()), ..question("", 0) };
    let error = nothing.answer(&services).expect_err("there is none");
    assert_eq!(error.message(), "there is no service \"D\" to describe");
}

#[test]
fn what_there_is_is_asked_for_anew_for_each_page() {
    let methods = Methods::default();
    let directory = Arc::new(Directory::new(Vec::new(), Vec::new(), methods.clone()));
    let reflection = Reflection::new(directory);
    let count = || {
        let page = question("", 0).answer(&reflection.directory.describe()).expect("there is one");
        page.services.iter().map(|service| service.methods.len()).sum::<usize>()
    };
    assert_eq!(count(), 0);
    methods.register("A.one", |(): ()| 1).expect("its name is free");
    methods.register("two", |(): ()| 2).expect("its name is free");
    assert_eq!(count(), 2);
    methods.remove("A.one");
    assert_eq!(count(), 1);
}

#[test]
fn methods_without_a_service_are_told_once_too() {
    let methods = Methods::default();
    for name in ["A.b", "a", "b", "c"] {
        methods.register(name, |(a, b): (i64, String)| (a, b)).expect("its name is free");
    }
    let directory = Directory::new(Vec::new(), Vec::new(), methods);
    let services = directory.describe();
    let (seen, pages) = walk(&services, 1);
    assert_eq!((seen, pages), (vec![".a".into(), ".b".into(), ".c".into(), "A.b".into()], 4));
    assert_eq!(services[0].methods[0].to_string(), "a(1: i64, 2: String) -> (i64, String)");
}
