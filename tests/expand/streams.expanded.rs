#[allow(clippy::manual_async_fn)]
pub trait Feed: ::core::marker::Send + ::core::marker::Sync + 'static {
    fn count(&self, to: u64) -> impl Stream<Item = u64> + ::core::marker::Send;
    fn lines(
        &self,
        ctx: &Context,
        path: &str,
    ) -> impl Stream<Item = Result<String, ReadError>> + ::core::marker::Send;
    fn later(
        &self,
    ) -> impl ::core::future::Future<
        Output = impl Stream<Item = Result<u64, rpc::Error>> + ::core::marker::Send,
    > + ::core::marker::Send;
    fn history(
        &self,
        since: u64,
    ) -> impl ::core::future::Future<
        Output = Result<impl Stream<Item = String> + ::core::marker::Send, MathError>,
    > + ::core::marker::Send {
        async move { Err(MathError::Lost) }
    }
    fn sum(
        &self,
        numbers: Streaming<i64>,
    ) -> impl ::core::future::Future<
        Output = Result<i64, rpc::Error>,
    > + ::core::marker::Send;
    fn join(
        &self,
        before: &str,
        parts: rpc::Streaming<Vec<u8>>,
        after: &str,
    ) -> impl ::core::future::Future<Output = ()> + ::core::marker::Send;
    fn running_sum(
        &self,
        numbers: Streaming<i64>,
    ) -> impl Stream<Item = i64> + ::core::marker::Send;
    fn prices(
        &self,
        of: Streaming<String>,
    ) -> impl ::core::future::Future<
        Output = Result<
            impl Stream<Item = Result<f64, ReadError>> + Unpin + ::core::marker::Send,
            MathError,
        >,
    > + ::core::marker::Send;
}

// Where the facade has a client:

