//! The environment of a running job: what an uploader of any vendor needs to know.

use super::{Access, AccessError, JobAbsence};
use crate::auth::{self, AcceptedCredentials, Actor, Credential, CredentialError, Credentials, Shown};
use crate::catalog::Db;
use crate::catalog::jobs::{self, Job};
use crate::catalog::pipelines::{self, PipelineView};
use crate::catalog::projects::{self, Project};
use crate::domain::Timestamp;
use crate::domain::project::ProjectRef;
use crate::domain::scope::Scopes;
use secrecy::SecretString;

/// A running job with its project and pipeline.
#[derive(Debug)]
pub struct JobEnvironment {
    /// The job.
    pub job: Job,
    /// Its project.
    pub project: Project,
    /// Its pipeline.
    pub pipeline: PipelineView,
    /// The job's token, if it is the credential of the request.
    pub token: Option<SecretString>,
}

impl Access {
    /// Finds the environment of a running job, for the job itself or an administrator of the registry.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`AccessError::TokenOfAnotherJob`], [`AccessError::NotAdministrator`],
    /// [`AccessError::JobNotFound`], [`AccessError::JobNotRunning`], [`AccessError::JobErased`], in this order.
    pub async fn job_environment(
        &self,
        credentials: Credentials,
        job_id: i64,
        now: Timestamp,
    ) -> Result<JobEnvironment, AccessError> {
        self.read(move |db| {
            let token = own_token(db, &credentials, job_id)?;
            if token.is_none() {
                require_registry_user(db, &credentials, now)?;
            }
            let missing = AccessError::JobNotFound { why: JobAbsence::Nonexistent, may_be_told: true };
            let Some(job) = jobs::find(db, job_id)? else { return Err(missing) };
            if !job.status.is_executing() {
                return Err(AccessError::JobNotRunning(job.status));
            }
            if job.erased_at.is_some() {
                return Err(AccessError::JobErased);
            }
            let project = projects::find(db, &ProjectRef::Id(job.project_id))?;
            let pipeline = pipelines::all_views(db, &[job.pipeline_id])?.pop();
            match (project, pipeline) {
                (Some(project), Some(pipeline)) => Ok(JobEnvironment { job, project, pipeline, token }),
                _ => Err(missing),
            }
        })
        .await
    }
}

/// Returns the job's token if one of the credentials is it; `None` if none is a job token.
fn own_token(
    db: &mut Db,
    credentials: &Credentials,
    job_id: i64,
) -> Result<Option<SecretString>, AccessError> {
    for credential in &credentials.list {
        let (Credential::Job(Shown::Token(token)) | Credential::PersonalOrJob(Shown::Token(token))) =
            credential
        else {
            continue;
        };
        match auth::find_job(db, token, &credentials.audit)? {
            Some(found) if found.job.id == job_id => return Ok(Some(token.clone())),
            Some(_) => return Err(AccessError::TokenOfAnotherJob),
            None if matches!(credential, Credential::Job(_)) => return Err(CredentialError::Unknown.into()),
            None => {}
        }
    }
    Ok(None)
}

fn require_registry_user(db: &mut Db, credentials: &Credentials, now: Timestamp) -> Result<(), AccessError> {
    let accepted = AcceptedCredentials::UserOnly;
    match auth::authenticate(db, credentials, accepted, Scopes::REGISTRY, now)? {
        Actor::User(user) if user.admin => Ok(()),
        _ => Err(AccessError::NotAdministrator),
    }
}
