//! `rpc.Health`, and the handle by which a program says how it does (PROTOCOL 14.6 to 14.8).
//!
//! One table for the server, in a watched cell. A watcher is a call in flight whose handler holds a receiver of that cell: no task, no queue.
//! It looks at the table when it has room to send, so what it missed meanwhile is not told. A server that drains is not serving, whatever
//! is set, and that is the last thing that a watcher hears.

use std::{borrow::Cow, collections::BTreeMap, fmt, future::ready, sync::Arc};

use rpc_core::{
    Answer, Dispatcher, Error, HealthStatus, Request, Session, Value, builtin,
    description::Service, dispatch::slots, limits::MAX_WATCH_ARGUMENTS,
};
use tokio::sync::watch;

/// Says how a server and its services do; from [`Server::health`](crate::Server::health).
///
/// Cheap to clone. Services that the server has when it starts are serving, unless this says otherwise; so is the server as a whole. Of closures that
/// are registered later in a service of their own, the program says it. A server that drains is
/// not, and neither are its services, from before its listener closes, whatever is set.
///
/// ```no_run
/// # async fn example(server: rpc_server::Server, is_connected: bool) {
/// use rpc_core::HealthStatus;
///
/// let health = server.health();
/// tokio::spawn(server.run());
/// // The database is gone:
/// health.set("Store", HealthStatus::NotServing);
/// # }
/// ```
#[derive(Clone)]
pub struct HealthHandle(Arc<watch::Sender<Table>>);

/// How everything does.
#[derive(Debug)]
struct Table {
    overall: HealthStatus,
    services: BTreeMap<Cow<'static, str>, HealthStatus>,
    is_draining: bool,
}

impl Table {
    fn status(&self, service: &str) -> HealthStatus {
        let status = match service {
            "" => Some(self.overall),
            service => self.services.get(service).copied(),
        };
        match status {
            None => HealthStatus::Unknown,
            Some(_) if self.is_draining => HealthStatus::NotServing,
            Some(status) => status,
        }
    }
}

impl Default for HealthHandle {
    fn default() -> Self {
        let (overall, services) = (HealthStatus::Serving, BTreeMap::new());
        Self(Arc::new(watch::Sender::new(Table { overall, services, is_draining: false })))
    }
}

impl HealthHandle {
    /// Says how the service of this name does. The server need not have it: what a name stands for is between a program and those who ask.
    /// [`HealthStatus::Unknown`] takes the name back.
    pub fn set(&self, service: &str, status: HealthStatus) {
        if service.is_empty() {
            return self.set_overall(status);
        }
        self.0.send_if_modified(|table| {
            if status == HealthStatus::Unknown {
                return table.services.remove(service).is_some();
            }
            match table.services.get_mut(service) {
                Some(place) => std::mem::replace(place, status) != status,
                None => {
                    table.services.insert(service.to_owned().into(), status);
                    true
                }
            }
        });
    }

    /// Says how the server as a whole does, which is what those ask for who name no service. It does not depend on the services.
    pub fn set_overall(&self, status: HealthStatus) {
        self.0.send_if_modified(|table| std::mem::replace(&mut table.overall, status) != status);
    }

    /// How the service of this name does, or with an empty name the server as a whole: what a client is told.
    pub fn status(&self, service: &str) -> HealthStatus {
        self.0.borrow().status(service)
    }

    /// The server has these services: they are serving, unless it was said otherwise.
    pub(crate) fn know(&self, services: impl Iterator<Item = Cow<'static, str>>) {
        self.0.send_modify(|table| {
            for service in services {
                table.services.entry(service).or_insert(HealthStatus::Serving);
            }
        });
    }

    /// The server drains: nothing can be given work any more.
    pub(crate) fn drain(&self) {
        self.0.send_modify(|table| table.is_draining = true);
    }
}

impl fmt::Debug for HealthHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HealthHandle").field(&*self.0.borrow()).finish()
    }
}

/// The dispatcher of `rpc.Health`.
pub(crate) struct Health {
    handle: HealthHandle,
}

impl Health {
    pub(crate) fn new(handle: HealthHandle) -> Self {
        Self { handle }
    }

    fn check(&self, request: Request) -> Answer {
        let status = match service(&request) {
            Ok(service) => match self.handle.status(service) {
                HealthStatus::Unknown => {
                    Err(Error::not_found(format!("the health of \"{service}\" is not known here")))
                }
                status => Ok(status),
            },
            Err(error) => return request.refuse(error),
        };
        match status {
            Ok(status) => request.answer(&status),
            Err(error) => request.fail(error),
        }
    }

    async fn watch(&self, request: Request) -> Answer {
        if request.size() > MAX_WATCH_ARGUMENTS {
            let error = Error::invalid_argument(format!(
                "the arguments of a watch have {} bytes, more than the {MAX_WATCH_ARGUMENTS} that are kept for one; ask for a service by its name",
                request.size()
            ));
            return request.refuse(error);
        }
        let service = match service(&request) {
            Ok(service) => service,
            Err(error) => return request.refuse(error),
        };
        let statuses = Statuses { table: self.handle.0.subscribe(), service, told: None };
        let stream = futures_util::stream::unfold(statuses, Statuses::next);
        match request.stream(stream, |status, encoder| status.encode(encoder)).await {
            Ok(()) => request.done(),
            Err(error) => request.fail(error),
        }
    }
}

/// The service that is asked about.
fn service(request: &Request) -> Result<&str, Error> {
    let service = request.arguments().take("service");
    if service.is_missing() { Ok("") } else { service.str() }
}

/// What one watcher is told.
struct Statuses<'a> {
    table: watch::Receiver<Table>,
    service: &'a str,
    told: Option<HealthStatus>,
}

impl Statuses<'_> {
    /// The next status that is another one; none once the server drains and that was told.
    async fn next(mut self) -> Option<(HealthStatus, Self)> {
        loop {
            let (status, is_draining) = {
                let table = self.table.borrow_and_update();
                (table.status(self.service), table.is_draining)
            };
            if self.told != Some(status) {
                self.told = Some(status);
                return Some((status, self));
            }
            if is_draining || self.table.changed().await.is_err() {
                return None;
            }
        }
    }
}

impl Dispatcher for Health {
    fn description(&self) -> &'static Service {
        &builtin::health::SERVICE
    }

    fn session(&self, method: u32) -> Box<dyn Session + '_> {
        match method as usize {
            builtin::health::CHECK => slots(|request| ready(self.check(request))),
            _ => slots(|request| self.watch(request)),
        }
    }
}
