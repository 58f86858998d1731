//! Held job: the job that an agent has, as the agent itself or something that runs in the job asks about it.

use secrecy::{ExposeSecret, SecretString};

use super::{Access, AccessError, AgentError};
use crate::audit::AuditContext;
use crate::auth::keys::SigningKeys;
use crate::auth::{self, CredentialError, RuntimeToken};
use crate::catalog::jobs::{self, Job};
use crate::catalog::{Db, agents, builds};
use crate::domain::status::Status;
use crate::domain::{RowId, Timestamp, Uuid};

/// A credential of a request about a job, its signature checked if it has one.
#[derive(Debug, Clone)]
pub enum JobCredential {
    /// A runtime token.
    Runtime(RuntimeToken),
    /// The token of a session or a job.
    Opaque(SecretString),
}

/// A job with the agent that has it.
#[derive(Debug, Clone)]
pub struct HeldJob {
    /// The job.
    pub job: Job,
    /// The agent that has the job or had it last; `None` for a job that agents do not run.
    pub agent: Option<Uuid>,
}

impl HeldJob {
    /// The IDs of the pipeline and the job.
    pub(super) fn ids(&self) -> (i64, i64) {
        (self.job.pipeline_id, self.job.id)
    }
}

impl JobCredential {
    /// Checks the signature of a runtime token.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub async fn read(keys: &SigningKeys, token: &SecretString, now: Timestamp) -> Result<Self, AccessError> {
        if RuntimeToken::has_form(token.expose_secret()) {
            return Ok(Self::Runtime(RuntimeToken::verify(keys, token, now).await?));
        }
        Ok(Self::Opaque(token.clone()))
    }

    /// Finds the job that is asked about: the credential's own, or one that its agent has or had last.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`AgentError::OtherJob`].
    pub(super) fn find(
        &self,
        db: &mut Db,
        id: &RowId,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<HeldJob, AgentError> {
        let Some(job) = self.own_job(db, audit)? else { return self.find_of_session(db, id, audit, now) };
        require_own(&job, id)?;
        begun(db, job, audit)
    }

    /// Finds the job whose start or end is reported, as [`JobCredential::find`] does, even if it has ended: the answer to an
    /// earlier report may have been lost, and the job may have been ended by others.
    ///
    /// # Errors
    /// As [`JobCredential::find`].
    pub(super) fn find_begun_or_ended(
        &self,
        db: &mut Db,
        id: &RowId,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<HeldJob, AgentError> {
        let Some(job) = self.own_job(db, audit)? else { return self.find_of_session(db, id, audit, now) };
        require_own(&job, id)?;
        if job.status.is_finished()
            && let Some((_, agent @ Some(_))) = agents::holder_of(db, job.id)?
        {
            audit.set_job(job.id);
            return Ok(HeldJob { job, agent });
        }
        begun(db, job, audit)
    }

    /// Finds the credential's own job, or the one that its agent runs.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub(super) fn find_own(
        &self,
        db: &mut Db,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<HeldJob, AgentError> {
        match self.own_job(db, audit)? {
            Some(job) => begun(db, job, audit),
            None => {
                let Self::Opaque(token) = self else { return Err(CredentialError::Unknown.into()) };
                let session = auth::find_session(db, token, audit, now)?;
                let job = agents::job_run_by(db, session.agent.uuid)?.ok_or(AgentError::NotHeld)?;
                let job = jobs::find(db, job)?.ok_or(AgentError::NotHeld)?;
                begun(db, job, audit)
            }
        }
    }

    /// Finds the job that the credential was made for; `None` for one that is no job's.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub(in crate::access) fn own_job(
        &self,
        db: &mut Db,
        audit: &AuditContext,
    ) -> Result<Option<Job>, AccessError> {
        Ok(match self {
            Self::Runtime(token) => {
                audit.set_credential("runtime_token");
                let job = jobs::find(db, token.job_id)?.filter(|job| job.pipeline_id == token.pipeline_id);
                Some(job.ok_or(CredentialError::Unknown)?)
            }
            Self::Opaque(token) => auth::find_job(db, token, audit)?.map(|found| found.job),
        })
    }

    fn find_of_session(
        &self,
        db: &mut Db,
        id: &RowId,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<HeldJob, AgentError> {
        let Self::Opaque(token) = self else { return Err(CredentialError::Unknown.into()) };
        audit.set_credential("agent_token");
        let session = auth::find_session(db, token, audit, now)?;
        let id = match id {
            RowId::Number(number) => Some(*number),
            RowId::Uuid(uuid) => builds::job_by_uuid(db, *uuid)?.map(|(id, ..)| id),
        };
        let job = id.map(|id| jobs::find(db, id)).transpose()?.flatten().ok_or(AgentError::NotHeld)?;
        audit.set_job(job.id);
        let (holder, last) = agents::holder_of(db, job.id)?.ok_or(AgentError::NotHeld)?;
        if holder.or(last) != Some(session.agent.uuid) {
            return Err(AgentError::NotHeld);
        }
        Ok(HeldJob { job, agent: Some(session.agent.uuid) })
    }
}

/// Requires that a job has begun and has not ended: only then its token is valid.
fn begun(db: &mut Db, job: Job, audit: &AuditContext) -> Result<HeldJob, AgentError> {
    audit.set_job(job.id);
    let agent = agents::holder_of(db, job.id)?;
    let has_begun = job.status.is_executing() || (agent.is_some() && job.status == Status::Preparing);
    if !has_begun {
        return Err(CredentialError::JobIdle(job.status).into());
    }
    if job.erased_at.is_some() {
        return Err(CredentialError::JobErased.into());
    }
    Ok(HeldJob { job, agent: agent.and_then(|(holder, last)| holder.or(last)) })
}

/// Requires that the job in a path is the credential's own.
fn require_own(job: &Job, id: &RowId) -> Result<(), AgentError> {
    if job.is_named(id) { Ok(()) } else { Err(AgentError::OtherJob) }
}

impl Access {
    /// Finds the job that an agent, or something that runs in the job, asks about.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`AgentError::OtherJob`], [`AgentError::NotHeld`].
    pub async fn held_job(
        &self,
        credential: &JobCredential,
        id: RowId,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<HeldJob, AgentError> {
        let (credential, audit) = (credential.clone(), audit.clone());
        self.catalog.read_inline(move |db| credential.find(db, &id, &audit, now)).await
    }

    /// Finds the job whose start or end an agent reports, as [`Access::held_job`] does, even if it has ended.
    ///
    /// # Errors
    /// As [`Access::held_job`].
    pub async fn begun_or_ended_job(
        &self,
        credential: &JobCredential,
        id: RowId,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<HeldJob, AgentError> {
        let (credential, audit) = (credential.clone(), audit.clone());
        self.catalog.read_inline(move |db| credential.find_begun_or_ended(db, &id, &audit, now)).await
    }

    /// Finds the agent that makes a request, or that runs the job which makes it.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`AgentError::NotHeld`].
    pub async fn agent_of(
        &self,
        credential: &JobCredential,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<Uuid, AgentError> {
        let (credential, audit) = (credential.clone(), audit.clone());
        self.catalog
            .read_inline(move |db| match credential.own_job(db, &audit)? {
                Some(job) => begun(db, job, &audit)?.agent.ok_or(AgentError::NotHeld),
                None => match &credential {
                    JobCredential::Opaque(token) => {
                        Ok(auth::find_session(db, token, &audit, now)?.agent.uuid)
                    }
                    JobCredential::Runtime(_) => Err(CredentialError::Unknown.into()),
                },
            })
            .await
    }
}
