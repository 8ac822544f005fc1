::core::compile_error! {
    "calls run at the same time, so they share the server: write `&self`, and keep what changes in a `Mutex` or an atomic"
}

::core::compile_error! {
    "a parameter is a name: take the value apart in the implementation"
}

::core::compile_error! {
    "`MistakesClient` has a `new` of its own: give the method another name, and `#[rpc(name = \"new\")]` if it is to be called so on the wire"
}

#[allow(clippy::manual_async_fn)]
trait Mistakes: ::core::marker::Send + ::core::marker::Sync + 'static {
    fn exclusive(
        &mut self,
        ctx: &Context,
        _: (i64, i64),
        c: i64,
    ) -> impl ::core::future::Future<Output = i64>;
    fn new(&self) -> impl ::core::future::Future<Output = i64>;
    fn sound(&self) -> impl ::core::future::Future<Output = i64> + ::core::marker::Send;
}

// Where the facade has a client:

/**The client of [`Mistakes`]: its methods, over a channel.

Cheap to clone; clones share the channel.*/
struct MistakesClient {
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
impl MistakesClient {
    ///What the service is, as data: its methods, their arguments and documentation.
    const DESCRIPTION: &'static ::rpc::__private::Service = &__MistakesDescription::__SERVICE;
    ///A client over this channel.
    #[must_use]
    fn new(channel: ::rpc::Channel) -> Self {
        Self { channel }
    }
    /**Connects to a server and gives a client of it.

# Errors

Why there is no connection.*/
    async fn connect(
        address: impl ::core::convert::AsRef<::core::primitive::str>,
    ) -> ::core::result::Result<Self, ::rpc::Error> {
        ::core::result::Result::Ok(Self::new(::rpc::Channel::connect(address).await?))
    }
    ::rpc::__local! {
        #[doc =
        "A client of a service in this process: the whole protocol, without a socket, and without the hooks of a server."]
        #[must_use] fn local < S : Mistakes > (service : S) -> Self where {
        Self::new(::rpc::__private::local(MistakesDispatcher:: < S, > ::new(service))) }
    }
    ///The channel that calls go over.
    #[must_use]
    fn channel(&self) -> &::rpc::Channel {
        &self.channel
    }
    ///Calls `Mistakes.exclusive`.
    fn exclusive<__T0, __T1>(&self, _: __T0, _: __T1) -> ::rpc::Call<()> {
        ::core::unimplemented!()
    }
    ///Calls `Mistakes.sound`.
    fn sound(&self) -> ::rpc::Call<i64> {
        let request = self
            .channel
            .prepare("Mistakes.sound", &__MistakesDescription::sound);
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
impl ::core::clone::Clone for MistakesClient {
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
impl ::core::fmt::Debug for MistakesClient {
    fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        formatter.debug_struct("MistakesClient").field("channel", &self.channel).finish()
    }
}

///Serves [`Mistakes`]: what a server is given.
struct MistakesDispatcher<S> {
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
impl<S: Mistakes> MistakesDispatcher<S> {
    ///A dispatcher that owns its service.
    #[must_use]
    fn new(service: S) -> Self {
        Self::from_arc(::std::sync::Arc::new(service))
    }
    ///A dispatcher for a service that is shared.
    #[must_use]
    fn from_arc(service: ::std::sync::Arc<S>) -> Self {
        Self { service }
    }
    async fn __run_sound(
        service: &S,
        request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let result = <S as Mistakes>::sound(service).await;
        request.answer_with(|encoder| <i64 as ::rpc::Value>::encode(&result, encoder))
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
impl<S: Mistakes> ::rpc::__private::Dispatcher for MistakesDispatcher<S> {
    fn description(&self) -> &'static ::rpc::__private::Service {
        &__MistakesDescription::__SERVICE
    }
    fn session(
        &self,
        method: ::core::primitive::u32,
    ) -> ::std::boxed::Box<dyn ::rpc::__private::Session + '_> {
        let service: &S = &self.service;
        match __MistakesDescription::__SERVICE
            .methods[method as ::core::primitive::usize]
            .name
        {
            "sound" => {
                ::rpc::__private::slots(move |request| Self::__run_sound(
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
impl<S> ::core::clone::Clone for MistakesDispatcher<S> {
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
impl<S> ::core::fmt::Debug for MistakesDispatcher<S> {
    fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        formatter.debug_struct("MistakesDispatcher").finish_non_exhaustive()
    }
}

#[doc(hidden)]
#[allow(dead_code, non_camel_case_types)]
enum __MistakesDescription {}

#[allow(dead_code, deprecated, non_upper_case_globals, unused_qualifications)]
impl __MistakesDescription {
    const __SERVICE: ::rpc::__private::Service = ::rpc::__private::Service::new(
        "Mistakes",
        "",
        &[Self::sound],
    );
    const sound: ::rpc::__private::Method = ::rpc::__private::Method::new("sound", "")
        .returns("i64", ::core::option::Option::None);
}

