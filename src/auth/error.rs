//! Why a credential is not accepted.

use std::borrow::Cow;

use super::credential::Unreadable;
use super::oidc::IdTokenRefusal;
use crate::domain::Error;
use crate::domain::scope::Scopes;
use crate::domain::status::Status;
use crate::metrics::FailureReason;

/// Why a credential is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialError {
    /// There is no credential.
    Missing,
    /// There is a job token, where it is not accepted.
    NotForJobs,
    /// It cannot be a token.
    Unreadable(Unreadable),
    /// The token is unknown.
    Unknown,
    /// The token of a job that is not (or no longer) running.
    JobIdle(Status),
    /// The token of a job whose results were erased.
    JobErased,
    /// The token of a job without a user.
    JobOfNobody,
    /// An ID token that is not accepted.
    IdToken(IdTokenRefusal),
    /// The token has expired.
    Expired,
    /// The token was revoked.
    Revoked,
    /// A valid token without any of these scopes, of which one is needed.
    MissingScope(Scopes),
}

impl CredentialError {
    /// Whether a credential was sent that is not, or no longer, valid. A missing one or one without the
    /// needed scope is no failure.
    pub const fn is_failure(self) -> bool {
        self.failure().is_some()
    }

    /// Returns what kind of failure it is; `None` if it is none.
    pub const fn failure(self) -> Option<FailureReason> {
        match self {
            Self::Unreadable(_) | Self::Unknown | Self::IdToken(_) => Some(FailureReason::Unknown),
            Self::JobIdle(_) | Self::JobErased | Self::JobOfNobody | Self::Expired => {
                Some(FailureReason::Expired)
            }
            Self::Revoked => Some(FailureReason::Revoked),
            Self::Missing | Self::NotForJobs | Self::MissingScope(_) => None,
        }
    }

    /// Whether no accepted credential was sent.
    pub const fn is_missing(self) -> bool {
        matches!(self, Self::Missing | Self::NotForJobs)
    }

    /// Returns the reason, in a few words for the log.
    pub fn reason(self) -> Cow<'static, str> {
        match self {
            Self::Missing => "no credential was sent".into(),
            Self::NotForJobs => "job tokens are not accepted here".into(),
            Self::Unreadable(why) => format!("malformed credential: {why}").into(),
            Self::Unknown => "token is unknown".into(),
            Self::JobIdle(status) => format!("job of the token is not running: {status}").into(),
            Self::JobErased => "job of the token was erased".into(),
            Self::JobOfNobody => "job of the token has no user".into(),
            Self::IdToken(why) => why.reason().into(),
            Self::Expired => "token is expired".into(),
            Self::Revoked => "token is revoked".into(),
            Self::MissingScope(scopes) => format!("token lacks scope {}", scopes.join(" or ")).into(),
        }
    }
}

/// A refused credential, or a failed lookup.
#[derive(Debug)]
pub enum AuthError {
    /// The credential is not accepted.
    Refused(CredentialError),
    /// The lookup failed.
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
