//! What a call ends with when it does not end with its answer.
//!
//! [`Error`] is the framework's error: a code, a message for a person, who reported it, and whether the
//! server may have run the call. [`CallError`] adds the application's own typed error for methods that
//! return `Result<T, E>`. [`Failure`] says which types such an `E` may be.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use bytes::Bytes;

/// How a call ended: the seventeen status codes of gRPC, with their numbers.
///
/// The numbers are those of [gRPC's status codes](https://grpc.io/docs/guides/status-codes/), so that a
/// gateway need not translate them. A number this version does not know is read as [`Code::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Code {
    /// Not an error; never the code of an [`Error`] that this project makes.
    Ok = 0,
    /// The caller lost interest.
    Cancelled = 1,
    /// The application's own error, or a code from a newer peer.
    Unknown = 2,
    /// The arguments are wrong, whatever the state of the system.
    InvalidArgument = 3,
    /// The deadline passed.
    DeadlineExceeded = 4,
    /// Something that was asked for does not exist.
    NotFound = 5,
    /// Something that was to be created exists.
    AlreadyExists = 6,
    /// The caller is known and may not do this.
    PermissionDenied = 7,
    /// A limit was reached; the message names it.
    ResourceExhausted = 8,
    /// The system is not in the state that the call needs.
    FailedPrecondition = 9,
    /// A conflict with another call; retry at a higher level.
    Aborted = 10,
    /// An argument is past the valid range of the current state.
    OutOfRange = 11,
    /// The server has no such service or method.
    Unimplemented = 12,
    /// An invariant broke: a panic, a value that cannot be encoded, a violated protocol.
    Internal = 13,
    /// There is no connection, or it was lost.
    Unavailable = 14,
    /// Data is lost or corrupted beyond repair.
    DataLoss = 15,
    /// The caller is not known.
    Unauthenticated = 16,
}

impl Code {
    /// All codes, by number.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code with this number; [`Code::Unknown`] for a number that is not in the list.
    pub fn from_number(number: u64) -> Self {
        usize::try_from(number)
            .ok()
            .and_then(|index| Self::ALL.get(index).copied())
            .unwrap_or(Self::Unknown)
    }

    /// The code's name in lower case with underscores, as messages and logs write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
            Self::InvalidArgument => "invalid_argument",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::PermissionDenied => "permission_denied",
            Self::ResourceExhausted => "resource_exhausted",
            Self::FailedPrecondition => "failed_precondition",
            Self::Aborted => "aborted",
            Self::OutOfRange => "out_of_range",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::DataLoss => "data_loss",
            Self::Unauthenticated => "unauthenticated",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who reported an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// This process: its runtime, or the code that made the error.
    Local,
    /// The peer: the error came over the wire.
    Remote,
}

/// Why a call failed.
///
/// One pointer wide. [`kind`](Self::kind) says what happened, [`Display`](fmt::Display) says it to a
/// person, [`source`](std::error::Error::source) leads to the cause in this process where there is one.
///
/// A handler makes one through the constructor of its code:
///
/// ```
/// # use rpc_core::{Code, Error};
/// let error = Error::permission_denied("no tenant");
/// assert_eq!(error.kind(), Code::PermissionDenied);
/// assert_eq!(error.to_string(), "permission_denied: no tenant");
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    origin: Origin,
    not_started: bool,
    application: bool,
    retry_after: Option<Duration>,
    details: Option<Bytes>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

macro_rules! constructors {
    ($($name:ident: $code:ident, $text:literal;)*) => {
        impl Error {
            $(
                #[doc = concat!("An error with [`Code::", stringify!($code), "`]: ", $text, ".")]
                pub fn $name(message: impl Into<Cow<'static, str>>) -> Self {
                    Self::new(Code::$code, message)
                }
            )*
        }
    };
}

constructors! {
    cancelled: Cancelled, "the caller lost interest";
    unknown: Unknown, "nothing more exact is known";
    invalid_argument: InvalidArgument, "the arguments are wrong";
    deadline_exceeded: DeadlineExceeded, "the deadline passed";
    not_found: NotFound, "what was asked for does not exist";
    already_exists: AlreadyExists, "what was to be created exists";
    permission_denied: PermissionDenied, "the caller may not do this";
    resource_exhausted: ResourceExhausted, "a limit was reached";
    failed_precondition: FailedPrecondition, "the system is not in the state that the call needs";
    aborted: Aborted, "a conflict with another call";
    out_of_range: OutOfRange, "an argument is past the valid range";
    unimplemented: Unimplemented, "there is no such service or method";
    internal: Internal, "an invariant broke";
    unavailable: Unavailable, "there is no connection";
    data_loss: DataLoss, "data is lost or corrupted";
    unauthenticated: Unauthenticated, "the caller is not known";
}

