//! From a method's name on the wire to its dispatcher: one table for all services of a server, made at its start, and behind it the closures,
//! which come and go.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rpc_core::{
    Dispatcher, Error, Session,
    builtin::RESERVED,
    description::{Method, Run, Service},
    dispatch::slots,
};
use rustc_hash::FxHashMap;

use crate::{directory::Directory, hooks::Hooks, methods::Methods};

/// One method of one service, by its number in the server.
pub(crate) struct Route {
    pub(crate) dispatcher: Arc<dyn Dispatcher>,
    /// The method's full name, such as `Calc.add`.
    pub(crate) name: String,
    /// The method's index in its service.
    pub(crate) method: u32,
    pub(crate) description: &'static Method,
    pub(crate) run: Run,
    /// Whether the result is a stream.
    pub(crate) streams: bool,
    /// Whether the caller sends a stream.
    pub(crate) takes: bool,
    /// Whether it was told that its handler holds others up.
    is_told: AtomicBool,
    /// Whether it was told that its handler lacks a state.
    is_lack_told: AtomicBool,
}

impl Route {
    fn new(
        dispatcher: Arc<dyn Dispatcher>,
        name: String,
        method: u32,
        description: &'static Method,
    ) -> Self {
        let run = dispatcher.run(method);
        Self {
            dispatcher,
            name,
            method,
            description,
            run,
            streams: description.streams.is_some(),
            takes: description.takes.is_some(),
            is_told: AtomicBool::new(false),
            is_lack_told: AtomicBool::new(false),
        }
    }

    /// The same with a task of its own for each call that would run in its connection's, where that `is` asked for.
    fn spawned(self, is: bool) -> Self {
        let run = if is && self.run == Run::Inline { Run::Spawn } else { self.run };
        Self { run, ..self }
    }

    /// Whether items pass, in either direction.
    pub(crate) fn is_streaming(&self) -> bool {
        self.streams || self.takes
    }

    /// Whether this is the first time that it holds others up.
    pub(crate) fn is_news(&self) -> bool {
        !self.is_told.swap(true, Ordering::Relaxed)
    }

    /// Whether this is the first time that it lacks a state.
    pub(crate) fn is_lack_news(&self) -> bool {
        !self.is_lack_told.swap(true, Ordering::Relaxed)
    }
}

/// The methods of all services.
pub(crate) struct Router {
    routes: Vec<Route>,
    /// Full names, such as `Calc.add`. The keys are the server's own, so a peer cannot choose what collides.
    names: FxHashMap<Vec<u8>, u32>,
    directory: Arc<Directory>,
    /// What is asked before a handler runs.
    pub(crate) hooks: Hooks,
    /// What runs all closures.
    closures: u32,
    /// Where calls go whose method does not exist, so that the hooks are asked about them as well: who may not call is not to learn which
    /// services and methods there are.
    unlisted: Option<u32>,
}

impl Router {
    /// The table of these services, and of those that the server has by itself.
    ///
    /// With `spawns`, handlers that would run in their connection's task get tasks of their own.
    ///
    /// # Errors
    ///
    /// `already_exists` where two services, or two methods of one, have the same name, or a closure is in a service that is a trait's;
    /// `invalid_argument` where a service has a name that is not its user's to give.
    pub(crate) fn new(
        dispatchers: Vec<Arc<dyn Dispatcher>>,
        builtins: Vec<Arc<dyn Dispatcher>>,
        directory: Arc<Directory>,
        spawns: bool,
        hooks: Hooks,
    ) -> Result<Self, Error> {
        let mut router = Self {
            routes: Vec::new(),
            names: FxHashMap::default(),
            directory,
            hooks,
            closures: 0,
            unlisted: None,
        };
        let mut services = Vec::new();
        for dispatcher in dispatchers {
            let service = dispatcher.description();
            if service.name.starts_with(RESERVED) {
                return Err(Error::invalid_argument(format!(
                    "the service \"{}\" needs another name: those that begin with \"{RESERVED}\" are kept for the framework",
                    service.name
                )));
            }
            if services.contains(&service.name) {
                return Err(Error::already_exists(format!(
                    "two services are named \"{0}\"; give one another name with #[rpc::service(name = \"…\")]",
                    service.name
                )));
            }
            services.push(service.name);
            router.methods().reserve(service.name)?;
            router.insert(&dispatcher, service, spawns)?;
        }
        // What follows stands behind the others, so that nobody pays for it who does not call it.
        for dispatcher in builtins {
            router.insert(&dispatcher, dispatcher.description(), false)?;
        }
        let closures: Arc<dyn Dispatcher> = Arc::new(router.methods().clone());
        let closures = Route::new(closures, "a registered closure".to_owned(), 0, &UNLISTED[0]);
        router.closures = router.push(closures.spawned(spawns));
        if !router.hooks.is_empty() {
            let unlisted = Arc::new(Unlisted(Arc::clone(&router.directory)));
            let unlisted = Route::new(unlisted, String::new(), 0, &UNLISTED[0]);
            // A hook that holds others up is no news of a method.
            unlisted.is_news();
            router.unlisted = Some(router.push(unlisted));
        }
        Ok(router)
    }

    fn insert(
        &mut self,
        dispatcher: &Arc<dyn Dispatcher>,
        service: &'static Service,
        spawns: bool,
    ) -> Result<(), Error> {
        for (index, method) in (0..).zip(service.methods) {
            let name = format!("{}.{}", service.name, method.name);
            let route = Route::new(Arc::clone(dispatcher), name.clone(), index, method);
            let number = self.push(route.spawned(spawns));
            if self.names.insert(name.clone().into_bytes(), number).is_some() {
                return Err(Error::already_exists(format!("two methods are named \"{name}\"")));
            }
        }
        Ok(())
    }

    /// Adds a route, and gives its number.
    fn push(&mut self, route: Route) -> u32 {
        let number = u32::try_from(self.routes.len()).unwrap_or(u32::MAX);
        self.routes.push(route);
        number
    }

    fn methods(&self) -> &Methods {
        self.directory.methods()
    }

    /// The number of the method with this full name, which is often the `last` one that was called: comparing is cheaper than hashing.
    pub(crate) fn find(&self, name: &[u8], last: u32) -> Option<u32> {
        match self.routes.get(last as usize) {
            Some(route) if route.name.as_bytes() == name => Some(last),
            _ => self.names.get(name).copied().or_else(|| self.find_closure(name)),
        }
    }

    fn find_closure(&self, name: &[u8]) -> Option<u32> {
        if self.methods().has(name) { Some(self.closures) } else { self.unlisted }
    }

    pub(crate) fn route(&self, number: u32) -> &Route {
        &self.routes[number as usize]
    }

    /// Why there is no method with this name, and which ones the caller may have meant.
    pub(crate) fn unknown(&self, name: &[u8]) -> Error {
        self.directory.unknown(&String::from_utf8_lossy(name))
    }
}

/// What the hooks are told of a method that does not exist, and of a closure: nothing.
static UNLISTED: [Method; 1] = [Method::new("", "")];
static NOWHERE: Service = Service::new("", "", &UNLISTED);

/// The service of all methods that do not exist, for servers with hooks.
struct Unlisted(Arc<Directory>);

impl Dispatcher for Unlisted {
    fn description(&self) -> &'static Service {
        &NOWHERE
    }

    fn session(&self, _: u32) -> Box<dyn Session + '_> {
        slots(async |request| {
            let error = self.0.unknown(request.context().method());
            request.refuse(error)
        })
    }
}

#[cfg(test)]
mod tests;
