//! The registry of a running gateway: documents and small changes that a coordinator sends, for a principal that
//! may change the registry.

use secrecy::SecretString;

use super::update::{JobChange, PipelineChange, replace_job_token};
use super::{Format, LoadError, LoadSummary, load_sent};
use crate::access::{Access, AccessError, Principal, require_registry};
use crate::auth::new_job_token;
use crate::catalog::jobs::JobRecord;
use crate::catalog::pipelines::PipelineRecord;
use crate::catalog::{Catalog, Db};
use crate::domain::status::Status;
use crate::store::Store;

/// Changes the catalog for a principal that may.
#[derive(Debug, Clone)]
pub struct Registry {
    catalog: Catalog,
    store: Store,
    access: Access,
}

impl Registry {
    /// Changes `catalog`, for principals that `access` lets in, and stores what documents hold in `store`.
    pub fn new(catalog: Catalog, store: Store, access: Access) -> Self {
        Self { catalog, store, access }
    }

    /// Lets a principal in before anything else is done: neither bytes nor the one turn for writers are for
    /// anybody else. Every change asks again in its transaction.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`AccessError::NotAdministrator`].
    pub async fn admit(&self, principal: &Principal) -> Result<(), AccessError> {
        self.access.admit_to_registry(principal).await
    }

    /// Loads a document: all of it, or nothing.
    ///
    /// # Errors
    /// [`LoadError`]; nothing has changed then.
    pub async fn load(
        &self,
        principal: &Principal,
        document: Vec<u8>,
        format: Format,
    ) -> Result<LoadSummary, LoadError> {
        let (now, principal) = (principal.now, principal.clone());
        let allow = move |db: &mut Db| require_registry(db, &principal);
        load_sent(document, format, &self.catalog, &self.store, now, allow).await
    }

    /// Changes the job `id` as the JSON object `change` says.
    ///
    /// # Errors
    /// [`LoadError`]: besides the right, `NotFound` without such a job, `Conflict` when it ran to its end and
    /// would run again.
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

    /// Changes the pipeline `id` as the JSON object `change` says.
    ///
    /// # Errors
    /// [`LoadError`]: besides the right, `NotFound` without such a pipeline.
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

    /// Gives the job `id` a new token in place of any that it had.
    ///
    /// # Errors
    /// [`LoadError`]: besides the right, `NotFound` without such a job, `Conflict` for one whose token would
    /// never be valid.
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
    principal.audit().update(|facts| facts.subject = status.map(|status| format!("status {status}")));
}
