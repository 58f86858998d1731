//! Lookup of builds and jobs by slugs, numbers and UUIDs, in the order of the errors.

use super::{BuildError, readable};
use crate::access::foreign::find_meant;
use crate::access::project::AuthorizedProject;
use crate::access::{AccessError, Principal, ProjectAbsence};
use crate::auth::Actor;
use crate::catalog::builds;
use crate::catalog::projects::Project;
use crate::catalog::{Db, projects};
use crate::domain::Uuid;
use crate::domain::build::Slugs;
use crate::domain::permissions::Action;
use crate::domain::project::ProjectRef;

/// A build as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildPath {
    /// The project.
    pub slugs: Slugs,
    /// Its number in the project.
    pub number: i64,
}

/// A job as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPath {
    /// Where it is looked for.
    pub scope: JobScope,
    /// Its UUID.
    pub uuid: Uuid,
}

/// Where a job is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobScope {
    /// In a build.
    Build(BuildPath),
    /// In all builds of an organization.
    Organization(String),
}

impl BuildPath {
    /// Finds the pipeline of the build in its project.
    pub(super) fn id(&self, db: &mut Db, project: &AuthorizedProject) -> Result<i64, BuildError> {
        builds::find_by_number(db, project.project.id, self.number)?.ok_or(BuildError::NoBuild)
    }
}

/// Finds a project whose jobs the principal may read; one that it may only see is not found.
pub(in crate::access) fn authorized(
    db: &mut Db,
    principal: &Principal,
    slugs: &Slugs,
) -> Result<AuthorizedProject, BuildError> {
    let actor = principal.authenticate(db)?;
    let named = projects::find_by_slugs(db, slugs)?;
    if let Some(project) = still_named(db, principal, &actor, named)? {
        match AuthorizedProject::new(db, principal, actor, project, Action::ReadJobs) {
            Ok(found) => return Ok(found),
            Err(AccessError::Forbidden(_) | AccessError::ProjectNotFound(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    readable(db, principal, Some(&slugs.organization))?;
    Err(BuildError::NoPipeline)
}

/// Returns the project with the slugs of a request, unless its upstream has another one at its path by now.
fn still_named(
    db: &mut Db,
    principal: &Principal,
    actor: &Actor,
    named: Option<Project>,
) -> Result<Option<Project>, BuildError> {
    let Some(project) = named else { return Ok(None) };
    let is_asked = project.upstream.is_some()
        && project.upstream.as_deref() == principal.asked().upstream()
        && matches!(actor, Actor::Foreign(_) | Actor::Anonymous);
    if !is_asked || project.is_gone() {
        return Ok(Some(project));
    }
    match find_meant(db, principal, actor, &ProjectRef::Path(project.path.clone())) {
        Ok(meant) => Ok(Some(project).filter(|project| project.id == meant.id)),
        Err(AccessError::Forbidden(_) | AccessError::ProjectNotFound(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// Finds a job: its project, its number and its build's.
pub(in crate::access) fn find_job(
    db: &mut Db,
    principal: &Principal,
    path: &JobPath,
) -> Result<(AuthorizedProject, i64, i64), BuildError> {
    match &path.scope {
        JobScope::Build(build) => {
            let project = authorized(db, principal, &build.slugs)?;
            let number = builds::find_by_number(db, project.project.id, build.number)?;
            let pipeline_id = number.ok_or(BuildError::NoBuild)?;
            let found = builds::job_by_uuid(db, path.uuid)?;
            let found = found.filter(|(_, of, _)| *of == pipeline_id).ok_or(BuildError::NoJob)?;
            Ok((project, found.0, pipeline_id))
        }
        JobScope::Organization(organization) => {
            let actor = principal.authenticate(db)?;
            let missing = |db: &mut Db| {
                readable(db, principal, Some(organization)).map_or_else(|error| error, |_| BuildError::NoJob)
            };
            let Some((job_id, pipeline_id, project_id)) = builds::job_by_uuid(db, path.uuid)? else {
                return Err(missing(db));
            };
            let slugs = projects::slugs_of(db, project_id)?;
            if slugs.is_none_or(|slugs| slugs.organization != *organization) {
                return Err(missing(db));
            }
            let project = projects::find(db, &ProjectRef::Id(project_id))?;
            let project = project.ok_or(AccessError::ProjectNotFound(ProjectAbsence::Nonexistent))?;
            match AuthorizedProject::new(db, principal, actor, project, Action::ReadJobs) {
                Ok(project) => Ok((project, job_id, pipeline_id)),
                Err(AccessError::Forbidden(_) | AccessError::ProjectNotFound(_)) => Err(missing(db)),
                Err(other) => Err(other.into()),
            }
        }
    }
}
