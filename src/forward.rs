//! [`Forward`]: a service that another server implements.
//!
//! A gateway's dispatcher. What comes of a call, which is its method, metadata, arguments and items, goes to another channel undecoded, and what comes of that goes back. It
//! runs where the call was decoded, whatever the service's description says of its handlers: it computes nothing, so it takes no thread and no task. It
//! keeps nothing but the calls that are in flight; what of a stream waits here is bounded by the windows on both sides.
//!
//! A call is dropped here when its caller cancels it, loses its connection or its time: that cancels the other one.

use std::{borrow::Cow, fmt};

use rpc_client::{Came, Channel, Prepared};
use rpc_core::{
    Answer, Context, Dispatcher, Error, Metadata, Origin, Request, Session,
    connection::client::MethodName,
    description::{Method, Run, Service},
    dispatch::slots,
    metadata::AUTHORIZATION,
    stream::Upload,
};

/// Where a [`Forward`] sends each call: a [`Channel`] for all of them, or a closure that looks at the call's [`Context`] and gives one.
///
/// A closure decides at once. Its error is the call's, marked as not started; its panics are caught where a handler's are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say where calls go",
    label = "must be a `Channel`, or a closure `|ctx: &rpc::Context| -> Result<Channel, rpc::Error>`"
)]
pub trait Route: Send + Sync + 'static {
    /// The channel for a call.
    ///
    /// # Errors
    ///
    /// Why there is none.
    #[doc(hidden)]
    fn channel(&self, ctx: &Context) -> Result<Cow<'_, Channel>, Error>;
}

impl Route for Channel {
    fn channel(&self, _: &Context) -> Result<Cow<'_, Channel>, Error> {
        Ok(Cow::Borrowed(self))
    }
}

impl<F> Route for F
where
    F: Fn(&Context) -> Result<Channel, Error> + Send + Sync + 'static,
{
    fn channel(&self, ctx: &Context) -> Result<Cow<'_, Channel>, Error> {
        self(ctx).map(Cow::Owned)
    }
}

type Edit = dyn Fn(&Context, &mut Metadata) + Send + Sync;

/// A dispatcher that implements a service by sending its calls to other servers: what a gateway serves.
///
/// ```no_run
/// use std::collections::HashMap;
///
/// use rpc::{Channel, Context, Error, Forward, Server};
/// # #[rpc::service]
/// # trait Calc {
/// #     async fn add(&self, a: i64, b: i64) -> i64;
/// # }
///
/// # async fn example(tenants: HashMap<String, Channel>) -> Result<(), Error> {
/// let route = move |ctx: &Context| {
///     let channel = ctx.metadata().get("tenant").and_then(|tenant| tenants.get(tenant));
///     channel.cloned().ok_or_else(|| Error::permission_denied("this tenant is not known"))
/// };
/// let calc = Forward::new(CalcClient::DESCRIPTION, route);
/// Server::bind("tcp://0.0.0.0:7000").await?.add(calc).run().await?;
/// # Ok(())
/// # }
/// ```
///
/// To its callers it is the service: the description is the same, so reflection, hooks with [`requires`](crate::description::Method::requires), and what is
/// marked in the trait work as they do there. Arguments, results, errors and items pass as they are, and large ones are not copied. So a gateway need not be
/// built anew when a type has changed; it has to be when a method is added.
///
/// # What passes
///
/// | | |
/// |---|---|
/// | deadline | what is left of it. The gateway's [`max_timeout`](crate::Server::max_timeout) clamps it, the channel's timeout does not; a call without one has the channel's, unless it streams |
/// | cancellation | a caller that drops its call, or loses its connection, cancels it at the server |
/// | metadata | all of it but `authorization`, for which see [`credentials`](Self::credentials); [`metadata`](Self::metadata) changes it. What the channel itself sends along takes the place of what the caller sent under the same key |
/// | attempt | counted on: a handler sees how often a call may have run before, whoever repeated it |
/// | response metadata | all of it: with results, errors and the ends of streams |
/// | errors | of the server: as they are, with the application's own, `retry_after`, and whether the call started. Those of the channel say "at the gateway", and of one whose connection was lost nobody claims that it did not start |
/// | streams | item by item as they are taken: a caller that stops stops the producer, once both windows are full |
/// | lost items | of `#[rpc(drop_oldest = …)]`: the server drops, the gateway waits, and the count reaches the caller |
/// | one-way calls | a caller's is accepted by the gateway; what then fails on the way is told to nobody, as always |
///
/// The handler's [`Context::peer`](crate::Context::peer) is the gateway: say with [`metadata`](Self::metadata) who called, if a server is to know and trusts you. The channel
/// repeats calls as it would for a program that makes them, so both ends of a gateway may: set [`max_attempts`](crate::ChannelBuilder::max_attempts) to 1 at one of
/// them.
///
/// An error of the channel may name the server's address, as it would for a program that makes the call: where callers are not to know it, give the server a
/// name in its address.
///
/// A gateway that drains lets its calls finish, as any server does. The handlers behind it do not learn of that ([`Context::draining`](crate::Context::draining) is
/// their own server's), so a stream without an end is cut at the gateway's `drain_timeout`.
///
/// Limits hold on each side: a message must fit what the caller, the gateway's server and channel, and the server accept.
pub struct Forward<R = Channel> {
    service: &'static Service,
    names: Vec<MethodName>,
    route: R,
    passes_credentials: bool,
    edit: Option<Box<Edit>>,
}

