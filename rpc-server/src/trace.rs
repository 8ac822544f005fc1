//! What a server tells `tracing`: one span and one last event for each call, an event at both ends of each connection, and warnings.
//!
//! All of it has the target `rpc`. Calls and connections are told at the level DEBUG, what a person should look at at WARN. Where nobody
//! listens, a call costs the look at that; where the feature `tracing` is off, nothing: the types here are empty then.

#[cfg(feature = "tracing")]
pub(crate) use on::{
    Call, Connection, Scope, accept_failed, connection_panicked, denied, refused, rule_panicked,
    slow_poll, state_missing, turned_away,
};

#[cfg(not(feature = "tracing"))]
pub(crate) use off::{
    Call, Connection, Scope, accept_failed, connection_panicked, denied, refused, rule_panicked,
    slow_poll, state_missing, turned_away,
};

#[cfg(feature = "tracing")]
mod on {
    use std::{
        fmt::{self, Write},
        io,
        time::{Duration, Instant},
    };

    use rpc_core::{Credentials, Error, Outcome, Peer, limits::MAX_METHOD_NAME};
    use tracing::{Level, Span, debug, debug_span, enabled, warn};

    /// A text of which a client has chosen a part. Nothing in it ends the line that it stands on, or speaks to a terminal: whoever sends such a
    /// thing could write a log of their own otherwise.
    struct Foreign<T>(T);

