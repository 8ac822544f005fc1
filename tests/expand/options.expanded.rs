#[allow(clippy::manual_async_fn)]
pub(crate) trait Queue: ::core::marker::Send + ::core::marker::Sync + 'static {
    fn add(
        &self,
        call: &Call,
        name: &str,
        limit: u32,
    ) -> impl ::core::future::Future<Output = ()> + ::core::marker::Send;
    fn sort(&self, by: &[String]) -> Vec<String>;
    #[cfg(unix)]
    #[deprecated]
    fn r#type(
        &self,
    ) -> impl ::core::future::Future<Output = u64> + ::core::marker::Send {
        async move { 4 }
    }
}

// Where the facade has a client:

/**The client of [`Queue`]: its methods, over a channel.

Cheap to clone; clones share the channel.*/
pub(crate) struct QueueClient {
    channel: wire::rpc::Channel,
}
#[allow(
    dead_code,
    deprecated,
    non_snake_case,
    unused_qualifications,
    clippy::all,
    clippy::pedantic
)]
impl QueueClient {
    ///What the service is, as data: its methods, their arguments and documentation.
    pub(crate) const DESCRIPTION: &'static wire::rpc::__private::Service = &__QueueDescription::__SERVICE;
    ///A client over this channel.
    #[must_use]
    pub(crate) fn new(channel: wire::rpc::Channel) -> Self {
        Self { channel }
    }
    /**Connects to a server and gives a client of it.

# Errors

Why there is no connection.*/
    pub(crate) async fn connect(
        address: impl ::core::convert::AsRef<::core::primitive::str>,
    ) -> ::core::result::Result<Self, wire::rpc::Error> {
        ::core::result::Result::Ok(
            Self::new(wire::rpc::Channel::connect(address).await?),
        )
    }
    wire::rpc::__local! {
        #[doc =
        "A client of a service in this process: the whole protocol, without a socket, and without the hooks of a server."]
        #[must_use] pub (crate) fn local < S : Queue > (service : S) -> Self where {
        Self::new(wire::rpc::__private::local(QueueDispatcher:: < S, > ::new(service))) }
    }
    ///The channel that calls go over.
    #[must_use]
    pub(crate) fn channel(&self) -> &wire::rpc::Channel {
        &self.channel
    }
    ///Calls `queue.v2.push`.
    pub(crate) fn add(&self, name: &str, limit: u32) -> wire::rpc::Call<()> {
        let mut request = self
            .channel
            .prepare("queue.v2.push", &__QueueDescription::add);
        request.encoder().str(name);
        let encoded = <u32 as wire::rpc::Value>::encode(&limit, request.encoder());
        request.encoded("limit", encoded);
        request.call()
    }
    ///Calls `queue.v2.sort`.
    pub(crate) fn sort(&self, by: &[String]) -> wire::rpc::Call<Vec<String>> {
        let mut request = self
            .channel
            .prepare("queue.v2.sort", &__QueueDescription::sort);
        let encoded = <String as wire::rpc::Value>::encode_slice(by, request.encoder());
        request.encoded("by", encoded);
        request.call()
    }
    #[cfg(unix)]
    #[deprecated]
    ///Calls `queue.v2.type`.
    pub(crate) fn r#type(&self) -> wire::rpc::Call<u64> {
        let request = self.channel.prepare("queue.v2.type", &__QueueDescription::r#type);
        request.call()
    }
}
#[allow(
    dead_code,
    deprecated,
    non_snake_case,
    unused_qualifications,
    clippy::all,
    clippy::pedantic
)]
impl ::core::clone::Clone for QueueClient {
    fn clone(&self) -> Self {
        Self {
            channel: ::core::clone::Clone::clone(&self.channel),
        }
    }
}
#[allow(
    dead_code,
    deprecated,
    non_snake_case,
    unused_qualifications,
    clippy::all,
    clippy::pedantic
)]
impl ::core::fmt::Debug for QueueClient {
    fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        formatter.debug_struct("QueueClient").field("channel", &self.channel).finish()
    }
}

///Serves [`Queue`]: what a server is given.
pub(crate) struct QueueDispatcher<S> {
    service: ::std::sync::Arc<S>,
}

