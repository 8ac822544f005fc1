//! From a method's name on the wire to its dispatcher: one table for all services of a server, made at its start.

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

use crate::hooks::Hooks;

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
    services: Services,
    /// What is asked before a handler runs.
    pub(crate) hooks: Hooks,
    /// Where calls go whose method does not exist, so that the hooks are asked about them as well: who may not call is not to learn which
    /// services and methods there are.
    unlisted: Option<u32>,
}

impl Router {
    /// The table of these services.
    ///
    /// # Errors
    ///
    /// `already_exists` where two services, or two methods of one, have the same name; `invalid_argument` where a service has a name that is
    /// not its user's to give.
    ///
    /// With `spawns`, handlers that would run in their connection's task get tasks of their own. `builtins` are the services that the server
    /// has by itself.
    pub(crate) fn new(
        dispatchers: Vec<Arc<dyn Dispatcher>>,
        builtins: Vec<Arc<dyn Dispatcher>>,
        spawns: bool,
        hooks: Hooks,
    ) -> Result<Self, Error> {
        let mut router = Self {
            routes: Vec::new(),
            names: FxHashMap::default(),
            services: Services::default(),
            hooks,
            unlisted: None,
        };
        for dispatcher in dispatchers {
            let service = dispatcher.description();
            if service.name.starts_with(RESERVED) {
                return Err(Error::invalid_argument(format!(
                    "the service \"{}\" needs another name: those that begin with \"{RESERVED}\" are kept for the framework",
                    service.name
                )));
            }
            if router.services.users.contains(&service.name) {
                return Err(Error::already_exists(format!(
                    "two services are named \"{0}\"; give one another name with #[rpc::service(name = \"…\")]",
                    service.name
                )));
            }
            router.services.users.push(service.name);
            router.insert(&dispatcher, service, spawns)?;
        }
        // They stand behind the others, so that nobody pays for them who does not call them.
        for dispatcher in builtins {
            let service = dispatcher.description();
            router.services.builtins.push(service.name);
            router.insert(&dispatcher, service, false)?;
        }
        if !router.hooks.is_empty() {
            router.unlisted = Some(router.next());
            router.routes.push(Route {
                dispatcher: Arc::new(Unlisted(router.services.clone())),
                name: String::new(),
                method: 0,
                description: &UNLISTED[0],
                run: Run::Inline,
                streams: false,
                takes: false,
                is_told: AtomicBool::new(true),
            });
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
            let number = self.next();
            if self.names.insert(name.clone().into_bytes(), number).is_some() {
                return Err(Error::already_exists(format!("two methods are named \"{name}\"")));
            }
            self.routes.push(Route {
                dispatcher: Arc::clone(dispatcher),
                name,
                method: index,
                description: method,
                run: if spawns && method.run == Run::Inline { Run::Spawn } else { method.run },
                streams: method.streams.is_some(),
                takes: method.takes.is_some(),
                is_told: AtomicBool::new(false),
            });
        }
        Ok(())
    }

    /// The number of the route that is pushed next.
    fn next(&self) -> u32 {
        u32::try_from(self.routes.len()).unwrap_or(u32::MAX)
    }

    /// The number of the method with this full name, which is often the `last` one that was called: comparing is cheaper than hashing.
    pub(crate) fn find(&self, name: &[u8], last: u32) -> Option<u32> {
        match self.routes.get(last as usize) {
            Some(route) if route.name.as_bytes() == name => Some(last),
            _ => self.names.get(name).copied().or(self.unlisted),
        }
    }

    pub(crate) fn route(&self, number: u32) -> &Route {
        &self.routes[number as usize]
    }

    /// Why there is no method with this name.
    pub(crate) fn unknown(&self, name: &[u8]) -> Error {
        self.services.unknown(&String::from_utf8_lossy(name))
    }
}

/// The names of the services.
#[derive(Clone, Default)]
struct Services {
    users: Vec<&'static str>,
    /// Those that the server has by itself, which nobody looks for among the others.
    builtins: Vec<&'static str>,
}

impl Services {
    /// Why there is no method with this name.
    fn unknown(&self, name: &str) -> Error {
        match name.rsplit_once('.') {
            Some((service, method))
                if self.users.contains(&service) || self.builtins.contains(&service) =>
            {
                Error::unimplemented(format!("service \"{service}\" has no method \"{method}\""))
            }
            Some((service, _)) => Error::unimplemented(format!(
                "there is no service \"{service}\" here; there is: {}",
                self.users.join(", ")
            )),
            None => Error::unimplemented(format!(
                "\"{name}\" is not a method's name; write service and method, such as \"Calc.add\""
            )),
        }
    }
}

/// What the hooks are told of a method that does not exist: nothing.
static UNLISTED: [Method; 1] = [Method::new("", "")];
static NOWHERE: Service = Service::new("", "", &UNLISTED);

/// The service of all methods that do not exist, for servers with hooks.
struct Unlisted(Services);

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
