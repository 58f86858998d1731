//! Work of an agent on the job that it has: it accepts, starts and finishes it, and sends its log meanwhile.

use secrecy::SecretString;

use super::{Access, AgentError, HeldJob, JobCredential};
use crate::access::builds::{BuildJobs, with_jobs};
use crate::audit::AuditContext;
use crate::auth;
use crate::catalog::agents::{self, Agent, Assignment, JobEnd};
use crate::catalog::builds::Build;
use crate::catalog::clock;
use crate::catalog::logs::{self, AddOutcome, LogChunk};
use crate::domain::{RowId, Timestamp};

/// A job that an agent has accepted.
#[derive(Debug)]
pub struct AcceptedJob {
    /// Its build, with this job alone.
    pub build: Build,
    /// The attempts of its step before it.
    pub earlier_attempts: usize,
    /// The agent.
    pub agent: Agent,
}

impl Access {
    /// Records that the agent of a session accepts the job that it was given; again, when the answer was lost.
    ///
    /// # Errors
    /// [`crate::access::AccessError::Credential`], [`AgentError::NotHeld`], [`AgentError::NotPossible`],
    /// [`AgentError::BuildNotRunning`].
    pub async fn accept_job(
        &self,
        token: &SecretString,
        id: RowId,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<AcceptedJob, AgentError> {
        let (token, audit, clock) = (token.clone(), audit.clone(), self.clock.clone());
        self.catalog
            .write(move |db| {
                let agent = auth::find_session(db, &token, &audit, now)?.agent;
                let held = JobCredential::Opaque(token).find(db, &id, &audit, now)?;
                let assigned_at = clock::shared(db, &clock)?;
                done(agents::accept(db, held.ids(), &agent, assigned_at)?)?;
                let BuildJobs { build, attempts, .. } =
                    with_jobs(db, held.job.pipeline_id, &[held.job.id], false)?;
                let earlier_attempts = attempts.iter().filter(|attempt| attempt.id < held.job.id).count();
                Ok(AcceptedJob { build, earlier_attempts, agent })
            })
            .await
    }

    /// Records that an agent starts the job that it accepted.
    ///
    /// # Errors
    /// As [`Access::held_job`], [`AgentError::BuildNotRunning`]; [`AgentError::NotPossible`] for a job that was ended
    /// meanwhile.
    pub async fn start_job(
        &self,
        credential: &JobCredential,
        id: RowId,
        started_at: Timestamp,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<(), AgentError> {
        let (credential, audit) = (credential.clone(), audit.clone());
        self.catalog
            .write(move |db| {
                let held = credential.find_begun_or_ended(db, &id, &audit, now)?;
                let agent = held.agent.ok_or(AgentError::NotHeld)?;
                done(agents::start(db, held.ids(), agent, started_at, now)?)
            })
            .await
    }

    /// Records how a job ended; after the last one the agent takes no more jobs. Returns the job. One that has ended in
    /// this way already is left as it is.
    ///
    /// # Errors
    /// As [`Access::start_job`]; [`AgentError::NotPossible`] for a job that has ended in another way.
    pub async fn finish_job(
        &self,
        credential: &JobCredential,
        id: RowId,
        (end, is_last): (JobEnd, bool),
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<HeldJob, AgentError> {
        let (credential, audit) = (credential.clone(), audit.clone());
        self.catalog
            .write(move |db| {
                let held = credential.find_begun_or_ended(db, &id, &audit, now)?;
                let agent = held.agent.ok_or(AgentError::NotHeld)?;
                done(agents::finish(db, held.ids(), agent, &end, now)?)?;
                if is_last {
                    agents::retire(db, agent)?;
                }
                Ok(held)
            })
            .await
    }

    /// Adds a piece to the log of a job, which may have `max_bytes` in all.
    ///
    /// # Errors
    /// As [`Access::held_job`], [`AgentError::LogTooLong`], [`AgentError::NotPossible`] for a job that does not run,
    /// [`AgentError::NotHeld`] for one that agents do not run.
    pub async fn add_to_log(
        &self,
        credential: &JobCredential,
        id: RowId,
        chunk: LogChunk,
        max_bytes: i64,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<(), AgentError> {
        let (credential, audit) = (credential.clone(), audit.clone());
        self.catalog
            .write(move |db| {
                let held = credential.find(db, &id, &audit, now)?;
                held.agent.ok_or(AgentError::NotHeld)?;
                match logs::add(db, held.job.id, &chunk, max_bytes)? {
                    AddOutcome::Added => Ok(()),
                    AddOutcome::TooLong => Err(AgentError::LogTooLong(max_bytes)),
                    AddOutcome::NotRunning => Err(AgentError::NotPossible(held.job.status)),
                }
            })
            .await
    }
}

fn done(outcome: Assignment) -> Result<(), AgentError> {
    match outcome {
        Assignment::Done => Ok(()),
        Assignment::NotHeld => Err(AgentError::NotHeld),
        Assignment::Refused(status) => Err(AgentError::NotPossible(status)),
        Assignment::BuildRefused(status) => Err(AgentError::BuildNotRunning(status)),
    }
}
