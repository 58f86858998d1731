//! Principal: the maker of a request as its credentials tell, and which of them are accepted.

use crate::access::AccessError;
use crate::audit::AuditContext;
use crate::auth::{self, AcceptedCredentials, Actor, AuthError, Credential, Credentials, Shown};
use crate::catalog::Db;
use crate::domain::Timestamp;
use crate::domain::scope::Scopes;
use crate::upstream::Consultation;
use secrecy::SecretString;

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

    /// Authenticates the principal where no project decides about it: a foreign credential is known then.
    pub(super) fn authenticate_alone(&self, db: &mut Db) -> Result<Actor, AccessError> {
        let actor = self.authenticate(db)?;
        auth::require_known(&self.credentials, &actor, self.scopes)?;
        Ok(actor)
    }

    /// Returns what the request asks of the upstream.
    pub(super) fn asked(&self) -> Consultation {
        self.credentials.asked.clone()
    }

    /// Returns the principal with a job's token as its only credential.
    pub(super) fn with_job_token(&self, token: &SecretString) -> Self {
        let list = vec![Credential::Job(Shown::Token(token.clone()))];
        Self { credentials: Credentials { list, ..self.credentials.clone() }, ..self.clone() }
    }

    /// Returns the audit record of the request.
    pub fn audit(&self) -> &AuditContext {
        &self.credentials.audit
    }
}
