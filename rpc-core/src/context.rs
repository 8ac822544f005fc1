//! What a handler may know of its call: who called, what came along, until when, and whether anybody still waits.

use std::{
    any::{Any, type_name},
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use tokio_util::sync::CancellationToken;

use crate::{
    Error, TypeMap,
    discard::discard,
    metadata::{self, Metadata, MetadataRef},
    payload::{Payload, Span, slice},
    peer::{Certificate, Peer, Proof},
};

/// What all calls of a connection have in common.
#[derive(Debug)]
pub struct Surroundings {
    peer: Peer,
    proof: Proof,
    /// What the server's handlers share.
    state: Option<Arc<TypeMap>>,
    draining: OnceLock<CancellationToken>,
}

impl Surroundings {
    /// Those of a connection with this peer, which has proved nothing.
    pub fn new(peer: Peer) -> Self {
        Self::proved(peer, Proof::default())
    }

    /// Those of a connection with this peer, which has proved so much.
    pub fn proved(peer: Peer, proof: Proof) -> Self {
        Self { peer, proof, state: None, draining: OnceLock::new() }
    }

    /// The same on a server with this state.
    #[must_use]
    pub fn sharing(mut self, state: Arc<TypeMap>) -> Self {
        self.state = Some(state);
        self
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Tells the handlers that their connection takes no further calls.
    pub fn drain(&self) {
        self.draining.get_or_init(CancellationToken::new).cancel();
    }
}

/// One call, as its handler sees it.
///
/// A method asks for it with a parameter `ctx: &rpc::Context`, which is neither on the wire nor in the client.
pub struct Context {
    pub(crate) payload: Payload,
    pub(crate) method: Span,
    pub(crate) metadata: Option<Span>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) attempt: u32,
    surroundings: Arc<Surroundings>,
    cancellation: OnceLock<CancellationToken>,
    /// What the server's hooks have attached: one value of each type. Without hooks there is none.
    extensions: Vec<Extension>,
    /// What goes back with the response; boxed, because few handlers set any.
    response: OnceLock<Box<Mutex<Metadata>>>,
}

/// The source of the error of [`Context::state`]: which type is missing.
#[derive(Debug, thiserror::Error)]
#[error("the server has no state of the type `{0}`; give it one with `Server::state`")]
pub struct MissingState(pub &'static str);

/// What a hook of the server attaches to a call.
pub type Extension = Box<dyn Any + Send + Sync>;

impl Context {
    pub(crate) fn new(surroundings: Arc<Surroundings>) -> Self {
        Self {
            payload: Payload::default(),
            method: 0..0,
            metadata: None,
            deadline: None,
            attempt: 1,
            surroundings,
            cancellation: OnceLock::new(),
            extensions: Vec::new(),
            response: OnceLock::new(),
        }
    }

    /// Who called.
    pub fn peer(&self) -> &Peer {
        &self.surroundings.peer
    }

    /// The caller's certificate, as TLS has verified it; `None` where TLS was not used, or did not ask for one.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.surroundings.proof.certificate.as_ref()
    }

    /// The id of the shared key with which the caller's connection was opened; `None` where the server asks for none.
    pub fn key_id(&self) -> Option<&str> {
        self.surroundings.proof.key_id.as_deref()
    }

    /// The method as the caller named it, such as `Calc.add`.
    pub fn method(&self) -> &str {
        std::str::from_utf8(slice(self.payload.body(), &self.method)).unwrap_or_default()
    }

    /// The key/values that the caller sent along.
    pub fn metadata(&self) -> MetadataRef<'_> {
        self.metadata
            .as_ref()
            .and_then(|span| metadata::read(slice(self.payload.body(), span)).ok())
            .map_or_else(MetadataRef::default, |(_, view)| view)
    }

    /// Sends a key and its text back with the response, whether that is a result, an error, or the end of a stream. Replaces the value that was
    /// set for the key before.
    ///
    /// The caller reads it with `with_metadata()` on its call, or from a stream that has ended. Above 8 KiB in all
    /// (`max_metadata_size` on the server) the call ends with `resource_exhausted` in place of what its handler returned.
    ///
    /// What the server answers in place of a handler carries none: that of a call which was refused, was cancelled, expired or panicked.
    ///
    /// ```
    /// use rpc_core::Context;
    ///
    /// async fn lookup(ctx: &Context, key: &str) -> Option<String> {
    ///     ctx.set_response_metadata("node", "b");
    ///     # None
    /// }
    /// ```
    pub fn set_response_metadata(&self, key: &str, value: &str) {
        self.with_response(|metadata| metadata.insert(key, value));
    }

    /// The same with bytes.
    pub fn set_response_metadata_bin(&self, key: &str, value: &[u8]) {
        self.with_response(|metadata| metadata.insert_bin(key, value));
    }

    /// Sends these back with the response, in place of what was set before.
    pub(crate) fn set_response(&mut self, metadata: Metadata) {
        self.response = OnceLock::from(Box::new(Mutex::new(metadata)));
    }

    fn with_response(&self, set: impl FnOnce(&mut Metadata)) {
        let metadata = self.response.get_or_init(Box::default);
        set(&mut metadata.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether the handler has set something for its response. Nearly always it has not, which is one look.
    #[inline]
    pub(crate) fn has_response(&self) -> bool {
        self.response.get().is_some()
    }

    /// What the handler has set for its response; the next call begins without.
    #[cold]
    pub(crate) fn take_response(&mut self) -> Option<Metadata> {
        let metadata = self.response.take()?;
        Some(metadata.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// The value of this type that was given to the server with `Server::state`. All handlers of all services share it.
    ///
    /// # Errors
    ///
    /// `internal`, where the server has none. Which type it is, is the server's affair: its log says so, and the error's source in this process.
    ///
    /// ```
    /// use rpc_core::{Context, Error};
    ///
    /// struct Db;
    ///
    /// async fn lookup(ctx: &Context, key: &str) -> Result<String, Error> {
    ///     let db: &Db = ctx.state()?;
    ///     # let _ = db;
    ///     Ok(key.to_owned())
    /// }
    /// ```
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<&T, Error> {
        let state = self.surroundings.state.as_ref().and_then(|state| state.get());
        state.ok_or_else(|| {
            // A handler mostly passes it on to its caller, who has no use for the types of the server.
            let message = "the server lacks a state that the handler needs; its log names the type";
            Error::internal(message).with_source(MissingState(type_name::<T>()))
        })
    }

    /// When the call expires; its handler is dropped then.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Which attempt of the call this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether nobody waits for the answer any more.
    ///
    /// An async handler is dropped at that moment and need not ask; a blocking one cannot be, so it should ask
    /// between its steps.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.get().is_some_and(CancellationToken::is_cancelled)
    }

    /// Completes when the call is over: cancelled, expired, its connection lost, or answered.
    ///
    /// For work that a handler hands to a task of its own, which would outlive the call otherwise. The future
    /// owns what it needs.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped and asked for again at any time.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        self.token().clone().cancelled_owned()
    }

    /// Completes when the connection of the call takes no further calls: its server ends in order, or the connection is old or idle.
    ///
    /// The call itself may go on, as long as the server's `drain_timeout` lets it. For streams that have no end of their own:
    /// `feed.take_until(ctx.draining())` ends one with what was sent, and its client sees a clean end. The future owns what it needs.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped and asked for again at any time.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let draining = self.surroundings.draining.get_or_init(CancellationToken::new);
        draining.clone().cancelled_owned()
    }

    /// What a hook of the server has attached to the call: the value of this type that its `authorize` hook returned, such as who the
    /// caller is. `None` where no hook returned one.
    ///
    /// ```
    /// struct User(String);
    ///
    /// fn name(ctx: &rpc_core::Context) -> Result<&str, rpc_core::Error> {
    ///     let user = ctx.extension::<User>().ok_or_else(|| rpc_core::Error::unauthenticated("nobody is known here"))?;
    ///     Ok(&user.0)
    /// }
    /// ```
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.extensions.iter().find_map(|extension| extension.downcast_ref())
    }

    /// Attaches a value, in place of one of its type. `()` is nothing to attach.
    pub(crate) fn attach(&mut self, extension: Extension) {
        let kind = (*extension).type_id();
        if extension.is::<()>() {
            return;
        }
        match self.extensions.iter_mut().find(|there| (***there).type_id() == kind) {
            Some(there) => *there = extension,
            None => self.extensions.push(extension),
        }
    }

    /// The token behind [`cancelled`](Self::cancelled), for the runtime, which cancels it.
    #[doc(hidden)]
    pub fn token(&self) -> &CancellationToken {
        self.cancellation.get_or_init(CancellationToken::new)
    }

    /// Ends the call: whoever waits for its end is woken.
    pub(crate) fn finish(&mut self) {
        // Mostly nobody waits, which is one look.
        if self.cancellation.get().is_some()
            && let Some(token) = self.cancellation.take()
        {
            token.cancel();
        }
        if !self.extensions.is_empty() {
            self.detach();
        }
    }

    /// Drops what was attached. That is the user's code, and one that panics does not keep the others.
    #[cold]
    fn detach(&mut self) {
        for extension in self.extensions.drain(..) {
            discard(extension);
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.finish();
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("method", &self.method())
            .field("peer", self.peer())
            .field("metadata", &self.metadata())
            .field("deadline", &self.deadline)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
