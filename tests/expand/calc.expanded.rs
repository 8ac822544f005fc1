#[allow(clippy::manual_async_fn)]
/// Arithmetic over the network.
pub trait Calc: ::core::marker::Send + ::core::marker::Sync + 'static {
    /// Adds two numbers.
    fn add(
        &self,
        a: i64,
        b: i64,
    ) -> impl ::core::future::Future<Output = i64> + ::core::marker::Send;
    fn divide(
        &self,
        a: i64,
        b: i64,
    ) -> impl ::core::future::Future<
        Output = Result<i64, MathError>,
    > + ::core::marker::Send;
    fn greet(
        &self,
        name: &str,
        tags: &[String],
        data: &[u8],
        like: &Person,
    ) -> impl ::core::future::Future<Output = String> + ::core::marker::Send;
    fn whoami(
        &self,
        ctx: &Context,
    ) -> impl ::core::future::Future<
        Output = Result<(), rpc::Error>,
    > + ::core::marker::Send;
    fn log(
        &self,
        line: &str,
    ) -> impl ::core::future::Future<Output = ()> + ::core::marker::Send;
}

// Where the facade has a client:

/**The client of [`Calc`]: its methods, over a channel.

Cheap to clone; clones share the channel.*/
pub struct CalcClient {
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
impl CalcClient {
    ///What the service is, as data: its methods, their arguments and documentation.
    pub const DESCRIPTION: &'static ::rpc::__private::Service = &__CalcDescription::__SERVICE;
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
        #[must_use] pub fn local < S : Calc > (service : S) -> Self where {
        Self::new(::rpc::__private::local(CalcDispatcher:: < S, > ::new(service))) }
    }
    ///The channel that calls go over.
    #[must_use]
    pub fn channel(&self) -> &::rpc::Channel {
        &self.channel
    }
    /// Adds two numbers.
    pub fn add(&self, a: i64, b: i64) -> ::rpc::Call<i64> {
        let mut request = self.channel.prepare("Calc.add", &__CalcDescription::add);
        let encoded = <i64 as ::rpc::Value>::encode(&a, request.encoder());
        request.encoded("a", encoded);
        let encoded = <i64 as ::rpc::Value>::encode(&b, request.encoder());
        request.encoded("b", encoded);
        request.call()
    }
    ///Calls `Calc.divide`.
    pub fn divide(&self, a: i64, b: i64) -> ::rpc::Call<i64, MathError> {
        let mut request = self
            .channel
            .prepare("Calc.divide", &__CalcDescription::divide);
        let encoded = <i64 as ::rpc::Value>::encode(&a, request.encoder());
        request.encoded("a", encoded);
        let encoded = <i64 as ::rpc::Value>::encode(&b, request.encoder());
        request.encoded("b", encoded);
        request.call()
    }
    ///Calls `Calc.greet`.
    pub fn greet(
        &self,
        name: &str,
        tags: &[String],
        data: &[u8],
        like: &Person,
    ) -> ::rpc::Call<String> {
        let mut request = self.channel.prepare("Calc.greet", &__CalcDescription::greet);
        request.encoder().str(name);
        let encoded = <String as ::rpc::Value>::encode_slice(tags, request.encoder());
        request.encoded("tags", encoded);
        request.encoder().bin(data);
        let encoded = <Person as ::rpc::Value>::encode(like, request.encoder());
        request.encoded("like", encoded);
        request.call()
    }
    ///Calls `Calc.whoami`.
    pub fn whoami(&self) -> ::rpc::Call<(), rpc::Error> {
        let request = self.channel.prepare("Calc.whoami", &__CalcDescription::whoami);
        request.call()
    }
    ///Calls `Calc.log`.
    pub fn log(&self, line: &str) -> ::rpc::Call<()> {
        let mut request = self.channel.prepare("Calc.log", &__CalcDescription::log);
        request.encoder().str(line);
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
impl ::core::clone::Clone for CalcClient {
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
impl ::core::fmt::Debug for CalcClient {
    fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        formatter.debug_struct("CalcClient").field("channel", &self.channel).finish()
    }
}

///Serves [`Calc`]: what a server is given.
pub struct CalcDispatcher<S> {
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
impl<S: Calc> CalcDispatcher<S> {
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
    async fn __run_add(
        service: &S,
        request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let argument_a;
        let argument_b;
        {
            let mut arguments = request.arguments();
            argument_a = match <i64 as ::rpc::Value>::decode(arguments.take("a")) {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
            argument_b = match <i64 as ::rpc::Value>::decode(arguments.take("b")) {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
        }
        let result = <S as Calc>::add(service, argument_a, argument_b).await;
        request.answer_with(|encoder| <i64 as ::rpc::Value>::encode(&result, encoder))
    }
    async fn __run_divide(
        service: &S,
        request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let argument_a;
        let argument_b;
        {
            let mut arguments = request.arguments();
            argument_a = match <i64 as ::rpc::Value>::decode(arguments.take("a")) {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
            argument_b = match <i64 as ::rpc::Value>::decode(arguments.take("b")) {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
        }
        let result = <S as Calc>::divide(service, argument_a, argument_b).await;
        match result {
            ::core::result::Result::Ok(value) => {
                request
                    .answer_with(|encoder| <i64 as ::rpc::Value>::encode(
                        &value,
                        encoder,
                    ))
            }
            ::core::result::Result::Err(failure) => {
                let failure = <MathError as ::rpc::Failure>::into_error(
                    failure,
                    request.structs(),
                );
                request.fail(failure)
            }
        }
    }
    async fn __run_greet(
        service: &S,
        request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let argument_name;
        let argument_tags;
        let argument_data;
        let argument_like;
        {
            let mut arguments = request.arguments();
            argument_name = match arguments.take("name").str() {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
            argument_tags = match <String as ::rpc::Value>::decode_vec(
                arguments.take("tags"),
            ) {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
            argument_data = match arguments.take("data").bin() {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
            argument_like = match <Person as ::rpc::Value>::decode(
                arguments.take("like"),
            ) {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
        }
        let result = <S as Calc>::greet(
                service,
                argument_name,
                &argument_tags,
                argument_data,
                &argument_like,
            )
            .await;
        request.answer_with(|encoder| <String as ::rpc::Value>::encode(&result, encoder))
    }
    async fn __run_whoami(
        service: &S,
        request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let result = <S as Calc>::whoami(service, request.context()).await;
        match result {
            ::core::result::Result::Ok(()) => request.done(),
            ::core::result::Result::Err(failure) => {
                let failure = <rpc::Error as ::rpc::Failure>::into_error(
                    failure,
                    request.structs(),
                );
                request.fail(failure)
            }
        }
    }
    async fn __run_log(
        service: &S,
        request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let argument_line;
        {
            let mut arguments = request.arguments();
            argument_line = match arguments.take("line").str() {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
        }
        <S as Calc>::log(service, argument_line).await;
        request.done()
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
impl<S: Calc> ::rpc::__private::Dispatcher for CalcDispatcher<S> {
    fn description(&self) -> &'static ::rpc::__private::Service {
        &__CalcDescription::__SERVICE
    }
    fn session(
        &self,
        method: ::core::primitive::u32,
    ) -> ::std::boxed::Box<dyn ::rpc::__private::Session + '_> {
        let service: &S = &self.service;
        match __CalcDescription::__SERVICE
            .methods[method as ::core::primitive::usize]
            .name
        {
            "add" => {
                ::rpc::__private::slots(move |request| Self::__run_add(service, request))
            }
            "divide" => {
                ::rpc::__private::slots(move |request| Self::__run_divide(
                    service,
                    request,
                ))
            }
            "greet" => {
                ::rpc::__private::slots(move |request| Self::__run_greet(
                    service,
                    request,
                ))
            }
            "whoami" => {
                ::rpc::__private::slots(move |request| Self::__run_whoami(
                    service,
                    request,
                ))
            }
            "log" => {
                ::rpc::__private::slots(move |request| Self::__run_log(service, request))
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
impl<S> ::core::clone::Clone for CalcDispatcher<S> {
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
impl<S> ::core::fmt::Debug for CalcDispatcher<S> {
    fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        formatter.debug_struct("CalcDispatcher").finish_non_exhaustive()
    }
}

#[doc(hidden)]
#[allow(dead_code, non_camel_case_types)]
enum __CalcDescription {}

#[allow(dead_code, deprecated, non_upper_case_globals, unused_qualifications)]
impl __CalcDescription {
    const __SERVICE: ::rpc::__private::Service = ::rpc::__private::Service::new(
        "Calc",
        "Arithmetic over the network.",
        &[Self::add, Self::divide, Self::greet, Self::whoami, Self::log],
    );
    const add: ::rpc::__private::Method = ::rpc::__private::Method::new(
            "add",
            "Adds two numbers.",
        )
        .arguments(
            &[
                ::rpc::__private::Argument::new("a", "i64"),
                ::rpc::__private::Argument::new("b", "i64"),
            ],
        )
        .returns("i64", ::core::option::Option::None);
    const divide: ::rpc::__private::Method = ::rpc::__private::Method::new("divide", "")
        .arguments(
            &[
                ::rpc::__private::Argument::new("a", "i64"),
                ::rpc::__private::Argument::new("b", "i64"),
            ],
        )
        .returns("i64", ::core::option::Option::Some("MathError"));
    const greet: ::rpc::__private::Method = ::rpc::__private::Method::new("greet", "")
        .arguments(
            &[
                ::rpc::__private::Argument::new("name", "&str"),
                ::rpc::__private::Argument::new("tags", "&[String]"),
                ::rpc::__private::Argument::new("data", "&[u8]"),
                ::rpc::__private::Argument::new("like", "&Person"),
            ],
        )
        .returns("String", ::core::option::Option::None);
    const whoami: ::rpc::__private::Method = ::rpc::__private::Method::new("whoami", "")
        .returns("()", ::core::option::Option::Some("rpc::Error"));
    const log: ::rpc::__private::Method = ::rpc::__private::Method::new("log", "")
        .arguments(&[::rpc::__private::Argument::new("line", "&str")])
        .oneway();
}

