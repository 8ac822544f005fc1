//! What there is to describe, as the reflection service asks for it: anew for each page, so that services may come and go.

use std::sync::{Arc, OnceLock};

use rpc_core::description::{Service, ServiceDescription};

/// Gives all services, in the order of their names. It is asked once for each page, by strangers too: what it gives is to be made once and
/// shared until it changes.
pub(crate) type Listing = Arc<dyn Fn() -> Arc<[ServiceDescription]> + Send + Sync>;

/// That of services that are there for good. Nothing is made of them before somebody asks.
pub(crate) fn listing(services: Vec<&'static Service>) -> Listing {
    let described = OnceLock::new();
    Arc::new(move || {
        Arc::clone(described.get_or_init(|| {
            let mut all: Vec<_> = services.iter().copied().map(ServiceDescription::from).collect();
            all.sort_by(|one, other| one.name.cmp(&other.name));
            all.into()
        }))
    })
}
