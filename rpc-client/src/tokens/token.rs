//! Bearer tokens, and where a channel gets them.

use std::{
    fmt,
    time::{Duration, Instant},
};

use rpc_core::Error;
use zeroize::Zeroizing;

/// A bearer token: a secret that says on whose behalf a call is made.
///
/// `Debug` does not show it, and its memory is overwritten when it is dropped. That does not reach the messages that it was sent in.
///
/// ```
/// use rpc_client::Token;
///
/// let token = Token::new("mF_9.B5f-4.1JqM");
/// assert_eq!(format!("{token:?}"), "Token { secret: \"…\", expires: None }");
/// ```
#[derive(Clone)]
pub struct Token {
    secret: Zeroizing<String>,
    expires: Option<Instant>,
}

impl Token {
    /// A token that is used until a server refuses it. It is not empty, and has no white space in it.
    pub fn new(secret: impl Into<String>) -> Self {
        Self { secret: Zeroizing::new(secret.into()), expires: None }
    }

    /// The same, which expires so long from now.
    #[must_use]
    pub fn expires_in(self, lifetime: Duration) -> Self {
        let now = tokio::time::Instant::now().into_std();
        Self { expires: now.checked_add(lifetime), ..self }
    }

    /// The same, which expires then.
    #[must_use]
    pub fn expires_at(self, expires: Instant) -> Self {
        Self { expires: Some(expires), ..self }
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) fn expires(&self) -> Option<Instant> {
        self.expires
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("secret", &"…").field("expires", &self.expires).finish()
    }
}

/// Where a channel gets its tokens from: a [`Token`] that is always the same, or a closure that gets one from somewhere.
///
/// A channel asks when it has no token yet, when the last one expires, or when a server refused it, and never twice at the same time. What a
/// source returns is used by all calls of the channel. It must not call over that channel, which would wait for itself. It has 30 s; its panics end the calls that wait for it, and nothing else.
///
/// ```no_run
/// # async fn example() -> Result<(), rpc_core::Error> {
/// # async fn log_in() -> Result<(String, std::time::Duration), rpc_core::Error> { unreachable!() }
/// use rpc_client::{Channel, Token};
///
/// let channel = Channel::builder("unix:///run/calc.sock")
///     .token(|| async {
///         let (token, lifetime) = log_in().await?;
///         Ok(Token::new(token).expires_in(lifetime))
///     })
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no source of tokens",
    label = "must be a `Token`, or a closure that returns a future of `Result<Token, rpc::Error>`",
    note = "write `Token::new(\"…\")` for a token that is always the same"
)]
pub trait TokenSource: Send + Sync + 'static {
    /// A token for the calls from now on.
    ///
    /// # Errors
    ///
    /// What keeps it from giving one: the calls that wait end with that error, marked as not started.
    fn token(&self) -> impl Future<Output = Result<Token, Error>> + Send;
}

impl TokenSource for Token {
    fn token(&self) -> impl Future<Output = Result<Self, Error>> + Send {
        std::future::ready(Ok(self.clone()))
    }
}

#[diagnostic::do_not_recommend]
impl<S, F> TokenSource for S
where
    S: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Token, Error>> + Send,
{
    fn token(&self) -> impl Future<Output = Result<Token, Error>> + Send {
        self()
    }
}
