//! The connections of a running server: their tasks, how many come from each address, and the way to wake them all.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use rpc_core::{Error, Peer, limits};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    admission::Admission,
    listener::Accepted,
    opening::{Opening, serve},
    shared::Shared,
    trace,
    wakes::Wakes,
};

/// How long a server that ends waits for tasks that were told to end at once.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// The tasks of a server's connections. Dropping it ends them all, and with them every handler.
pub(crate) struct Connections {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    /// What wakes each task; pruned when it has grown to twice the number of connections.
    wakes: Mutex<Vec<Weak<Wakes>>>,
    admission: Admission,
    places: Arc<Places>,
    #[cfg(feature = "tls")]
    tls: Option<rpc_core::tls::ServerTls>,
}

impl Connections {
    pub(crate) fn new(shared: Arc<Shared>, admission: Admission) -> Self {
        Self {
            shared,
            tasks: JoinSet::new(),
            wakes: Mutex::new(Vec::new()),
            admission,
            places: Arc::default(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Speaks TLS on TCP from now on.
    #[cfg(feature = "tls")]
    pub(crate) fn secure(&mut self, tls: Option<rpc_core::tls::ServerTls>) {
        self.tls = tls;
    }

    /// Serves a connection in a task of its own; or tells its client why not; or, where its address is denied, closes it at once.
    pub(crate) fn spawn(&mut self, accepted: Accepted) {
        let peer = accepted.peer();
        if let Peer::Tcp(address) = &peer
            && !self.admission.addresses.admits(address.ip())
        {
            trace::denied(&peer);
            return;
        }
        let Ok((place, refusal)) = self.admit(&peer) else {
            // So many are being told already.
            trace::turned_away(&peer);
            return;
        };
        let wakes = Arc::new(Wakes::default());
        let registered = self.wakes.get_mut().unwrap_or_else(PoisonError::into_inner);
        if registered.len() > 2 * self.tasks.len() + 16 {
            registered.retain(|wakes| wakes.strong_count() > 0);
        }
        registered.push(Arc::downgrade(&wakes));
        let shared = Arc::clone(&self.shared);
        let deadline = Instant::now() + shared.bounds.handshake_timeout;
        let opening = Opening::new(peer, refusal, deadline);
        #[cfg(feature = "tls")]
        let accepted = match (accepted, &self.tls) {
            (Accepted::Tcp(stream, _), Some(tls)) => {
                let serving =
                    crate::opening::tls::serve(stream, tls.current(), opening, shared, wakes);
                self.tasks.spawn(async move {
                    let _place = place;
                    serving.await;
                });
                return;
            }
            (accepted, _) => accepted,
        };
        self.tasks.spawn(async move {
            let _place = place;
            match accepted {
                Accepted::Tcp(stream, _) => serve(stream, opening, shared, wakes).await,
                Accepted::Unix(stream, _) => serve(stream, opening, shared, wakes).await,
            }
        });
    }

    /// The place that a connection takes, and why its client is not served, if it is not.
    fn admit(&self, peer: &Peer) -> Result<(Option<Place>, Option<Error>), Full> {
        if let Peer::Unix(credentials) = peer
            && let Some(objection) = self.admission.objection(credentials)
        {
            return self.refuse(objection);
        }
        let (Peer::Tcp(address), Some(limit)) = (peer, self.admission.max_per_address) else {
            return Ok((None, None));
        };
        let address = site(address.ip());
        match Place::take(&self.places, Resident::Address(address), limit) {
            Some(place) => Ok((Some(place), None)),
            None => self.refuse(too_many(address, limit)),
        }
    }

    /// The place of a connection whose client is told why it is not served.
    fn refuse(&self, error: Error) -> Result<(Option<Place>, Option<Error>), Full> {
        let place = Place::take(&self.places, Resident::Refused, limits::MAX_REFUSALS);
        Ok((Some(place.ok_or(Full)?), Some(error)))
    }

    /// Completes when a connection has ended; ready with `None` when there is none.
    pub(crate) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.tasks.poll_join_next(cx).map(|ended| {
            ended.map(|ended| {
                if ended.is_err_and(|error| error.is_panic()) {
                    trace::connection_panicked();
                }
            })
        })
    }

    /// Ends them all, and waits for a second at most until they are gone, with their handlers: one that blocks its thread cannot be
    /// dropped before it lets go.
    pub(crate) async fn end(mut self) {
        let _ = tokio::time::timeout(LAST_WAIT, self.tasks.shutdown()).await;
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Tells every connection to finish what it has accepted and to take no more.
    pub(crate) fn drain(&mut self) {
        self.shared.drain();
        for wakes in self.wakes.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Some(wakes) = wakes.upgrade() {
                wakes.wake_task();
            }
        }
    }
}

/// So many clients are being told that they are not served that no further one is.
struct Full;

/// Whom an address belongs to, as far as it shows. An IPv4 client is the same one on a socket of either kind; an IPv6 client has a network
/// of 64 bits, and can take a new address out of it for each connection.
fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            std::net::Ipv6Addr::from_bits(network).into()
        }
    }
}

fn too_many(address: IpAddr, limit: usize) -> Error {
    Error::resource_exhausted(format!(
        "more than {limit} connections from {address}; raise it with `max_connections_per_address` on the server"
    ))
    .with_retry_after(limits::RETRY_AFTER)
}

/// Who holds a place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Resident {
    Address(IpAddr),
    /// A connection whose client is told why it is not served.
    Refused,
}

type Places = Mutex<HashMap<Resident, usize>>;

/// One connection's place among those of its address, until it is dropped.
struct Place {
    places: Arc<Places>,
    resident: Resident,
}

impl Place {
    fn take(places: &Arc<Places>, resident: Resident, limit: usize) -> Option<Self> {
        let mut taken = places.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(resident).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Self { places: Arc::clone(places), resident })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.resident) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.resident);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::site;

    #[test]
    fn addresses_of_one_site_count_as_one() {
        let site = |text: &str| site(text.parse::<IpAddr>().expect("it is an address"));
        assert_eq!(site("2001:db8:1:2::1"), site("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(site("2001:db8:1:2::1"), site("2001:db8:1:3::1"));
        assert_eq!(site("::ffff:192.0.2.1"), site("192.0.2.1"));
        assert_ne!(site("192.0.2.1"), site("192.0.2.2"));
    }
}
