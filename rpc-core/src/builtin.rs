//! The services that every server answers, as both ends know them (PROTOCOL 14): names, methods and arguments stand here once.
//!
//! The dispatchers are `rpc-server/src/builtin/`, the clients `rpc-client/src/{reflection,health}.rs`.

/// Names of services that begin so are the project's own.
pub const RESERVED: &str = "rpc.";

/// `rpc.Reflection`: what a server offers.
pub mod reflection {
    use crate::description::{Argument, Method, Service};

    /// The service.
    pub static SERVICE: Service = Service::new(
        "rpc.Reflection",
        "Says what the server offers.",
        &[
            Method::new("server", "Says what the server is.").returns("ServerInfo", None).idempotent(),
            Method::new(
                "describe",
                "Describes services and their methods, in the order of their names, a page at a time. \
                 `after` is empty, or the `next` of the page before; `limit` is the most methods on the page, \
                 and 0 the most there can be; `service` leaves out all others.",
            )
            .arguments(&[
                Argument::new("after", "&str").with_default("\"\""),
                Argument::new("limit", "u32").with_default("0"),
                Argument::new("service", "Option<String>").optional(),
            ])
            .returns("Page", Some("rpc::Error"))
            .idempotent(),
        ],
    );

    /// Which of the service's methods is `server`.
    pub const SERVER: usize = 0;
    /// Which of the service's methods is `describe`.
    pub const DESCRIBE: usize = 1;
}

/// `rpc.Health`: how its services do.
pub mod health {
    use crate::description::{Argument, Method, Pace, Service};

    const NAMED: &[Argument] = &[Argument::new("service", "&str").with_default("\"\"")];

    /// The service.
    pub static SERVICE: Service = Service::new(
        "rpc.Health",
        "Says whether the server and its services can be given work.",
        &[
            Method::new("check", "How a service does, or with an empty name the whole server.")
                .arguments(NAMED)
                .returns("HealthStatus", Some("rpc::Error"))
                .idempotent(),
            Method::new(
                "watch",
                "The same at once, and then each change, until the server drains. A service that is not known \
                 may become so.",
            )
            .arguments(NAMED)
            .returns("HealthStatus", None)
            .streams(Pace::Waits, None)
            .idempotent(),
        ],
    );

    /// Which of the service's methods is `check`.
    pub const CHECK: usize = 0;
    /// Which of the service's methods is `watch`.
    pub const WATCH: usize = 1;
}

#[cfg(test)]
mod tests {
    use super::{RESERVED, health, reflection};

    #[test]
    fn the_methods_stand_where_both_ends_look_for_them() {
        let named = |service: &crate::description::Service, index: usize| {
            format!("{}.{}", service.name, service.methods[index].name)
        };
        assert_eq!(named(&reflection::SERVICE, reflection::SERVER), "rpc.Reflection.server");
        assert_eq!(named(&reflection::SERVICE, reflection::DESCRIBE), "rpc.Reflection.describe");
        assert_eq!(named(&health::SERVICE, health::CHECK), "rpc.Health.check");
        assert_eq!(named(&health::SERVICE, health::WATCH), "rpc.Health.watch");
        assert!(
            [&reflection::SERVICE, &health::SERVICE].iter().all(|s| s.name.starts_with(RESERVED))
        );
    }
}
