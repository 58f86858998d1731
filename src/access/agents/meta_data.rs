//! Meta-data of builds, which their jobs share.

use super::{Access, AgentError, HeldJob, JobCredential};
use crate::audit::AuditContext;
use crate::catalog::Db;
use crate::catalog::builds::{self, SetOutcome};
use crate::domain::build::{MAX_BYTES, MAX_NAMES};
use crate::domain::{RowId, Timestamp};

/// Whose meta-data is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaDataOf {
    /// That of the build of a job, which asks for it itself.
    Job(RowId),
    /// That of a build of the asking job's project.
    Build(RowId),
}

impl MetaDataOf {
    /// Finds the pipeline.
    fn find(
        self,
        db: &mut Db,
        credential: &JobCredential,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<i64, AgentError> {
        match self {
            Self::Job(id) => Ok(credential.find(db, &id, audit, now)?.job.pipeline_id),
            Self::Build(id) => {
                let HeldJob { job, .. } = credential.find_own(db, audit, now)?;
                let found = builds::ids_of(db, &id)?.filter(|(_, project_id)| *project_id == job.project_id);
                found.map(|(id, _)| id).ok_or(AgentError::NoBuild)
            }
        }
    }
}

impl Access {
    /// Sets a value of the meta-data of a job's build.
    ///
    /// # Errors
    /// As [`Access::held_job`], [`AgentError::TooManyValues`], [`AgentError::ValuesTooLarge`].
    pub async fn set_meta_data(
        &self,
        credential: &JobCredential,
        job: RowId,
        (key, value): (String, String),
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<(), AgentError> {
        let (credential, audit) = (credential.clone(), audit.clone());
        self.catalog
            .write(move |db| {
                let held = credential.find(db, &job, &audit, now)?;
                let [most, most_bytes] =
                    [MAX_NAMES, MAX_BYTES].map(|most| i64::try_from(most).unwrap_or(i64::MAX));
                match builds::set_value(db, held.job.pipeline_id, (&key, &value), (most, most_bytes))? {
                    SetOutcome::Set => Ok(()),
                    SetOutcome::TooMany => Err(AgentError::TooManyValues),
                    SetOutcome::TooLarge => Err(AgentError::ValuesTooLarge(most_bytes)),
                }
            })
            .await
    }

    /// Returns a value of the meta-data of a build; `None` if there is none.
    ///
    /// # Errors
    /// As [`Access::held_job`], [`AgentError::NoBuild`].
    pub async fn meta_data_value(
        &self,
        credential: &JobCredential,
        of: MetaDataOf,
        key: String,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<Option<String>, AgentError> {
        let (credential, audit) = (credential.clone(), audit.clone());
        self.catalog
            .read(move |db| {
                let id = of.find(db, &credential, &audit, now)?;
                Ok(builds::value(db, id, &key)?)
            })
            .await
    }

    /// Lists the names of the values of a build's meta-data.
    ///
    /// # Errors
    /// As [`Access::meta_data_value`].
    pub async fn meta_data_keys(
        &self,
        credential: &JobCredential,
        of: MetaDataOf,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<Vec<String>, AgentError> {
        let (credential, audit) = (credential.clone(), audit.clone());
        self.catalog
            .read(move |db| {
                let id = of.find(db, &credential, &audit, now)?;
                Ok(builds::keys(db, id)?)
            })
            .await
    }
}
