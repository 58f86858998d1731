//! Running job: the job that makes a request itself, by its own token or by a runtime token that was made for it.

use secrecy::{ExposeSecret, SecretString};

use super::foreign::rights_in;
use super::project::Rights;
use super::{AcceptedCredentials, Access, AccessError, JobCredential, Principal};
use crate::auth::keys::SigningKeys;
use crate::auth::{self, Actor, AuthError, CredentialError, Credentials, RuntimeToken};
use crate::catalog::jobs::{self, Job};
use crate::catalog::projects::{self, Project};
use crate::catalog::{Db, agents, users};
use crate::domain::Timestamp;
use crate::domain::artifact::Accessibility;
use crate::domain::permissions::{self, Action, Decision, Grant, TokenReach, authorize};
use crate::domain::project::ProjectRef;
use crate::domain::scope::Scopes;

/// A running job that makes a request.
#[derive(Debug, Clone)]
pub struct RunningJob {
    /// The job.
    pub job: Job,
    /// Its project.
    pub project: Project,
    /// What its user may do in a project with these properties, which is its own; `None` for a job of nobody, which reads
    /// only what it uploaded itself.
    grant: Option<(Grant, permissions::Project)>,
    /// The job with its user, for other projects; `None` for a job of nobody.
    pub(super) actor: Option<Actor>,
    /// The maker of the request, for what it asks of the upstream.
    pub(super) principal: Principal,
    /// The time used for every decision about the request.
    pub(super) now: Timestamp,
}

impl RunningJob {
    /// Whether it may read an artifact of a job of its project: its own, or one that a job of its user that depends on
    /// the artifact's job may fetch.
    pub(super) fn may_read(&self, job_id: i64, accessibility: Accessibility) -> bool {
        let action = Action::FetchDependency(accessibility);
        let allows = |(grant, project)| authorize(grant, action, project) == Decision::Allow;
        job_id == self.job.id || self.grant.is_some_and(allows)
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
        credentials: Credentials,
        now: Timestamp,
    ) -> Result<RunningJob, AccessError> {
        credentials.audit.set_credential("runtime_token");
        let token = RuntimeToken::verify(keys, token, now).await?;
        self.running_job(JobCredential::Runtime(token), credentials, now).await
    }

    /// Finds the running job that a token is for: its own, which the upstream may know, a runtime token that was made for
    /// it, or that of the agent that runs it.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub async fn job_of_any_token(
        &self,
        keys: &SigningKeys,
        token: &SecretString,
        credentials: Credentials,
        now: Timestamp,
    ) -> Result<RunningJob, AccessError> {
        if RuntimeToken::has_form(token.expose_secret()) {
            return self.job_of_runtime_token(keys, token, credentials, now).await;
        }
        credentials.audit.set_credential("job_token");
        self.running_job(JobCredential::Opaque(token.clone()), credentials, now).await
    }

    async fn running_job(
        &self,
        credential: JobCredential,
        credentials: Credentials,
        now: Timestamp,
    ) -> Result<RunningJob, AccessError> {
        let (accepted, scopes) = (AcceptedCredentials::UserOrJob, Scopes::WRITE);
        let principal = Principal { credentials, accepted, scopes, now };
        self.read_inline(principal.asked(), move |db| {
            let audit = principal.audit();
            let job = match (credential.own_job(db, audit)?, &credential) {
                (Some(job), _) => job,
                (None, JobCredential::Runtime(_)) => return Err(CredentialError::Unknown.into()),
                (None, JobCredential::Opaque(token)) => match auth::find_session(db, token, audit, now) {
                    // Agents of old releases show the token of their session for the job that they run.
                    Ok(session) => {
                        let id = agents::job_run_by(db, session.agent.uuid)?;
                        jobs::find(db, id.ok_or(CredentialError::Unknown)?)?
                            .ok_or(CredentialError::Unknown)?
                    }
                    Err(AuthError::Refused(CredentialError::Unknown)) => {
                        return running_at_upstream(db, principal.with_job_token(token));
                    }
                    Err(refused) => return Err(refused.into()),
                },
            };
            running(db, job, principal)
        })
        .await
    }
}

/// Requires that a job is running, and finds what it may do.
fn running(db: &mut Db, job: Job, principal: Principal) -> Result<RunningJob, AccessError> {
    let project = projects::find(db, &ProjectRef::Id(job.project_id))?;
    let project = project.filter(|project| !project.is_gone()).ok_or(CredentialError::Unknown)?;
    principal.audit().set_job_actor(job.id, &project.path, None);
    principal.audit().set_project(&project);
    if !job.status.is_executing() {
        return Err(CredentialError::JobIdle(job.status).into());
    }
    if job.erased_at.is_some() {
        return Err(CredentialError::JobErased.into());
    }
    let user = job.user_id.map(|id| users::find(db, id)).transpose()?.flatten();
    let Project { visibility, public_jobs, .. } = project;
    let grant = match &user {
        Some(user) => {
            let role = projects::role_of(db, project.id, user.id)?;
            let grant = Grant::User { admin: user.admin, role, reach: TokenReach::AllowedJob };
            Some((grant, permissions::Project { visibility, public_jobs }))
        }
        None => None,
    };
    let (job_id, project_path) = (job.id, project.path.clone());
    let actor = user.map(|user| Actor::Job { job_id, project_path, user, asker: None });
    let now = principal.now;
    Ok(RunningJob { job, project, grant, actor, principal, now })
}

/// Finds the running job of a token that only the upstream knows.
fn running_at_upstream(db: &mut Db, principal: Principal) -> Result<RunningJob, AccessError> {
    let actor = principal.authenticate(db)?;
    let Actor::Job { job_id, .. } = &actor else { return Err(CredentialError::Unknown.into()) };
    let job = jobs::find(db, *job_id)?.ok_or(CredentialError::Unknown)?;
    let project = projects::find(db, &ProjectRef::Id(job.project_id))?;
    let project = project.ok_or(CredentialError::Unknown)?;
    principal.audit().set_project(&project);
    let grant = match rights_in(db, &principal, &actor, &project)? {
        Rights::Foreign(rights) => Some(rights.grant()),
        Rights::Registered(_) => None,
    };
    let now = principal.now;
    Ok(RunningJob { job, project, grant, actor: Some(actor), principal, now })
}
