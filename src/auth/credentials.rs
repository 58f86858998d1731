//! What a request brought along to show who asks, as it stood there.

use std::fmt;

use secrecy::SecretString;

use super::Trail;
use super::refusal::Refusal;

/// What a request brought along, by what it claims to be.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// A personal token; wins over the others.
    pub personal: Option<Shown>,
    /// A token that may be a personal one or a job's.
    pub bearer: Option<Shown>,
    /// A job's token.
    pub job: Option<Shown>,
    /// Something of a form that nobody reads here; counts only when there is nothing else.
    pub other: Option<Unreadable>,
    /// Is told whose they are.
    pub trail: Trail,
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
    /// [`Refusal::Unreadable`] for what can be none.
    pub fn token(&self) -> Result<&SecretString, Refusal> {
        match self {
            Self::Token(token) => Ok(token),
            Self::Unreadable(why) => Err(Refusal::Unreadable(*why)),
        }
    }
}

impl Credentials {
    /// Whether whoever asks may be nobody where a job's token is no credential.
    pub fn are_nobodys(&self) -> bool {
        self.personal.is_none() && self.bearer.is_none() && self.unreadable_beside().is_none()
    }

    /// Why there is nobody behind them where only a user counts, and neither a personal token nor a
    /// bearer's was shown.
    pub(super) fn lack_a_user(&self) -> Refusal {
        match (self.unreadable_beside(), &self.job) {
            (Some(why), _) => {
                self.trail.shown("unknown_form");
                Refusal::Unreadable(why)
            }
            (None, Some(_)) => Refusal::NotForJobs,
            (None, None) => Refusal::Missing,
        }
    }

    /// What cannot be read among those that count last.
    fn unreadable_beside(&self) -> Option<Unreadable> {
        match (&self.job, self.other) {
            (Some(Shown::Unreadable(why)), _) => Some(*why),
            (_, other) => other,
        }
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
