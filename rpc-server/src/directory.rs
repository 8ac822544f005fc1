//! What a server offers, by name: the services that are a trait's, those that the server has by itself, and the closures, which come and go.
//!
//! The router finds a call's method; this says what there is instead, where it finds none, and to whoever asks for a description.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
};

use rpc_core::{
    Error,
    description::{Service, ServiceDescription},
};

use crate::{
    methods::Methods,
    nearest::{MOST_LOOKED_AT, did_you_mean},
};

/// The names and descriptions of what a server offers.
pub(crate) struct Directory {
    /// The services that are a trait's.
    services: Vec<&'static Service>,
    /// Those that the server has by itself. They are described, but nobody looks for them among the others.
    builtins: Vec<&'static Service>,
    methods: Methods,
    /// What was made last to describe all of it, and of which closures.
    described: Mutex<Option<(u64, Arc<[ServiceDescription]>)>>,
}

impl Directory {
    pub(crate) fn new(
        services: Vec<&'static Service>,
        builtins: Vec<&'static Service>,
        methods: Methods,
    ) -> Self {
        Self { services, builtins, methods, described: Mutex::default() }
    }

    /// The names of all services that there are now.
    pub(crate) fn names(&self) -> impl Iterator<Item = Cow<'static, str>> {
        let fixed = self.services.iter().chain(&self.builtins).map(|service| service.name.into());
        let (_, closures) = self.methods.describe();
        let named = closures.into_iter().filter(|service| !service.name.is_empty());
        fixed.chain(named.map(|service| service.name.into()))
    }

    pub(crate) fn methods(&self) -> &Methods {
        &self.methods
    }

    /// All services, in the order of their names. Strangers ask for it, so it is made once and shared until closures come or go.
    pub(crate) fn describe(&self) -> Arc<[ServiceDescription]> {
        let mut described = self.described.lock().unwrap_or_else(PoisonError::into_inner);
        let version = self.methods.version();
        match &*described {
            Some((of, all)) if *of == version => Arc::clone(all),
            _ => {
                let (version, closures) = self.methods.describe();
                let fixed = self.services.iter().chain(&self.builtins).copied();
                let mut all: Vec<_> = fixed.map(ServiceDescription::from).chain(closures).collect();
                all.sort_by(|one, other| one.name.cmp(&other.name));
                let all: Arc<[_]> = all.into();
                *described = Some((version, Arc::clone(&all)));
                all
            }
        }
    }

    /// Why there is no method with this name, and which ones the caller may have meant.
    pub(crate) fn unknown(&self, name: &str) -> Error {
        Error::unimplemented(match name.rsplit_once('.') {
            Some((service, method)) => self
                .unknown_method(service, method)
                .unwrap_or_else(|| self.unknown_service(service)),
            None => self.unknown_alone(name),
        })
    }

    /// What is said of a method, where its service exists.
    fn unknown_method(&self, service: &str, method: &str) -> Option<String> {
        let closures = self.methods.names(&format!("{service}."), MOST_LOOKED_AT);
        let of_closures = closures.iter().filter_map(|name| match name.rsplit_once('.') {
            Some((other, method)) if other == service => Some(method),
            _ => None,
        });
        let mut services = self.services.iter().chain(&self.builtins);
        let of_trait = services.find(|other| other.name == service);
        let methods = of_trait.iter().flat_map(|service| service.methods);
        let names: Vec<&str> = methods.map(|method| method.name).chain(of_closures).collect();
        if of_trait.is_none() && names.is_empty() {
            return None;
        }
        let offer = did_you_mean(method, &names);
        Some(format!("service \"{service}\" has no method \"{method}\"{offer}"))
    }

    fn unknown_service(&self, service: &str) -> String {
        let closures = self.methods.names("", MOST_LOOKED_AT);
        let mut names: Vec<&str> = self.services.iter().map(|service| service.name).collect();
        let mut of_closures: Vec<&str> =
            closures.iter().filter_map(|name| Some(name.rsplit_once('.')?.0)).collect();
        of_closures.dedup();
        names.extend(of_closures);
        let mut said = format!("there is no service \"{service}\" here");
        let offer = did_you_mean(service, &names);
        if offer.is_empty() && !names.is_empty() {
            said = format!("{said}; there is: {}", names.join(", "));
        }
        said + &offer
    }

    /// What is said of a name without a service.
    fn unknown_alone(&self, name: &str) -> String {
        let closures = self.methods.names("", MOST_LOOKED_AT);
        let of_closures = closures.iter().filter_map(|name| name.rsplit_once('.'));
        let of_traits = self
            .services
            .iter()
            .flat_map(|service| service.methods.iter().map(|method| (service.name, method.name)));
        let mut methods = of_traits.chain(of_closures);
        if let Some((service, _)) = methods.find(|(_, method)| *method == name) {
            return format!(
                "there is no method \"{name}\" here; did you mean \"{service}.{name}\"?"
            );
        }
        let alone = closures.iter().map(String::as_str).filter(|name| !name.contains('.'));
        let alone: Vec<&str> = alone.collect();
        if alone.is_empty() {
            return format!(
                "\"{name}\" is not a method's name; write service and method, such as \"Calc.add\""
            );
        }
        format!("there is no method \"{name}\" here{}", did_you_mean(name, &alone))
    }
}
