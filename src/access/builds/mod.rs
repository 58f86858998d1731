//! Builds that a principal may read and run, for the dialect that numbers them in projects with slugs.
//!
//! What the principal may not read is not found, and left out of lists.

mod artifacts;
mod change;
mod lookup;

pub use artifacts::{BuildArtifact, BuildArtifacts};
pub use change::{BuildChange, CreateBuild};
pub use lookup::{BuildPath, JobPath, JobScope};

use std::ops::Range;

use super::lists::{Total, total};
use super::{Access, AccessError, JobLog, Principal};
use crate::auth::Actor;
use crate::catalog::Db;
use crate::catalog::builds::{self, Build, BuildList, Counters, JobOutline};
use crate::catalog::projects::{self, ProjectDetails};
use crate::catalog::slice::Slice;
use crate::domain::artifact::Accessibility;
use crate::domain::build::Slugs;
use crate::domain::permissions::{self, Action, Decision, Grant, TokenReach, authorize};
use crate::domain::status::Status;
use lookup::{authorized, find_job};

/// Why a request about builds is refused.
#[derive(Debug)]
pub enum BuildError {
    /// The credential is refused, the caller lacks the right, or catalog or store failed.
    Access(AccessError),
    /// There is no such organization that the caller may see.
    NoOrganization,
    /// There is no such pipeline that the caller may see.
    NoPipeline,
    /// The pipeline has no such build.
    NoBuild,
    /// There is no such job.
    NoJob,
    /// There is no such artifact.
    NoArtifact,
    /// A build of this status cannot be canceled.
    NotCancelable(Status),
    /// Only a job that failed can be tried again.
    JobNotFailed,
    /// The job was tried again before.
    JobSuperseded,
    /// The jobs of a canceled build cannot be tried again.
    BuildCanceled,
    /// The builds have this number of jobs, more than one answer may hold.
    TooManyJobs(i64),
}

/// The most jobs that one answer holds.
pub const MOST_JOBS: i64 = 20_000;

/// Whether builds are read with their jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobDetail {
    /// With all.
    All,
    /// Without any.
    None,
}

/// Where a page of jobs lies in the list of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobPosition {
    /// At its beginning.
    First,
    /// Right after the job with this number.
    After(i64),
    /// Right before the job with this number.
    Before(i64),
}

/// Some jobs of a build.
#[derive(Debug)]
pub struct BuildJobs {
    /// The build, with these jobs alone.
    pub build: Build,
    /// All attempts of the steps of these jobs, in the order of creation.
    pub attempts: Vec<JobOutline>,
    /// Whether there are jobs after them.
    pub more: bool,
}

impl<E: Into<AccessError>> From<E> for BuildError {
    fn from(error: E) -> Self {
        Self::Access(error.into())
    }
}

/// The builds that a list is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildScope {
    /// Those of all projects.
    All,
    /// Those of an organization.
    Organization(String),
    /// Those of one project.
    Pipeline(Slugs),
}

/// A page of builds.
#[derive(Debug)]
pub struct ListedBuilds {
    /// The builds of the page.
    pub items: Vec<Build>,
    /// Number of builds of the whole list.
    pub total: Total,
}

/// A project with its slugs.
#[derive(Debug, Clone)]
pub struct ListedPipeline {
    /// The project.
    pub details: ProjectDetails,
    /// Its slugs.
    pub slugs: Slugs,
    /// What waits and runs in it.
    pub counters: Counters,
}

