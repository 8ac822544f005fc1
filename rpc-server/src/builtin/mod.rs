//! The services that every server answers unless it is told not to: `rpc.Reflection` and `rpc.Health` (PROTOCOL 14).
//!
//! They are dispatchers like a user's, written by hand; what both ends must agree on is in `rpc_core::builtin`.

mod health;
mod listing;
mod reflection;

use std::sync::Arc;

use rpc_core::{Dispatcher, builtin, description::Service};

pub use health::HealthHandle;
pub(crate) use listing::{Listing, listing};

/// Which of them a server has, and what they know.
#[derive(Default)]
pub(crate) struct Builtins {
    pub(crate) without_reflection: bool,
    pub(crate) without_health: bool,
    pub(crate) health: HealthHandle,
}

impl Builtins {
    /// The dispatchers of a server whose user has added these services.
    pub(crate) fn dispatchers(&self, users: &[Arc<dyn Dispatcher>]) -> Vec<Arc<dyn Dispatcher>> {
        let mut services: Vec<_> = users.iter().map(|user| user.description()).collect();
        let mut dispatchers: Vec<Arc<dyn Dispatcher>> = Vec::new();
        if !self.without_health {
            services.push(&builtin::health::SERVICE);
        }
        if !self.without_reflection {
            services.push(&builtin::reflection::SERVICE);
        }
        self.health.know(services.iter().map(|service: &&Service| service.name));
        if !self.without_health {
            dispatchers.push(Arc::new(health::Health::new(self.health.clone())));
        }
        if !self.without_reflection {
            dispatchers.push(Arc::new(reflection::Reflection::new(listing(services))));
        }
        dispatchers
    }
}
