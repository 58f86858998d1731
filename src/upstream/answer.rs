//! Answer: what an upstream said, or why it said nothing.

use std::borrow::Cow;
use std::sync::Arc;

use crate::catalog::foreign::{ForeignJob, ForeignRef};
use crate::domain::role::Role;
use crate::domain::scope::Scopes;
use crate::domain::{Error, Timestamp};

/// An answer to a question.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The running job that has the token.
    Job(Arc<ForeignJob>),
    /// The asker may read the jobs of the project.
    MayRead {
        /// The project's number.
        project_id: i64,
        /// Its full path, if the answer told it.
        path: Option<String>,
    },
    /// The token.
    Token(TokenFacts),
    /// The asker's role in the project.
    Role(Standing),
    /// What a ref leads to.
    Newest(Arc<ForeignRef>),
    /// The asker may fetch the archive.
    Archive,
    /// The upstream refuses.
    Refused(Refusal),
}

/// An answer, and when it was asked for: what it says was so then, and may have changed since.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) answer: Answer,
    pub(crate) asked_at: Timestamp,
}

/// What a user's token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenFacts {
    /// The number of its user.
    pub user_id: i64,
    /// Its scopes, as far as they are known here.
    pub scopes: Scopes,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// The standing of an asker in a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// The number of the user.
    pub user_id: Option<i64>,
    /// The role; `None` if the user is no active member.
    pub role: Option<Role>,
    /// Whether rights of an administrator are in force.
    pub admin: bool,
}

/// How an upstream refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The credential is missing or not valid: 401.
    Unauthenticated,
    /// The token is valid, and not for this: 403 for its scope.
    MissingScope,
    /// The asker may not: 403.
    Forbidden,
    /// There is no such thing, as far as the asker may know: 404.
    NotFound,
    /// What it tells contradicts what is registered here.
    Contradicted,
}

impl Refusal {
    /// Returns the refusal, in a few words for the log.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "401",
            Self::MissingScope => "403 for its scope",
            Self::Forbidden => "403",
            Self::NotFound => "404",
            Self::Contradicted => "contradicts the registry",
        }
    }
}

impl Answer {
    /// Returns the answer, in a few words for the log.
    pub(super) fn as_str(&self) -> Cow<'static, str> {
        match self {
            Self::Job(job) => format!("job {}", job.id).into(),
            Self::MayRead { .. } | Self::Archive => "yes".into(),
            Self::Token(facts) => format!("of user {}", facts.user_id).into(),
            Self::Role(Standing { admin: true, .. }) => "administrator".into(),
            Self::Role(Standing { role: Some(role), .. }) => role.as_str().into(),
            Self::Role(Standing { role: None, .. }) => "none".into(),
            Self::Newest(found) => match found.pipelines.first() {
                Some(newest) => format!("pipeline {}", newest.pipeline.id).into(),
                None => "none".into(),
            },
            Self::Refused(refusal) => refusal.as_str().into(),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Reason for the log; holds no secret.
    pub(super) reason: Cow<'static, str>,
    /// When to ask again, in seconds.
    pub(super) retry_after: u32,
    /// Whether it counts as a failure of the upstream.
    pub(super) is_failure: bool,
    /// Whether the question was asked at all, or is none that is answered now.
    pub(super) was_asked: bool,
}

/// When to ask again after a failure, in seconds.
const RETRY_AFTER: u32 = 5;

impl Outage {
    /// A failure of the upstream.
    pub(super) fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), retry_after: RETRY_AFTER, is_failure: true, was_asked: true }
    }

    /// A question that the upstream does not answer, where it may answer others.
    pub(super) fn of_question(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { is_failure: false, ..Self::new(reason) }
    }

    /// An answer that is none.
    pub(crate) fn broken(what: &'static str) -> Self {
        Self::new(format!("broken answer: {what}"))
    }

    /// A question that was not asked.
    pub(super) fn not_asked(reason: impl Into<Cow<'static, str>>, retry_after: u32) -> Self {
        Self { reason: reason.into(), retry_after, is_failure: false, was_asked: false }
    }

    /// Whether another question would be answered no more than this one: the upstream is left alone, or takes no more.
    pub(crate) fn is_of_all(&self) -> bool {
        !self.was_asked
    }

    /// Returns the error for the request that needs the answer.
    pub(crate) fn into_error(self, upstream: &str) -> Error {
        let why = format!("upstream {upstream}: {}", self.reason);
        Error::unavailable(why).with_retry_after(self.retry_after)
    }
}
