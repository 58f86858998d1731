//! The environment of a running job: what an uploader of any vendor needs to know.

use super::project::of_upstream;
use super::registry::require_registry;
use super::uploads::require_running;
use super::{Access, AccessError, JobAbsence, Principal};
use crate::auth::{self, Credential, CredentialError, Credentials, Shown};
use crate::catalog::Db;
use crate::catalog::foreign;
use crate::catalog::jobs::{self, Job};
use crate::catalog::pipelines::{self, PipelineView};
use crate::catalog::projects::{self, Project};
use crate::domain::build::Slugs;
use crate::domain::project::ProjectRef;
use secrecy::SecretString;

/// A running job with its project and pipeline.
#[derive(Debug)]
pub struct JobEnvironment {
    /// The job.
    pub job: Job,
    /// Its project.
    pub project: Project,
    /// The slugs of its project.
    pub slugs: Slugs,
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
        principal: Principal,
        job_id: i64,
    ) -> Result<JobEnvironment, AccessError> {
        self.catalog
            .read(move |db| {
                let missing = || AccessError::JobNotFound { why: JobAbsence::Nonexistent, may_be_told: true };
                let (token, job) = match own_token(db, &principal.credentials, job_id)? {
                    Some((token, job)) => (Some(token), job),
                    None => {
                        require_registry(db, &principal)?;
                        (None, jobs::find(db, job_id)?.ok_or_else(missing)?)
                    }
                };
                if let Some(upstream) = foreign::upstream_of_job(db, job.id)? {
                    return Err(of_upstream("job", job.id, &upstream));
                }
                require_running(&job)?;
                let project = projects::find(db, &ProjectRef::Id(job.project_id))?;
                let pipeline = pipelines::all_views(db, &[job.pipeline_id])?.pop();
                match (project, pipeline) {
                    (Some(project), Some(pipeline)) => {
                        let slugs = projects::slugs_of(db, project.id)?;
                        let slugs = slugs.unwrap_or_else(|| Slugs::of_path(&project.path));
                        Ok(JobEnvironment { job, project, slugs, pipeline, token })
                    }
                    _ => Err(missing()),
                }
            })
            .await
    }
}

/// Returns the job with its token if one of the credentials is it; `None` if none is a job token.
fn own_token(
    db: &mut Db,
    credentials: &Credentials,
    job_id: i64,
) -> Result<Option<(SecretString, Job)>, AccessError> {
    for credential in &credentials.list {
        let (Credential::Job(Shown::Token(token)) | Credential::PersonalOrJob(Shown::Token(token))) =
            credential
        else {
            continue;
        };
        match auth::find_job(db, token, &credentials.audit)? {
            Some(found) if found.job.id == job_id => return Ok(Some((token.clone(), found.job))),
            Some(_) => return Err(AccessError::TokenOfAnotherJob),
            None if matches!(credential, Credential::Job(_)) => return Err(CredentialError::Unknown.into()),
            None => {}
        }
    }
    Ok(None)
}
