//! Methods that are closures: registered, replaced and removed while the server runs.
//!
//! [`Methods`] is the program's handle. The server finds a name that no trait has here, behind its table; for each connection one session
//! runs all closures, and looks each call's up by its name. A call keeps what it needs of its closure, so one that runs finishes with what it
//! began with. Nothing of the user's is run or dropped under the lock.

mod callable;
mod name;
mod parameters;
mod returned;
mod session;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Bound,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use rpc_core::{
    Dispatcher, Error, Request, Session,
    description::{self, ArgumentDescription, MethodDescription, ServiceDescription},
};
use rustc_hash::FxHashMap;

pub use callable::Callable;
use name::Name;
pub use parameters::Parameters;
pub use returned::Returned;
use returned::Running;

/// A closure that is a method, whatever its types.
struct Method {
    run: Box<dyn Fn(Request) -> Running + Send + Sync>,
    description: MethodDescription,
}

#[derive(Default)]
struct Registry {
    /// By full name. The names are the server's own, so a peer cannot choose what collides.
    methods: FxHashMap<Vec<u8>, Arc<Method>>,
    /// The same names, in order.
    names: BTreeSet<String>,
    /// The services that are a trait's.
    services: Vec<&'static str>,
    /// How often something came or went.
    version: u64,
}

/// The closures of a server, which can be changed while it runs. Cheap to clone; all clones are of one server.
///
/// A hook of [`Server::authorize`](crate::Server::authorize) gets for each of them the description that it gets for a name which does not exist: one without a
/// name, which requires nothing. It goes by [`Context::method`](rpc_core::Context::method), which is the name that was registered.
///
/// ```
/// # async fn example() -> Result<(), rpc_core::Error> {
/// use rpc_server::Server;
///
/// let server = Server::bind("tcp://127.0.0.1:0").await?;
/// let methods = server.methods();
/// tokio::spawn(server.run());
/// methods.register("Calc.add", |(a, b): (i64, i64)| a + b)?;
/// methods.replace("Calc.add", |(a, b): (i64, i64)| a.saturating_add(b))?;
/// methods.remove("Calc.add");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Methods(Arc<RwLock<Registry>>);

impl Methods {
    /// Adds a method: a closure, or a function.
    ///
    /// Its one parameter is the tuple of its arguments, up to eight; a second one, `ctx: &Context`, is what it may know of its call. It returns
    /// a value, or a future that is `Send + 'static` of one: `T`, `Result<T, rpc::Error>`, `Result<T, CallError<E>>`, or `Result<T, E>` with an
    /// error that serde can carry. The message of such an `E` is its value written out; `CallError<E>` has its `Display`.
    ///
    /// ```
    /// # fn example(methods: &rpc_server::Methods) -> Result<(), rpc_core::Error> {
    /// use rpc_core::{Context, Error};
    ///
    /// methods.register("Calc.add", |(a, b): (i64, i64)| a + b)?;
    /// methods.register("Calc.pause", |(): ()| async { tokio::task::yield_now().await })?;
    /// methods.register("whoami", |(): (), ctx: &Context| {
    ///     let tenant = ctx.metadata().get("tenant").map(str::to_owned);
    ///     async move { tenant.ok_or_else(|| Error::permission_denied("no tenant")) }
    /// })?;
    /// methods.register("Calc.divide", |(a, b): (i64, i64)| {
    ///     a.checked_div(b).ok_or_else(|| format!("{a} cannot be divided by {b}"))
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// With a dot, the name is that of a service and that of the method in it; without one, it is all there is to call it by. It runs in its
    /// connection's task, as the methods of a trait do: what computes for long belongs in a task of its own, as `tokio::spawn` gives one.
    ///
    /// # Errors
    ///
    /// `already_exists` where there is one of this name, or its service is a trait's; `invalid_argument` where it cannot be a name: empty,
    /// longer than 255 bytes, or beginning with `rpc.`, which is reserved.
    pub fn register<M, K, C>(&self, name: impl Into<String>, method: C) -> Result<(), Error>
    where
        C: Callable<M, Arguments: Parameters, Output: Returned<K>>,
    {
        let (name, method) = new_method(name.into(), method)?;
        let mut registry = self.write();
        registry.check(&name)?;
        if registry.methods.contains_key(name.as_bytes()) {
            return Err(Error::already_exists(format!(
                "a method \"{name}\" is registered already; `Methods::replace` exchanges it"
            )));
        }
        registry.insert(name, method);
        Ok(())
    }

    /// Adds a method in the place of the one that has its name; whether there was one. Its running calls finish as they began.
    ///
    /// # Errors
    ///
    /// Those of [`register`](Self::register), but that there is one of this name.
    pub fn replace<M, K, C>(&self, name: impl Into<String>, method: C) -> Result<bool, Error>
    where
        C: Callable<M, Arguments: Parameters, Output: Returned<K>>,
    {
        let (name, method) = new_method(name.into(), method)?;
        let mut registry = self.write();
        registry.check(&name)?;
        let before = registry.insert(name, method);
        drop(registry);
        Ok(before.is_some())
    }

