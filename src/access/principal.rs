//! The principal: whoever makes a request, as far as its credentials tell, and which of them count.

use crate::access::AccessError;
use crate::audit::AuditContext;
use crate::auth::{self, AcceptedCredentials, Actor, Credentials};
use crate::catalog::Db;
use crate::domain::Timestamp;
use crate::domain::scope::Scopes;

/// Whoever makes a request.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The credentials of the request.
    pub credentials: Credentials,
    /// Which of them count.
    pub accepted: AcceptedCredentials,
    /// The scopes of which a personal token needs one.
    pub scopes: Scopes,
    /// The time at which the whole request is judged.
    pub now: Timestamp,
}

impl Principal {
    /// Authenticates the principal.
    pub(super) fn authenticate(&self, db: &mut Db) -> Result<Actor, AccessError> {
        Ok(auth::authenticate(db, &self.credentials, self.accepted, self.scopes, self.now)?)
    }

    /// The audit record of the request.
    pub fn audit(&self) -> &AuditContext {
        &self.credentials.audit
    }
}
