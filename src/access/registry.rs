//! Access to the registry: who may load documents, change jobs and pipelines, and make job tokens.

use crate::access::{AcceptedCredentials, Access, AccessError, Principal};
use crate::auth::{Actor, Credentials};
use crate::catalog::Db;
use crate::domain::permissions::{Grant, TokenReach, can_manage_registry};
use crate::upstream::Consultation;

impl Access {
    /// Requires an administrator with the principal's scopes before anything else is done: others may neither
    /// send a body nor take the one turn for writers. [`require_registry`] checks again in the transaction.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`AccessError::NotAdministrator`].
    pub async fn admit_to_registry(&self, principal: &Principal) -> Result<(), AccessError> {
        let principal = principal.clone();
        self.catalog.read(move |db| require_registry(db, &principal)).await
    }
}

/// Requires an administrator with the principal's scopes, inside a transaction of the registry.
///
/// # Errors
/// As [`Access::admit_to_registry`].
pub fn require_registry(db: &mut Db, principal: &Principal) -> Result<(), AccessError> {
    // No upstream's user may change the registry, so none is asked about a token that is not known here.
    let credentials = Credentials { asked: Consultation::default(), ..principal.credentials.clone() };
    let user_only = Principal { accepted: AcceptedCredentials::UserOnly, credentials, ..principal.clone() };
    let grant = match user_only.authenticate(db)? {
        Actor::User(user) => Grant::User { admin: user.admin, role: None, reach: TokenReach::Unrestricted },
        Actor::Job { user, .. } => {
            Grant::User { admin: user.admin, role: None, reach: TokenReach::ForeignJob }
        }
        Actor::VouchedJob { .. } => Grant::VouchedJob { own: false },
        Actor::Anonymous | Actor::Foreign(_) => Grant::Anonymous,
    };
    if can_manage_registry(grant) { Ok(()) } else { Err(AccessError::NotAdministrator) }
}