impl<R: Route> Forward<R> {
    /// Forwards the calls of the service with this description, such as `CalcClient::DESCRIPTION`, to where `route` says.
    pub fn new(service: &'static Service, route: R) -> Self {
        let name = |method: &Method| Cow::from(format!("{}.{}", service.name, method.name)).into();
        let names = service.methods.iter().map(name).collect();
        Self { service, names, route, passes_credentials: false, edit: None }
    }

    /// Sets whether the caller's `authorization` is sent on; it is not by default.
    ///
    /// Whoever gets a caller's credentials can act as that caller: pass them only to servers that are to check them in place of the gateway, over lines that nobody
    /// reads. Otherwise the gateway checks them with a hook ([`Server::authorize`](crate::Server::authorize)), and has its own towards the server: a channel
    /// with a [token source](crate::ChannelBuilder::token), which gives its token to calls that carry none.
    #[must_use]
    pub fn credentials(mut self, pass: bool) -> Self {
        self.passes_credentials = pass;
        self
    }

    /// Sets what changes the metadata of each call before it is sent on: `edit` sees the call, and what is to go along.
    ///
    /// ```no_run
    /// # use rpc::{Channel, Forward};
    /// # #[rpc::service]
    /// # trait Calc {
    /// #     async fn add(&self, a: i64, b: i64) -> i64;
    /// # }
    /// # fn example(channel: Channel) -> Forward {
    /// Forward::new(CalcClient::DESCRIPTION, channel)
    ///     .metadata(|ctx, metadata| metadata.insert("caller", &ctx.peer().to_string()))
    /// # }
    /// ```
    #[must_use]
    pub fn metadata(
        mut self,
        edit: impl Fn(&Context, &mut Metadata) + Send + Sync + 'static,
    ) -> Self {
        self.edit = Some(Box::new(edit));
        self
    }

    /// What goes along with a call. Mostly there is nothing, which allocates nothing.
    fn came(&self, ctx: &Context) -> Came {
        let view = ctx.metadata();
        let mut metadata = (!view.is_empty()).then(|| view.to_metadata());
        if let (Some(metadata), false) = (&mut metadata, self.passes_credentials) {
            metadata.remove(AUTHORIZATION);
        }
        if let Some(edit) = &self.edit {
            edit(ctx, metadata.get_or_insert_default());
        }
        Came { metadata: metadata.filter(|it| !it.is_empty()), attempt: ctx.attempt() }
    }

    /// The other call.
    ///
    /// # Errors
    ///
    /// Why it cannot be made.
    fn prepare(&self, request: &mut Request) -> Result<Prepared, Error> {
        let index = request.method() as usize;
        let (Some(method), Some(name)) = (self.service.methods.get(index), self.names.get(index))
        else {
            return Err(Error::internal("the description has no such method"));
        };
        let ctx = request.context();
        let channel = self.route.channel(ctx).map_err(Error::bare)?;
        let came = self.came(ctx);
        let pass = |encoder: &mut _| request.pass_arguments(encoder);
        let mut prepared = channel.pass(name.clone(), method, came, pass);
        if method.takes.is_some() {
            prepared.upload_as(Upload::forwarding(request.streaming()?));
        }
        Ok(prepared)
    }

    async fn call(&self, mut request: Request) -> Answer {
        let passed = match self.prepare(&mut request) {
            Ok(prepared) => prepared.passed(),
            Err(error) => return request.refuse(error),
        };
        let (outcome, metadata) = passed.await;
        request.answer_as(outcome.map_err(placed), Some(metadata).filter(|it| !it.is_empty()))
    }

    async fn stream(&self, mut request: Request) -> Answer {
        let passed = match self.prepare(&mut request) {
            Ok(prepared) => prepared.passed_stream(),
            Err(error) => return request.refuse(error),
        };
        let (outcome, metadata) = match passed.await {
            (Ok(items), _) => request.stream_on(items).await,
            (Err(error), metadata) => (Err(error), metadata),
        };
        let metadata = Some(metadata).filter(|it| !it.is_empty());
        match outcome {
            Ok(()) => request.answer_as(Ok(rpc_core::payload::Payload::nil()), metadata),
            Err(error) => request.answer_as(Err(placed(error)), metadata),
        }
    }
}

/// An error that says where it was found, if that is this end.
fn placed(error: Error) -> Error {
    match error.origin() {
        Origin::Local => {
            let message = format!("at the gateway: {}", error.message());
            error.with_message(message)
        }
        _ => error,
    }
}

impl<R: Route> Dispatcher for Forward<R> {
    fn description(&self) -> &'static Service {
        self.service
    }

    fn run(&self, _: u32) -> Run {
        Run::Inline
    }

    fn session(&self, method: u32) -> Box<dyn Session + '_> {
        let streams =
            self.service.methods.get(method as usize).is_some_and(|it| it.streams.is_some());
        if streams {
            slots(|request| self.stream(request))
        } else {
            slots(|request| self.call(request))
        }
    }
}

impl<R> fmt::Debug for Forward<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward").field("service", &self.service.name).finish_non_exhaustive()
    }
}
