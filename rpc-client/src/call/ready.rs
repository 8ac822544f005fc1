//! A call before it is sent: what was set for it, and how it is handed to its channel, alone or with a token.

use std::{
    task::Context,
    time::{Duration, Instant},
};

use rpc_core::{
    Error,
    connection::client::{CallRef, Outgoing},
    limits::MAX_TIMEOUT,
    metadata::AUTHORIZATION,
};

use super::bearing::Bearing;
use crate::{channel::Options, shared::Shared};

/// What a call is before it is sent.
pub(crate) struct Ready {
    pub(crate) outgoing: Outgoing,
    /// What the caller set for this call.
    pub(crate) timeout: Option<Duration>,
    /// The deadline of the handler that made the call.
    pub(crate) inherited: Option<Instant>,
}

impl Ready {
    /// Whether its caller says itself who it is.
    pub(crate) fn has_credentials(&self) -> bool {
        self.outgoing.metadata.as_ref().is_some_and(|it| it.view().get_bin(AUTHORIZATION).is_some())
    }

    /// The same call, which takes a token along.
    #[cold]
    pub(crate) fn bearing(&mut self, channel: &Options) -> Box<Bearing> {
        let timeout = self.timeout(channel);
        Box::new(Bearing::new(&mut self.outgoing, timeout, self.inherited))
    }

    /// How long the call may take.
    fn timeout(&self, channel: &Options) -> Option<Duration> {
        let Outgoing { streams, takes, opens_only, .. } = self.outgoing;
        // A stream has no bound but what was asked for; one that is awaited must begin within the channel's.
        let is_bounded = !(streams || takes) || opens_only;
        let timeout = self.timeout.or(is_bounded.then_some(channel.timeout));
        timeout.map(|timeout| timeout.min(MAX_TIMEOUT))
    }

    /// Hands the call to its channel; `None` where there will be no answer.
    pub(crate) fn submit(
        &mut self,
        channel: &Options,
        cx: &mut Context<'_>,
    ) -> Result<Option<CallRef>, Error> {
        let shared: &Shared = channel.shared();
        if let Some(metadata) = &self.outgoing.metadata {
            metadata.check(shared.max_metadata_size)?;
        }
        let timeout = self.timeout(channel);
        shared.submit(&mut self.outgoing, timeout, self.inherited, cx.waker().clone())
    }
}
