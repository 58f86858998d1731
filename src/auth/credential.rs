//! The credentials of a request, as they stood in it.

use std::fmt;

use secrecy::SecretString;

use super::error::CredentialError;
use crate::audit::AuditContext;

/// A credential of a request, by what it may be.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A personal token.
    Personal(Shown),
    /// A personal token or a job token.
    PersonalOrJob(Shown),
    /// A job token.
    Job(Shown),
    /// Something of a form that is not read here.
    Unreadable(Unreadable),
}

/// The credentials of a request. The first that counts decides, and a wrong one is never passed over.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// The credentials, in the order in which they count.
    pub list: Vec<Credential>,
    /// The audit record of the request, which is told whose they are.
    pub audit: AuditContext,
}

/// A credential in a place of its own.
#[derive(Debug, Clone)]
pub enum Shown {
    /// A token, known or not.
    Token(SecretString),
    /// Something that can be none.
    Unreadable(Unreadable),
}

/// Why a credential cannot be read. Its text holds nothing of the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The header or parameter of this name holds bytes that are no ASCII text.
    Bytes(&'static str),
    /// The parameter of this name is written as a list or table (`private_token[]`).
    List(&'static str),
    /// The header or parameter of this name is there several times, with different values.
    Several(&'static str),
    /// Nobody reads the header or parameter of this name.
    Unread(&'static str),
    /// `Authorization` names another scheme than `Bearer`: one that is well known, or any other.
    Scheme(Option<&'static str>),
}

impl Shown {
    /// The token.
    ///
    /// # Errors
    /// [`CredentialError::Unreadable`] for what can be none.
    pub fn token(&self) -> Result<&SecretString, CredentialError> {
        match self {
            Self::Token(token) => Ok(token),
            Self::Unreadable(why) => Err(CredentialError::Unreadable(*why)),
        }
    }
}

impl Credentials {
    /// Whether the request shows a job token in a place of its own, readable or not.
    pub fn has_job_token(&self) -> bool {
        self.list.iter().any(|credential| matches!(credential, Credential::Job(_)))
    }

    /// The token that is looked up as a personal token first, if there is one and it can be read.
    pub(super) fn personal(&self) -> Option<&Shown> {
        self.list.iter().find_map(|credential| match credential {
            Credential::Personal(shown) | Credential::PersonalOrJob(shown) => Some(shown),
            Credential::Job(_) | Credential::Unreadable(_) => None,
        })
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(name) => write!(f, "{name} is no ASCII text"),
            Self::List(name) => write!(f, "{name} is a list"),
            Self::Several(name) => write!(f, "{name} has several values"),
            Self::Unread(name) => write!(f, "{name} is not read here"),
            Self::Scheme(Some(scheme)) => write!(f, "Authorization: {scheme}"),
            Self::Scheme(None) => f.write_str("Authorization is not of the scheme Bearer"),
        }
    }
}
