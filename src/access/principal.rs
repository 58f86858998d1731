//! The principal: whoever makes a request, as far as its credentials tell, and which of them count.

use crate::access::AccessError;
use crate::auth::{self, Actor, Credentials, Refusal, Trail};
use crate::catalog::Db;
use crate::domain::Timestamp;

/// Which credentials a function accepts, besides a personal token with one of the scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptedCredentials {
    /// Personal tokens only; a job token counts as no credential.
    UserOnly,
    /// Personal tokens and job tokens; anonymous requests are refused.
    UserOrJob,
    /// Personal tokens and anonymous requests. A job token in a place of its own counts as no credential; as a
    /// bearer token it is refused.
    UserOrAnonymous,
    /// Personal tokens, job tokens and anonymous requests.
    Any,
}

/// Whoever makes a request.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The credentials of the request.
    pub credentials: Credentials,
    /// Which of them count.
    pub accepted: AcceptedCredentials,
    /// The scopes of which a personal token needs one.
    pub scopes: &'static [&'static str],
    /// The time at which the whole request is judged.
    pub now: Timestamp,
}

impl Principal {
    /// Finds out who it is.
    pub(super) fn authenticate(&self, db: &mut Db) -> Result<Actor, AccessError> {
        let Self { credentials, scopes, now, .. } = self;
        let actor = match self.accepted {
            AcceptedCredentials::UserOrAnonymous if credentials.are_nobodys() => Actor::Anonymous,
            AcceptedCredentials::UserOnly | AcceptedCredentials::UserOrAnonymous => {
                auth::authenticate_user(db, credentials, scopes, *now)?
            }
            AcceptedCredentials::UserOrJob | AcceptedCredentials::Any => {
                auth::authenticate(db, credentials, scopes, *now)?
            }
        };
        match (self.accepted, &actor) {
            (AcceptedCredentials::UserOrJob, Actor::Anonymous) => Err(Refusal::Missing.into()),
            _ => Ok(actor),
        }
    }

    /// The audit record of the request.
    pub fn audit(&self) -> &Trail {
        &self.credentials.trail
    }
}
