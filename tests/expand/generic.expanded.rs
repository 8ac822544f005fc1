#[allow(clippy::manual_async_fn)]
pub trait Store<
    K: Value,
    V = String,
    const N: usize = 4,
>: Debug + ::core::marker::Send + ::core::marker::Sync + 'static
where
    V: Value,
    Self: Sized,
{
    fn get(
        &self,
        key: &K,
    ) -> impl ::core::future::Future<Output = Option<V>> + ::core::marker::Send;
}

// Where the facade has a client:

/**The client of [`Store`]: its methods, over a channel.

Cheap to clone; clones share the channel.*/
pub struct StoreClient<K, V = String, const N: usize = 4> {
    channel: ::rpc::Channel,
    marker: ::core::marker::PhantomData<fn() -> (K, V)>,
}
#[allow(
    dead_code,
    deprecated,
    non_snake_case,
    unused_qualifications,
    clippy::all,
    clippy::pedantic
)]
impl<
    K: Value + ::core::marker::Send + ::core::marker::Sync + 'static,
    V: ::core::marker::Send + ::core::marker::Sync + 'static,
    const N: usize,
> StoreClient<K, V, N>
where
    V: Value,
{
    ///What the service is, as data: its methods, their arguments and documentation.
    pub const DESCRIPTION: &'static ::rpc::__private::Service = &__StoreDescription::__SERVICE;
    ///A client over this channel.
    #[must_use]
    pub fn new(channel: ::rpc::Channel) -> Self {
        Self {
            channel,
            marker: ::core::marker::PhantomData,
        }
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
        #[must_use] pub fn local < S : Store < K, V, N > > (service : S) -> Self where V
        : Value, K : ::core::marker::Send + ::core::marker::Sync + 'static, V :
        ::core::marker::Send + ::core::marker::Sync + 'static, {
        Self::new(::rpc::__private::local(StoreDispatcher:: < S, K, V, N, >
        ::new(service))) }
    }
    ///The channel that calls go over.
    #[must_use]
    pub fn channel(&self) -> &::rpc::Channel {
        &self.channel
    }
    ///Calls `Store.get`.
    pub fn get(&self, key: &K) -> ::rpc::Call<Option<V>> {
        let mut request = self.channel.prepare("Store.get", &__StoreDescription::get);
        let encoded = <K as ::rpc::Value>::encode(key, request.encoder());
        request.encoded("key", encoded);
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
impl<
    K: Value + ::core::marker::Send + ::core::marker::Sync + 'static,
    V: ::core::marker::Send + ::core::marker::Sync + 'static,
    const N: usize,
> ::core::clone::Clone for StoreClient<K, V, N>
where
    V: Value,
{
    fn clone(&self) -> Self {
        Self {
            channel: ::core::clone::Clone::clone(&self.channel),
            marker: ::core::marker::PhantomData,
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
impl<
    K: Value + ::core::marker::Send + ::core::marker::Sync + 'static,
    V: ::core::marker::Send + ::core::marker::Sync + 'static,
    const N: usize,
> ::core::fmt::Debug for StoreClient<K, V, N>
where
    V: Value,
{
    fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        formatter.debug_struct("StoreClient").field("channel", &self.channel).finish()
    }
}

///Serves [`Store`]: what a server is given.
pub struct StoreDispatcher<S, K, V = String, const N: usize = 4> {
    service: ::std::sync::Arc<S>,
    marker: ::core::marker::PhantomData<fn() -> (K, V)>,
}

#[allow(
    dead_code,
    deprecated,
    non_snake_case,
    unused_qualifications,
    clippy::all,
    clippy::pedantic
)]
impl<
    S: Store<K, V, N>,
    K: Value + ::core::marker::Send + ::core::marker::Sync + 'static,
    V: ::core::marker::Send + ::core::marker::Sync + 'static,
    const N: usize,
> StoreDispatcher<S, K, V, N>
where
    V: Value,
    K: ::core::marker::Send + ::core::marker::Sync + 'static,
    V: ::core::marker::Send + ::core::marker::Sync + 'static,
{
    ///A dispatcher that owns its service.
    #[must_use]
    pub fn new(service: S) -> Self {
        Self::from_arc(::std::sync::Arc::new(service))
    }
    ///A dispatcher for a service that is shared.
    #[must_use]
    pub fn from_arc(service: ::std::sync::Arc<S>) -> Self {
        Self {
            service,
            marker: ::core::marker::PhantomData,
        }
    }
    async fn __run_get(
        service: &S,
        request: ::rpc::__private::Request,
    ) -> ::rpc::__private::Answer {
        let argument_key;
        {
            let mut arguments = request.arguments();
            argument_key = match <K as ::rpc::Value>::decode(arguments.take("key")) {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(failure) => return request.refuse(failure),
            };
        }
        let result = <S as Store<K, V, N>>::get(service, &argument_key).await;
        request
            .answer_with(|encoder| <Option<V> as ::rpc::Value>::encode(&result, encoder))
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
impl<
    S: Store<K, V, N>,
    K: Value + ::core::marker::Send + ::core::marker::Sync + 'static,
    V: ::core::marker::Send + ::core::marker::Sync + 'static,
    const N: usize,
> ::rpc::__private::Dispatcher for StoreDispatcher<S, K, V, N>
where
    V: Value,
    K: ::core::marker::Send + ::core::marker::Sync + 'static,
    V: ::core::marker::Send + ::core::marker::Sync + 'static,
{
    fn description(&self) -> &'static ::rpc::__private::Service {
        &__StoreDescription::__SERVICE
    }
    fn session(
        &self,
        method: ::core::primitive::u32,
    ) -> ::std::boxed::Box<dyn ::rpc::__private::Session + '_> {
        let service: &S = &self.service;
        match __StoreDescription::__SERVICE
            .methods[method as ::core::primitive::usize]
            .name
        {
            "get" => {
                ::rpc::__private::slots(move |request| Self::__run_get(service, request))
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
impl<S, K, V, const N: usize> ::core::clone::Clone for StoreDispatcher<S, K, V, N> {
    fn clone(&self) -> Self {
        Self {
            service: ::core::clone::Clone::clone(&self.service),
            marker: ::core::marker::PhantomData,
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
impl<S, K, V, const N: usize> ::core::fmt::Debug for StoreDispatcher<S, K, V, N> {
    fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        formatter.debug_struct("StoreDispatcher").finish_non_exhaustive()
    }
}

#[doc(hidden)]
#[allow(dead_code, non_camel_case_types)]
enum __StoreDescription {}

#[allow(dead_code, deprecated, non_upper_case_globals, unused_qualifications)]
impl __StoreDescription {
    const __SERVICE: ::rpc::__private::Service = ::rpc::__private::Service::new(
        "Store",
        "",
        &[Self::get],
    );
    const get: ::rpc::__private::Method = ::rpc::__private::Method::new("get", "")
        .arguments(&[::rpc::__private::Argument::new("key", "&K")])
        .returns("Option<V>", ::core::option::Option::None);
}

