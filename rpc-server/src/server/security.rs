//! Who may connect to a server, and who may call what: the setters. `docs/SECURITY.md` in the repository says which to choose.

#[cfg(feature = "auth")]
use rpc_core::auth::{Key, Keyring};
#[cfg(feature = "tls")]
use rpc_core::tls::ServerTls;
use rpc_core::{Context, Credentials, Error, description::Method};

use super::Server;
use crate::admission::AddressRules;

impl Server {
    /// Sets which addresses may connect over TCP; all of them by default. Unix sockets have no address.
    ///
    /// They are asked about before anything is read. A connection that is denied is closed without a word and counts nowhere; at its client, calls
    /// fail with `unavailable`. The rules are shared: [`AddressRules::replace`] on a clone changes them while the server runs, for the next connections.
    pub fn addresses(mut self, rules: AddressRules) -> Self {
        self.admission.addresses = rules;
        self
    }

    /// Sets who may connect to a Unix socket, besides what the permissions of its file say
    /// (see [`ListenOptions::unix_mode`](crate::ListenOptions::unix_mode)); by default whoever those let. TCP has no credentials: a
    /// server that listens there and has such a rule does not [`run`](Self::run).
    ///
    /// The rule is asked once for each connection, where connections are accepted: it must not block. Where it says no, or panics, the client is told
    /// `permission_denied`, and none of its calls runs.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), rpc_core::Error> {
    /// # use rpc_server::Server;
    /// // The superuser, and the members of one group whose primary group it is.
    /// let server = Server::bind("unix:///run/calc/socket").await?;
    /// let server = server.allow_unix_peers(|peer| peer.uid == 0 || peer.gid == 2_000);
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow_unix_peers(
        mut self,
        rule: impl Fn(&Credentials) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.admission.unix_peers = Some(Box::new(rule));
        self
    }

    /// Speaks TLS with every client, with this certificate, on TCP, whether or not the address said `tls://`. A handshake has the time that
    /// [`handshake_timeout`](Self::handshake_timeout) gives the whole introduction.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Adds a hook that is asked about every call before its arguments are decoded: it admits the call, or refuses it with an error.
    ///
    /// It sees what is known of the call, which is who calls ([`Context::peer`], [`Context::certificate`], [`Context::key_id`],
    /// [`bearer`](rpc_core::MetadataRef::bearer) and the rest of [`Context::metadata`]) and what for ([`Context::method`], and the method's description
    /// with what it [`requires`](Method::requires)). What it returns becomes an [extension](Context::extension) of the call's context, for the
    /// handler and the hooks behind it; `()` is nothing to attach, and a second value of one type takes the place of the first. Hooks are
    /// asked in the order in which they were added, until one refuses.
    ///
    /// Refuse with [`Error::unauthenticated`] whom you do not know, and with [`Error::permission_denied`] who may not. The caller gets that error, marked as
    /// [not started](Error::is_not_started). A panic of a hook ends its call with `internal`. What an error says is told to
    /// whoever calls: give one of your own in the place of what another server has told the hook.
    ///
    /// The hook is asked about methods that do not exist, too, with a description without a name: only who is admitted is told what there is. It
    /// is asked about the services that every server has (`rpc.Reflection`, `rpc.Health`), which require nothing. A closure ([`register`](Self::register))
    /// has the same description without a name, and can require nothing: a hook that goes by [`requires`](Method::requires) alone admits everybody to
    /// it. Which closure it is, [`Context::method`] says.
    ///
    /// It runs in the task of its connection, under the call's deadline, and must not block: see [`authorize_async`](Self::authorize_async).
    /// Services in one process (`CalcClient::local`, [`serve_stream`](crate::serve_stream)) have no hooks.
    ///
    /// ```
    /// # fn example(server: rpc_server::Server) -> rpc_server::Server {
    /// use rpc_core::Error;
    ///
    /// struct User(&'static str);
    ///
    /// server.authorize(|ctx, method| match ctx.metadata().bearer() {
    ///     // A real one keeps hashes, and compares them in constant time.
    ///     Some("sesame") => Ok(User("ali")),
    ///     Some("guest") if method.requires.is_empty() => Ok(User("guest")),
    ///     Some("guest") => Err(Error::permission_denied("guests may not do this")),
    ///     _ => Err(Error::unauthenticated("send a bearer token")),
    /// })
    /// # }
    /// ```
    pub fn authorize<T: Send + Sync + 'static>(
        mut self,
        hook: impl Fn(&Context, &'static Method) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.add(hook);
        self
    }

    /// Adds a hook that may wait, for a database or another server; for the rest it is as that of [`authorize`](Self::authorize), and asked in its turn
    /// among all of them.
    ///
    /// Its future owns what it needs, so it takes that out of the context first. It is dropped when the call is cancelled, expires, or loses its
    /// connection, and counts as in flight. The call's arguments, and the items of a stream that its caller sends, wait meanwhile, undecoded and within
    /// the stream's window.
    ///
    /// ```
    /// # async fn look_up(token: &str) -> Result<String, rpc_core::Error> { Ok(token.to_owned()) }
    /// # fn example(server: rpc_server::Server) -> rpc_server::Server {
    /// use rpc_core::Error;
    ///
    /// struct User(String);
    ///
    /// server.authorize_async(|ctx, _| {
    ///     let token = ctx.metadata().bearer().map(str::to_owned);
    ///     async move {
    ///         let token = token.ok_or_else(|| Error::unauthenticated("send a bearer token"))?;
    ///         Ok(User(look_up(&token).await?))
    ///     }
    /// })
    /// # }
    /// ```
    pub fn authorize_async<T, F>(
        mut self,
        hook: impl Fn(&Context, &'static Method) -> F + Send + Sync + 'static,
    ) -> Self
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.hooks.add_async(hook);
        self
    }

    /// Asks clients for a shared key, and accepts this one; may be said for several. Without, none is asked for.
    ///
    /// A client has it from `key` on its builder. Both ends prove to each other that they have it, before any call is read; a handler sees
    /// its id in [`Context::key_id`](rpc_core::Context::key_id). It says who is there. It does not encrypt or protect what follows: over
    /// plain TCP it is for networks whose lines nobody taps or alters.
    #[cfg(feature = "auth")]
    pub fn key(mut self, key: Key) -> Self {
        self.keys.keys.push(key);
        self
    }

    /// The same with a ring of keys, which may change while the server runs; in the place of [`key`](Self::key). One without keys accepts
    /// nobody.
    #[cfg(feature = "auth")]
    pub fn keys(mut self, ring: Keyring) -> Self {
        self.keys.ring = Some(ring);
        self
    }
}
