//! A service whose methods require something, and tell what the hooks have attached.

use std::sync::{Mutex, PoisonError};

use rpc::{Context, Error, Stream, description::Method, stream};
use serde::{Deserialize, Deserializer, Serialize};

/// What a hook attaches.
#[derive(Debug, PartialEq)]
pub(super) struct Role(pub(super) &'static str);

#[rpc::service(requires = "read")]
pub(super) trait Vault {
    async fn put(&self, what: &Decoded);
    async fn role(&self, ctx: &Context) -> String;
    #[rpc(spawn)]
    async fn role_spawned(&self, ctx: &Context) -> String;
    #[rpc(blocking)]
    fn role_blocking(&self, ctx: &Context) -> String;
    fn role_streamed(&self, ctx: &Context) -> impl Stream<Item = String>;
    #[rpc(requires("admin", "audit"))]
    async fn stop(&self);
}

/// The service.
pub(super) struct MyVault;

impl Vault for MyVault {
    async fn put(&self, _: &Decoded) {}

    async fn role(&self, ctx: &Context) -> String {
        ctx.extension::<Role>().expect("a hook has attached it").0.to_owned()
    }

    async fn role_spawned(&self, ctx: &Context) -> String {
        self.role(ctx).await
    }

    fn role_blocking(&self, ctx: &Context) -> String {
        ctx.extension::<Role>().expect("a hook has attached it").0.to_owned()
    }

    fn role_streamed(&self, ctx: &Context) -> impl Stream<Item = String> {
        stream::iter(ctx.extension::<Role>().map(|role| role.0.to_owned()))
    }

    async fn stop(&self) {}
}

/// Admits whoever says to have the roles that the method requires.
pub(super) fn by_role(ctx: &Context, method: &'static Method) -> Result<Role, Error> {
    let said = ctx.metadata().get("role").unwrap_or_default();
    for required in method.requires {
        if !said.split(' ').any(|role| role == *required) {
            let message = format!("\"{}\" requires \"{required}\"", ctx.method());
            return Err(Error::permission_denied(message));
        }
    }
    Ok(Role("read"))
}

/// Counts how often it was decoded.
#[derive(Serialize)]
pub(super) struct Decoded(pub(super) u64);

static DECODED: Mutex<Vec<u64>> = Mutex::new(Vec::new());

impl<'de> Deserialize<'de> for Decoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = u64::deserialize(deserializer)?;
        DECODED.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        Ok(Self(key))
    }
}

impl Decoded {
    /// How often one with this key was.
    pub(super) fn times(key: u64) -> usize {
        let decoded = DECODED.lock().unwrap_or_else(PoisonError::into_inner);
        decoded.iter().filter(|one| **one == key).count()
    }
}
