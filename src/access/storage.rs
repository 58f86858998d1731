//! Access to the view of the storage, which shows all projects: for administrators only.

use super::{Access, AccessError, Principal};
use crate::access::require_registry;
use crate::catalog::usage::{self, StorageView};

impl Access {
    /// Returns what is stored, by project, with at most `limit` projects and as many groups, and what will be deleted.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`AccessError::NotAdministrator`].
    pub async fn storage(&self, principal: &Principal, limit: i64) -> Result<StorageView, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            require_registry(db, &principal)?;
            Ok(usage::view(db, limit, principal.now)?)
        })
        .await
    }
}
