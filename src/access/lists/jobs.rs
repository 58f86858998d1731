//! Lists of jobs, with their readable artifacts.

use super::{Listed, Total, known, one_more, take_page};
use crate::access::project::AuthorizedProject;
use crate::access::{Access, AccessError, JobAbsence, Principal};
use crate::auth::Actor;
use crate::catalog::jobs::JobDetails;
use crate::catalog::jobs::{self, PipelineJobs, ProjectJobs};
use crate::catalog::slice::Slice;
use crate::catalog::{Db, latest};
use crate::domain::Timestamp;
use crate::domain::permissions::Action;
use crate::domain::project::ProjectRef;

impl Access {
    /// Lists a page of a project's jobs; they are not counted. Artifacts that are no longer readable are left
    /// out.
    ///
    /// # Errors
    /// In this order: the credential, the project, the right to read its jobs.
    pub async fn jobs_of_project(
        &self,
        principal: &Principal,
        project: ProjectRef,
        list: ProjectJobs,
        page: Slice,
    ) -> Result<Listed<JobDetails>, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            let mut ids = jobs::of_project(db, project.project.id, &list, one_more(page))?;
            let more = take_page(&mut ids, page);
            let items = project.readable_jobs(db, &ids)?;
            Ok(Listed { items, total: Total::Unknown { more }, project_path: project.project.path })
        })
        .await
    }

    /// Lists a page of a pipeline's jobs, without those of its child pipelines.
    ///
    /// # Errors
    /// As [`Access::jobs_of_project`], then [`AccessError::PipelineNotFound`].
    pub async fn jobs_of_pipeline(
        &self,
        principal: &Principal,
        project: ProjectRef,
        list: PipelineJobs,
        page: Slice,
    ) -> Result<Listed<JobDetails>, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            project.require_pipeline(db, list.pipeline_id)?;
            let (ids, total) = jobs::of_pipeline(db, &list, page)?;
            let items = project.readable_jobs(db, &ids)?;
            Ok(Listed { items, total: known(total), project_path: project.project.path })
        })
        .await
    }

    /// Finds a job, with its project's full path.
    ///
    /// # Errors
    /// As [`Access::jobs_of_project`], then [`AccessError::JobNotFound`].
    pub async fn job(
        &self,
        principal: &Principal,
        project: ProjectRef,
        job_id: i64,
    ) -> Result<(JobDetails, String), AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let actor = principal.authenticate(db)?;
            principal.audit().set_job(job_id);
            let project = AuthorizedProject::find_for(db, &principal, actor, &project, Action::ReadJobs)?;
            let job = project.readable_job(db, job_id)?;
            if job.pipeline.project_id == project.project.id {
                Ok((job, project.project.path))
            } else {
                Err(AccessError::JobNotFound { why: JobAbsence::InOtherProject, may_be_told: true })
            }
        })
        .await
    }

    /// Finds the job whose token was sent, with its project's full path.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`AccessError::JobTokenRequired`] for a user.
    pub async fn current_job(&self, principal: &Principal) -> Result<(JobDetails, String), AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let Actor::Job { job_id, project_path, .. } = principal.authenticate(db)? else {
                return Err(AccessError::JobTokenRequired);
            };
            Ok((readable_job(db, job_id, principal.now)?, project_path))
        })
        .await
    }
}

impl AuthorizedProject {
    /// Returns a job with its readable artifacts.
    pub(in crate::access) fn readable_job(&self, db: &mut Db, id: i64) -> Result<JobDetails, AccessError> {
        readable_job(db, id, self.now)
    }

    fn readable_jobs(&self, db: &mut Db, ids: &[i64]) -> Result<Vec<JobDetails>, AccessError> {
        readable_jobs(db, ids, self.now)
    }
}

fn readable_job(db: &mut Db, id: i64, now: Timestamp) -> Result<JobDetails, AccessError> {
    let missing = AccessError::JobNotFound { why: JobAbsence::Nonexistent, may_be_told: true };
    readable_jobs(db, &[id], now)?.pop().ok_or(missing)
}

fn readable_jobs(db: &mut Db, ids: &[i64], now: Timestamp) -> Result<Vec<JobDetails>, AccessError> {
    let mut found = jobs::all_details(db, ids)?;
    latest::retain_readable(db, &mut found, now)?;
    Ok(found)
}
