//! How the calls ended, by what was called, and what may not happen to them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use rpc::{CallError, Code, Error};

use crate::service::Disliked;

/// What a caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Quick,
    Idempotent,
    Slow,
    Spawned,
    Blocking,
    OneWay,
    ApplicationError,
    Status,
    Panic,
    Large,
    TooLarge,
    Metadata,
    Deadline,
    GivenUp,
    Burst,
    /// A stream that is taken to its end.
    Taken,
    /// One whose consumer rests now and then, for longer than its window lasts.
    Stalled,
    /// One that is dropped somewhere.
    Dropped,
    /// One that drops what is not taken in time.
    Newest,
    /// A stream that is sent to its end.
    Sent,
    /// One of which the server takes some only.
    SentInPart,
    /// One whose call is dropped somewhere.
    SentAndDropped,
    /// Both ways.
    Exchange,
}

/// How often each kind is drawn.
pub(crate) const WEIGHTS: [(Kind, u64); 22] = [
    (Kind::Quick, 35),
    (Kind::Idempotent, 20),
    (Kind::Slow, 8),
    (Kind::Spawned, 8),
    (Kind::Blocking, 4),
    (Kind::OneWay, 5),
    (Kind::ApplicationError, 2),
    (Kind::Status, 2),
    (Kind::Panic, 2),
    (Kind::Large, 1),
    (Kind::TooLarge, 1),
    (Kind::Metadata, 3),
    (Kind::Deadline, 4),
    (Kind::GivenUp, 10),
    (Kind::Taken, 3),
    (Kind::Stalled, 2),
    (Kind::Dropped, 3),
    (Kind::Newest, 1),
    (Kind::Sent, 3),
    (Kind::SentInPart, 2),
    (Kind::SentAndDropped, 3),
    (Kind::Exchange, 3),
];

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    ApplicationError,
    Status(Code),
    GivenUp,
    /// With an answer that is not its own.
    Wrong,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::ApplicationError => "application error",
            Self::Status(code) => code.name(),
            Self::GivenUp => "given up",
            Self::Wrong => "WRONG",
        }
    }

    /// That of a call whose answer is to be `expected`.
    pub(crate) fn of<T: PartialEq>(result: Result<T, Error>, expected: &T) -> Result<Self, Error> {
        match result {
            Ok(answer) if answer == *expected => Ok(Self::Answered),
            Ok(_) => Ok(Self::Wrong),
            Err(error) => Err(error),
        }
    }

    /// That of a call which dislikes its number.
    pub(crate) fn of_dislike(
        result: Result<u64, CallError<Disliked>>,
        number: u64,
    ) -> Result<Self, Error> {
        match result {
            Err(CallError::App(Disliked(disliked))) if disliked == number => {
                Ok(Self::ApplicationError)
            }
            Err(CallError::Rpc(error)) => Err(error),
            Ok(_) | Err(_) => Ok(Self::Wrong),
        }
    }

    /// Whether that may happen where connections are cut, servers exchanged, and there is not room for all.
    fn is_explained(self, kind: Kind) -> bool {
        match self {
            Self::Answered => !matches!(kind, Kind::ApplicationError | Kind::Status | Kind::Panic),
            Self::ApplicationError => kind == Kind::ApplicationError,
            Self::GivenUp => {
                matches!(kind, Kind::GivenUp | Kind::Dropped | Kind::Newest | Kind::SentAndDropped)
            }
            Self::Status(Code::Unavailable | Code::ResourceExhausted) => true,
            Self::Status(Code::DeadlineExceeded) => kind == Kind::Deadline,
            Self::Status(Code::PermissionDenied) => kind == Kind::Status,
            Self::Status(Code::Internal) => kind == Kind::Panic,
            Self::Status(_) | Self::Wrong => false,
        }
    }
}

/// The calls of a run.
#[derive(Default)]
pub(crate) struct Tally {
    counts: Mutex<Counts>,
    /// Streams that callers send, and that were not dropped.
    uploads: AtomicI64,
}

#[derive(Default)]
struct Counts {
    begun: u64,
    ended: u64,
    /// By kind, and by the outcome's name.
    outcomes: BTreeMap<(Kind, &'static str), u64>,
    unexplained: Vec<String>,
}

/// So many calls that ended as they should not are told in words.
const TOLD: usize = 10;

impl Tally {
    pub(crate) fn begin(&self) {
        self.lock().begun += 1;
    }

    pub(crate) fn end(&self, kind: Kind, ended: Result<Outcome, Error>) {
        let (outcome, error) = match ended {
            Ok(outcome) => (outcome, None),
            Err(error) => (Outcome::Status(error.kind()), Some(error)),
        };
        let mut counts = self.lock();
        counts.ended += 1;
        *counts.outcomes.entry((kind, outcome.name())).or_default() += 1;
        if !outcome.is_explained(kind) && counts.unexplained.len() < TOLD {
            let error = error.map(|error| error.to_string()).unwrap_or_default();
            counts.unexplained.push(format!("{kind:?}: {} {error}", outcome.name()));
        }
    }

    pub(crate) fn ended(&self) -> u64 {
        self.lock().ended
    }

    /// A caller has a stream to send.
    pub(crate) fn upload_begins(&self) {
        self.uploads.fetch_add(1, Ordering::AcqRel);
    }

    /// It was dropped.
    pub(crate) fn upload_ends(&self) {
        self.uploads.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn uploads(&self) -> i64 {
        self.uploads.load(Ordering::Acquire)
    }

    pub(crate) fn in_flight(&self) -> u64 {
        let counts = self.lock();
        counts.begun - counts.ended
    }

    /// Calls that ended as they should not, the first of them.
    pub(crate) fn unexplained(&self) -> Vec<String> {
        self.lock().unexplained.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.lock();
        let mut last = None;
        for ((kind, outcome), count) in &counts.outcomes {
            if last == Some(kind) {
                write!(f, ", ")?;
            } else {
                write!(
                    f,
                    "{}  {:18}",
                    if last.is_some() { "\n" } else { "" },
                    format!("{kind:?}")
                )?;
            }
            write!(f, "{count} {outcome}")?;
            last = Some(kind);
        }
        Ok(())
    }
}
