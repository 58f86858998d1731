//! Access to what operators look after, which is about all projects: for administrators only.

use super::{Access, AccessError, Principal};
use crate::access::require_registry;
use crate::catalog::clock as database_clock;
use crate::catalog::nodes::{self, Node};
use crate::catalog::usage::{self, StorageView};
use crate::domain::Timestamp;

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

    /// Returns the nodes that were seen last, at most `limit`, in the order of their start, and the time by the clock
    /// that they were seen by.
    ///
    /// # Errors
    /// As [`Access::storage`].
    pub async fn nodes(
        &self,
        principal: &Principal,
        limit: i64,
    ) -> Result<(Vec<Node>, Timestamp), AccessError> {
        let (principal, clock) = (principal.clone(), self.clock.clone());
        self.read(principal.asked(), move |db| {
            require_registry(db, &principal)?;
            Ok((nodes::list(db, limit)?, database_clock::shared(db, &clock)?))
        })
        .await
    }
}
