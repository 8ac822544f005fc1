//! Calls by name: what a program says that has no trait of the service.
//!
//! The same calls as a stub's, made of the same bytes over the same channel. What a trait says with attributes is said at the call:
//! [`Call::idempotent`], [`Call::app_error`], [`Call::sending`], and [`Channel::notify`] for one-way.

use std::borrow::Cow;

use futures_core::Stream;
use rpc_core::{
    Encode, Error, Failure, Streaming, Value, connection::client::Outgoing,
    limits::MAX_METHOD_NAME, stream::Upload,
};

use crate::{
    arguments::IntoArguments,
    call::{Call, Course, Prepared, StreamCall},
    channel::Channel,
    upload::Sending,
};

impl Channel {
    /// Calls a method by its full name, such as `Calc.add`, with a tuple of its arguments.
    ///
    /// ```no_run
    /// # async fn example(channel: rpc_client::Channel) -> Result<(), rpc_core::Error> {
    /// use std::time::Duration;
    ///
    /// let sum: i64 = channel.call("Calc.add", (2, 3)).timeout(Duration::from_secs(1)).await?;
    /// let _: () = channel.call("Calc.clear", ()).await?;
    /// let text = channel.call::<String>("Calc.greet", ("bob",)).idempotent().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The arguments are encoded as a stub does it, now, so the call borrows nothing. [`Named`](crate::Named) passes them by name. The
    /// answer is decoded as the type that is asked for; [`Raw`](rpc_core::Raw) is any. An application's error arrives as an
    /// [`Error`] for which [`is_application`](Error::is_application) holds, unless [`app_error`](Call::app_error) gives its type.
    ///
    /// A name that is empty or longer than 255 bytes, or an argument that cannot be encoded, fails the call with `invalid_argument`, and
    /// nothing is sent.
    pub fn call<T: Value>(
        &self,
        method: impl Into<Cow<'static, str>>,
        arguments: impl IntoArguments,
    ) -> Call<T> {
        self.by_name(method.into(), &arguments, Outgoing::default()).call()
    }

    /// Calls a method by its name that gives no answer. Awaiting it means that the connection has it, not that it arrived.
    ///
    /// Of a method that answers, the answer is dropped by the server, and so is its error.
    pub fn notify(
        &self,
        method: impl Into<Cow<'static, str>>,
        arguments: impl IntoArguments,
    ) -> Call<()> {
        let outgoing = Outgoing { oneway: true, ..Outgoing::default() };
        self.by_name(method.into(), &arguments, outgoing).call()
    }

    /// Calls a method by its name that returns a stream, which is asked for when it is first polled.
    ///
    /// ```no_run
    /// # async fn example(channel: rpc_client::Channel) -> Result<(), rpc_core::Error> {
    /// let mut numbers = channel.stream::<u64>("Calc.count", (3,));
    /// while let Some(number) = numbers.next().await {
    ///     println!("{}", number?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream<T: Value>(
        &self,
        method: impl Into<Cow<'static, str>>,
        arguments: impl IntoArguments,
    ) -> Streaming<T> {
        let outgoing = Outgoing { streams: true, ..Outgoing::default() };
        self.by_name(method.into(), &arguments, outgoing).streaming()
    }

    /// The same for a method that is `async` and returns a stream: a future that completes when the method has returned it, or failed.
    ///
    /// [`stream`](Self::stream) also calls such a method, and gives its failure as the stream's last item.
    pub fn stream_call<T: Value>(
        &self,
        method: impl Into<Cow<'static, str>>,
        arguments: impl IntoArguments,
    ) -> StreamCall<T> {
        let outgoing = Outgoing { streams: true, ..Outgoing::default() };
        self.by_name(method.into(), &arguments, outgoing).stream_call()
    }

    fn by_name(
        &self,
        method: Cow<'static, str>,
        arguments: &impl IntoArguments,
        outgoing: Outgoing,
    ) -> Prepared {
        let mut encoder = self.encoder();
        let encoded = check(&method).and_then(|()| arguments.append_to(&mut encoder));
        let metadata = self.shared_metadata();
        let mut prepared = self.begin(Outgoing {
            method: method.into(),
            arguments: encoder,
            metadata,
            ..outgoing
        });
        prepared.fail(encoded);
        prepared
    }
}

/// # Errors
///
/// `invalid_argument` where this cannot be a method's name (PROTOCOL 4.2).
fn check(method: &str) -> Result<(), Error> {
    if method.is_empty() {
        return Err(Error::invalid_argument("the method's name is empty"));
    }
    if method.len() > MAX_METHOD_NAME {
        let start: String = method.chars().take(40).collect();
        return Err(Error::invalid_argument(format!(
            "the method's name \"{start}…\" has {} bytes; a name has at most {MAX_METHOD_NAME}",
            method.len()
        )));
    }
    Ok(())
}