    /// Removes a method; whether there was one. Its running calls finish.
    pub fn remove(&self, name: &str) -> bool {
        let mut registry = self.write();
        registry.names.remove(name);
        registry.version += 1;
        let before = registry.methods.remove(name.as_bytes());
        drop(registry);
        before.is_some()
    }

    /// What is registered, each with its full name, in the order of the names. Closures have no names for their arguments: those are their
    /// positions, from `1`.
    pub fn list(&self) -> Vec<MethodDescription> {
        let registry = self.read();
        let methods =
            registry.names.iter().filter_map(|name| registry.methods.get(name.as_bytes()));
        methods.map(|method| method.description.clone()).collect()
    }

    /// How often something came or went.
    pub(crate) fn version(&self) -> u64 {
        self.read().version
    }

    /// What is registered, by service, and of which version that is. Methods without a service are in one without a name.
    pub(crate) fn describe(&self) -> (u64, Vec<ServiceDescription>) {
        let registry = self.read();
        let mut services: BTreeMap<&str, Vec<MethodDescription>> = BTreeMap::new();
        for name in &registry.names {
            if let Some(method) = registry.methods.get(name.as_bytes()) {
                let (service, own) = name.rsplit_once('.').unwrap_or(("", name));
                let mut description = method.description.clone();
                own.clone_into(&mut description.name);
                services.entry(service).or_default().push(description);
            }
        }
        let described =
            services.into_iter().map(|(name, all)| ServiceDescription::new(name, "", all));
        (registry.version, described.collect())
    }

    /// Keeps a service's name for a trait.
    ///
    /// # Errors
    ///
    /// `already_exists` where a closure is in it.
    pub(crate) fn reserve(&self, service: &'static str) -> Result<(), Error> {
        let mut registry = self.write();
        if !registry.services.contains(&service) {
            registry.services.push(service);
        }
        match registry.names.iter().find(|name| name::service(name) == Some(service)) {
            None => Ok(()),
            Some(name) => Err(in_a_traits_service(name, service)),
        }
    }

    /// The first so many names that begin like this, in order.
    pub(crate) fn names(&self, beginning: &str, most: usize) -> Vec<String> {
        let registry = self.read();
        let from = (Bound::Included(beginning), Bound::Unbounded);
        let names = registry.names.range::<str, _>(from);
        names.take_while(|name| name.starts_with(beginning)).take(most).cloned().collect()
    }

    /// Whether there is a method with this name.
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.read().methods.contains_key(name)
    }

    fn find(&self, name: &[u8]) -> Option<Arc<Method>> {
        self.read().methods.get(name).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Registry> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_method<M, K, C>(name: String, method: C) -> Result<(String, Arc<Method>), Error>
where
    C: Callable<M, Arguments: Parameters, Output: Returned<K>>,
{
    let name = Name::new(name)?.into_string();
    let mut description = MethodDescription::default();
    description.name.clone_from(&name);
    (description.result, description.error) = C::Output::types();
    for (position, ty) in (1..).zip(C::Arguments::types()) {
        let mut argument = ArgumentDescription::default();
        (argument.name, argument.ty) = (position.to_string(), ty);
        description.arguments.push(argument);
    }
    let run = Box::new(move |request| callable::run(&method, request));
    Ok((name, Arc::new(Method { run, description })))
}

fn in_a_traits_service(method: &str, service: &str) -> Error {
    Error::already_exists(format!(
        "a method \"{method}\" cannot be registered: the service \"{service}\" is a trait's on this server"
    ))
}

impl Registry {
    fn insert(&mut self, name: String, method: Arc<Method>) -> Option<Arc<Method>> {
        self.names.insert(name.clone());
        self.version += 1;
        self.methods.insert(name.into_bytes(), method)
    }

    /// # Errors
    ///
    /// `already_exists` where the name's service is a trait's.
    fn check(&self, name: &str) -> Result<(), Error> {
        match self.services.iter().find(|service| name::service(name) == Some(service)) {
            None => Ok(()),
            Some(service) => Err(in_a_traits_service(name, service)),
        }
    }
}

impl Dispatcher for Methods {
    fn description(&self) -> &'static description::Service {
        const METHODS: &[description::Method] = &[description::Method::new("", "")];
        const SERVICE: description::Service = description::Service::new("", "", METHODS);
        &SERVICE
    }

    fn session(&self, _: u32) -> Box<dyn Session + '_> {
        Box::new(session::Calls::new(self))
    }
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.read().names).finish()
    }
}

#[cfg(test)]
mod tests;