    impl<T: fmt::Display> fmt::Display for Foreign<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(Escaping(f), "{}", self.0)
        }
    }

    struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

    impl Write for Escaping<'_, '_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            text.chars().try_for_each(|character| match character {
                // The last two separate lines and paragraphs.
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                    write!(self.0, "{}", c.escape_default())
                }
                c => self.0.write_char(c),
            })
        }
    }

    /// The name of a method, as a client wrote it. One that is too long for a name is cut.
    fn named(method: &[u8]) -> Foreign<String> {
        let shown = &method[..method.len().min(MAX_METHOD_NAME)];
        let mut name = String::from_utf8_lossy(shown).into_owned();
        if shown.len() < method.len() {
            name.push('…');
        }
        Foreign(name)
    }

    /// A call that is told, if anybody listens: its last event comes with [`end`](Self::end), or when it is dropped.
    #[derive(Debug, Default)]
    pub(crate) struct Call(Option<(Span, Instant)>);

    impl Call {
        #[inline]
        pub(crate) fn begin(method: &[u8], peer: &Peer, attempt: u32) -> Self {
            if !enabled!(target: "rpc", Level::DEBUG) {
                return Self(None);
            }
            let method = named(method);
            let span = debug_span!(target: "rpc", "call", %method, %peer, attempt);
            Self(Some((span, Instant::now())))
        }

        /// What the handler does while the guard lives happens inside of the call.
        #[inline]
        pub(crate) fn enter(&self) -> Option<tracing::span::Entered<'_>> {
            self.0.as_ref().map(|(span, _)| span.enter())
        }

        /// The call has ended.
        #[inline]
        pub(crate) fn end(&mut self, outcome: Outcome) {
            if let Some((span, start)) = self.0.take() {
                let elapsed_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
                debug!(target: "rpc", parent: &span, outcome = outcome.name(), elapsed_us, "the call ended");
            }
        }
    }

    impl Drop for Call {
        fn drop(&mut self) {
            self.end(Outcome::Dropped);
        }
    }

    /// The span that something runs in, to be entered on another thread.
    #[derive(Debug)]
    pub(crate) struct Scope(Span);

    impl Scope {
        pub(crate) fn current() -> Self {
            Self(Span::current())
        }

        pub(crate) fn enter(&self) -> tracing::span::Entered<'_> {
            self.0.enter()
        }
    }

    /// A call was answered that did not start.
    pub(crate) fn refused(method: Option<&[u8]>, peer: &Peer, error: &Error) {
        if !enabled!(target: "rpc", Level::DEBUG) {
            return;
        }
        let (method, outcome) = (named(method.unwrap_or_default()), Outcome::from(error).name());
        let error = Foreign(error);
        debug!(target: "rpc", %method, %peer, outcome, elapsed_us = 0, %error, "the call ended");
    }

    /// A connection that is told: it ends with [`end`](Self::end), or because its task is dropped with the server's.
    #[derive(Debug)]
    pub(crate) struct Connection<'a>(Option<&'a Peer>);

    impl<'a> Connection<'a> {
        pub(crate) fn open(peer: &'a Peer) -> Self {
            debug!(target: "rpc", %peer, "a connection opened");
            Self(Some(peer))
        }

        /// The connection has ended, for this reason.
        pub(crate) fn end(mut self, end: &dyn fmt::Display) {
            if let Some(peer) = self.0.take() {
                debug!(target: "rpc", %peer, %end, "a connection ended");
            }
        }
    }

    impl Drop for Connection<'_> {
        fn drop(&mut self) {
            if let Some(peer) = self.0 {
                debug!(target: "rpc", %peer, end = "the server ended", "a connection ended");
            }
        }
    }

    /// A connection was closed at once: its client was not to be served, and so many others are being told that they are not.
    pub(crate) fn turned_away(peer: &Peer) {
        debug!(target: "rpc", %peer, "a connection was closed at once: too many are being told why they are not served");
    }

    /// A connection was closed at once: the server's rules deny its address.
    pub(crate) fn denied(peer: &Peer) {
        debug!(target: "rpc", %peer, "a connection was closed at once: its address is denied");
    }

    /// The rule for Unix sockets panicked, which counts as a no.
    pub(crate) fn rule_panicked(credentials: &Credentials) {
        warn!(target: "rpc", %credentials, "the rule of `allow_unix_peers` panicked; the client was not admitted, and the server goes on");
    }

    pub(crate) fn accept_failed(error: &io::Error, pause: Duration) {
        warn!(target: "rpc", %error, ?pause, "a connection could not be accepted; the server goes on after a pause");
    }

    /// A connection's own task panicked, which is a defect of this crate.
    pub(crate) fn connection_panicked() {
        warn!(target: "rpc", "the task of a connection panicked; its calls were dropped, and the server goes on");
    }

    /// A handler asked for a state that the server was not given. Its caller is not told which.
    pub(crate) fn state_missing(method: &str, missing: &dyn fmt::Display) {
        warn!(target: "rpc", method, %missing, "a handler lacks a state");
    }

    pub(crate) fn slow_poll(method: &str, spent: Duration) {
        warn!(
            target: "rpc",
            method,
            ?spent,
            "a handler held up its connection; mark the method #[rpc(spawn)] if it computes, #[rpc(blocking)] if it blocks"
        );
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use std::{fmt, io, time::Duration};

    use rpc_core::{Credentials, Error, Outcome, Peer};

    #[derive(Debug, Default)]
    pub(crate) struct Call(());

    /// What a guard would be.
    pub(crate) struct Entered;

    impl Call {
        pub(crate) fn begin(_: &[u8], _: &Peer, _: u32) -> Self {
            Self(())
        }

        pub(crate) fn enter(&self) -> Entered {
            Entered
        }

        pub(crate) fn end(&mut self, _: Outcome) {}
    }

    #[derive(Debug)]
    pub(crate) struct Scope;

    impl Scope {
        pub(crate) fn current() -> Self {
            Self
        }

        pub(crate) fn enter(&self) -> Entered {
            Entered
        }
    }

    pub(crate) fn refused(_: Option<&[u8]>, _: &Peer, _: &Error) {}

    #[derive(Debug)]
    pub(crate) struct Connection;

    impl Connection {
        pub(crate) fn open(_: &Peer) -> Self {
            Self
        }

        pub(crate) fn end(self, _: &dyn fmt::Display) {}
    }

    pub(crate) fn turned_away(_: &Peer) {}

    pub(crate) fn denied(_: &Peer) {}

    pub(crate) fn rule_panicked(_: &Credentials) {}

    pub(crate) fn accept_failed(_: &io::Error, _: Duration) {}

    pub(crate) fn connection_panicked() {}

    pub(crate) fn state_missing(_: &str, _: &dyn fmt::Display) {}

    pub(crate) fn slow_poll(_: &str, _: Duration) {}
}