impl Course {
    pub(crate) fn set_idempotent(&mut self) {
        if let Some((outgoing, _)) = self.unsent() {
            outgoing.idempotent = true;
        }
        self.check_stream();
    }

    /// Takes the stream that the call sends.
    pub(crate) fn set_upload(&mut self, upload: Upload) {
        if let Some((outgoing, sending)) = self.unsent() {
            outgoing.takes = true;
            let structs = outgoing.arguments.structs();
            *sending = Some(Box::new(Sending::new(upload, structs)));
        }
        self.check_stream();
    }

    fn set_stream<S>(&mut self, stream: S)
    where
        S: Stream<Item: Encode> + Send + 'static,
    {
        self.set_upload(Upload::new(stream, Encode::append));
    }

    /// Fails a call whose stream does not go with its other options, as the macro refuses such a method.
    fn check_stream(&mut self) {
        let why = match self.unsent() {
            Some((Outgoing { takes: true, idempotent: true, .. }, _)) => {
                "the items of a stream are not kept, so they cannot be sent again: leave out `idempotent`"
            }
            Some((Outgoing { takes: true, oneway: true, .. }, _)) => {
                "a stream is sent as the server asks for it, and nothing comes back from a one-way call"
            }
            _ => return,
        };
        self.refuse(Error::invalid_argument(why));
    }
}

impl<T, E> Call<T, E> {
    /// Marks the call as one that may be repeated when it is not known whether it ran, as `#[rpc(idempotent)]` does for a method.
    pub fn idempotent(mut self) -> Self {
        self.course().set_idempotent();
        self
    }

    /// Sends the items of a stream, to a method that takes one: for calls by name. The call polls it. Such a call has no timeout unless
    /// [`timeout`](Self::timeout) sets one, and is neither idempotent nor one-way: that fails it with `invalid_argument`.
    ///
    /// ```no_run
    /// # async fn example(channel: rpc_client::Channel) -> Result<(), rpc_core::Error> {
    /// # use futures_util::stream;
    /// let sum: i64 = channel.call("Calc.sum", ()).sending(stream::iter([1, 2, 3])).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sending<S>(mut self, stream: S) -> Self
    where
        S: Stream<Item: Encode> + Send + 'static,
    {
        self.course().set_stream(stream);
        self
    }
}

impl<T> Call<T> {
    /// The same call of a method that returns `Result<T, F>`: for calls by name. Its error is `CallError<F>` then.
    ///
    /// ```no_run
    /// # async fn example(channel: rpc_client::Channel) -> Result<(), rpc_core::Error> {
    /// use rpc_core::CallError;
    ///
    /// match channel.call::<i64>("Calc.divide", (1, 0)).app_error::<String>().await {
    ///     Ok(quotient) => println!("{quotient}"),
    ///     Err(CallError::App(why)) => println!("cannot: {why}"),
    ///     Err(CallError::Rpc(error)) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn app_error<F: Failure>(self) -> Call<T, F> {
        self.typed()
    }
}

impl<T, E, I> StreamCall<T, E, I> {
    /// Marks the call as one that may be repeated, as [`Call::idempotent`] does.
    pub fn idempotent(mut self) -> Self {
        if let Some(course) = self.course() {
            course.set_idempotent();
        }
        self
    }

    /// Sends the items of a stream, as [`Call::sending`] does. The call polls it, and then the stream that it gave.
    pub fn sending<S>(mut self, stream: S) -> Self
    where
        S: Stream<Item: Encode> + Send + 'static,
    {
        if let Some(course) = self.course() {
            course.set_stream(stream);
        }
        self
    }
}

impl<T, I> StreamCall<T, Error, I> {
    /// The same call of a method that returns `Result<impl Stream, F>`, as [`Call::app_error`].
    pub fn app_error<F: Failure>(self) -> StreamCall<T, F, I> {
        self.typed()
    }
}

impl<T, E> StreamCall<T, E> {
    /// The same call of a method whose stream's items are `Result<T, F>`.
    pub fn item_error<F: Failure>(self) -> StreamCall<T, E, F> {
        self.typed()
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_METHOD_NAME, check};

    #[test]
    fn a_name_has_from_1_to_255_bytes() {
        assert!(check("m").is_ok() && check(&"m".repeat(MAX_METHOD_NAME)).is_ok());
        assert_eq!(check("").expect_err("it is empty").message(), "the method's name is empty");
        let error = check(&"é".repeat(128)).expect_err("it is too long");
        assert!(error.message().ends_with("…\" has 256 bytes; a name has at most 255"), "{error}");
    }
}
