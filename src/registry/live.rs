//! The registry of a running server: documents and small changes that a CI coordinator sends.
//!
//! Every function needs a principal that may change the registry.

use secrecy::SecretString;

use super::update::{JobChange, PipelineChange, replace_job_token};
use super::{Destination, Format, LoadError, LoadSummary, load_sent};
use crate::access::{Access, AccessError, Principal, require_registry};
use crate::archive::Limits;
use crate::auth::new_job_token;
use crate::catalog::jobs::JobRecord;
use crate::catalog::pipelines::PipelineRecord;
use crate::catalog::{Catalog, Db};
use crate::domain::status::Status;
use crate::store::Store;

/// Changes the catalog for authorized principals.
#[derive(Debug, Clone)]
pub struct Registry {
    catalog: Catalog,
    store: Store,
    archive_limits: Limits,
    access: Access,
}

impl Registry {
    /// Returns a registry that changes `catalog` and `store` for principals that `access` authorizes, and reads
    /// archives within `archive_limits`.
    pub fn new(catalog: Catalog, store: Store, archive_limits: Limits, access: Access) -> Self {
        Self { catalog, store, archive_limits, access }
    }

    /// Returns where documents are loaded to.
    pub fn destination(&self) -> Destination<'_> {
        Destination { catalog: &self.catalog, store: &self.store, archive_limits: self.archive_limits }
    }

    /// Checks the principal's permission before the body is read and before the single writer's turn is
    /// taken. Every change checks it again in its transaction.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`AccessError::NotAdministrator`].
    pub async fn admit(&self, principal: &Principal) -> Result<(), AccessError> {
        self.access.admit_to_registry(principal).await
    }

    /// Loads a document: all of it, or nothing.
    ///
    /// # Errors
    /// [`LoadError`]; the catalog is unchanged then.
    pub async fn load(
        &self,
        principal: &Principal,
        document: Vec<u8>,
        format: Format,
    ) -> Result<LoadSummary, LoadError> {
        let (now, principal) = (principal.now, principal.clone());
        let allow = move |db: &mut Db| require_registry(db, &principal);
        load_sent(document, format, self.destination(), now, allow).await
    }

    /// Applies the JSON object `change` to the job `id`.
    ///
    /// # Errors
    /// [`LoadError`]: besides a missing permission, `NotFound` if the job does not exist, `Conflict` if it
    /// has ended and the new status is not final.
    pub async fn update_job(
        &self,
        principal: &Principal,
        id: i64,
        change: Vec<u8>,
    ) -> Result<JobRecord, LoadError> {
        let principal = principal.clone();
        self.catalog
            .write(move |db| {
                require_registry(db, &principal)?;
                let change = JobChange::read(&change)?;
                record_status(&principal, change.status());
                Ok(change.apply(db, id, principal.now)?)
            })
            .await
    }

    /// Applies the JSON object `change` to the pipeline `id`.
    ///
    /// # Errors
    /// [`LoadError`]: besides a missing permission, `NotFound` if the pipeline does not exist.
    pub async fn update_pipeline(
        &self,
        principal: &Principal,
        id: i64,
        change: Vec<u8>,
    ) -> Result<PipelineRecord, LoadError> {
        let principal = principal.clone();
        self.catalog
            .write(move |db| {
                require_registry(db, &principal)?;
                let change = PipelineChange::read(&change)?;
                record_status(&principal, change.status());
                Ok(change.apply(db, id, principal.now)?)
            })
            .await
    }

    /// Replaces the token of the job `id` with a new one.
    ///
    /// # Errors
    /// [`LoadError`]: besides a missing permission, `NotFound` if the job does not exist, `Conflict` if its
    /// token would never be valid.
    pub async fn make_job_token(&self, principal: &Principal, id: i64) -> Result<SecretString, LoadError> {
        let principal = principal.clone();
        let fresh = new_job_token()?;
        let sha256 = fresh.sha256;
        self.catalog
            .write(move |db| {
                require_registry(db, &principal)?;
                Ok::<_, LoadError>(replace_job_token(db, id, sha256)?)
            })
            .await?;
        Ok(fresh.text)
    }
}

fn record_status(principal: &Principal, status: Option<Status>) {
    principal.audit().update(|event| event.subject = status.map(|status| format!("status {status}")));
}
