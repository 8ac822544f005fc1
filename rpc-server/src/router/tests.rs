use std::sync::Arc;

use rpc_core::{
    Code, Dispatcher, Error, Session,
    description::{Method, Run, Service},
};

use super::Router;
use crate::{directory::Directory, hooks::Hooks, methods::Methods};

/// A service that is only described.
struct Described(&'static Service);

impl Dispatcher for Described {
    fn description(&self) -> &'static Service {
        self.0
    }

    fn session(&self, _: u32) -> Box<dyn Session + '_> {
        unreachable!("nobody calls it")
    }
}

const CALC: Service =
    Service::new("Calc", "", &[Method::new("add", ""), Method::new("divide", "")]);
const CLOCK: Service = Service::new("lab.Clock", "", &[Method::new("tick", "")]);

fn router(services: &[&'static Service], methods: &Methods) -> Router {
    try_router(services, methods).expect("their names differ")
}

fn try_router(services: &[&'static Service], methods: &Methods) -> Result<Router, Error> {
    let dispatchers = services
        .iter()
        .map(|service| Arc::new(Described(service)) as Arc<dyn Dispatcher>)
        .collect();
    let directory = Directory::new(services.to_vec(), Vec::new(), methods.clone());
    Router::new(dispatchers, Vec::new(), Arc::new(directory), false, Hooks::default())
}

#[test]
fn closures_are_found_behind_the_methods_of_traits() {
    let methods = Methods::default();
    let router = router(&[&CALC, &CLOCK], &methods);
    assert_eq!(router.find(b"lab.Clock.tick", u32::MAX), Some(2));
    assert_eq!(router.find(b"add", 0), None);
    methods.register("add", |(): ()| 1).expect("it is free");
    methods.register("Lab.add", |(): ()| 1).expect("it is free");
    for (name, last) in [(&b"add"[..], 0), (b"add", 3), (b"Lab.add", 3), (b"Lab.add", u32::MAX)] {
        assert_eq!(router.find(name, last), Some(3));
    }
    assert_eq!(router.find(b"Calc.add", 3), Some(0));
    assert_eq!(router.find(b"", 3), None);
    assert_eq!(router.route(3).run, Run::Inline);
    assert!(methods.remove("add"));
    assert_eq!(router.find(b"add", 3), None);
}

#[test]
fn what_does_not_exist_is_answered_with_what_is_near() {
    let methods = Methods::default();
    let router = router(&[&CALC, &CLOCK], &methods);
    let said = |name: &str| {
        let error = router.unknown(name.as_bytes());
        assert_eq!(error.kind(), Code::Unimplemented);
        error.message().to_owned()
    };
    let add = r#"service "Calc" has no method "addd"; did you mean "add"?"#;
    assert_eq!(said("Calc.addd"), add);
    assert_eq!(said("Calc.multiply"), r#"service "Calc" has no method "multiply""#);
    assert_eq!(said("Clac.add"), r#"there is no service "Clac" here; did you mean "Calc"?"#);
    assert_eq!(said("Store.get"), r#"there is no service "Store" here; there is: Calc, lab.Clock"#);
    assert_eq!(said("tick"), r#"there is no method "tick" here; did you mean "lab.Clock.tick"?"#);
    let unnamed = r#""x" is not a method's name; write service and method, such as "Calc.add""#;
    assert_eq!(said("x"), unnamed);
    methods.register("Store.get", |(): ()| 1).expect("it is free");
    methods.register("Store.v2.gets", |(): ()| 1).expect("it is free");
    methods.register("total", |(): ()| 1).expect("it is free");
    let get = r#"service "Store" has no method "gett"; did you mean "get"?"#;
    assert_eq!(said("Store.gett"), get);
    assert_eq!(said("Stor.get"), r#"there is no service "Stor" here; did you mean "Store"?"#);
    assert_eq!(said("totals"), r#"there is no method "totals" here; did you mean "total"?"#);
    let there = "there is: Calc, lab.Clock, Store, Store.v2";
    assert_eq!(said("Bank.get"), format!("there is no service \"Bank\" here; {there}"));
}

#[test]
fn a_closure_cannot_be_in_the_service_of_a_trait() {
    let methods = Methods::default();
    methods.register("Calc.multiply", |(): ()| 1).expect("it is free");
    let error = try_router(&[&CALC], &methods).err().expect("it is in Calc");
    assert_eq!(error.kind(), Code::AlreadyExists);
    let said = "a method \"Calc.multiply\" cannot be registered: the service \"Calc\" is a trait's on this server";
    assert_eq!(error.message(), said);
    let error = methods.replace("Calc.add", |(): ()| 1).expect_err("it is a trait's");
    assert!(error.message().starts_with("a method \"Calc.add\" cannot be registered"), "{error}");
    methods.register("Calc.v2.add", |(): ()| 1).expect("that is another service");
}
