//! Credentials of a request, as they were sent.

use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;

use super::error::CredentialError;
use super::oidc::VouchedJob;
use crate::audit::AuditContext;
use crate::upstream::Consultation;

/// A credential of a request, by the kinds of token that it may be.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A personal token.
    Personal(Shown),
    /// A personal token or a job token.
    PersonalOrJob(Shown),
    /// A job token.
    Job(Shown),
    /// An ID token that was verified.
    IdToken(Arc<VouchedJob>),
    /// A credential of an unsupported form.
    Unreadable(Unreadable),
}

/// The credentials of a request. The first accepted one decides, and an invalid one is never skipped.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// The credentials, in order of precedence.
    pub list: Vec<Credential>,
    /// The audit record of the request, to which their owner is added.
    pub audit: AuditContext,
    /// What the request asks of the upstream, if there is one.
    pub asked: Consultation,
}

/// A credential as sent in one place.
#[derive(Debug, Clone)]
pub enum Shown {
    /// A token, known or not.
    Token(SecretString),
    /// Something that cannot be a token.
    Unreadable(Unreadable),
}

/// Why a credential cannot be read. Its text holds nothing of the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// This header or parameter is not ASCII text.
    Bytes(&'static str),
    /// This parameter is written as a list or table (`private_token[]`).
    List(&'static str),
    /// This header or parameter has several, different values.
    Several(&'static str),
    /// This header or parameter is not supported.
    Unread(&'static str),
    /// `Authorization` has another scheme than `Bearer`: a well-known one, or `None` for any other.
    Scheme(Option<&'static str>),
}

impl Shown {
    /// Returns the token.
    ///
    /// # Errors
    /// [`CredentialError::Unreadable`] if it cannot be a token.
    pub fn token(&self) -> Result<&SecretString, CredentialError> {
        match self {
            Self::Token(token) => Ok(token),
            Self::Unreadable(why) => Err(CredentialError::Unreadable(*why)),
        }
    }
}

impl Credentials {
    /// Whether the request has a job token in a place of its own, readable or not, or an ID token.
    pub fn has_job_token(&self) -> bool {
        self.list.iter().any(|credential| matches!(credential, Credential::Job(_) | Credential::IdToken(_)))
    }

    /// Returns the token that is looked up as a personal token first, readable or not.
    pub(super) fn personal(&self) -> Option<&Shown> {
        self.list.iter().find_map(|credential| match credential {
            Credential::Personal(shown) | Credential::PersonalOrJob(shown) => Some(shown),
            Credential::Job(_) | Credential::IdToken(_) | Credential::Unreadable(_) => None,
        })
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(name) => write!(f, "{name} is not ASCII text"),
            Self::List(name) => write!(f, "{name} is a list"),
            Self::Several(name) => write!(f, "{name} has several values"),
            Self::Unread(name) => write!(f, "{name} is not accepted here"),
            Self::Scheme(Some(scheme)) => write!(f, "Authorization: {scheme}"),
            Self::Scheme(None) => f.write_str("Authorization does not use the Bearer scheme"),
        }
    }
}