impl Access {
    /// Lists a page of builds, newest first.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`BuildError::NoOrganization`], [`BuildError::NoPipeline`],
    /// [`BuildError::TooManyJobs`].
    pub async fn builds(
        &self,
        principal: &Principal,
        scope: BuildScope,
        list: BuildList,
        page: Slice,
        jobs: JobDetail,
    ) -> Result<ListedBuilds, BuildError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project_ids = match scope {
                BuildScope::Pipeline(slugs) => vec![authorized(db, &principal, &slugs)?.project.id],
                BuildScope::Organization(organization) => {
                    ids(&readable(db, &principal, Some(&organization))?)
                }
                BuildScope::All => ids(&readable(db, &principal, None)?),
            };
            let found = builds::listed(db, &project_ids, &list, page)?;
            let total = total(found.count, found.more);
            Ok(ListedBuilds { items: read(db, &found.ids, jobs)?, total })
        })
        .await
    }

    /// Finds a build.
    ///
    /// # Errors
    /// As [`Access::builds`], then [`BuildError::NoBuild`].
    pub async fn build(
        &self,
        principal: &Principal,
        path: BuildPath,
        jobs: JobDetail,
    ) -> Result<Build, BuildError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = authorized(db, &principal, &path.slugs)?;
            let id = path.id(db, &project)?;
            read(db, &[id], jobs)?.pop().ok_or(BuildError::NoBuild)
        })
        .await
    }

    /// Lists at most `limit` of the jobs of a build that `wanted` selects, in the order of creation.
    ///
    /// # Errors
    /// As [`Access::build`].
    pub async fn jobs_of_build(
        &self,
        principal: &Principal,
        path: BuildPath,
        position: JobPosition,
        limit: usize,
        wanted: impl Fn(&JobOutline) -> bool + Clone + Send + 'static,
    ) -> Result<BuildJobs, BuildError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = authorized(db, &principal, &path.slugs)?;
            let id = path.id(db, &project)?;
            let all: Vec<i64> =
                builds::outlines(db, id)?.iter().filter(|job| wanted(job)).map(|job| job.id).collect();
            let start = match position {
                JobPosition::First => 0,
                JobPosition::After(last) => all.partition_point(|id| *id <= last),
                JobPosition::Before(next) => all.partition_point(|id| *id < next).saturating_sub(limit),
            };
            let end = match position {
                JobPosition::Before(next) => all.partition_point(|id| *id < next),
                _ => all.len().min(start.saturating_add(limit)),
            };
            with_jobs(db, id, &all[start..end], end < all.len())
        })
        .await
    }

    /// Finds a job of a build.
    ///
    /// # Errors
    /// As [`Access::build`], then [`BuildError::NoJob`].
    pub async fn job_of_build(&self, principal: &Principal, path: JobPath) -> Result<BuildJobs, BuildError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let (_, job_id, pipeline_id) = find_job(db, &principal, &path)?;
            principal.audit().set_job(job_id);
            with_jobs(db, pipeline_id, &[job_id], false)
        })
        .await
    }

    /// Finds the log of a job, as far as it has come in; `None` if there is none.
    ///
    /// # Errors
    /// As [`Access::job_of_build`]; [`BuildError::NoJob`] too when the principal may not read the log.
    pub async fn log_of_build_job(
        &self,
        principal: &Principal,
        path: JobPath,
    ) -> Result<Option<JobLog>, BuildError> {
        let (principal, catalog) = (principal.clone(), self.catalog.clone());
        self.read(principal.asked(), move |db| {
            let (project, job_id, _) = find_job(db, &principal, &path)?;
            principal.audit().set_job(job_id);
            let log = Self::log(db, &catalog, job_id)?;
            // One that is not whole yet has no accessibility of its own.
            let accessibility = log.as_ref().and_then(JobLog::artifact).map(|log| log.accessibility);
            let action = Action::ReadArtifact(accessibility.unwrap_or(Accessibility::Public));
            match log {
                Some(_) if project.decide(action) != Decision::Allow => Err(BuildError::NoJob),
                log => Ok(log),
            }
        })
        .await
    }

    /// Lists the organizations that have a project which the principal may read.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub async fn organizations(&self, principal: &Principal) -> Result<Vec<String>, BuildError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let mut names: Vec<String> =
                readable(db, &principal, None)?.into_iter().map(|(_, slugs)| slugs.organization).collect();
            names.dedup();
            Ok(names)
        })
        .await
    }

    /// Lists the projects in `window` of an organization that the principal may read, and returns how many there are in
    /// all; only the pipeline of a slug, if one is named.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`BuildError::NoOrganization`].
    pub async fn pipelines_of_organization(
        &self,
        principal: &Principal,
        organization: String,
        pipeline: Option<String>,
        window: Range<usize>,
    ) -> Result<(Vec<ListedPipeline>, usize), BuildError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let mut found = readable(db, &principal, Some(&organization))?;
            found.retain(|(_, slugs)| pipeline.as_ref().is_none_or(|wanted| *wanted == slugs.pipeline));
            let total = found.len();
            let page: Vec<_> = found.into_iter().skip(window.start).take(window.len()).collect();
            let counters = builds::counters(db, &ids(&page))?;
            let listed = page.into_iter().map(|(details, slugs)| ListedPipeline {
                counters: counters.get(&details.project.id).copied().unwrap_or_default(),
                details,
                slugs,
            });
            Ok((listed.collect(), total))
        })
        .await
    }
}

/// Reads builds; with their jobs, if one answer may hold so many.
fn read(db: &mut Db, ids: &[i64], jobs: JobDetail) -> Result<Vec<Build>, BuildError> {
    if jobs == JobDetail::None {
        return Ok(builds::in_outline(db, ids)?);
    }
    match builds::job_count(db, ids)? {
        count if count > MOST_JOBS => Err(BuildError::TooManyJobs(count)),
        _ => Ok(builds::all(db, ids)?),
    }
}

/// Reads a build with these jobs alone.
pub(in crate::access) fn with_jobs(
    db: &mut Db,
    pipeline_id: i64,
    job_ids: &[i64],
    more: bool,
) -> Result<BuildJobs, BuildError> {
    let build = builds::in_outline(db, &[pipeline_id])?.pop().ok_or(BuildError::NoBuild)?;
    let jobs = builds::jobs_by_id(db, job_ids)?;
    let mut names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let attempts = builds::attempts(db, pipeline_id, &names)?;
    Ok(BuildJobs { build: Build { jobs, ..build }, attempts, more })
}

/// Lists the projects whose jobs the principal may read, of one organization or of all.
fn readable(
    db: &mut Db,
    principal: &Principal,
    organization: Option<&str>,
) -> Result<Vec<(ProjectDetails, Slugs)>, BuildError> {
    let actor = principal.authenticate_alone(db)?;
    let Actor::User(user) = &actor else { return Ok(Vec::new()) };
    let mut found = projects::of_organization(db, organization)?;
    let all: Vec<i64> = found.iter().map(|(details, _)| details.project.id).collect();
    let roles = projects::roles(db, user.id, &all)?;
    found.retain(|(details, _)| {
        let role = roles.get(&details.project.id).copied();
        let grant = Grant::User { admin: user.admin, role, reach: TokenReach::Unrestricted };
        let (visibility, public_jobs) = (details.project.visibility, details.project.public_jobs);
        let project = permissions::Project { visibility, public_jobs };
        authorize(grant, Action::ReadJobs, project) == Decision::Allow
    });
    if found.is_empty() && organization.is_some() {
        return Err(BuildError::NoOrganization);
    }
    Ok(found)
}

fn ids(projects: &[(ProjectDetails, Slugs)]) -> Vec<i64> {
    projects.iter().map(|(details, _)| details.project.id).collect()
}
