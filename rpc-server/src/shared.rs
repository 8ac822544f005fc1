//! What the tasks of a server's connections share: its methods, its limits, and whether it drains.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use rpc_core::{
    Error, Proof, TypeMap,
    connection::server::{Config, Permits, Retirement},
    limits,
    random::Random,
};
use tokio::time::Instant;

use crate::router::Router;

/// What the tasks of a server's connections share with it.
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) config: Config,
    pub(crate) bounds: Bounds,
    pub(crate) permits: Arc<Permits>,
    /// The keys of which clients must have one.
    #[cfg(feature = "auth")]
    pub(crate) keys: Option<crate::opening::keys::Keys>,
    /// What the handlers of all services share.
    pub(crate) state: Arc<TypeMap>,
    phase: AtomicU8,
}

/// What the tasks of a server's connections keep to, besides the machine's own configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) handshake_timeout: Duration,
    /// How long a connection may live, within a tenth of it, and how long its calls may take then.
    pub(crate) max_age: Option<Duration>,
    pub(crate) drain_timeout: Duration,
    /// Calls in flight over all connections.
    pub(crate) max_calls: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            handshake_timeout: limits::HANDSHAKE_TIMEOUT,
            max_age: None,
            drain_timeout: limits::DRAIN_TIMEOUT,
            max_calls: limits::MAX_CALLS,
        }
    }
}

impl Bounds {
    /// When a connection that begins now is to end. Connections that began together do not end together.
    pub(crate) fn retirement(&self, now: Instant) -> Option<Retirement> {
        let age = self.max_age?;
        let mut random = Random::new(RandomState::new().build_hasher().finish());
        // From nine to eleven tenths: at least half of a fifth, behind eight tenths.
        let at = age - age / 5 + random.at_least_half(age / 5 * 2) - age / 10;
        let at = now.into_std().checked_add(at)?;
        Some(Retirement { at, grace: self.drain_timeout })
    }
}

impl Shared {
    pub(crate) fn new(router: Router, config: Config, bounds: Bounds, state: TypeMap) -> Self {
        let permits = Permits::new(bounds.max_calls);
        Self {
            router,
            config,
            bounds,
            permits,
            state: Arc::new(state),
            #[cfg(feature = "auth")]
            keys: None,
            phase: AtomicU8::new(RUNNING),
        }
    }

    /// The same, of a server whose clients must have one of these keys, if there are any.
    #[cfg(feature = "auth")]
    pub(crate) fn asking_for(self, keys: Option<crate::opening::keys::Keys>) -> Self {
        Self { keys, ..self }
    }

    /// Why a client that has proved so much is not served. Whatever way its connection took here: one that did not pass the challenge is
    /// not served where there are keys.
    #[cfg_attr(
        not(feature = "auth"),
        expect(
            clippy::unused_self,
            unused_variables,
            reason = "nothing is asked for without features"
        )
    )]
    pub(crate) fn objection(&self, proof: &Proof) -> Option<Error> {
        #[cfg(feature = "auth")]
        if self.keys.is_some() && proof.key_id.is_none() {
            return Some(Error::unauthenticated(
                "this server wants a shared key; set one with `key` on the channel's builder",
            ));
        }
        None
    }

    /// Tells the connections that they are to drain; each one must be woken to see it.
    pub(crate) fn drain(&self) {
        self.phase.store(DRAINING, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.phase.load(Ordering::Acquire) == DRAINING
    }
}

const RUNNING: u8 = 0;
const DRAINING: u8 = 1;
