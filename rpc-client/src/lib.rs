//! The client.
use std::{marker::PhantomData, pin::Pin, task, time::Duration};

use rpc_core::{Error, Failure, Value, description::Method, value::Encoder};

/// A handle to a server.
#[derive(Clone, Debug)]
pub struct Channel(());

impl Channel {
    /// Connects.
    pub async fn connect(_: impl AsRef<str>) -> Result<Self, Error> {
        Ok(Self(()))
    }

    #[doc(hidden)]
    pub fn prepare(&self, _name: &'static str, _method: &'static Method) -> Prepared {
        Prepared { encoder: Encoder::default() }
    }
}

/// A call whose arguments are being encoded.
#[doc(hidden)]
#[derive(Debug)]
pub struct Prepared {
    encoder: Encoder,
}

impl Prepared {
    /// Takes the next argument.
    pub fn encoder(&mut self) -> &mut Encoder {
        &mut self.encoder
    }

    /// Notes how the encoding of the argument `name` ended.
    pub fn encoded(&mut self, _name: &'static str, _result: Result<(), Error>) {}

    /// The call.
    pub fn call<T, E>(self) -> Call<T, E> {
        Call(PhantomData)
    }
}

/// One call.
#[must_use = "a call does nothing until it is awaited"]
#[derive(Debug)]
pub struct Call<T, E = Error>(PhantomData<fn() -> (T, E)>);

impl<T, E> Call<T, E> {
    /// Sets the timeout.
    pub fn timeout(self, _: Duration) -> Self {
        self
    }
}

impl<T: Value, E: Failure> Future for Call<T, E> {
    type Output = Result<T, E::Caller>;

    fn poll(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> task::Poll<Self::Output> {
        task::Poll::Ready(Err(Error::unavailable("skeleton").into()))
    }
}
