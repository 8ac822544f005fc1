//! What a client tells `tracing`: one event for each call that ends, and one for each change of a channel's state.
//!
//! All of it has the target `rpc`, the level DEBUG and the field `side` = `client`. Where nobody listens, a call costs the look at that;
//! where the feature `tracing` is off, nothing.

#[cfg(feature = "tracing")]
pub(crate) use on::{Call, state_changed};

#[cfg(not(feature = "tracing"))]
pub(crate) use off::{Call, state_changed};

#[cfg(feature = "tracing")]
mod on {
    use std::{fmt, time::Instant};

    use rpc_core::{Error, Outcome, connection::client::MethodName};
    use tracing::{Level, debug, enabled};

    use crate::state::ChannelState;

    /// A call that is told when it ends, if anybody listens; in a box, because a call is moved about, and mostly nobody does.
    #[derive(Debug, Default)]
    pub(crate) struct Call(Option<Box<(MethodName, Instant)>>);

    impl Call {
        /// The call is sent, or waits for its turn.
        #[inline]
        pub(crate) fn begin(method: impl FnOnce() -> MethodName) -> Self {
            let is_heard = enabled!(target: "rpc", Level::DEBUG);
            Self(is_heard.then(|| Box::new((method(), Instant::now()))))
        }

        #[inline]
        pub(crate) fn end(&mut self, outcome: impl FnOnce() -> Outcome) {
            if let Some((method, start)) = self.0.take().map(|told| *told) {
                let elapsed_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
                let outcome = outcome().name();
                let method = &*method;
                debug!(target: "rpc", side = "client", method, outcome, elapsed_us, "the call ended");
            }
        }
    }

    pub(crate) fn state_changed(
        server: &dyn fmt::Display,
        state: ChannelState,
        error: Option<&Error>,
    ) {
        let error = error.map(tracing::field::display);
        debug!(target: "rpc", side = "client", %server, ?state, error, "the channel's state changed");
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use std::fmt;

    use rpc_core::{Error, Outcome, connection::client::MethodName};

    use crate::state::ChannelState;

    #[derive(Debug, Default)]
    pub(crate) struct Call(());

    impl Call {
        pub(crate) fn begin(_: impl FnOnce() -> MethodName) -> Self {
            Self(())
        }

        pub(crate) fn end(&mut self, _: impl FnOnce() -> Outcome) {}
    }

    pub(crate) fn state_changed(_: &dyn fmt::Display, _: ChannelState, _: Option<&Error>) {}
}
