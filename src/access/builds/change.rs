//! Changes of builds: created, canceled, repeated, and their failed jobs tried again.

use super::lookup::{BuildPath, JobPath, authorized, find_job};
use super::{BuildError, BuildJobs, JobDetail, read, with_jobs};
use crate::access::{Access, Principal};
use crate::auth::Actor;
use crate::catalog::Db;
use crate::catalog::builds::{self, Build, BuildFields, CancelOutcome, NewBuild, RetryOutcome};
use crate::domain::Timestamp;
use crate::domain::build::{Slugs, TextMap, as_json};
use crate::domain::permissions::Action;
use crate::domain::status::Status;

/// What the creator of a build says about it.
#[derive(Debug, Clone)]
pub struct CreateBuild {
    /// The branch or tag.
    pub ref_name: String,
    /// The commit, or what stands for one.
    pub sha: String,
    /// Message, environment variables, author and pull request.
    pub fields: BuildFields,
    /// Its meta-data.
    pub meta_data: TextMap,
    /// When it is canceled if nobody runs it.
    pub cancel_at: Option<Timestamp>,
}

/// A change of a build that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildChange {
    /// It is canceled.
    Cancel,
    /// It is created anew; canceled at that time if nobody runs it.
    Rebuild(Option<Timestamp>),
}

impl Access {
    /// Creates a build that waits for somebody to run it.
    ///
    /// # Errors
    /// [`crate::access::AccessError::Credential`], [`BuildError::NoOrganization`], [`BuildError::NoPipeline`],
    /// [`crate::access::AccessError::Forbidden`].
    pub async fn create_build(
        &self,
        principal: &Principal,
        slugs: Slugs,
        new: CreateBuild,
    ) -> Result<Build, BuildError> {
        let (asked, principal, now) = (principal.asked(), principal.clone(), principal.now);
        let allow = move |db: &mut Db| runner(db, &principal, &slugs);
        self.change(asked, allow, move |db, (project_id, user_id)| {
            let new = NewBuild {
                project_id,
                ref_name: new.ref_name,
                tag: false,
                sha: new.sha,
                user_id,
                fields: new.fields,
                meta_data: new.meta_data,
                cancel_at: new.cancel_at,
            };
            let id = builds::create(db, &new, now)?;
            shown(db, id)
        })
        .await
    }

    /// Changes a build, and returns it as it is then; a repeated one is the new one.
    ///
    /// # Errors
    /// As [`Access::create_build`], then [`BuildError::NoBuild`], [`BuildError::NotCancelable`].
    pub async fn change_build(
        &self,
        principal: &Principal,
        path: BuildPath,
        change: BuildChange,
    ) -> Result<Build, BuildError> {
        let (asked, principal, now) = (principal.asked(), principal.clone(), principal.now);
        let allow = move |db: &mut Db| {
            let project = authorized(db, &principal, &path.slugs)?;
            let id = path.id(db, &project)?;
            let build = read(db, &[id], JobDetail::None)?.pop().ok_or(BuildError::NoBuild)?;
            project.require(Action::RunPipelines)?;
            project.require_registered()?;
            let Actor::User(user) = &project.actor else { return Err(BuildError::NoPipeline) };
            Ok((build, user.id))
        };
        self.change(asked, allow, move |db, (build, user_id)| {
            let original = build.build;
            match change {
                BuildChange::Cancel => match builds::cancel(db, original.id, None, now)? {
                    CancelOutcome::Canceled => shown(db, original.id),
                    CancelOutcome::Refused(status) => Err(BuildError::NotCancelable(status)),
                },
                BuildChange::Rebuild(cancel_at) => {
                    let fields = BuildFields {
                        message: Some(original.message.or(build.commit_title)),
                        env: Some(original.env.as_ref().map(as_json).transpose()?),
                        author: Some(original.author.as_ref().map(as_json).transpose()?),
                        pull_request: Some(original.pull_request.as_ref().map(as_json).transpose()?),
                        rebuilt_from: Some(Some(original.id)),
                        cancel_reason: None,
                    };
                    let new = NewBuild {
                        project_id: original.project_id,
                        ref_name: original.ref_name,
                        tag: original.tag,
                        sha: original.sha,
                        user_id,
                        fields,
                        meta_data: TextMap::default(),
                        cancel_at,
                    };
                    let id = builds::create(db, &new, now)?;
                    shown(db, id)
                }
            }
        })
        .await
    }