impl Error {
    /// An error with this code and a message for a person.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            origin: Origin::Local,
            not_started: false,
            application: false,
            retry_after: None,
            details: None,
            source: None,
        }))
    }

    /// What happened.
    pub fn kind(&self) -> Code {
        self.0.code
    }

    /// The message without the code's name.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Who reported it.
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// How long the server asks to wait before a retry, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the call certainly did not start on the server.
    ///
    /// Only the runtime can say so: the request was never handed to a connection, or the server refused it
    /// before its handler ran. A handler that returns an error cannot set this.
    pub fn is_not_started(&self) -> bool {
        self.0.not_started
    }

    /// Whether the same call may succeed later and is safe to repeat even if it is not idempotent.
    pub fn is_retryable(&self) -> bool {
        self.0.not_started && matches!(self.0.code, Code::Unavailable | Code::ResourceExhausted)
    }

    /// Whether the deadline passed.
    pub fn is_timeout(&self) -> bool {
        self.0.code == Code::DeadlineExceeded
    }

    /// Whether the call was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.code == Code::Cancelled
    }

    /// Whether there was no connection, or it was lost.
    pub fn is_unavailable(&self) -> bool {
        self.0.code == Code::Unavailable
    }

    /// Asks the caller to wait this long before it retries.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// Adds what caused this error in this process. It does not cross the network.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// The encoded application error, where the method failed with one.
    pub fn details(&self) -> Option<&Bytes> {
        self.0.details.as_ref()
    }

    /// Whether [`details`](Self::details) hold the application's own error.
    pub fn is_application(&self) -> bool {
        self.0.application
    }

    /// The same error in other words; for the runtime alone.
    #[doc(hidden)]
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = message.into();
        self
    }

    /// The same error as one of this process that is no application's: what somebody got from a call of his own says nothing of the call
    /// that it ends. For the runtime alone.
    #[doc(hidden)]
    #[must_use]
    pub fn bare(self) -> Self {
        if self.details().is_none() {
            return self;
        }
        let bare = Self::new(self.kind(), self.message().to_owned());
        match self.retry_after() {
            Some(delay) => bare.with_retry_after(delay),
            None => bare,
        }
    }

    /// Marks the call as certainly not started; for the runtime alone.
    #[doc(hidden)]
    #[must_use]
    pub fn not_started(mut self, not_started: bool) -> Self {
        self.0.not_started = not_started;
        self
    }

    /// Marks the error as reported by the peer; for the runtime alone.
    #[doc(hidden)]
    #[must_use]
    pub fn from_remote(mut self) -> Self {
        self.0.origin = Origin::Remote;
        self
    }

    /// An application error: its text and its encoded value; for the runtime alone.
    #[doc(hidden)]
    #[must_use]
    pub fn with_details(mut self, details: Bytes, application: bool) -> Self {
        self.0.details = Some(details);
        self.0.application = application;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.code).field("message", &self.0.message);
        debug.field("origin", &self.0.origin);
        if self.0.not_started {
            debug.field("not_started", &true);
        }
        if let Some(delay) = self.0.retry_after {
            debug.field("retry_after", &delay);
        }
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        debug.finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// Why a call of a method that returns `Result<T, E>` failed: with the application's `E`, or on the way.
///
/// `?` turns an [`Error`] into one.
///
/// ```
/// use rpc_core::{CallError, Error};
///
/// #[derive(Debug)]
/// struct DivideByZero;
///
/// fn explain(error: &CallError<DivideByZero>) -> String {
///     match error {
///         CallError::App(DivideByZero) => "choose another divisor".to_owned(),
///         CallError::Rpc(error) if error.is_timeout() => "try again later".to_owned(),
///         CallError::Rpc(error) => error.to_string(),
///     }
/// }
///
/// assert_eq!(explain(&CallError::App(DivideByZero)), "choose another divisor");
/// assert_eq!(explain(&Error::unavailable("no route").into()), "unavailable: no route");
/// ```
#[derive(Clone, Debug)]
pub enum CallError<E> {
    /// The handler ran and returned this error.
    App(E),
    /// The call itself failed.
    Rpc(Error),
}

impl<E> CallError<E> {
    /// The application's error, if it is one.
    pub fn app(&self) -> Option<&E> {
        match self {
            Self::App(error) => Some(error),
            Self::Rpc(_) => None,
        }
    }

    /// The framework's error, if it is one.
    pub fn rpc(&self) -> Option<&Error> {
        match self {
            Self::App(_) => None,
            Self::Rpc(error) => Some(error),
        }
    }
}

impl<E> From<Error> for CallError<E> {
    fn from(error: Error) -> Self {
        Self::Rpc(error)
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(error) => error.fmt(f),
            Self::Rpc(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for CallError<E> {
    // `Display` prints the inner error itself, so the source is the inner error's.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::App(error) => error.source(),
            Self::Rpc(error) => error.source(),
        }
    }
}
