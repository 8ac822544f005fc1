//! From a method's name on the wire to its dispatcher: one table for all services of a server, made at its start, and behind it the closures,
//! which come and go.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rpc_core::{
    Dispatcher, Error,
    description::{Run, Service},
};
use rustc_hash::FxHashMap;

use crate::{
    methods::{MethodDescription, Methods},
    nearest::{MOST_LOOKED_AT, did_you_mean},
};

/// One method of one service, by its number in the server.
pub(crate) struct Route {
    pub(crate) dispatcher: Arc<dyn Dispatcher>,
    /// The method's full name, such as `Calc.add`.
    pub(crate) name: String,
    /// The method's index in its service.
    pub(crate) method: u32,
    pub(crate) run: Run,
    /// Whether the result is a stream.
    pub(crate) streams: bool,
    /// Whether the caller sends a stream.
    pub(crate) takes: bool,
    /// Whether it was told that its handler holds others up.
    is_told: AtomicBool,
}

impl Route {
    /// Whether items pass, in either direction.
    pub(crate) fn is_streaming(&self) -> bool {
        self.streams || self.takes
    }

    /// Whether this is the first time that something is told of it.
    pub(crate) fn is_news(&self) -> bool {
        !self.is_told.swap(true, Ordering::Relaxed)
    }
}

/// The methods of all services.
pub(crate) struct Router {
    routes: Vec<Route>,
    /// Full names, such as `Calc.add`. The keys are the server's own, so a peer cannot choose what collides.
    names: FxHashMap<Vec<u8>, u32>,
    services: Vec<&'static Service>,
    methods: Methods,
    /// What runs all closures: the number behind those of the table.
    closures: Route,
}

impl Router {
    /// The table of these services.
    ///
    /// # Errors
    ///
    /// `already_exists` where two services, or two methods of one, have the same name, or a closure is in a service that is a trait's.
    ///
    /// With `spawns`, handlers that would run in their connection's task get tasks of their own.
    pub(crate) fn new(
        dispatchers: Vec<Arc<dyn Dispatcher>>,
        methods: Methods,
        spawns: bool,
    ) -> Result<Self, Error> {
        let closures = Route {
            dispatcher: Arc::new(methods.clone()),
            name: "a registered closure".to_owned(),
            method: 0,
            run: if spawns { Run::Spawn } else { Run::Inline },
            streams: false,
            takes: false,
            is_told: AtomicBool::new(false),
        };
        let mut router = Self {
            routes: Vec::new(),
            names: FxHashMap::default(),
            services: Vec::new(),
            methods,
            closures,
        };
        for dispatcher in dispatchers {
            let service = dispatcher.description();
            if router.services.iter().any(|other| other.name == service.name) {
                return Err(Error::already_exists(format!(
                    "two services are named \"{0}\"; give one another name with #[rpc::service(name = \"…\")]",
                    service.name
                )));
            }
            router.methods.reserve(service.name)?;
            router.services.push(service);
            for (index, method) in (0..).zip(service.methods) {
                let name = format!("{}.{}", service.name, method.name);
                let number = u32::try_from(router.routes.len()).unwrap_or(u32::MAX);
                if router.names.insert(name.clone().into_bytes(), number).is_some() {
                    return Err(Error::already_exists(format!("two methods are named \"{name}\"")));
                }
                router.routes.push(Route {
                    dispatcher: Arc::clone(&dispatcher),
                    name,
                    method: index,
                    run: if spawns && method.run == Run::Inline { Run::Spawn } else { method.run },
                    streams: method.streams.is_some(),
                    takes: method.takes.is_some(),
                    is_told: AtomicBool::new(false),
                });
            }
        }
        Ok(router)
    }

    /// The number of the method with this full name, which is often the `last` one that was called: comparing is cheaper than hashing.
    pub(crate) fn find(&self, name: &[u8], last: u32) -> Option<u32> {
        match self.routes.get(last as usize) {
            Some(route) if route.name.as_bytes() == name => Some(last),
            _ => self.names.get(name).copied().or_else(|| self.find_closure(name)),
        }
    }

    fn find_closure(&self, name: &[u8]) -> Option<u32> {
        let number = u32::try_from(self.routes.len()).unwrap_or(u32::MAX);
        self.methods.has(name).then_some(number)
    }

    /// The route of a number that was found.
    pub(crate) fn route(&self, number: u32) -> &Route {
        self.routes.get(number as usize).unwrap_or(&self.closures)
    }

    /// The services that are a trait's.
    #[expect(dead_code, reason = "reflection lists them")]
    pub(crate) fn services(&self) -> &[&'static Service] {
        &self.services
    }

    /// The closures that are registered now.
    #[expect(dead_code, reason = "reflection lists them")]
    pub(crate) fn closures(&self) -> Vec<MethodDescription> {
        self.methods.list()
    }

    /// Why there is no method with this name, and which ones the caller may have meant.
    pub(crate) fn unknown(&self, name: &[u8]) -> Error {
        let name = &*String::from_utf8_lossy(name);
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
        let of_trait = self.services.iter().find(|other| other.name == service);
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

#[cfg(test)]
mod tests;