/**The client of [`Feed`]: its methods, over a channel.

Cheap to clone; clones share the channel.*/
pub struct FeedClient {
    channel: ::rpc::Channel,
}
#[allow(
    dead_code,
    deprecated,
    non_snake_case,
    unused_qualifications,
    clippy::all,
    clippy::pedantic
)]
impl FeedClient {
    ///What the service is, as data: its methods, their arguments and documentation.
    pub const DESCRIPTION: &'static ::rpc::__private::Service = &__FeedDescription::__SERVICE;
    ///A client over this channel.
    #[must_use]
    pub fn new(channel: ::rpc::Channel) -> Self {
        Self { channel }
    }
    /**Connects to a server and gives a client of it.

# Errors

Why there is no connection.*/
    pub async fn connect(
        address: impl ::core::convert::AsRef<::core::primitive::str>,
    ) -> ::core::result::Result<Self, ::rpc::Error> {
        ::core::result::Result::Ok(Self::new(::rpc::Channel::connect(address).await?))
    }
    ::rpc::__local! {
        #[doc =
        "A client of a service in this process: the whole protocol, without a socket, and without the hooks of a server."]
        #[must_use] pub fn local < S : Feed > (service : S) -> Self where {
        Self::new(::rpc::__private::local(FeedDispatcher:: < S, > ::new(service))) }
    }
    ///The channel that calls go over.
    #[must_use]
    pub fn channel(&self) -> &::rpc::Channel {
        &self.channel
    }
    ///Calls `Feed.count`.
    pub fn count(&self, to: u64) -> ::rpc::Streaming<u64> {
        let mut request = self.channel.prepare("Feed.count", &__FeedDescription::count);
        let encoded = <u64 as ::rpc::Value>::encode(&to, request.encoder());
        request.encoded("to", encoded);
        request.streaming()
    }
    ///Calls `Feed.lines`.
    pub fn lines(&self, path: &str) -> ::rpc::Streaming<String, ReadError> {
        let mut request = self.channel.prepare("Feed.lines", &__FeedDescription::lines);
        request.encoder().str(path);
        request.streaming()
    }
    ///Calls `Feed.later`.
    pub fn later(&self) -> ::rpc::StreamCall<u64, ::rpc::Error, rpc::Error> {
        let request = self.channel.prepare("Feed.later", &__FeedDescription::later);
        request.stream_call()
    }
    ///Calls `Feed.history`.
    pub fn history(&self, since: u64) -> ::rpc::StreamCall<String, MathError> {
        let mut request = self
            .channel
            .prepare("Feed.history", &__FeedDescription::history);
        let encoded = <u64 as ::rpc::Value>::encode(&since, request.encoder());
        request.encoded("since", encoded);
        request.stream_call()
    }
    ///Calls `Feed.sum`.
    pub fn sum(
        &self,
        numbers: impl ::rpc::Stream<Item = i64> + ::core::marker::Send + 'static,
    ) -> ::rpc::Call<i64, rpc::Error> {
        let mut request = self.channel.prepare("Feed.sum", &__FeedDescription::sum);
        request
            .upload(
                numbers,
                |item, encoder| <i64 as ::rpc::Value>::encode(item, encoder),
            );
        request.call()
    }
    ///Calls `Feed.join`.
    pub fn join(
        &self,
        before: &str,
        parts: impl ::rpc::Stream<Item = Vec<u8>> + ::core::marker::Send + 'static,
        after: &str,
    ) -> ::rpc::Call<()> {
        let mut request = self.channel.prepare("Feed.join", &__FeedDescription::join);
        request.encoder().str(before);
        request.encoder().str(after);
        request
            .upload(
                parts,
                |item, encoder| <Vec<u8> as ::rpc::Value>::encode(item, encoder),
            );
        request.call()
    }
    ///Calls `Feed.running_sum`.
    pub fn running_sum(
        &self,
        numbers: impl ::rpc::Stream<Item = i64> + ::core::marker::Send + 'static,
    ) -> ::rpc::Streaming<i64> {
        let mut request = self
            .channel
            .prepare("Feed.running_sum", &__FeedDescription::running_sum);
        request
            .upload(
                numbers,
                |item, encoder| <i64 as ::rpc::Value>::encode(item, encoder),
            );
        request.streaming()
    }
    ///Calls `Feed.prices`.
    pub fn prices(
        &self,
        of: impl ::rpc::Stream<Item = String> + ::core::marker::Send + 'static,
    ) -> ::rpc::StreamCall<f64, MathError, ReadError> {
        let mut request = self
            .channel
            .prepare("Feed.prices", &__FeedDescription::prices);
        request
            .upload(of, |item, encoder| <String as ::rpc::Value>::encode(item, encoder));
        request.stream_call()
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
impl ::core::clone::Clone for FeedClient {
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
impl ::core::fmt::Debug for FeedClient {
    fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        formatter.debug_struct("FeedClient").field("channel", &self.channel).finish()
    }
}

///Serves [`Feed`]: what a server is given.
pub struct FeedDispatcher<S> {
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
impl<S: Feed> FeedDispatcher<S> {
    ///A dispatcher that owns its service.
    #[must_use]
    pub fn new(service: S) -> Self {
        Self::from_arc(::std::sync::Arc::new(service))
    }
    ///A dispatcher for a service that is shared.
    #[must_use]
    pub fn from_arc(service: ::std::sync::Arc<S>) -> Self {
        Self { service }
    }
    async fn __run_count(
        service: &S,
        request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let argument_to;
        {
            let mut arguments = request.arguments();
            argument_to = match <u64 as ::rpc::Value>::decode(arguments.take("to")) {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
        }
        let stream = <S as Feed>::count(service, argument_to);
        let outcome = request
            .stream(
                stream,
                |item, encoder| <u64 as ::rpc::Value>::encode(&item, encoder),
            )
            .await;
        match outcome {
            ::core::result::Result::Ok(()) => request.done(),
            ::core::result::Result::Err(failure) => request.fail(failure),
        }
    }
    async fn __run_lines(
        service: &S,
        request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let argument_path;
        {
            let mut arguments = request.arguments();
            argument_path = match arguments.take("path").str() {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
        }
        let stream = <S as Feed>::lines(service, request.context(), argument_path);
        let outcome = request
            .stream(
                stream,
                |item, encoder| match item {
                    ::core::result::Result::Ok(value) => {
                        <String as ::rpc::Value>::encode(&value, encoder)
                    }
                    ::core::result::Result::Err(failure) => {
                        ::core::result::Result::Err(
                            <ReadError as ::rpc::Failure>::into_error(
                                failure,
                                encoder.structs(),
                            ),
                        )
                    }
                },
            )
            .await;
        match outcome {
            ::core::result::Result::Ok(()) => request.done(),
            ::core::result::Result::Err(failure) => request.fail(failure),
        }
    }
    async fn __run_later(
        service: &S,
        request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let stream = <S as Feed>::later(service).await;
        request.begin();
        let outcome = request
            .stream(
                stream,
                |item, encoder| match item {
                    ::core::result::Result::Ok(value) => {
                        <u64 as ::rpc::Value>::encode(&value, encoder)
                    }
                    ::core::result::Result::Err(failure) => {
                        ::core::result::Result::Err(
                            <rpc::Error as ::rpc::Failure>::into_error(
                                failure,
                                encoder.structs(),
                            ),
                        )
                    }
                },
            )
            .await;
        match outcome {
            ::core::result::Result::Ok(()) => request.done(),
            ::core::result::Result::Err(failure) => request.fail(failure),
        }
    }
    async fn __run_history(
        service: &S,
        request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let argument_since;
        {
            let mut arguments = request.arguments();
            argument_since = match <u64 as ::rpc::Value>::decode(
                arguments.take("since"),
            ) {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
        }
        let outcome = match <S as Feed>::history(service, argument_since).await {
            ::core::result::Result::Ok(stream) => {
                request.begin();
                request
                    .stream(
                        stream,
                        |item, encoder| <String as ::rpc::Value>::encode(&item, encoder),
                    )
                    .await
            }
            ::core::result::Result::Err(failure) => {
                ::core::result::Result::Err(
                    <MathError as ::rpc::Failure>::into_error(failure, request.structs()),
                )
            }
        };
        match outcome {
            ::core::result::Result::Ok(()) => request.done(),
            ::core::result::Result::Err(failure) => request.fail(failure),
        }
    }
    async fn __run_sum(
        service: &S,
        mut request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let _ = <i64 as ::rpc::Value>::decode;
        let argument_numbers = match request.streaming::<i64, ::rpc::Error>() {
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(failure) => return request.refuse(failure),
        };
        let result = <S as Feed>::sum(service, argument_numbers).await;
        match result {
            ::core::result::Result::Ok(value) => {
                request
                    .answer_with(|encoder| <i64 as ::rpc::Value>::encode(
                        &value,
                        encoder,
                    ))
            }
            ::core::result::Result::Err(failure) => {
                let failure = <rpc::Error as ::rpc::Failure>::into_error(
                    failure,
                    request.structs(),
                );
                request.fail(failure)
            }
        }
    }
    async fn __run_join(
        service: &S,
        mut request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let _ = <Vec<u8> as ::rpc::Value>::decode;
        let argument_parts = match request.streaming::<Vec<u8>, ::rpc::Error>() {
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(failure) => return request.refuse(failure),
        };
        let argument_before;
        let argument_after;
        {
            let mut arguments = request.arguments();
            argument_before = match arguments.take("before").str() {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
            argument_after = match arguments.take("after").str() {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
        }
        <S as Feed>::join(service, argument_before, argument_parts, argument_after)
            .await;
        request.done()
    }
    async fn __run_running_sum(
        service: &S,
        mut request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let _ = <i64 as ::rpc::Value>::decode;
        let argument_numbers = match request.streaming::<i64, ::rpc::Error>() {
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(failure) => return request.refuse(failure),
        };
        let stream = <S as Feed>::running_sum(service, argument_numbers);
        let outcome = request
            .stream(
                stream,
                |item, encoder| <i64 as ::rpc::Value>::encode(&item, encoder),
            )
            .await;
        match outcome {
            ::core::result::Result::Ok(()) => request.done(),
            ::core::result::Result::Err(failure) => request.fail(failure),
        }
    }
    async fn __run_prices(
        service: &S,
        mut request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let _ = <String as ::rpc::Value>::decode;
        let argument_of = match request.streaming::<String, ::rpc::Error>() {
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(failure) => return request.refuse(failure),
        };
        let outcome = match <S as Feed>::prices(service, argument_of).await {
            ::core::result::Result::Ok(stream) => {
                request.begin();
                request
                    .stream_newest(
                        stream,
                        16,
                        |item, encoder| match item {
                            ::core::result::Result::Ok(value) => {
                                <f64 as ::rpc::Value>::encode(&value, encoder)
                            }
                            ::core::result::Result::Err(failure) => {
                                ::core::result::Result::Err(
                                    <ReadError as ::rpc::Failure>::into_error(
                                        failure,
                                        encoder.structs(),
                                    ),
                                )
                            }
                        },
                    )
                    .await
            }
            ::core::result::Result::Err(failure) => {
                ::core::result::Result::Err(
                    <MathError as ::rpc::Failure>::into_error(failure, request.structs()),
                )
            }
        };
        match outcome {
            ::core::result::Result::Ok(()) => request.done(),
            ::core::result::Result::Err(failure) => request.fail(failure),
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
impl<S: Feed> ::rpc::__private::Dispatcher for FeedDispatcher<S> {
    fn description(&self) -> &'static ::rpc::__private::Service {
        &__FeedDescription::__SERVICE
    }
    fn session(
        &self,
        method: ::core::primitive::u32,
    ) -> ::std::boxed::Box<dyn ::rpc::__private::Session + '_> {
        let service: &S = &self.service;
        match __FeedDescription::__SERVICE
            .methods[method as ::core::primitive::usize]
            .name
        {
            "count" => {
                ::rpc::__private::slots(move |request| Self::__run_count(
                    service,
                    request,
                ))
            }
            "lines" => {
                ::rpc::__private::slots(move |request| Self::__run_lines(
                    service,
                    request,
                ))
            }
            "later" => {
                ::rpc::__private::slots(move |request| Self::__run_later(
                    service,
                    request,
                ))
            }
            "history" => {
                ::rpc::__private::slots(move |request| Self::__run_history(
                    service,
                    request,
                ))
            }
            "sum" => {
                ::rpc::__private::slots(move |request| Self::__run_sum(service, request))
            }
            "join" => {
                ::rpc::__private::slots(move |request| Self::__run_join(
                    service,
                    request,
                ))
            }
            "running_sum" => {
                ::rpc::__private::slots(move |request| Self::__run_running_sum(
                    service,
                    request,
                ))
            }
            "prices" => {
                ::rpc::__private::slots(move |request| Self::__run_prices(
                    service,
                    request,
                ))
            }
            _ => {
                ::rpc::__private::slots(move |request| ::core::future::ready(
                    self.blocking(request),
                ))
            }
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
impl<S> ::core::clone::Clone for FeedDispatcher<S> {
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
impl<S> ::core::fmt::Debug for FeedDispatcher<S> {
    fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        formatter.debug_struct("FeedDispatcher").finish_non_exhaustive()
    }
}

#[doc(hidden)]
#[allow(dead_code, non_camel_case_types)]
enum __FeedDescription {}

#[allow(dead_code, deprecated, non_upper_case_globals, unused_qualifications)]
impl __FeedDescription {
    const __SERVICE: ::rpc::__private::Service = ::rpc::__private::Service::new(
        "Feed",
        "",
        &[
            Self::count,
            Self::lines,
            Self::later,
            Self::history,
            Self::sum,
            Self::join,
            Self::running_sum,
            Self::prices,
        ],
    );
    const count: ::rpc::__private::Method = ::rpc::__private::Method::new("count", "")
        .arguments(&[::rpc::__private::Argument::new("to", "u64")])
        .returns("u64", ::core::option::Option::None)
        .streams(::rpc::__private::Pace::Waits, ::core::option::Option::None);
    const lines: ::rpc::__private::Method = ::rpc::__private::Method::new("lines", "")
        .arguments(&[::rpc::__private::Argument::new("path", "&str")])
        .returns("String", ::core::option::Option::None)
        .streams(
            ::rpc::__private::Pace::Waits,
            ::core::option::Option::Some("ReadError"),
        );
    const later: ::rpc::__private::Method = ::rpc::__private::Method::new("later", "")
        .returns("u64", ::core::option::Option::None)
        .streams(
            ::rpc::__private::Pace::Waits,
            ::core::option::Option::Some("rpc::Error"),
        );
    const history: ::rpc::__private::Method = ::rpc::__private::Method::new(
            "history",
            "",
        )
        .arguments(&[::rpc::__private::Argument::new("since", "u64")])
        .returns("String", ::core::option::Option::Some("MathError"))
        .streams(::rpc::__private::Pace::Waits, ::core::option::Option::None);
    const sum: ::rpc::__private::Method = ::rpc::__private::Method::new("sum", "")
        .takes(::rpc::__private::Argument::new("numbers", "i64"))
        .returns("i64", ::core::option::Option::Some("rpc::Error"));
    const join: ::rpc::__private::Method = ::rpc::__private::Method::new("join", "")
        .arguments(
            &[
                ::rpc::__private::Argument::new("before", "&str"),
                ::rpc::__private::Argument::new("after", "&str"),
            ],
        )
        .takes(::rpc::__private::Argument::new("parts", "Vec<u8>"));
    const running_sum: ::rpc::__private::Method = ::rpc::__private::Method::new(
            "running_sum",
            "",
        )
        .takes(::rpc::__private::Argument::new("numbers", "i64"))
        .returns("i64", ::core::option::Option::None)
        .streams(::rpc::__private::Pace::Waits, ::core::option::Option::None);
    const prices: ::rpc::__private::Method = ::rpc::__private::Method::new("prices", "")
        .takes(::rpc::__private::Argument::new("of", "String"))
        .returns("f64", ::core::option::Option::Some("MathError"))
        .streams(
            ::rpc::__private::Pace::DropsOldest(16),
            ::core::option::Option::Some("ReadError"),
        );
}