    /// Tries the jobs of a build again that `wanted` selects, and returns the build and how many they are.
    ///
    /// # Errors
    /// As [`Access::change_build`]; [`BuildError::TooManyJobs`], [`BuildError::BuildCanceled`].
    pub async fn retry_jobs(
        &self,
        principal: &Principal,
        path: BuildPath,
        wanted: impl Fn(&builds::BuildJob) -> bool + Clone + Send + Sync + 'static,
    ) -> Result<(Build, usize), BuildError> {
        let (asked, principal, now) = (principal.asked(), principal.clone(), principal.now);
        let allow = move |db: &mut Db| {
            let project = authorized(db, &principal, &path.slugs)?;
            let id = path.id(db, &project)?;
            project.require(Action::RunPipelines)?;
            project.require_registered()?;
            read(db, &[id], JobDetail::All)?.pop().ok_or(BuildError::NoBuild)
        };
        self.change(asked, allow, move |db, build| {
            if matches!(build.build.status, Status::Canceled | Status::Canceling) {
                return Err(BuildError::BuildCanceled);
            }
            let mut count = 0;
            for job in build.jobs.iter().filter(|job| !job.retried && wanted(job)) {
                if let RetryOutcome::Retried(_) = builds::retry(db, job.id, now)? {
                    count += 1;
                }
            }
            Ok((shown(db, build.build.id)?, count))
        })
        .await
    }

    /// Tries one job again, and returns the new job.
    ///
    /// # Errors
    /// As [`Access::job_of_build`], then [`crate::access::AccessError::Forbidden`],
    /// [`BuildError::JobNotFailed`], [`BuildError::JobSuperseded`], [`BuildError::BuildCanceled`].
    pub async fn retry_job(&self, principal: &Principal, path: JobPath) -> Result<BuildJobs, BuildError> {
        let (asked, principal, now) = (principal.asked(), principal.clone(), principal.now);
        let allow = move |db: &mut Db| {
            let (project, job_id, pipeline_id) = find_job(db, &principal, &path)?;
            project.require(Action::RunPipelines)?;
            project.require_registered()?;
            Ok((job_id, pipeline_id))
        };
        self.change(asked, allow, move |db, (job_id, pipeline_id)| match builds::retry(db, job_id, now)? {
            RetryOutcome::Retried(id) => with_jobs(db, pipeline_id, &[id], false),
            RetryOutcome::NotFailed => Err(BuildError::JobNotFailed),
            RetryOutcome::Superseded => Err(BuildError::JobSuperseded),
            RetryOutcome::BuildCanceled => Err(BuildError::BuildCanceled),
        })
        .await
    }
}

/// Requires the right to run pipelines in a project; returns its number and the user's.
fn runner(db: &mut Db, principal: &Principal, slugs: &Slugs) -> Result<(i64, i64), BuildError> {
    let project = authorized(db, principal, slugs)?;
    project.require(Action::RunPipelines)?;
    project.require_registered()?;
    match &project.actor {
        Actor::User(user) => Ok((project.project.id, user.id)),
        Actor::Anonymous | Actor::Job { .. } | Actor::Foreign(_) | Actor::VouchedJob { .. } => {
            Err(BuildError::NoPipeline)
        }
    }
}

/// Reads a changed build: without its jobs if it has more than one answer may hold, because the change is done.
fn shown(db: &mut Db, id: i64) -> Result<Build, BuildError> {
    let found = match read(db, &[id], JobDetail::All) {
        Err(BuildError::TooManyJobs(_)) => read(db, &[id], JobDetail::None),
        found => found,
    };
    found?.pop().ok_or(BuildError::NoBuild)
}
