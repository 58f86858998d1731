//! Principal: the maker of a request as its credentials tell, and which of them are accepted.

use crate::access::AccessError;
use crate::audit::AuditContext;
use crate::auth::{self, AcceptedCredentials, Actor, AuthError, Credentials};
use crate::catalog::Db;
use crate::domain::Timestamp;
use crate::domain::scope::Scopes;

/// The maker of a request, not yet authenticated.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The credentials of the request.
    pub credentials: Credentials,
    /// The accepted credentials.
    pub accepted: AcceptedCredentials,
    /// The scopes of which a personal token needs one.
    pub scopes: Scopes,
    /// The time used for every decision about the request.
    pub now: Timestamp,
}

impl Principal {
    /// Authenticates the principal.
    pub(super) fn authenticate(&self, db: &mut Db) -> Result<Actor, AccessError> {
        let actor = auth::authenticate(db, &self.credentials, self.accepted, self.scopes, self.now);
        if let Err(AuthError::Refused(refusal)) = &actor
            && let Some(reason) = refusal.failure()
        {
            self.credentials.audit.set_refusal(reason);
        }
        Ok(actor?)
    }

    /// Returns the audit record of the request.
    pub fn audit(&self) -> &AuditContext {
        &self.credentials.audit
    }
}