#[allow(
    dead_code,
    deprecated,
    non_snake_case,
    unused_qualifications,
    clippy::all,
    clippy::pedantic
)]
impl<S: Queue> QueueDispatcher<S> {
    ///A dispatcher that owns its service.
    #[must_use]
    pub(crate) fn new(service: S) -> Self {
        Self::from_arc(::std::sync::Arc::new(service))
    }
    ///A dispatcher for a service that is shared.
    #[must_use]
    pub(crate) fn from_arc(service: ::std::sync::Arc<S>) -> Self {
        Self { service }
    }
    async fn __run_add(
        service: &S,
        request: wire::rpc::__private::Request,
    ) -> wire::rpc::__private::Answer {
        let argument_name;
        let argument_limit;
        {
            let mut arguments = request.arguments();
            argument_name = match {
                let encoded = arguments.take("name");
                if encoded.is_missing() {
                    ::core::result::Result::Ok({
                        let value: &str = "";
                        value
                    })
                } else {
                    encoded.str()
                }
            } {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
            argument_limit = match <u32 as wire::rpc::Value>::decode_or_else(
                arguments.take("limit"),
                || -> u32 { 5 },
            ) {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
        }
        <S as Queue>::add(service, request.context(), argument_name, argument_limit)
            .await;
        request.done()
    }
    fn __run_sort(
        service: &S,
        request: wire::rpc::__private::Request,
    ) -> wire::rpc::__private::Answer {
        let argument_by;
        {
            let mut arguments = request.arguments();
            argument_by = match {
                let encoded = arguments.take("by");
                if encoded.is_missing() {
                    ::core::result::Result::Ok({
                        let value: ::std::vec::Vec<String> = vec![];
                        value
                    })
                } else {
                    <String as wire::rpc::Value>::decode_vec(encoded)
                }
            } {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
        }
        let result = <S as Queue>::sort(service, &argument_by);
        request
            .answer_with(|encoder| <Vec<
                String,
            > as wire::rpc::Value>::encode(&result, encoder))
    }
    #[cfg(unix)]
    async fn __run_type(
        service: &S,
        request: wire::rpc::__private::Request,
    ) -> wire::rpc::__private::Answer {
        let result = <S as Queue>::r#type(service).await;
        request
            .answer_with(|encoder| <u64 as wire::rpc::Value>::encode(&result, encoder))
    }
}

#[allow(
    dead_code,
    deprecated,
    non_snake_case,
    unused_qualifications,
    clippy::all,
    clippy::pedantic
)]
impl<S: Queue> wire::rpc::__private::Dispatcher for QueueDispatcher<S> {
    fn description(&self) -> &'static wire::rpc::__private::Service {
        &__QueueDescription::__SERVICE
    }
    fn session(
        &self,
        method: ::core::primitive::u32,
    ) -> ::std::boxed::Box<dyn wire::rpc::__private::Session + '_> {
        let service: &S = &self.service;
        match __QueueDescription::__SERVICE
            .methods[method as ::core::primitive::usize]
            .name
        {
            "push" => {
                wire::rpc::__private::slots(move |request| Self::__run_add(
                    service,
                    request,
                ))
            }
            #[cfg(unix)]
            "type" => {
                wire::rpc::__private::slots(move |request| Self::__run_type(
                    service,
                    request,
                ))
            }
            _ => {
                wire::rpc::__private::slots(move |request| ::core::future::ready(
                    self.blocking(request),
                ))
            }
        }
    }
    fn blocking(
        &self,
        request: wire::rpc::__private::Request,
    ) -> wire::rpc::__private::Answer {
        match __QueueDescription::__SERVICE
            .methods[request.method() as ::core::primitive::usize]
            .name
        {
            "sort" => Self::__run_sort(&self.service, request),
            _ => request.fail(wire::rpc::Error::internal("not a blocking method")),
        }
    }
}

#[allow(
    dead_code,
    deprecated,
    non_snake_case,
    unused_qualifications,
    clippy::all,
    clippy::pedantic
)]
impl<S> ::core::clone::Clone for QueueDispatcher<S> {
    fn clone(&self) -> Self {
        Self {
            service: ::core::clone::Clone::clone(&self.service),
        }
    }
}

#[allow(
    dead_code,
    deprecated,
    non_snake_case,
    unused_qualifications,
    clippy::all,
    clippy::pedantic
)]
impl<S> ::core::fmt::Debug for QueueDispatcher<S> {
    fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        formatter.debug_struct("QueueDispatcher").finish_non_exhaustive()
    }
}

#[doc(hidden)]
#[allow(dead_code, non_camel_case_types)]
enum __QueueDescription {}

#[allow(dead_code, deprecated, non_upper_case_globals, unused_qualifications)]
impl __QueueDescription {
    const __SERVICE: wire::rpc::__private::Service = wire::rpc::__private::Service::new(
        "queue.v2",
        "",
        &[Self::add, Self::sort, #[cfg(unix)] Self::r#type],
    );
    const add: wire::rpc::__private::Method = wire::rpc::__private::Method::new(
            "push",
            "",
        )
        .arguments(
            &[
                wire::rpc::__private::Argument::new("name", "&str").optional(),
                wire::rpc::__private::Argument::new("limit", "u32").with_default("5"),
            ],
        )
        .idempotent()
        .run(wire::rpc::__private::Run::Spawn)
        .requires(&["member"]);
    const sort: wire::rpc::__private::Method = wire::rpc::__private::Method::new(
            "sort",
            "",
        )
        .arguments(
            &[
                wire::rpc::__private::Argument::new("by", "&[String]")
                    .with_default("vec![]"),
            ],
        )
        .returns("Vec<String>", ::core::option::Option::None)
        .run(wire::rpc::__private::Run::Blocking)
        .requires(&["member", "read", "write"]);
    #[cfg(unix)]
    const r#type: wire::rpc::__private::Method = wire::rpc::__private::Method::new(
            "type",
            "",
        )
        .returns("u64", ::core::option::Option::None)
        .run(wire::rpc::__private::Run::Spawn)
        .requires(&["member"]);
}

