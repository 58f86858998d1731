//! Why a credential is not accepted.

use std::borrow::Cow;

use super::credential::Unreadable;
use crate::domain::Error;
use crate::domain::scope::Scopes;
use crate::domain::status::Status;

/// Why a credential is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialError {
    /// There is none.
    Missing,
    /// There is a job's token, where none counts.
    NotForJobs,
    /// It is there and can be no token.
    Unreadable(Unreadable),
    /// Not known.
    Unknown,
    /// A job's token, and that job does not run (any more).
    JobIdle(Status),
    /// A job's token, and that job's results were erased.
    JobErased,
    /// A job's token, and that job has nobody's rights.
    JobOfNobody,
    /// Past its date.
    Expired,
    /// Taken back.
    Revoked,
    /// Good, but not for this, which needs one of these scopes.
    MissingScope(Scopes),
}

impl CredentialError {
    /// Whether a credential failed: one that was never or is no longer good. None at all and one
    /// that is good for something else are no failures.
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Unreadable(_)
            | Self::Unknown
            | Self::JobIdle(_)
            | Self::JobErased
            | Self::JobOfNobody
            | Self::Expired
            | Self::Revoked => true,
            Self::Missing | Self::NotForJobs | Self::MissingScope(_) => false,
        }
    }

    /// Whether nothing was shown that could count.
    pub const fn is_missing(self) -> bool {
        matches!(self, Self::Missing | Self::NotForJobs)
    }

    /// Which it was, in a few words for the log.
    pub fn reason(self) -> Cow<'static, str> {
        match self {
            Self::Missing => "no credential was shown".into(),
            Self::NotForJobs => "token of a job is no credential here".into(),
            Self::Unreadable(why) => format!("credential of an unknown form: {why}").into(),
            Self::Unknown => "token is unknown".into(),
            Self::JobIdle(status) => format!("job of the token does not run: {status}").into(),
            Self::JobErased => "job of the token was erased".into(),
            Self::JobOfNobody => "job of the token has no user".into(),
            Self::Expired => "token is expired".into(),
            Self::Revoked => "token is revoked".into(),
            Self::MissingScope(scopes) => format!("token lacks scope {}", scopes.join(" or ")).into(),
        }
    }
}

/// A refused credential, or no answer from the catalog.
#[derive(Debug)]
pub enum AuthError {
    /// The credential is not accepted.
    Refused(CredentialError),
    /// It could not be looked up.
    Catalog(Error),
}

impl From<Error> for AuthError {
    fn from(error: Error) -> Self {
        Self::Catalog(error)
    }
}

impl From<CredentialError> for AuthError {
    fn from(refusal: CredentialError) -> Self {
        Self::Refused(refusal)
    }
}
