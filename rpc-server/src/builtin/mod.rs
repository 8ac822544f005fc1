//! The services that every server answers unless it is told not to: `rpc.Reflection` and `rpc.Health` (PROTOCOL 14).
//!
//! They are dispatchers like a user's, written by hand; what both ends must agree on is in `rpc_core::builtin`.

mod health;
mod reflection;

use std::sync::Arc;

use rpc_core::{Dispatcher, builtin, description::Service};

use crate::directory::Directory;

pub use health::HealthHandle;

/// Which of them a server has, and what they know.
#[derive(Default)]
pub(crate) struct Builtins {
    pub(crate) without_reflection: bool,
    pub(crate) without_health: bool,
    pub(crate) health: HealthHandle,
}

impl Builtins {
    /// What they are.
    pub(crate) fn services(&self) -> Vec<&'static Service> {
        let mut services = Vec::new();
        if !self.without_health {
            services.push(&builtin::health::SERVICE);
        }
        if !self.without_reflection {
            services.push(&builtin::reflection::SERVICE);
        }
        services
    }

    /// Their dispatchers, on a server that offers what is in this directory.
    pub(crate) fn dispatchers(&self, directory: &Arc<Directory>) -> Vec<Arc<dyn Dispatcher>> {
        self.health.know(directory.names());
        let mut dispatchers: Vec<Arc<dyn Dispatcher>> = Vec::new();
        if !self.without_health {
            dispatchers.push(Arc::new(health::Health::new(self.health.clone())));
        }
        if !self.without_reflection {
            dispatchers.push(Arc::new(reflection::Reflection::new(Arc::clone(directory))));
        }
        dispatchers
    }
}
