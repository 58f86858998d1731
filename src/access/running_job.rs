//! Running job: the job that makes a request itself, by its own token or by a runtime token that was made for it.

use secrecy::{ExposeSecret, SecretString};

use super::{Access, AccessError, JobCredential};
use crate::audit::AuditContext;
use crate::auth::keys::SigningKeys;
use crate::auth::{self, Actor, CredentialError, RuntimeToken};
use crate::catalog::jobs::{self, Job};
use crate::catalog::projects::{self, Project};
use crate::catalog::{Db, agents, users};
use crate::domain::Timestamp;
use crate::domain::artifact::Accessibility;
use crate::domain::permissions::{self, Action, Decision, Grant, TokenReach, authorize};
use crate::domain::project::ProjectRef;

/// A running job that makes a request.
#[derive(Debug, Clone)]
pub struct RunningJob {
    /// The job.
    pub job: Job,
    /// Its project.
    pub project: Project,
    /// What its user may do in the project; `None` for a job of nobody, which reads only what it uploaded itself.
    grant: Option<Grant>,
    /// The job with its user, for other projects; `None` for a job of nobody.
    pub(super) actor: Option<Actor>,
    /// The time used for every decision about the request.
    pub(super) now: Timestamp,
}

impl RunningJob {
    /// Whether it may read an artifact of a job of its project: its own, or one that a job of its user that depends on
    /// the artifact's job may fetch.
    pub(super) fn may_read(&self, job_id: i64, accessibility: Accessibility) -> bool {
        let action = Action::FetchDependency(accessibility);
        let Project { visibility, public_jobs, .. } = self.project;
        let project = permissions::Project { visibility, public_jobs };
        job_id == self.job.id
            || self.grant.is_some_and(|grant| authorize(grant, action, project) == Decision::Allow)
    }
}

impl Access {
    /// Finds the running job that a runtime token is for.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub async fn job_of_runtime_token(
        &self,
        keys: &SigningKeys,
        token: &SecretString,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<RunningJob, AccessError> {
        audit.set_credential("runtime_token");
        let token = RuntimeToken::verify(keys, token, now).await?;
        self.running_job(JobCredential::Runtime(token), audit, now).await
    }

    /// Finds the running job that a token is for: its own, a runtime token that was made for it, or that of the agent
    /// that runs it.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub async fn job_of_any_token(
        &self,
        keys: &SigningKeys,
        token: &SecretString,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<RunningJob, AccessError> {
        if RuntimeToken::has_form(token.expose_secret()) {
            return self.job_of_runtime_token(keys, token, audit, now).await;
        }
        audit.set_credential("job_token");
        self.running_job(JobCredential::Opaque(token.clone()), audit, now).await
    }

    async fn running_job(
        &self,
        credential: JobCredential,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<RunningJob, AccessError> {
        let audit = audit.clone();
        self.catalog
            .read_inline(move |db| {
                let job = match (credential.own_job(db, &audit)?, &credential) {
                    (Some(job), _) => job,
                    (None, JobCredential::Runtime(_)) => return Err(CredentialError::Unknown.into()),
                    // Agents of old releases show the token of their session for the job that they run.
                    (None, JobCredential::Opaque(token)) => {
                        let agent = auth::find_session(db, token, &audit, now)?.agent;
                        let id = agents::job_run_by(db, agent.uuid)?.ok_or(CredentialError::Unknown)?;
                        jobs::find(db, id)?.ok_or(CredentialError::Unknown)?
                    }
                };
                running(db, job, &audit, now)
            })
            .await
    }
}

/// Requires that a job is running, and finds what it may do.
fn running(db: &mut Db, job: Job, audit: &AuditContext, now: Timestamp) -> Result<RunningJob, AccessError> {
    let project = projects::find(db, &ProjectRef::Id(job.project_id))?;
    let project = project.ok_or(CredentialError::Unknown)?;
    audit.set_job_actor(job.id, &project.path, None);
    audit.set_project(&project);
    if !job.status.is_executing() {
        return Err(CredentialError::JobIdle(job.status).into());
    }
    if job.erased_at.is_some() {
        return Err(CredentialError::JobErased.into());
    }
    let user = job.user_id.map(|id| users::find(db, id)).transpose()?.flatten();
    let grant = match &user {
        Some(user) => {
            let role = projects::role_of(db, project.id, user.id)?;
            Some(Grant::User { admin: user.admin, role, reach: TokenReach::AllowedJob })
        }
        None => None,
    };
    let (job_id, project_path) = (job.id, project.path.clone());
    let actor = user.map(|user| Actor::Job { job_id, project_path, user, asker: None });
    Ok(RunningJob { job, project, grant, actor, now })
}
