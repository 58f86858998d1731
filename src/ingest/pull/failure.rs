//! Why an archive is not fetched, for everybody who waits for it.

use std::fmt;

use crate::domain::{Error, ErrorKind};
use crate::upstream::{Outage, Refusal};

/// An error that many may be told.
#[derive(Debug, Clone)]
pub struct PullFailure {
    kind: ErrorKind,
    public: String,
    why: String,
    retry_after_seconds: Option<u32>,
    reason: FailureReason,
}

/// What others need to know of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FailureReason {
    /// Whoever else asks would fail as well.
    Any,
    /// It is whoever asked first who may not have the archive.
    Asker,
    /// There is no room for what nobody has asked for.
    NoRoom,
}

impl PullFailure {
    /// A failure that the client may read.
    pub(super) fn told(kind: ErrorKind, public: impl Into<String>) -> Self {
        let public = public.into();
        Self { kind, why: public.clone(), public, retry_after_seconds: None, reason: FailureReason::Any }
    }

    /// Nothing gives way to an archive that nobody has asked for.
    pub(super) fn no_room() -> Self {
        let failure = Self::told(ErrorKind::OutOfSpace, "the copies of archives take all the room there is");
        Self { reason: FailureReason::NoRoom, ..failure }
    }

    /// Makes it the failure of whoever asked.
    pub(super) fn of_asker(self) -> Self {
        Self { reason: FailureReason::Asker, ..self }
    }

    /// Whether somebody else may have the archive.
    pub(super) fn is_of_asker(&self) -> bool {
        self.reason == FailureReason::Asker
    }

    /// Whether there is no room for what nobody has asked for.
    pub(super) fn is_no_room(&self) -> bool {
        self.reason == FailureReason::NoRoom
    }

    /// The upstream says no, although it said yes to the question whether.
    pub(super) fn refused(refusal: Refusal) -> Self {
        let (kind, public) = match refusal {
            Refusal::Unauthenticated => (ErrorKind::Unauthenticated, "401 Unauthorized"),
            Refusal::MissingScope | Refusal::Forbidden => (ErrorKind::Forbidden, "403 Forbidden"),
            Refusal::NotFound | Refusal::Contradicted => (ErrorKind::NotFound, "Not Found"),
        };
        let why = "the upstream refuses the archive".to_owned();
        let reason = FailureReason::Asker;
        Self { kind, public: public.to_owned(), why, retry_after_seconds: None, reason }
    }

    /// The upstream gives no answer, or no archive.
    pub(super) fn outage(upstream: &str, outage: Outage) -> Self {
        outage.into_error(upstream).into()
    }

    /// In how many seconds another attempt is worth while, if it is.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.retry_after_seconds
    }
}

impl From<Error> for PullFailure {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind(),
            public: error.public_message().to_owned(),
            why: error.reason().into_owned(),
            retry_after_seconds: error.retry_after_seconds(),
            reason: FailureReason::Any,
        }
    }
}

impl From<PullFailure> for Error {
    fn from(failure: PullFailure) -> Self {
        let error = Self::new(failure.kind, failure.public).with_source(failure.why);
        match failure.retry_after_seconds {
            Some(seconds) => error.with_retry_after(seconds),
            None => error,
        }
    }
}

impl fmt::Display for PullFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for PullFailure {}
