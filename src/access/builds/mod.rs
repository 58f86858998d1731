//! Builds that a principal may read and run, for the dialect that numbers them in projects with slugs.
//!
//! What the principal may not read is not found, and left out of lists.

mod artifacts;
mod change;
mod lookup;

pub use artifacts::{BuildArtifact, BuildArtifacts};
pub use change::{BuildChange, CreateBuild};
pub use lookup::{BuildPath, JobPath, JobScope};

use super::lists::{Total, total};
use super::{Access, AccessError, Principal};
use crate::auth::Actor;
use crate::catalog::Db;
use crate::catalog::artifacts::Artifact;
use crate::catalog::builds::{self, Build, BuildList};
use crate::catalog::projects::{self, ProjectDetails};
use crate::catalog::slice::Slice;
use crate::domain::artifact::ArtifactName;
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
}

impl Access {
    /// Lists a page of builds, newest first.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`BuildError::NoOrganization`], [`BuildError::NoPipeline`].
    pub async fn builds(
        &self,
        principal: &Principal,
        scope: BuildScope,
        list: BuildList,
        page: Slice,
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
            let (found, count) = builds::listed(db, &project_ids, &list, page)?;
            let total = total(count, found.len() as i64 == page.limit);
            Ok(ListedBuilds { items: builds::all(db, &found)?, total })
        })
        .await
    }

    /// Finds a build.
    ///
    /// # Errors
    /// As [`Access::builds`], then [`BuildError::NoBuild`].
    pub async fn build(&self, principal: &Principal, path: BuildPath) -> Result<Build, BuildError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = authorized(db, &principal, &path.slugs)?;
            path.find(db, &project)
        })
        .await
    }

    /// Finds a job and its build, and returns the job's number.
    ///
    /// # Errors
    /// As [`Access::build`], then [`BuildError::NoJob`].
    pub async fn job_of_build(
        &self,
        principal: &Principal,
        path: JobPath,
    ) -> Result<(Build, i64), BuildError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let (_, job_id, pipeline_id) = find_job(db, &principal, &path)?;
            principal.audit().set_job(job_id);
            let build = builds::find(db, pipeline_id)?.ok_or(BuildError::NoJob)?;
            Ok((build, job_id))
        })
        .await
    }

    /// Finds the log of a job; `None` if none was stored.
    ///
    /// # Errors
    /// As [`Access::job_of_build`]; [`BuildError::NoJob`] too when the principal may not read the log.
    pub async fn log_of_build_job(
        &self,
        principal: &Principal,
        path: JobPath,
    ) -> Result<Option<Artifact>, BuildError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let (project, job_id, _) = find_job(db, &principal, &path)?;
            principal.audit().set_job(job_id);
            let log = crate::catalog::artifacts::find(db, job_id, &ArtifactName::LOG)?;
            let readable =
                |log: &Artifact| project.decide(Action::ReadArtifact(log.accessibility)) == Decision::Allow;
            match log {
                Some(log) if !readable(&log) => Err(BuildError::NoJob),
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

    /// Lists the projects of an organization that the principal may read.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`BuildError::NoOrganization`].
    pub async fn pipelines_of_organization(
        &self,
        principal: &Principal,
        organization: String,
    ) -> Result<Vec<ListedPipeline>, BuildError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let found = readable(db, &principal, Some(&organization))?;
            Ok(found.into_iter().map(|(details, slugs)| ListedPipeline { details, slugs }).collect())
        })
        .await
    }
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
